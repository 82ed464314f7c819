/** How a client unlearns: by `unlearn()` of @assay/unlearn, on its own rows. */
import type { SessionOptions } from '@assay/engine';
import { quoted, type Tensor, withInitializers } from '@assay/graph';
import {
  type Classifier,
  type Feature,
  isVisual,
  type MethodName,
  type Rows,
  TARGET_SENSITIVITY,
  type UnlearnRequest,
  unlearn,
} from '@assay/unlearn';
import type { ForgetTask, Forgotten } from '../client.ts';
import { FederationError } from '../errors.ts';

/**
 * A repetition aims at the same part of the original sensitivity, of which little is left: the same part of that would be asked for
 * at any price. But it lowers what is left to a tenth at least, so that it lasts for some rounds.
 */
const LARGEST_TARGET = 0.1;

export interface UnlearnerOptions {
  /** The federation's model; the weights are those that the server hands over. */
  readonly classifier: Classifier;
  /** All features of the model. */
  readonly features: readonly Feature[];
  /** The client's rows. */
  readonly rows: Rows;
  /** Rows that the client measures on, and that are not among the others. */
  readonly test: Rows;
  /** Default `auto`. */
  readonly method?: MethodName | 'auto';
  readonly seed: number;
  /** Everything else that `unlearn` can be told. */
  readonly settings?: Partial<
    Pick<UnlearnRequest, 'teacher' | 'useLabels' | 'targetSensitivity' | 'maxAccuracyDrop' | 'onProgress'>
  >;
  readonly session?: SessionOptions;
}

/**
 * A client's answer to its own request.
 *
 * @returns a function that rejects with a FederationError of kind `client` where the feature is not known, or what was unlearned
 *   cannot be said in weights alone; with an UnlearnError where it cannot be unlearned
 */
export function unlearner(
  options: UnlearnerOptions,
): (task: ForgetTask, signal: AbortSignal) => Promise<Forgotten> {
  const { classifier, features, rows, test, seed, settings = {}, session } = options;
  const target = settings.targetSensitivity ?? TARGET_SENSITIVITY;
  return async ({ request, weights, left = 1 }, signal) => {
    const feature = features.find(({ name }) => name === request.feature);
    if (feature === undefined) {
      throw new FederationError('client', `The model has no feature named ${quoted(request.feature)}.`);
    }
    // A part of images can be cut out by a node of its own only, which the other members' graph does not have.
    const method = options.method ?? (isVisual(feature) ? 'ferrari' : 'auto');
    const model = withInitializers(classifier.model, new Map(Object.entries(weights)));
    const result = await unlearn({
      ...settings,
      targetSensitivity: Math.max(target, Math.min(LARGEST_TARGET, target / left)),
      classifier: { ...classifier, model },
      feature,
      features,
      requester: rows,
      test,
      method,
      because: request.because,
      seed,
      signal,
      ...(session === undefined ? {} : { session }),
    });
    // The other members keep their graph: what it does not say in its weights cannot be handed on.
    if (result.certificate?.form === 'masked') {
      throw new FederationError(
        'client',
        `The cut of ${quoted(feature.name)} needs another graph, and a federation exchanges weights only. Ask for the method ferrari.`,
      );
    }
    const forgotten: Record<string, Tensor> = {};
    for (const name of Object.keys(weights)) {
      const value = result.model.graph.initializers.get(name);
      if (value !== undefined) forgotten[name] = value;
    }
    return {
      weights: forgotten,
      ...(result.certificate === undefined
        ? {}
        : { cut: { feature: feature.name, slots: result.certificate.columns } }),
      report: {
        method: result.method,
        sensitivity: {
          before: result.before.sensitivity.value,
          after: result.after.sensitivity.value,
        },
        seconds: result.seconds,
        notes: result.notes,
      },
    };
  };
}
