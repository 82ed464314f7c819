/** Where a published file is: in the data directory, in the cache, or fetched from its origin into the cache. */
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError } from '../errors.ts';
import type { Watch } from '../progress.ts';
import { digestFile, type ScannedFile } from '../table/scan.ts';
import type { PublishedFile } from './catalog.ts';

/** Where published files are looked for, in this order. */
export interface LocateOptions extends Watch {
  /** Folder that has the files, as `tabular/adult.data` or `adult.data`; by default the environment variable `ASSAY_DATA`. */
  readonly dataDir?: string;
  /** Folder that fetched files are kept in; by default `ASSAY_CACHE`, else `assay` in `XDG_CACHE_HOME` or `~/.cache`. */
  readonly cacheDir?: string;
  /** False to fetch nothing. */
  readonly download?: boolean;
  /** Address to fetch from instead of the published one (a mirror, a test server). */
  readonly origin?: (file: PublishedFile) => string;
  /** Longest wait for the server to answer or go on, in milliseconds; 30,000 by default. */
  readonly timeout?: number;
}

/** A published file on this machine, with size and SHA-256 as published; `from` says how it was had. */
export interface LocatedFile extends ScannedFile {
  readonly from: 'data-directory' | 'cache' | 'origin';
}

/** The folder for fetched files. */
export function cacheDirectory(given?: string, environment: NodeJS.ProcessEnv = process.env): string {
  const own = given ?? environment.ASSAY_CACHE;
  if (own !== undefined && own !== '') return resolve(own);
  const shared = environment.XDG_CACHE_HOME;
  return join(shared !== undefined && shared !== '' ? resolve(shared) : join(homedir(), '.cache'), 'assay');
}

/**
 * Finds a published file, fetching it if need be.
 *
 * @throws DataError `checksum` if the file that was found or fetched is not the published one, `download` if it cannot be had
 */
export async function locate(file: PublishedFile, options: LocateOptions = {}): Promise<LocatedFile> {
  const dataDir = options.dataDir ?? process.env.ASSAY_DATA;
  if (dataDir !== undefined && dataDir !== '') {
    for (const path of [resolve(dataDir, file.path), resolve(dataDir, basename(file.path))]) {
      if (await exists(path)) return { ...(await checked(path, file, options)), from: 'data-directory' };
    }
  }
  const cached = join(cacheDirectory(options.cacheDir), file.path);
  if (await exists(cached)) return { ...(await checked(cached, file, options)), from: 'cache' };
  if (options.download === false) throw unavailable(file, 'it is not on this machine and may not be fetched');
  await fetchInto(cached, file, options);
  return { ...(await checked(cached, file, options)), from: 'origin' };
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function checked(path: string, published: PublishedFile, watch: Watch): Promise<ScannedFile> {
  const found = await digestFile(path, watch);
  if (found.sha256 !== published.sha256) throw wrongFile(path, published, found.bytes, found.sha256);
  return found;
}

function wrongFile(where: string, published: PublishedFile, bytes: number, sha256: string): DataError {
  return new DataError(
    'checksum',
    `${where} is not the published ${basename(published.path)}: expected ${published.bytes} bytes with SHA-256 ${published.sha256}, found ${bytes} bytes with ${sha256}. Delete it to have it fetched again.`,
    { file: basename(published.path) },
  );
}

function unavailable(file: PublishedFile, why: string, cause?: unknown): DataError {
  return new DataError(
    'download',
    `${basename(file.path)} cannot be had: ${why}. Fetch it from ${file.url} yourself and say in which folder it is (--data-dir, or ASSAY_DATA).`,
    { file: basename(file.path) },
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Fetches into a file beside the target and renames it when size and digest are right, so that the cache never holds half a
 * file, whatever else fetches at the same time.
 */
async function fetchInto(target: string, file: PublishedFile, options: LocateOptions): Promise<void> {
  const { onProgress, signal } = options;
  const url = options.origin?.(file) ?? file.url;
  const timeout = options.timeout ?? 30_000;
  const name = basename(file.path);
  signal?.throwIfAborted();
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), timeout);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), timeout);
  };
  const part = `${target}.${randomUUID()}.part`;
  try {
    const response = await fetch(url, {
      redirect: 'follow',
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    });
    if (!response.ok || response.body === null)
      throw unavailable(file, `its server answered ${response.status}`);
    await mkdir(dirname(target), { recursive: true });
    const out = await open(part, 'wx');
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const chunk of response.body) {
        alive();
        bytes += chunk.length;
        // The size is known: what is longer is not the file, and is not written to the disk.
        if (bytes > file.bytes) throw unavailable(file, 'its server sends more than the published file has');
        hash.update(chunk);
        await out.write(chunk);
        onProgress?.({ step: `fetching ${name}`, done: bytes, total: file.bytes, unit: 'bytes' });
      }
      await out.sync();
    } finally {
      await out.close();
    }
    const sha256 = hash.digest('hex');
    if (bytes !== file.bytes || sha256 !== file.sha256)
      throw wrongFile(`What ${new URL(url).host} sent`, file, bytes, sha256);
    await rename(part, target);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof DataError) throw cause;
    if (stalled.signal.aborted)
      throw unavailable(file, `its server did not answer for ${timeout / 1000} seconds`, cause);
    throw unavailable(file, 'its server cannot be reached, or the cache cannot be written', cause);
  } finally {
    clearTimeout(timer);
    await rm(part, { force: true });
  }
}
