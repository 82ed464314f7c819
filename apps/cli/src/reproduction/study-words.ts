/** Studies in words, the same in every form of their tables. */
import type {
  CheckRow,
  Curve,
  CurveBlock,
  CurvePoint,
  Goal,
  PointMeasure,
  Summary,
  TheoremBlock,
  Truth,
} from '@assay/reproduction';
import { count } from '../terminal/text.ts';
import { intervalText, type Unit, valueText } from './values.ts';

const MEASURES: Readonly<Record<PointMeasure, { readonly title: string; readonly unit: Unit }>> = {
  test: { title: 'Test accuracy', unit: 'share' },
  retain: { title: 'Accuracy on D_r', unit: 'share' },
  forget: { title: 'Accuracy on D_u', unit: 'share' },
  sensitivity: { title: 'Sensitivity', unit: 'number' },
  flips: { title: 'Flipped', unit: 'share' },
  implant: { title: 'Implant success', unit: 'share' },
};

export function pointMeasure(measure: PointMeasure): { readonly title: string; readonly unit: Unit } {
  return MEASURES[measure];
}

export const TRUTH_WORDS: Readonly<Record<Truth, string>> = {
  holds: 'holds',
  'does-not-hold': 'does not hold',
  'cannot-be-told': 'cannot be told',
};

/** `85.98% [85.1–86.8]`. */
export function summaryText(summary: Summary | undefined, unit: Unit): string {
  if (summary === undefined) return '–';
  const interval = intervalText(summary, unit);
  return `${valueText(summary.value, unit)}${interval === '' ? '' : ` [${interval}]`}`;
}

/** Whether the feature was forgotten: `yes`, `no`, `2 of 3 seeds`. */
export function metText({ met }: Pick<CurvePoint, 'met'>): string {
  const { count: times, of } = met;
  if (of === 0) return '–';
  if (times === of) return 'yes';
  return times === 0 ? 'no' : `${times} of ${of}`;
}

/** Whether anything was measured on a curve; what could not be run only says why. */
export function isMeasured({ points }: Curve): boolean {
  return points.some(({ measures }) => Object.keys(measures).length > 0);
}

/** What a reader of a curve has to know. */
export function curveNotes({ before, majority, measures, curves }: CurveBlock): readonly string[] {
  const beforehand = measures.flatMap((measure) => {
    const { title, unit } = pointMeasure(measure);
    const found = before[measure];
    const words = title.charAt(0).toLowerCase() + title.slice(1);
    return found === undefined ? [] : [`${words} ${valueText(found.value, unit)}`];
  });
  const usual = curves.flatMap(({ title, usual: label }) =>
    label === undefined ? [] : [`${title}: ${label}`],
  );
  const told = new Map<string, string[]>();
  const tell = (text: string, of: string): void => {
    told.set(text, [...(told.get(text) ?? []), of]);
  };
  for (const curve of curves) {
    const { title, points } = curve;
    const [why, ...others] = new Set(points.map(({ notRun }) => notRun));
    if (why !== undefined && others.length === 0 && !isMeasured(curve)) {
      tell(why, title);
      continue;
    }
    for (const { setting, notRun, notes } of points)
      for (const text of [...(notRun === undefined ? [] : [notRun]), ...notes])
        tell(text, `${title}, ${setting}`);
  }
  return [
    ...(beforehand.length > 0 ? [`Before: ${beforehand.join(', ')}.`] : []),
    ...(majority === undefined
      ? []
      : [
          `A constant prediction of the majority class scores ${valueText(majority, 'share')} on the test rows.`,
        ]),
    ...(usual.length > 0 ? [`By default ${usual.join('; ')}.`] : []),
    ...[...told].map(([why, of]) => `${of.join('; ')}: ${why}`),
  ];
}

