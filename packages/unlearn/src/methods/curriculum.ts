/** The batches of a method: made from the requester's rows, answered by the old model. */
import { isVisual } from '../feature/feature.ts';
import type { Objective } from '../objective.ts';
import { Sampler } from '../sampler.ts';
import type { Scorer } from '../scorer.ts';
import { Curriculum } from '../student.ts';
import type { MethodInput } from './method.ts';
import { ROWS_PER_STEP } from './schedule.ts';

/**
 * What a student is shown, for a request and an objective.
 *
 * @param scales see {@link Sampler}
 */
export function curriculumOf(
  input: MethodInput,
  objective: Objective,
  teacher: Scorer,
  scales: readonly number[] = [],
): Curriculum {
  const { classifier, feature, features, rows, pool, seed, useLabels, answers } = input;
  const teaching = { teacher, answers, useLabels, classes: classifier.classes };
  const keepsLabels = answers === 'labels';
  const sampler = new Sampler({ rows, features, feature, pool, keepsLabels, scales }, seed);
  const size = ROWS_PER_STEP[isVisual(feature) ? 'images' : 'tables'];
  return new Curriculum(sampler, objective, teaching, rows, size, seed);
}
