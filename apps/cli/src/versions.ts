/** What runs: versions of the command, of Node and of the runtime, for evidence. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface Versions {
  readonly assay: string;
  readonly node: string;
  /** Undefined where the native runtime is not installed. */
  readonly onnxruntime: string | undefined;
}

/** The versions of this process. */
export function versions(): Versions {
  return {
    assay: versionIn(new URL('../package.json', import.meta.url)) ?? 'unknown',
    node: process.versions.node,
    onnxruntime: runtimeVersion(),
  };
}

function runtimeVersion(): string | undefined {
  try {
    const engine = createRequire(import.meta.resolve('@assay/engine'));
    return versionIn(engine.resolve('onnxruntime-node/package.json'));
  } catch {
    return undefined;
  }
}

function versionIn(manifest: string | URL): string | undefined {
  const parsed: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  return typeof parsed === 'object' &&
    parsed !== null &&
    'version' in parsed &&
    typeof parsed.version === 'string'
    ? parsed.version
    : undefined;
}
