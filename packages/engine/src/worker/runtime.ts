/** Loads one of the two builds of ONNX Runtime, which share one API, and opens native sessions on it. */
import type * as Ort from 'onnxruntime-web';
import { EngineError } from '../errors.ts';
import { isNode } from './environment.ts';
import { modelFailure } from './failures.ts';
import type { FailedProvider, Port, RuntimeName } from './protocol.ts';

/** The functions of the runtime's package that are used here. */
export type OrtModule = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>;

/** A loaded build of ONNX Runtime. */
export interface Runtime {
  readonly name: RuntimeName;
  readonly module: OrtModule;
}

/** A session of the runtime, the provider that runs it, and those that did not start. */
export interface OpenedModel {
  readonly session: Ort.InferenceSession;
  readonly provider: string;
  readonly failed: readonly FailedProvider[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Execution providers that a build knows by name; whether one starts is only known by trying. */
export const KNOWN_PROVIDERS: Readonly<Record<RuntimeName, readonly string[]>> = {
  node: ['cpu', 'webgpu', 'cuda', 'tensorrt', 'dml', 'coreml', 'qnn'],
  web: ['wasm', 'cpu', 'webgpu', 'webnn'],
};

const DEFAULT_PROVIDERS: Readonly<Record<RuntimeName, readonly string[]>> = { node: ['cpu'], web: ['wasm'] };

/** Severity 4: nothing below "fatal" is printed; the runtime's log lines can quote data values. */
export const SILENT = 4;

/**
 * Loads a runtime.
 *
 * @param requested `auto` takes onnxruntime-node and, where it is missing or does not load, onnxruntime-web
 * @throws EngineError if the runtime asked for cannot be loaded
 */
export async function loadRuntime(
  requested: RuntimeName | 'auto',
): Promise<{ runtime: Runtime; fallbackReason: string | undefined }> {
  if (requested === 'web' || (requested === 'auto' && !isNode()))
    return { runtime: await loadWeb(), fallbackReason: undefined };
  try {
    return { runtime: await loadNode(), fallbackReason: undefined };
  } catch (error) {
    const reason =
      error instanceof Error && isMissing(error) ? 'it is not installed' : 'its native library does not load';
    if (requested === 'auto') {
      return { runtime: await loadWeb(), fallbackReason: `onnxruntime-node is not used: ${reason}` };
    }
    throw new EngineError(
      'provider',
      `onnxruntime-node cannot be used: ${reason}. Install it, or choose the runtime "web" (slower).`,
    );
  }
}

async function loadNode(): Promise<Runtime> {
  // A name in a variable keeps bundlers for the browser from following an import that never runs there.
  const name: string = 'onnxruntime-node';
  const module = asOrtModule(await import(/* @vite-ignore */ name));
  module.env.logLevel = 'fatal';
  useUint16ForFloat16(module);
  return { name: 'node', module };
}

/**
 * The package maps float16 to `Float16Array` where the engine has it, but its native half reads `Uint16Array` only. It
 * decides once, when the first tensor is made; so the first is made while the newer type is out of sight.
 */
function useUint16ForFloat16(module: OrtModule): void {
  const property = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array');
  if (property === undefined) return;
  Reflect.deleteProperty(globalThis, 'Float16Array');
  try {
    new module.Tensor('float32', new Float32Array(1), [1]);
  } finally {
    Object.defineProperty(globalThis, 'Float16Array', property);
  }
}

async function loadWeb(): Promise<Runtime> {
  const module = asOrtModule(await import('onnxruntime-web'));
  module.env.logLevel = 'fatal';
  // Further threads need cross-origin isolation in a browser, and did not help on two cores.
  module.env.wasm.numThreads = 1;
  return { name: 'web', module };
}

/** CommonJS packages put their exports under `default`. */
function asOrtModule(module: unknown): OrtModule {
  if (isOrtModule(module)) return module;
  if (typeof module === 'object' && module !== null && 'default' in module && isOrtModule(module.default)) {
    return module.default;
  }
  throw new TypeError('the package is not a build of ONNX Runtime');
}

function isOrtModule(module: unknown): module is OrtModule {
  return (
    typeof module === 'object' &&
    module !== null &&
    'InferenceSession' in module &&
    'Tensor' in module &&
    'env' in module
  );
}

function isMissing(error: Error): boolean {
  return 'code' in error && (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND');
}

/**
 * Opens a session with the first provider that starts.
 *
 * @param providers names in order of preference; empty for the build's default (`cpu` or `wasm`)
 * @param threads threads inside one op
 * @param optimize whether the runtime may fuse and fold; off only to look for faults
 * @throws EngineError of kind `provider` for an unknown name or if none starts, `model` if the model is refused
 */
export async function openModel(
  runtime: Runtime,
  model: Uint8Array,
  providers: readonly string[],
  threads: number,
  optimize: boolean,
): Promise<OpenedModel> {
  const known = KNOWN_PROVIDERS[runtime.name];
  for (const provider of providers) {
    if (!known.includes(provider)) {
      throw new EngineError(
        'provider',
        `"${provider}" is no execution provider of the runtime "${runtime.name}"; it knows ${known.join(', ')}.`,
      );
    }
  }
  const order = providers.length > 0 ? providers : DEFAULT_PROVIDERS[runtime.name];
  const failed: FailedProvider[] = [];
  let last: EngineError | undefined;
  for (const provider of order) {
    try {
      const session = await runtime.module.InferenceSession.create(model, {
        executionProviders: [provider],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: optimize ? 'all' : 'disabled',
        logSeverityLevel: SILENT,
      });
      const inputs = portsOf(session.inputMetadata);
      const outputs = portsOf(session.outputMetadata);
      return {
        session,
        provider: runtime.name === 'web' && provider === 'cpu' ? 'wasm' : provider,
        failed,
        inputs,
        outputs,
      };
    } catch (error) {
      last = modelFailure(error);
      failed.push({ provider, reason: last.message });
    }
  }
  if (last !== undefined && (order.length === 1 || failed.every(({ reason }) => reason === last.message))) {
    if (last.kind === 'model') throw last;
  }
  const reasons = failed.map(({ provider, reason }) => `${provider}: ${reason}`).join(' ');
  throw new EngineError('provider', `No execution provider could be started. ${reasons}`);
}

function portsOf(metadata: readonly Ort.InferenceSession.ValueMetadata[]): Port[] {
  return metadata.map((value) => {
    if (!value.isTensor) {
      throw new EngineError(
        'model',
        `"${value.name}" is no tensor; only tensors can be fed to or read from a session.`,
      );
    }
    return { name: value.name, elementType: value.type, shape: value.shape.map((dim) => dim ?? '') };
  });
}
