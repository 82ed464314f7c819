/**
 * `ferrari`: minimise the sensitivity to the feature, with the gradient through both branches, while distilling from the
 * old model on x, on x + δ, and on x with the feature's value replaced.
 *
 *   KL(f₀(x) ‖ f(x)) + ½ KL(f₀(x) ‖ f(x_δ)) + ½ KL(f₀(x) ‖ f(x_r)) + λ · s/s₀
 *
 * For images, s/s₀ is the mean of two such quotients: of perturbations, and of regions or colours that are replaced.
 *
 * λ follows the sensitivity: it rises while s/s₀ lags behind a path that falls geometrically to half the target, and
 * sinks when it is ahead. After each round the student is looked at on the held-out rows. If the target is met and the
 * floor not broken, the run ends; if the floor is broken, the limit of λ comes down; if the target is not met, it goes
 * up and the path leads lower. The best weights seen are returned, and whether they are good enough is said.
 *
 * Source: Gu, Ong, Chan, Fan, "Ferrari", NeurIPS 2024, eq. (8) of appendix A with the labels' loss replaced by the old
 * model's answers, which needs no labels.
 */
import { trainableInitializers } from '@assay/graph';
import { UnlearnError } from '../errors.ts';
import { boundsOf } from '../feature/bounds.ts';
import { isContinuous, isVisual } from '../feature/feature.ts';
import { floorKept, HeldOut, type Look } from '../held-out.ts';
import { measureSensitivity } from '../measure/sensitivity.ts';
import { type Objective, objectiveOf } from '../objective.ts';
import type { CurvePoint } from '../request.ts';
import type { RunRecord, RunState } from '../run-store.ts';
import { Scorer, scoreVariance } from '../scorer.ts';
import { type Curriculum, Student } from '../student.ts';
import { curriculumOf } from './curriculum.ts';
import { cutOf, finishCut, mask } from './cut.ts';
import type { Method, MethodInput, MethodOutput } from './method.ts';
import { bearableRate, notesOnRate } from './rate.ts';
import { LOOK_EVERY, PEAK_RATE, rateAt } from './schedule.ts';

const ROUNDS = 3;
/** How a run goes: fewer steps for images, of which each costs far more. */
interface Course {
  readonly stepsPerRound: number;
  readonly firstLambda: number;
  /** The limit of λ grows by at least twice after each round that missed the target, and by as much as it lacked, up to this. */
  readonly fastestGrowth: number;
}
const COURSES: Readonly<Record<'tables' | 'images', Course>> = {
  tables: { stepsPerRound: 2000, firstLambda: 0.1, fastestGrowth: 2 },
  images: { stepsPerRound: 400, firstLambda: 0.7, fastestGrowth: 4 },
};
const LOWEST_LAMBDA = 0.1;
/** λ may rise to this in the first round. */
const FIRST_LIMIT = 3;
/** λ counts this much where logits are matched: their squared distance is so much smaller than a cross-entropy. */
const SCORES_WEIGHT = 0.2;
/** λ is adjusted after so many steps. */
const ADJUST_EVERY = 20;
/** The path of the sensitivity ends at this part of the target, and lower in a round after one that missed it … */
const GOAL = 0.5;
const LARGEST_GOAL_CUT = 0.5;
/** … after this part of the first round. */
const RAMP = 0.4;
/** Weight of the past in the running average of s/s₀. */
const MEMORY = 0.9;

/** Tensors by name, as a student holds them. */
type Weights = Awaited<ReturnType<Student['weights']>>;

interface Best {
  readonly score: number;
  readonly met: boolean;
  readonly floorMet: boolean | undefined;
  readonly step: number;
  readonly weights: Weights;
}

export const ferrari: Method = async (input) => {
  const { classifier, feature, rows, seed, session } = input;
  // What was forgotten before by proof stays cut, or training would bring it back.
  const cut = cutOf(classifier.model, input.forgotten, rows);
  const { model: masked, tables } = mask(classifier.model, cut);
  const learner = { ...classifier, model: masked };
  const parameters = trainableInitializers(classifier.model).filter((name) => !tables.includes(name));
  const teacher = await Scorer.open(classifier, session);
  const held = await HeldOut.open(teacher, input, feature, classifier.classes, seed);
  // Of images both ways of changing the feature are to count the same, so that their distances hold the scale already.
  const scales = isVisual(feature) ? held.scales : [];
  const largest = isVisual(feature) ? Math.max(...scales) : await originalSensitivity(teacher, input);
  if (Number.isNaN(largest)) {
    await teacher.close();
    throw new UnlearnError(
      'not-applicable',
      `The model's scores are no finite numbers on rows in which "${feature.name}" is replaced, so its sensitivity can be neither measured nor minimised.`,
    );
  }
  if (largest === 0) {
    await teacher.close();
    return untouched(input, teacher.provider);
  }
  const variants = isContinuous(rows, feature) ? 2 : 1;
  // Images of few classes have to tell of all of them; tables were found to keep more by their probabilities.
  const isMatched = isVisual(feature) && input.answers !== 'labels' && !input.useLabels;
  const variance = isMatched ? scoreVariance(await teacher.scores(rows)) : undefined;
  const objective = objectiveOf(learner, variants, variance, boundsOf(rows, feature));
  const watcher = await Scorer.openLoadable(learner, parameters, session);
  const student = await Student.open(objective, parameters, session);
  try {
    const curriculum = curriculumOf(input, objective, teacher, scales);
    const scale = isVisual(feature) ? 1 : largest;
    const run = new Run(input, curriculum, student, watcher, held, scale, objective.matches);
    const { weights, ...output } = await run.toEnd();
    const { model } = finishCut(classifier, input.forgotten, cut, weights);
    return { ...output, model };
  } finally {
    await Promise.all([teacher.close(), watcher.close(), student.close()]);
  }
};

