/** The machine that a measurement was taken on, in words that say what matters and nothing more. */

import { createRequire } from 'node:module';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { z } from 'zod';
import { findPython } from './peer.ts';

export interface Machine {
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly torch: string | undefined;
  readonly python: string | undefined;
}

export function machine(): Machine {
  const python = findPython();
  return {
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    onnxruntime: versionOf('onnxruntime-node'),
    torch: python?.torch,
    python: python?.python,
  };
}

/** The machine on one line. */
export function machineText({
  cores,
  memoryGigabytes,
  platform,
  node,
  onnxruntime,
  torch,
  python,
}: Machine): string {
  const peer = torch === undefined ? 'torch not found' : `PyTorch ${torch} (Python ${python})`;
  return `${cores} cores, ${memoryGigabytes} GiB, ${platform} · Node ${node} · ONNX Runtime ${onnxruntime} · ${peer}`;
}

/** The load averages of the last 1, 5 and 15 minutes: what else the machine was doing. */
export function loadText(): string {
  return loadavg()
    .map((load) => load.toFixed(1))
    .join(', ');
}

function versionOf(name: string): string {
  // From the package that depends on it, wherever npm has put it.
  const require = createRequire(new URL('../packages/engine/package.json', import.meta.url));
  return z.object({ version: z.string() }).parse(require(`${name}/package.json`)).version;
}
