/** One pass over a file: its digest, its first bytes, and the encoding of its text. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '../errors.ts';
import type { Watch } from '../progress.ts';

/** A file as it was when it was read. */
export interface ScannedFile {
  /** Absolute path. */
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  /** Time of the last change, in milliseconds; with `bytes` it tells whether the file is still the same. */
  readonly modified: number;
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly sha256: string;
}

/** How text is written: what was found, not what the name promises. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'latin-1';

/** Bytes at the start of a file (uncompressed) from which format and columns are told. */
const HEAD_BYTES = 1024 * 1024;

/** Digest only. */
export async function digestFile(path: string, watch: Watch = {}): Promise<ScannedFile> {
  const { file } = await scan(path, false, undefined, watch);
  return file;
}

/** Digest, head and encoding of a text file; `gzip` says whether it is compressed. */
export async function scanText(
  path: string,
  gzip: boolean,
  watch: Watch = {},
): Promise<{
  readonly file: ScannedFile;
  readonly head: Uint8Array;
  readonly encoding: TextEncoding;
  readonly whole: boolean;
}> {
  const text = new TextCensus();
  const { file } = await scan(path, gzip, text, watch);
  return { file, head: text.head(), encoding: text.encoding(file.name), whole: text.length <= HEAD_BYTES };
}

/** Throws unless the file is still the one that was scanned. */
export async function requireUnchanged(file: ScannedFile): Promise<void> {
  const now = await statFile(file.path);
  if (now.size !== file.bytes || now.mtimeMs !== file.modified) {
    throw new DataError(
      'file-changed',
      `${file.name} changed while it was being read; run again when nothing writes to it.`,
      {
        file: file.name,
      },
    );
  }
}

/** Size and time of a regular file. */
export async function statFile(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
  const name = basename(path);
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(path);
  } catch (cause) {
    throw new DataError('file-not-found', `There is no file ${path}.`, { file: name }, { cause });
  }
  if (found.isDirectory())
    throw new DataError('file-not-found', `${path} is a folder, not a file.`, { file: name });
  // A pipe or device would be read twice with different content, or for ever.
  if (!found.isFile())
    throw new DataError('file-unreadable', `${path} is not a regular file.`, { file: name });
  return found;
}

async function scan(
  path: string,
  gzip: boolean,
  text: TextCensus | undefined,
  { onProgress, signal }: Watch,
): Promise<{ readonly file: ScannedFile }> {
  const before = await statFile(path);
  const name = basename(path);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* raw(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      signal?.throwIfAborted();
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      bytes += chunk.length;
      onProgress?.({ step: `reading ${name}`, done: bytes, total: before.size, unit: 'bytes' });
      yield chunk;
    }
  }
  try {
    const take = async (chunks: AsyncIterable<unknown>): Promise<void> => {
      for await (const chunk of chunks) if (Buffer.isBuffer(chunk)) text?.take(chunk);
    };
    await (gzip && text !== undefined ? pipeline(raw, createGunzip(), take) : pipeline(raw, take));
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof DataError) throw cause;
    const what = gzip ? 'cannot be read, or is not a whole gzip file' : 'cannot be read';
    throw new DataError('file-unreadable', `${path} ${what}.`, { file: name }, { cause });
  }
  const file = { path, name, bytes, modified: before.mtimeMs, sha256: hash.digest('hex') };
  await requireUnchanged({ ...file, bytes: before.size });
  return { file };
}

/** Watches bytes go by and knows in the end how the text is encoded. */
class TextCensus {
  length = 0;
  #head: Buffer[] = [];
  #carry: Buffer = Buffer.alloc(0);
  #utf8 = true;
  #nul = false;
  #c1 = false;

  take(chunk: Buffer): void {
    if (this.length < HEAD_BYTES) this.#head.push(chunk.subarray(0, HEAD_BYTES - this.length));
    this.length += chunk.length;
    this.#nul ||= chunk.includes(0);
    if (this.#utf8) {
      const all = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
      const complete = completeUtf8Length(all);
      this.#utf8 = isUtf8(all.subarray(0, complete));
      this.#carry = Buffer.from(all.subarray(complete));
    }
    if (!this.#utf8 && !this.#c1) this.#c1 = chunk.some((byte) => byte >= 0x80 && byte <= 0x9f);
  }

  head(): Uint8Array {
    return Buffer.concat(this.#head);
  }

  encoding(name: string): TextEncoding {
    const [first, second] = this.head();
    if (first === 0xff && second === 0xfe) return 'utf-16le';
    const refuse = (what: string): DataError =>
      new DataError('unsupported-encoding', `${name} ${what} Save it as UTF-8 and try again.`, {
        file: name,
      });
    if (first === 0xfe && second === 0xff)
      throw refuse('is text in big-endian UTF-16, which cannot be read.');
    if (this.#nul)
      throw refuse('contains NUL bytes: it is no text file, or UTF-16 or UTF-32 without a byte order mark.');
    if (this.#utf8 && this.#carry.length === 0) return 'utf-8';
    if (this.#c1)
      throw refuse('is neither UTF-8 nor Latin-1 (ISO 8859-1); it may be Windows-1252 or another encoding.');
    return 'latin-1';
  }
}

/** Length of the longest prefix that does not end inside a UTF-8 sequence. */
function completeUtf8Length(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}
