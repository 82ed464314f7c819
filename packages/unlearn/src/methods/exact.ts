/**
 * `exact`: cut the feature's inputs out of the graph, then learn from the old model what can be said without them.
 *
 * 1. The feature's columns are replaced by their mean over the requester's rows, inside the graph: no path leads from
 *    what a caller feeds there to the output any more. Where they are indices of a table of their own, its rows become
 *    their mean; of a table that other columns share, the index becomes the most frequent one.
 * 2. The cut model learns the old model's answers, KL(f₀(x) ‖ f(x)), on the requester's rows and rows made from them.
 * 3. Where the graph allows, the cut is folded into the weights, so that the architecture stays as it was.
 * 4. Reachability on the finished graph proves that nothing is left; that proof is the certificate.
 */
import { type Model, trainableInitializers } from '@assay/graph';
import { UnlearnError } from '../errors.ts';
import { isVisual } from '../feature/feature.ts';
import { floorKept, HeldOut } from '../held-out.ts';
import { objectiveOf } from '../objective.ts';
import type { Certificate, CurvePoint } from '../request.ts';
import { Scorer, scoreVariance } from '../scorer.ts';
import { type Curriculum, Student } from '../student.ts';
import type { Classifier } from '../subject.ts';
import { curriculumOf } from './curriculum.ts';
import { cutOf, finishCut, mask, reasonAgainstCut } from './cut.ts';
import type { Method, MethodInput, MethodOutput } from './method.ts';
import { bearableRate, notesOnRate } from './rate.ts';
import { LOOK_EVERY, rateAt } from './schedule.ts';

/** Steps of the optimiser; an image costs far more, and its network has less to make up for. */
const STEPS = { tables: 1000, images: 400 };

export const exact: Method = async (input) => {
  const { classifier, feature, rows, seed, session } = input;
  const reason = reasonAgainstCut(classifier.model, feature, rows);
  if (reason !== undefined) {
    throw new UnlearnError(
      'not-applicable',
      `Feature "${feature.name}" cannot be cut out of the graph: ${reason}. Use the method ferrari.`,
    );
  }
  // What was forgotten before stays cut, or training would bring it back.
  const gone = [feature, ...input.forgotten];
  const cut = cutOf(classifier.model, gone, rows);
  const { model: masked, tables } = mask(classifier.model, cut);
  const student: Classifier = { ...classifier, model: masked };
  const parameters = trainableInitializers(classifier.model).filter((name) => !tables.includes(name));
  const teacher = await Scorer.open(classifier, session);
  const variance =
    isVisual(feature) && input.answers !== 'labels' && !input.useLabels
      ? scoreVariance(await teacher.scores(rows))
      : undefined;
  const objective = objectiveOf(student, 0, variance);
  const watcher = await Scorer.openLoadable(student, parameters, session);
  const trained = await Student.open(objective, parameters, session);
  try {
    const curriculum = curriculumOf(input, objective, teacher);
    const held = await HeldOut.open(teacher, input, feature, classifier.classes, seed);
    const { curve, last, peak } = await distil(input, curriculum, trained, watcher, held);
    const weights = await trained.weights();
    const { model, certificate } = finishCut(classifier, gone, cut, weights);
    const notes = notesOnRate(peak);
    return outcome(input, model, certificate, curve, last, trained.provider, notes);
  } finally {
    await Promise.all([teacher.close(), watcher.close(), trained.close()]);
  }
};

function outcome(
  input: MethodInput,
  model: Model,
  certificate: Certificate | undefined,
  curve: readonly CurvePoint[],
  last: { readonly regretLower: number; readonly regretUpper: number },
  provider: string,
  notesBefore: readonly string[],
): MethodOutput {
  const floorMet = floorKept(last, input.maxAccuracyDrop);
  const notes = [...notesBefore];
  if (certificate?.form === 'masked') {
    notes.push(
      'The graph does not allow the cut to be folded into the weights: the model has one more node, a Where behind the input.',
    );
  }
  if (certificate?.finiteInputsOnly) {
    notes.push(
      'The proof holds for finite inputs: a column that is multiplied by 0 still passes on NaN or an infinite value.',
    );
  }
  return {
    model,
    met: certificate !== undefined,
    floorMet,
    certificate,
    curve,
    steps: stepsFor(input),
    notes,
    provider,
  };
}

function stepsFor({ feature }: MethodInput): number {
  return isVisual(feature) ? STEPS.images : STEPS.tables;
}

/** Trains for the full number of steps, looking at the held-out rows now and then. */
async function distil(
  input: MethodInput,
  curriculum: Curriculum,
  student: Student,
  watcher: Scorer,
  held: HeldOut,
): Promise<{ curve: readonly CurvePoint[]; last: Awaited<ReturnType<HeldOut['look']>>; peak: number }> {
  const saved = await input.store?.load();
  const peak = await bearableRate(input, { student, curriculum, watcher, held, lambda: 0 });
  const curve: CurvePoint[] = [];
  const steps = stepsFor(input);
  let step = 0;
  if (saved !== undefined) {
    await student.restore(saved.student);
    step = saved.record.step;
    curve.push(...saved.record.curve);
  }
  const look = async () => {
    await watcher.load(await student.weights());
    return held.look(watcher);
  };
  const record = (at: number, found: Awaited<ReturnType<HeldOut['look']>>, chosen: boolean) =>
    curve.push({
      step: at,
      sensitivity: found.ratio,
      divergence: found.divergence,
      agreement: found.agreement,
      lambda: 0,
      chosen,
    });
  if (step === 0) record(0, await look(), false);
  const count = (from: number) => Math.min(curriculum.chunkSteps, steps - from);
  let next = step < steps ? curriculum.chunk(step, count(step)) : undefined;
  let savedAt = performance.now();
  while (step < steps && next !== undefined) {
    input.signal?.throwIfAborted();
    const chunk = await next;
    const running = student.run(chunk, (at) => rateAt(at, steps, peak), 0, input.signal);
    const done = step + chunk.feeds.length;
    next = done < steps ? curriculum.chunk(done, count(done)) : undefined;
    // If the run fails, the batches under way are of no use, and must not fail unheard.
    next?.catch(() => {});
    const results = await running;
    input.signal?.throwIfAborted();
    if (Math.floor(done / LOOK_EVERY) > Math.floor(step / LOOK_EVERY) && done < steps)
      record(done, await look(), false);
    step = done;
    input.onProgress(
      step / steps,
      `step ${step} of ${steps}, loss ${(results.at(-1)?.agreement ?? 0).toFixed(4)}`,
    );
    if (
      input.store !== undefined &&
      step < steps &&
      performance.now() - savedAt > input.checkpointSeconds * 1000
    ) {
      await save(input, student, step, curve);
      savedAt = performance.now();
    }
  }
  const last = await look();
  record(steps, last, true);
  return { curve, last, peak };
}

async function save(
  input: MethodInput,
  student: Student,
  step: number,
  curve: readonly CurvePoint[],
): Promise<void> {
  const record = { step, round: 0, lambda: 0, lambdaLimit: 0, goal: 0, curve: [...curve] };
  await input.store?.save({ record, student: await student.state(), best: undefined });
}
