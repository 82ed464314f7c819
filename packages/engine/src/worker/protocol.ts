/**
 * The messages between a session's owner and the worker that runs it; the same in Node and in the browser.
 *
 * Every request carries an `id` that its one reply repeats. Requests of one session are answered in order.
 * Tensors travel as the `Tensor` values of @assay/graph; their bytes are transferred, not copied, on the way back.
 */
import type { ElementType, Tensor } from '@assay/graph';
import type { EngineErrorKind } from '../errors.ts';

/** Tensors by the name of an input or output. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Which build of ONNX Runtime runs a graph: `node` is onnxruntime-node (native), `web` onnxruntime-web (wasm). */
export type RuntimeName = 'node' | 'web';

/** An input or output as the runtime reports it; a dimension known only at run time is its name, or `''`. */
export interface Port {
  readonly name: string;
  readonly elementType: ElementType;
  readonly shape: readonly (number | string)[];
}

/** An execution provider that was tried and did not start. */
export interface FailedProvider {
  readonly provider: string;
  readonly reason: string;
}

/** What the owner asks for. */
export type Request =
  /** Loads a runtime; nothing else may be asked before. `auto` takes `node` and, where that is missing, `web`. */
  | { readonly kind: 'start'; readonly id: number; readonly runtime: RuntimeName | 'auto' }
  /** Makes a session of an encoded model with the first of the providers that starts. */
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly session: number;
      readonly model: Uint8Array;
      /** Empty: the runtime's own default. */
      readonly providers: readonly string[];
      readonly threads: number;
      readonly optimize: boolean;
    }
  /** Runs the graph once per element of `feeds`. */
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly session: number;
      readonly feeds: readonly Tensors[];
      /** Outputs to send back; those carried are kept whether listed or not. */
      readonly outputs: readonly string[];
    }
  /** Keeps tensors as inputs of every following run, and says which outputs replace them. */
  | {
      readonly kind: 'hold';
      readonly id: number;
      readonly session: number;
      readonly state: Tensors;
      /** Input name by output name. */
      readonly carry: Readonly<Record<string, string>>;
    }
  /** Reads held tensors back. */
  | {
      readonly kind: 'held';
      readonly id: number;
      readonly session: number;
      readonly names: readonly string[];
    }
  /** Stops the `run` request `target` before its next step; that request is then answered with the steps done. */
  | { readonly kind: 'cancel'; readonly id: number; readonly target: number }
  /** Frees one session. */
  | { readonly kind: 'close'; readonly id: number; readonly session: number }
  /** Frees everything; the worker ends after the reply. */
  | { readonly kind: 'stop'; readonly id: number };

/** What a request gives, by the request's kind. */
export interface Answers {
  start: { readonly runtime: RuntimeName; readonly fallbackReason: string | undefined };
  open: {
    readonly provider: string;
    readonly failed: readonly FailedProvider[];
    readonly inputs: readonly Port[];
    readonly outputs: readonly Port[];
  };
  run: { readonly results: readonly Tensors[] };
  hold: undefined;
  held: { readonly state: Tensors };
  cancel: undefined;
  close: undefined;
  stop: undefined;
}

/** A failure in a form that survives structured cloning. */
export interface Failure {
  readonly kind: EngineErrorKind;
  readonly message: string;
  readonly node: string | undefined;
  readonly op: string | undefined;
}

/** What the worker answers. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: Answers[keyof Answers] }
  | { readonly id: number; readonly ok: false; readonly failure: Failure };
