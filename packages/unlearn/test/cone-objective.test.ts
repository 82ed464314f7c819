/** Unlearning a region by the cone of what it reaches: step by step the same as with whole copies. */
import { cnn } from '@assay/engine';
import { trainableInitializers } from '@assay/graph';
import { RandomStream } from '@assay/random';
import { describe, expect, test } from 'vitest';
import { boundsOf } from '../src/feature/bounds.ts';
import { type Classifier, imageShape, masked, rectangle, Scorer } from '../src/index.ts';
import { type Objective, objectiveOf } from '../src/objective.ts';
import { Sampler } from '../src/sampler.ts';
import { Curriculum, Student } from '../src/student.ts';
import { images } from './nets.ts';

const SIDE = 20;
const random = new RandomStream(3, 'images');
const rows = images([40, 1, SIDE, SIDE], () => random.normal());
const shape = imageShape(rows, 'images');
if (shape === undefined) throw new Error('the rows hold no images');
const model = cnn({ channels: 1, height: SIDE, width: SIDE, classes: 5, seed: 2 });
const classifier: Classifier = { model, output: { name: 'logits', kind: 'logits' }, classes: 5 };
const parameters = trainableInitializers(model);

const diagonal = Uint8Array.from({ length: SIDE * SIDE }, (_, i) =>
  i % SIDE === Math.floor(i / SIDE) && i % SIDE > 13 ? 1 : 0,
);
const FEATURES = [rectangle('trigger', shape, [2, 2, 5, 5]), masked('diagonal', shape, diagonal)];

describe.each(FEATURES)('unlearning the region $name', (feature) => {
  /** Agreement and sensitivity of some steps. */
  async function steps(objective: Objective): Promise<readonly number[]> {
    const teacher = await Scorer.open(classifier);
    const student = await Student.open(objective, parameters);
    const teaching = { teacher, answers: 'conditional', useLabels: false, classes: 5 } as const;
    const sampler = new Sampler({ rows, features: [feature], feature }, 1);
    const curriculum = new Curriculum(sampler, objective, teaching, rows, 128, 1);
    const results = await student.run(await curriculum.chunk(0, 6), () => 1e-3, 0.5);
    await Promise.all([teacher.close(), student.close()]);
    return results.flatMap(({ agreement, sensitivity }) => [agreement, sensitivity]);
  }

  test.each([undefined, 2])(
    'feeds the rectangles alone, with the same steps (scale of the scores: %s)',
    async (scale) => {
      const own = objectiveOf(classifier, 2, scale, boundsOf(rows, feature));
      const whole = objectiveOf(classifier, 2, scale);
      expect(whole.region).toBeUndefined();
      expect(own.region?.bounds).toEqual(boundsOf(rows, feature));
      const [a, b] = [await steps(own), await steps(whole)];
      expect(a).toHaveLength(12);
      a.forEach((value, i) => {
        expect(Math.abs(value / (b[i] ?? Number.NaN) - 1)).toBeLessThan(1e-3);
      });
    },
  );
});

test('a region of nearly the whole image is fed as whole copies', () => {
  const feature = rectangle('most', shape, [0, 0, SIDE - 1, SIDE]);
  expect(objectiveOf(classifier, 2, undefined, boundsOf(rows, feature)).region).toBeUndefined();
});
