/** A folder of files for one test file, removed when its tests are done. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { DataError, type DataErrorCode } from '../src/index.ts';

export function testFolder(): {
  readonly path: string;
  readonly write: (name: string, content: string | Uint8Array) => string;
} {
  const path = mkdtempSync(join(tmpdir(), 'assay-data-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    write: (name, content) => {
      const file = join(path, name);
      writeFileSync(file, content);
      return file;
    },
  };
}

/** The error that the work ends with, which has to be a DataError of this code. */
export async function failure(
  work: Promise<unknown> | (() => unknown),
  code: DataErrorCode,
): Promise<DataError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    expect(error.code).toBe(code);
    return error;
  }
  throw new Error(`expected the error ${code}, and there was none`);
}
