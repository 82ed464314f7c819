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
import {
  foldColumns,
  foldIndex,
  influenceOf,
  type Model,
  replaceColumns,
  type Tensor,
  trainableInitializers,
  upgradeModel,
} from '@assay/graph';
import { UnlearnError } from '../errors.ts';
import { HeldOut } from '../held-out.ts';
import { objectiveOf } from '../objective.ts';
import type { Certificate, CurvePoint } from '../request.ts';
import { Sampler } from '../sampler.ts';
import { Scorer } from '../scorer.ts';
import { Curriculum, Student, withWeights } from '../student.ts';
import { bytesOf, type Classifier, type Feature, floats, type Rows, widthOf } from '../subject.ts';
import type { Method, MethodInput, MethodOutput } from './method.ts';
import { LOOK_EVERY, rateAt } from './schedule.ts';

const STEPS = 1000;

/** The oldest operator set with Where. */
const WHERE_OPSET = 9;

/** Where the columns of a feature are cut, and with what. */
interface Cut {
  /** Per input, column → what takes its place: the mean, or the most frequent index. */
  readonly columns: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Indices of a table of their own, with the share of rows of each. */
  readonly indices: readonly {
    readonly input: string;
    readonly column: number;
    readonly shares: ReadonlyMap<number, number>;
  }[];
}

/** Element types that a Where in the graph can replace. */
const REPLACEABLE: ReadonlySet<string> = new Set(['float32', 'int64', 'int32']);

/** Why a feature cannot be cut, in words; undefined if it can. */
export function reasonAgainstCut(model: Model, feature: Feature, rows: Rows): string | undefined {
  for (const { input } of feature.slots) {
    const type = model.graph.inputs.find(({ name }) => name === input)?.type;
    if (type?.shape === undefined) return `the shape of input "${input}" is not known`;
    const isMatrix = type.shape.length === 2 && typeof type.shape[1] === 'number';
    if (!REPLACEABLE.has(type.elementType) || !(isMatrix || type.shape.length === 1))
      return `input "${input}" is no matrix of known width of float32 numbers or of indices`;
  }
  return rows.count === 0 ? 'there are no rows' : undefined;
}

export const exact: Method = async (input) => {
  const { classifier, feature, features, rows, heldOut, seed, session } = input;
  const reason = reasonAgainstCut(classifier.model, feature, rows);
  if (reason !== undefined) {
    throw new UnlearnError(
      'not-applicable',
      `Feature "${feature.name}" cannot be cut out of the graph: ${reason}. Use the method ferrari.`,
    );
  }
  const cut = cutOf(classifier.model, feature, rows);
  const { model: masked, tables } = mask(classifier.model, cut);
  const student: Classifier = { ...classifier, model: masked };
  const parameters = trainableInitializers(classifier.model).filter((name) => !tables.includes(name));
  const objective = objectiveOf(student, 0);
  const teacher = await Scorer.open(classifier, session);
  const watcher = await Scorer.openLoadable(student, parameters, session);
  const trained = await Student.open(objective, parameters, session);
  try {
    const teaching = {
      teacher,
      name: input.teacher,
      useLabels: input.useLabels,
      classes: classifier.classes,
    };
    const curriculum = new Curriculum(
      new Sampler(rows, features, feature, seed),
      objective,
      teaching,
      rows,
      seed,
    );
    const held = await HeldOut.open(teacher, heldOut, rows, feature, classifier.classes, seed);
    const { curve, last } = await distil(input, curriculum, trained, watcher, held);
    const weights = await trained.weights();
    const { model, certificate } = finish(classifier, feature, cut, weights, parameters);
    return outcome(input, model, certificate, curve, last, trained.provider);
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
): MethodOutput {
  const floorMet =
    last.regretUpper <= input.maxAccuracyDrop
      ? true
      : last.regretLower > input.maxAccuracyDrop
        ? false
        : undefined;
  const notes: string[] = [];
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
    steps: STEPS,
    notes,
    provider,
  };
}

function cutOf(model: Model, feature: Feature, rows: Rows): Cut {
  const columns = new Map<string, Map<number, number>>();
  const indices: { input: string; column: number; shares: ReadonlyMap<number, number> }[] = [];
  for (const { input, start, length } of feature.slots) {
    const value = rows.inputs[input];
    if (value === undefined) throw new TypeError(`the rows have no input "${input}"`);
    const constants = columns.get(input) ?? new Map<number, number>();
    for (let column = start; column < start + length; column++) {
      if (value.elementType === 'float32') {
        constants.set(column, meanOf(floats(value), column, widthOf(value), rows.count));
        continue;
      }
      const shares = sharesOf(value, column, rows.count);
      if (foldIndex(model, input, () => 1, column) !== undefined) indices.push({ input, column, shares });
      else constants.set(column, mostFrequent(shares));
    }
    if (constants.size > 0) columns.set(input, constants);
  }
  return { columns, indices };
}

function meanOf(values: Float32Array, column: number, width: number, count: number): number {
  let sum = 0;
  for (let row = 0; row < count; row++) sum += values[row * width + column] ?? 0;
  return sum / count;
}

