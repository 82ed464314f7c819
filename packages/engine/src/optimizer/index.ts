/** A model with a loss becomes a training step: forward, gradients, update. */
import { differentiate, type Model } from '@assay/graph';
import { type OptimizerOptions, type TrainingStep, withUpdates } from './updates.ts';

/**
 * A training step of a model.
 *
 * @throws NotDifferentiableError of @assay/graph if an op between loss and parameters has no gradient rule
 * @throws EngineError of kind `argument` if a name or setting is not what it has to be
 *
 * @example
 * const step = withOptimizer(model, { loss: 'loss', parameters: ['w', 'b'], optimizer: { kind: 'adamw' } });
 */
export function withOptimizer(model: Model, options: OptimizerOptions): TrainingStep {
  const gradients = differentiate(model, { of: options.loss, withRespectTo: options.parameters });
  return withUpdates(gradients, options);
}