/** What came of the aim that little data should do what all of it does. */
export function goalText(goal: Goal): string {
  const { title, scenarioTitle, share, rows, loss, met, isReached, most, reachedFrom } = goal;
  const few = rows === undefined ? '' : ` (${count(Math.round(rows))} rows)`;
  const interval = intervalText(loss, 'points');
  return [
    `${scenarioTitle}, ${title}: with ${share} of the requester’s data${few} the accuracy is ${valueText(loss.value, 'points')}${interval === '' ? '' : ` [${interval}]`} below that with all of it,`,
    `and the feature is forgotten in ${met.count} of ${met.of} ${met.of === 1 ? 'seed' : 'seeds'}:`,
    `the aim (at most ${valueText(most, 'points')}, and forgotten) is ${isReached ? 'reached' : 'not reached'}.`,
    reachedFrom === undefined
      ? 'It is not reached with every share up to all.'
      : `It is reached with every share from ${reachedFrom} on.`,
  ].join(' ');
}

export const CHECKS: Readonly<Record<CheckRow['name'], string>> = {
  'assumption-4': 'Assumption 4: no training loss',
  'assumption-3': 'Assumption 3: ℓ₂ ≤ ℓ₁',
  claim: 'Claim: ℓ_u ≤ ℓ₁',
  'inequality-13': 'Step (13) of the proof',
};

/** How the definition of ℓ₁ and ℓ₂ is read. */
export const READING_WORDS: readonly string[] = [
  'Readings: printed, a θ of its own for each example; shift, one θ and one δ for all; noise, one θ for all, a δ for each example.',
];

/** What is compared, in words. */
export function checkText({ name, reading, norm, model }: CheckRow): string {
  return [
    CHECKS[name],
    ...(model === undefined ? [] : [modelText(model)]),
    ...(reading === undefined ? [] : [reading]),
    ...(norm === undefined ? [] : [`C = ${norm}`]),
  ].join(', ');
}

const MODELS: readonly (readonly [RegExp, string])[] = [
  [/^ferrari-paper/, 'authors’ variant'],
  [/^ferrari/, 'Ferrari'],
  [/^proof/, 'proof’s objective'],
];

export function modelText(name: string, lambda?: number): string {
  const found = MODELS.find(([pattern]) => pattern.test(name));
  const words = found === undefined ? name : name.replace(found[0], found[1]);
  return lambda === undefined ? words : `${words}, λ = ${Number(lambda.toPrecision(3))}`;
}

/** The verdicts of all seeds: `holds`, or `holds in 2 of 3 seeds, cannot be told in 1`. */
export function verdictText({ verdicts }: Pick<CheckRow, 'verdicts'>): string {
  const given = Object.entries(TRUTH_WORDS).flatMap(([truth, words]) => {
    const times = isTruth(truth) ? verdicts[truth] : 0;
    return times > 0 ? [{ words, times }] : [];
  });
  const [only, ...others] = given;
  if (only === undefined) return 'nothing';
  if (others.length === 0) return only.words;
  const all = given.reduce((sum, { times }) => sum + times, 0);
  return given.map(({ words, times }) => `${words} in ${times} of ${all}`).join(', ');
}

function isTruth(text: string): text is Truth {
  return Object.hasOwn(TRUTH_WORDS, text);
}

/** The verdict on a part of the theorem as a whole, over its comparisons. */
export interface Overall {
  readonly title: string;
  readonly text: string;
}

/** What is found of each assumption and claim, in a sentence each. */
export function overallOf({ checks }: TheoremBlock): readonly Overall[] {
  const groups = new Map<string, CheckRow[]>();
  for (const check of checks) {
    const premise =
      check.name === 'claim'
        ? check.premises > 0
          ? ', where assumption 4 holds'
          : ', where assumption 4 fails'
        : '';
    const of =
      check.name === 'assumption-4' || check.name === 'inequality-13'
        ? `, ${modelText(check.model ?? '')}`
        : '';
    const title = `${CHECKS[check.name]}${premise}${of}${check.reading === undefined ? '' : `, reading ‘${check.reading}’`}`;
    groups.set(title, [...(groups.get(title) ?? []), check]);
  }
  return [...groups].map(([title, own]) => {
    const sum = (truth: Truth) => own.reduce((total, { verdicts }) => total + verdicts[truth], 0);
    const verdicts = {
      holds: sum('holds'),
      'does-not-hold': sum('does-not-hold'),
      'cannot-be-told': sum('cannot-be-told'),
    };
    return { title, text: verdictText({ verdicts }) };
  });
}
