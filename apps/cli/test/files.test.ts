/** Files out, and checkpoints: whole or not at all. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FileCheckpoints } from '../src/checkpoints.ts';
import { draft, planFile, writeWhole } from '../src/files.ts';
import { createFile, type Io } from '../src/io.ts';
import { systemError, temporaryFolder } from './support/world.ts';

const silent = { isTTY: false, columns: undefined, write: async () => {} };
const io: Io = {
  stdout: silent,
  stderr: silent,
  environment: {},
  signal: new AbortController().signal,
  checkpointSeconds: 5,
  createFile,
};
const encode = (text: string) => new TextEncoder().encode(text);

describe('a file', () => {
  it('appears under its name all at once, with its digest', async () => {
    await using folder = await temporaryFolder();
    const planned = await planFile(io, folder.file('out.txt'));
    expect(await folder.names()).toEqual([]);
    const file = await draft(io, planned);
    await file.write(encode('a'));
    expect(await folder.names()).not.toContain('out.txt');
    await file.write(encode('bc'));
    const { bytes, digest } = await file.commit();
    expect(await folder.names()).toEqual(['out.txt']);
    expect(bytes).toBe(3);
    // The published test vector of SHA-256 for "abc" (FIPS 180-4).
    expect(digest).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('that is discarded leaves nothing', async () => {
    await using folder = await temporaryFolder();
    const file = await draft(io, await planFile(io, folder.file('out.txt')));
    await file.write(encode('abc'));
    await file.discard();
    expect(await folder.names()).toEqual([]);
  });

  it('does not get its name if the check on it fails', async () => {
    await using folder = await temporaryFolder();
    const planned = await planFile(io, folder.file('out.txt'));
    const writing = writeWhole(io, planned, encode('abc'), async (path) => {
      expect(await readFile(path, 'utf8')).toBe('abc');
      throw new Error('not what was promised');
    });
    await expect(writing).rejects.toThrow('not what was promised');
    expect(await folder.names()).toEqual([]);
  });

  it('that appears while the work goes on is not replaced', async () => {
    await using folder = await temporaryFolder();
    const planned = await planFile(io, folder.file('out.txt'));
    await folder.write('out.txt', 'of somebody else');
    await expect(writeWhole(io, planned, encode('abc'))).rejects.toThrow('appeared in the meantime');
    expect(await readFile(folder.file('out.txt'), 'utf8')).toBe('of somebody else');
    expect(await folder.names()).toEqual(['out.txt']);
  });

  it('that was to be replaced stays whole if the disk becomes full', async () => {
    await using folder = await temporaryFolder();
    await folder.write('out.txt', 'old');
    const planned = await planFile(io, folder.file('out.txt'), { force: true });
    const full: Io = {
      ...io,
      createFile: async (path) => ({
        ...(await createFile(path)),
        finish: () => Promise.reject(systemError('ENOSPC')),
      }),
    };
    await expect(writeWhole(full, planned, encode('new'))).rejects.toThrow('the disk is full');
    expect(await readFile(folder.file('out.txt'), 'utf8')).toBe('old');
    expect(await folder.names()).toEqual(['out.txt']);
  });
});

describe('checkpoints', () => {
  it('are kept until the result is written, then removed with their folder', async () => {
    await using folder = await temporaryFolder();
    const first = new FileCheckpoints(io, folder.file('out.onnx'));
    expect(await first.load('run')).toBeUndefined();
    expect(first.wasResumed).toBe(false);
    await first.save('run', encode('one'));
    await first.save('run', encode('two'));
    expect(await folder.names()).toEqual(['.assay']);

    const second = new FileCheckpoints(io, folder.file('out.onnx'));
    expect(new TextDecoder().decode(await second.load('run'))).toBe('two');
    expect(second.wasResumed).toBe(true);
    expect(await second.load('another run')).toBeUndefined();
    await second.clear('run');
    expect(await folder.names()).toEqual(['.assay']);
    await second.finish();
    expect(await folder.names()).toEqual([]);
  });

  it('of another run beside it stay', async () => {
    await using folder = await temporaryFolder();
    const one = new FileCheckpoints(io, folder.file('a.onnx'));
    const other = new FileCheckpoints(io, folder.file('b.onnx'));
    await one.save('a', encode('a'));
    await other.save('b', encode('b'));
    await one.finish();
    expect(new TextDecoder().decode(await other.load('b'))).toBe('b');
  });
});
