/** The batches of a method: made from the requester's rows, answered by the old model. */
import type { Objective } from '../objective.ts';
import { Sampler } from '../sampler.ts';
import type { Scorer } from '../scorer.ts';
import { Curriculum } from '../student.ts';
import type { MethodInput } from './method.ts';

/** What a student is shown, for a request and an objective. */
export function curriculumOf(input: MethodInput, objective: Objective, teacher: Scorer): Curriculum {
  const { classifier, feature, features, rows, seed, useLabels } = input;
  const teaching = { teacher, name: input.teacher, useLabels, classes: classifier.classes };
  return new Curriculum(new Sampler(rows, features, feature, seed), objective, teaching, rows, seed);
}