/** s₀ on the requester's own rows, with the quotients that the objective uses. */
async function originalSensitivity(teacher: Scorer, input: MethodInput): Promise<number> {
  const found = await measureSensitivity(teacher, input.rows, [input.feature], {
    seed: input.seed,
    draws: 16,
  });
  return found.get(input.feature.name)?.value ?? 0;
}

function untouched(input: MethodInput, provider: string): MethodOutput {
  const notes = [
    `The model does not react to "${input.feature.name}" on the requester's rows; nothing had to be changed.`,
  ];
  return {
    model: input.classifier.model,
    met: true,
    floorMet: true,
    certificate: undefined,
    curve: [],
    steps: 0,
    notes,
    provider,
  };
}

/** One run, from wherever it stands to its end. */
class Run {
  readonly #input: MethodInput;
  readonly #curriculum: Curriculum;
  readonly #student: Student;
  readonly #watcher: Scorer;
  readonly #held: HeldOut;
  readonly #scale: number;
  readonly #curve: CurvePoint[] = [];
  #step = 0;
  #round = 0;
  #lambda: number;
  #limit = FIRST_LIMIT;
  #average: number | undefined;
  /** Where the path of s/s₀ ends, on the rows learned from. */
  #goal: number;
  readonly #course: Course;
  readonly #weight: number;
  #best: Best | undefined;
  #peak = PEAK_RATE;
  #savedAt = performance.now();

  constructor(
    input: MethodInput,
    curriculum: Curriculum,
    student: Student,
    watcher: Scorer,
    held: HeldOut,
    scale: number,
    matches: Objective['matches'],
  ) {
    this.#input = input;
    this.#curriculum = curriculum;
    this.#student = student;
    this.#watcher = watcher;
    this.#held = held;
    this.#scale = scale;
    this.#goal = input.targetSensitivity * GOAL;
    this.#weight = matches === 'scores' ? SCORES_WEIGHT : 1;
    this.#course = COURSES[isVisual(input.feature) ? 'images' : 'tables'];
    this.#lambda = this.#course.firstLambda;
  }

