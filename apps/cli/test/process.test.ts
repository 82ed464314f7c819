/** The command as a process of its own: exit codes, streams, interruption. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { describedModel, peopleCsv } from './support/people.ts';
import { temporaryFolder } from './support/world.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function start(argv: readonly string[]) {
  return spawn(process.execPath, ['--conditions=@assay/source', MAIN, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ended(
  child: ReturnType<typeof start>,
): Promise<{ code: number | null; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  return { code, out, err };
}

describe('the process', () => {
  it('ends with the exit code, and its output is whole', async () => {
    await using folder = await temporaryFolder();
    const model = await folder.write('model.onnx', describedModel());
    const { code, out } = await ended(start(['inspect', model, '--json']));
    expect(code).toBe(0);
    expect(JSON.parse(out)).toHaveProperty('parameters');
    expect((await ended(start(['inspect', folder.file('none.onnx')]))).code).toBe(3);
    expect((await ended(start(['nonsense']))).code).toBe(2);
  });

  it('ends quietly when its reader goes away', async () => {
    await using folder = await temporaryFolder();
    const model = await folder.write('model.onnx', describedModel());
    const data = await folder.write('people.csv', peopleCsv(60_000));
    const child = start(['predict', model, '--data', data, '-o', '-', '-q']);
    child.stdout.once('data', () => child.stdout.destroy());
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const code = await new Promise((resolve) => {
      child.on('close', resolve);
    });
    expect(code).toBe(0);
    expect(err).toBe('');
  });

  it('stopped by Ctrl-C ends with 130, and leaves the model and nothing else', async () => {
    await using folder = await temporaryFolder();
    const data = await folder.write('people.csv', peopleCsv(20_000));
    const out = folder.file('model.onnx');
    const child = start(['train', data, '--target', 'approved', '--epochs', '1000', '-o', out]);
    const end = ended(child);
    // Five seconds in, without a terminal, the first line about progress is written.
    child.stderr.on('data', (chunk) => {
      if (String(chunk).includes('Training')) child.kill('SIGINT');
    });
    const { code, err } = await end;
    expect(code).toBe(130);
    expect(err).toMatch(/Stopped\. No unfinished file was left\./);
    expect(await folder.names()).toEqual(['people.csv']);
  });
});