function sharesOf(value: Tensor, column: number, count: number): Map<number, number> {
  const bytes = bytesOf(value);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = widthOf(value);
  const shares = new Map<number, number>();
  for (let row = 0; row < count; row++) {
    const at = row * width + column;
    const index =
      value.elementType === 'int64' ? Number(view.getBigInt64(at * 8, true)) : view.getInt32(at * 4, true);
    shares.set(index, (shares.get(index) ?? 0) + 1 / count);
  }
  return shares;
}

function mostFrequent(shares: ReadonlyMap<number, number>): number {
  const [first = [0, 0], ...others] = shares;
  return others.reduce((best, each) => (each[1] > best[1] ? each : best), first)[0];
}

/** The model that training goes on with: the cut as a node of its own. */
function mask(original: Model, cut: Cut): { model: Model; tables: readonly string[] } {
  let model =
    cut.columns.size > 0 && (original.opsets.get('') ?? 0) < WHERE_OPSET ? upgradeModel(original) : original;
  const tables: string[] = [];
  for (const { input, column, shares } of cut.indices) {
    const folded = foldIndex(model, input, (index) => shares.get(index) ?? 0, column);
    if (folded === undefined) throw new UnlearnError('not-applicable', `Input "${input}" cannot be cut.`);
    model = folded.model;
    tables.push(...folded.tables);
  }
  for (const [input, values] of cut.columns) model = replaceColumns(model, { input, values });
  return { model, tables };
}

/** The finished model: the cut folded into the weights if possible, and the proof on it. */
function finish(
  classifier: Classifier,
  feature: Feature,
  cut: Cut,
  weights: Awaited<ReturnType<Student['weights']>>,
  parameters: readonly string[],
): { model: Model; certificate: Certificate | undefined } {
  const own = Object.fromEntries(
    parameters.flatMap((name) => (weights[name] === undefined ? [] : [[name, weights[name]]])),
  );
  const masked = withWeights(mask(classifier.model, cut).model, own);
  let folded: Model | undefined = withWeights(
    mask(classifier.model, { ...cut, columns: new Map() }).model,
    own,
  );
  for (const [input, values] of cut.columns)
    folded = folded === undefined ? undefined : foldColumns(folded, { input, values });
  for (const [model, form] of [
    [folded, 'folded'],
    [masked, 'masked'],
  ] as const) {
    if (model === undefined) continue;
    const certificate = certify(model, classifier.output.name, feature, form);
    if (certificate !== undefined) return { model, certificate };
  }
  return { model: masked, certificate: undefined };
}

/** The proof that an output does not depend on a feature; undefined if it cannot be proved. */
export function certify(
  model: Model,
  output: string,
  feature: Feature,
  form: Certificate['form'],
): Certificate | undefined {
  const sources = feature.slots.map(({ input, start, length }) => {
    const rank = model.graph.inputs.find(({ name }) => name === input)?.type?.shape?.length ?? 1;
    return rank < 2 ? { input } : { input, columns: Array.from({ length }, (_, k) => start + k) };
  });
  const { outputs, through, finiteInputsOnly } = influenceOf(model, sources);
  if (outputs.includes(output)) return undefined;
  return { feature: feature.name, columns: feature.slots, output, form, reach: through, finiteInputsOnly };
}

/** Trains for the full number of steps, looking at the held-out rows now and then. */
async function distil(
  input: MethodInput,
  curriculum: Curriculum,
  student: Student,
  watcher: Scorer,
  held: HeldOut,
): Promise<{ curve: readonly CurvePoint[]; last: Awaited<ReturnType<HeldOut['look']>> }> {
  const saved = await input.store?.load();
  const curve: CurvePoint[] = [];
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
  const count = (from: number) => Math.min(curriculum.chunkSteps, STEPS - from);
  let next = step < STEPS ? curriculum.chunk(step, count(step)) : undefined;
  let savedAt = performance.now();
  while (step < STEPS && next !== undefined) {
    input.signal?.throwIfAborted();
    const chunk = await next;
    const running = student.run(chunk, (at) => rateAt(at, STEPS), 0, input.signal);
    const done = step + chunk.feeds.length;
    next = done < STEPS ? curriculum.chunk(done, count(done)) : undefined;
    // If the run fails, the batches under way are of no use, and must not fail unheard.
    next?.catch(() => {});
    const results = await running;
    input.signal?.throwIfAborted();
    if (Math.floor(done / LOOK_EVERY) > Math.floor(step / LOOK_EVERY) && done < STEPS)
      record(done, await look(), false);
    step = done;
    input.onProgress(
      step / STEPS,
      `step ${step} of ${STEPS}, loss ${(results.at(-1)?.agreement ?? 0).toFixed(4)}`,
    );
    if (
      input.store !== undefined &&
      step < STEPS &&
      performance.now() - savedAt > input.checkpointSeconds * 1000
    ) {
      await save(input, student, step, curve);
      savedAt = performance.now();
    }
  }
  const last = await look();
  record(STEPS, last, true);
  return { curve, last };
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