  async toEnd(): Promise<Omit<MethodOutput, 'model'> & { readonly weights: Weights }> {
    const saved = await this.#input.store?.load();
    this.#peak = await bearableRate(this.#input, {
      student: this.#student,
      curriculum: this.#curriculum,
      watcher: this.#watcher,
      held: this.#held,
      lambda: (this.#lambda * this.#weight) / this.#scale,
    });
    if (saved !== undefined) await this.#restore(saved);
    else this.#record(await this.#look());
    while (this.#round < ROUNDS) {
      await this.#runRound();
      const look = await this.#look();
      this.#record(look);
      const { met, floorMet } = await this.#judge(look);
      this.#round += 1;
      this.#average = undefined;
      if (met && floorMet !== false) break;
      if (met) {
        this.#limit = Math.max(LOWEST_LAMBDA, this.#lambda / 3);
      } else {
        // Few rows are learned better than they generalise: what the held-out rows lack is made up for by aiming lower.
        const excess = look.ratioUpper / this.#input.targetSensitivity;
        this.#limit *= Math.min(this.#course.fastestGrowth, Math.max(2, excess));
        this.#goal *= Math.max(LARGEST_GOAL_CUT, this.#input.targetSensitivity / look.ratioUpper);
      }
      this.#lambda = Math.min(this.#lambda, this.#limit);
      await this.#student.resetOptimizer();
    }
    return this.#result();
  }

  async #runRound(): Promise<void> {
    const end = (this.#round + 1) * this.#steps;
    const start = end - this.#steps;
    const chunk = (from: number) =>
      this.#curriculum.chunk(from, Math.min(this.#curriculum.chunkSteps, end - from));
    const rate = (step: number) => rateAt(step - start, this.#steps, this.#peak);
    let next = this.#step < end ? chunk(this.#step) : undefined;
    while (next !== undefined) {
      const { signal } = this.#input;
      signal?.throwIfAborted();
      const ready = await next;
      const running = this.#student.run(ready, rate, (this.#lambda * this.#weight) / this.#scale, signal);
      const done = this.#step + ready.feeds.length;
      next = done < end ? chunk(done) : undefined;
      // If the run fails, the batches under way are of no use, and must not fail unheard.
      next?.catch(() => {});
      const results = await running;
      signal?.throwIfAborted();
      results.forEach(({ sensitivity }, i) => {
        const ratio = sensitivity / this.#scale;
        this.#average = this.#average === undefined ? ratio : MEMORY * this.#average + (1 - MEMORY) * ratio;
        if ((this.#step + i + 1 - start) % ADJUST_EVERY === 0) this.#adjust(this.#step + i - start);
      });
      const before = this.#step;
      this.#step = done;
      if (done < end && Math.floor(done / LOOK_EVERY) > Math.floor(before / LOOK_EVERY))
        this.#record(await this.#look());
      this.#report();
      await this.#saveNowAndThen();
    }
  }

  get #steps(): number {
    return this.#course.stepsPerRound;
  }

  /** Moves λ by the square root of how far s/s₀ is off its path, at most by √2 either way. */
  #adjust(stepInRound: number): void {
    const goal = this.#goal;
    const path = this.#round > 0 ? goal : Math.max(goal, goal ** (stepInRound / (RAMP * this.#steps)));
    const lag = Math.min(2, Math.max(0.5, (this.#average ?? path) / path));
    this.#lambda = Math.min(this.#limit, Math.max(LOWEST_LAMBDA, this.#lambda * Math.sqrt(lag)));
  }

  async #look(): Promise<Look> {
    await this.#watcher.load(await this.#student.weights());
    return this.#held.look(this.#watcher);
  }

  #record({ ratio, divergence, agreement }: Look): void {
    this.#curve.push({
      step: this.#step,
      sensitivity: ratio,
      divergence,
      agreement,
      lambda: this.#lambda,
      chosen: false,
    });
  }

  /** Keeps the weights if they are the best so far: target and floor before target before neither; then the closest. */
  async #judge(look: Look): Promise<{ met: boolean; floorMet: boolean | undefined }> {
    const { targetSensitivity, maxAccuracyDrop } = this.#input;
    const met = look.ratioUpper <= targetSensitivity;
    const floorMet = floorKept(look, maxAccuracyDrop);
    const score = met ? look.divergence + (floorMet === false ? 5 : 0) : 10 + look.ratio;
    if (this.#best === undefined || score < this.#best.score) {
      this.#best = { score, met, floorMet, step: this.#step, weights: await this.#student.weights() };
    }
    return { met, floorMet };
  }

  #report(): void {
    const done = this.#step / (ROUNDS * this.#steps);
    const percent = (100 * (this.#average ?? 1)).toFixed(1);
    this.#input.onProgress(
      done,
      `round ${this.#round + 1} of at most ${ROUNDS}, step ${this.#step}, sensitivity at ${percent} %`,
    );
  }

  async #saveNowAndThen(): Promise<void> {
    if (
      this.#input.store === undefined ||
      performance.now() - this.#savedAt < this.#input.checkpointSeconds * 1000
    )
      return;
    const best = this.#best;
    const record: RunRecord = {
      step: this.#step,
      round: this.#round,
      lambda: this.#lambda,
      lambdaLimit: this.#limit,
      goal: this.#goal,
      ...(this.#average === undefined ? {} : { average: this.#average }),
      ...(best === undefined
        ? {}
        : {
            best: {
              score: best.score,
              met: best.met,
              step: best.step,
              ...(best.floorMet === undefined ? {} : { floorMet: best.floorMet }),
            },
          }),
      curve: this.#curve,
    };
    await this.#input.store.save({ record, student: await this.#student.state(), best: best?.weights });
    this.#savedAt = performance.now();
  }

  async #restore({ record, student, best }: RunState): Promise<void> {
    await this.#student.restore(student);
    this.#step = record.step;
    this.#round = record.round;
    this.#lambda = record.lambda;
    this.#limit = record.lambdaLimit;
    this.#goal = record.goal;
    this.#average = record.average;
    this.#curve.push(...record.curve);
    if (record.best !== undefined && best !== undefined) {
      this.#best = { ...record.best, floorMet: record.best.floorMet, weights: { ...best } };
    }
  }

  async #result(): Promise<Omit<MethodOutput, 'model'> & { readonly weights: Weights }> {
    const weights = this.#best?.weights ?? (await this.#student.weights());
    const chosenAt = this.#best?.step ?? this.#step;
    // Looks within a round come before the one that closes it, which is the last at its step.
    const chosen = this.#curve.findLastIndex(({ step }) => step === chosenAt);
    return {
      weights,
      met: this.#best?.met ?? false,
      floorMet: this.#best?.floorMet,
      certificate: undefined,
      curve: this.#curve.map((point, i) => (i === chosen ? { ...point, chosen: true } : point)),
      steps: this.#step,
      notes: notesOnRate(this.#peak),
      provider: this.#student.provider,
    };
  }
}
