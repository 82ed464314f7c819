/** The ablations as curves over seeds, what becomes of less data, and the theorem: tables of what the studies found. */
import { type Ablation, CURVE_TABLE_NAMES, type CurveTableName } from './ablations/ablation.ts';
import { ABLATIONS } from './ablations/index.ts';
import { place } from './groups.ts';
import { factsOf } from './paper.ts';
import type { Estimated } from './result.ts';
import type { AblationPoint, Check, PointMeasured, Study, TheoremResult, Truth } from './study.ts';
import { studyKey, TRUTHS } from './study.ts';
import { differences, type Sample, type Summary, summaryOf } from './summary.ts';

/** Tables of studies, by the names of the command line. */
export const STUDY_TABLE_NAMES = [...CURVE_TABLE_NAMES, 'theorem'] as const;

export type StudyTableName = (typeof STUDY_TABLE_NAMES)[number];

/** What is read off at each point. */
export const POINT_MEASURES = ['test', 'retain', 'forget', 'sensitivity', 'flips', 'implant'] as const;

export type PointMeasure = (typeof POINT_MEASURES)[number];

export interface PointSetup {
  readonly preset: string;
  readonly network: string;
  readonly seeds: readonly number[];
}

export interface CurvePoint {
  readonly setting: string;
  readonly at: number | undefined;
  /** Rows of the requester, on average over seeds. */
  readonly rows: number | undefined;
  readonly measures: Readonly<Partial<Record<PointMeasure, Summary>>>;
  /** Seeds in which the feature counts as forgotten, of those that were measured. */
  readonly met: { readonly count: number; readonly of: number };
  /** Why nothing was measured, in some seeds or all. */
  readonly notRun: string | undefined;
  /** What else is to be known of it, in some seeds or all. */
  readonly notes: readonly string[];
}

export interface Curve {
  readonly series: string;
  readonly title: string;
  /** The setting as it is by default. */
  readonly usual: string | undefined;
  readonly points: readonly CurvePoint[];
}

/** One ablation in one scenario. */
export interface CurveBlock {
  readonly ablation: string;
  readonly table: CurveTableName;
  readonly title: string;
  readonly axis: string;
  readonly about: string;
  readonly scale: Ablation['scale'];
  readonly scenario: string;
  readonly scenarioTitle: string;
  readonly setup: PointSetup;
  /** What is measured at one point at least, in this scenario. */
  readonly measures: readonly PointMeasure[];
  /** Before anything is forgotten, where that is the same at all points; else it is a curve of its own. */
  readonly before: Readonly<Partial<Record<PointMeasure, Summary>>>;
  /** What a constant prediction scores on the test rows. */
  readonly majority: number | undefined;
  readonly curves: readonly Curve[];
}

/** Whether little data does what all of it does. */
export interface Goal {
  readonly scenario: string;
  readonly scenarioTitle: string;
  readonly series: string;
  readonly title: string;
  /** The share that is aimed at, and the rows that it is. */
  readonly share: string;
  readonly rows: number | undefined;
  readonly most: number;
  readonly part: Summary;
  readonly whole: Summary;
  /** Accuracy with all data less that with the share. */
  readonly loss: Summary;
  readonly met: { readonly count: number; readonly of: number };
  readonly isReached: boolean;
  /** The least share from which on the aim is reached with every larger one too. */
  readonly reachedFrom: string | undefined;
}

/** A comparison of the theorem over seeds. */
export interface CheckRow extends Pick<Check, 'name' | 'reading' | 'norm' | 'model' | 'loss'> {
  readonly left: Summary;
  readonly right: Summary;
  readonly difference: Summary;
  /** How often each verdict was given, one for each seed. */
  readonly verdicts: Readonly<Record<Truth, number>>;
  /** Seeds in which the premise of the claim held. */
  readonly premises: number;
  readonly why: string;
}

export interface TheoremBlock {
  readonly scenario: string;
  readonly scenarioTitle: string;
  readonly setup: PointSetup;
  readonly notRun: string | undefined;
  readonly rows: number | undefined;
  readonly curve: readonly {
    readonly reading: string;
    readonly norm: number;
    readonly crossEntropy: Summary;
    readonly distance: Summary;
  }[];
  readonly models: readonly {
    readonly name: string;
    readonly lambda: number | undefined;
    readonly crossEntropy: Summary;
    readonly distance: Summary;
  }[];
  readonly checks: readonly CheckRow[];
  readonly notes: readonly string[];
}

export interface StudyTables {
  readonly names: readonly StudyTableName[];
  readonly ablations: readonly CurveBlock[];
  readonly shares: readonly CurveBlock[];
  readonly relapse: readonly CurveBlock[];
  readonly goals: readonly Goal[];
  readonly theorem: readonly TheoremBlock[];
}

/** Shares that are aimed at: accuracy within half a point of that with all data, and the feature forgotten. */
const AIMS: Readonly<Record<string, string>> = { adult: '2%', mnist: '10%', 'coloured-mnist': '10%' };
const MOST_LOST = 0.005;
/** Methods that are to reach the aim. */
const AIMING = ['ferrari', 'exact'];

/** Makes tables of studies; the same studies give the same tables, whatever their order. */
export function studyTablesOf(
  studies: readonly Study[],
  {
    names = STUDY_TABLE_NAMES,
    scenarios,
  }: { readonly names?: readonly StudyTableName[]; readonly scenarios?: readonly string[] } = {},
): StudyTables {
  const latest = [...new Map(studies.map((study) => [studyKey(study), study])).values()].filter(
    ({ scenario }) => scenarios?.includes(scenario) ?? true,
  );
  const points = latest.flatMap((study) => (study.study === 'ablation' ? [study] : []));
  const theorems = latest.flatMap((study) => (study.study === 'theorem' ? [study] : []));
  const blocks = grouped(points, ({ ablation }) => ablation).flatMap(blockOf);
  const curvesOf = (table: CurveTableName) =>
    names.includes(table) ? blocks.filter((block) => block.table === table) : [];
  return {
    names,
    ablations: curvesOf('ablations'),
    shares: curvesOf('shares'),
    relapse: curvesOf('relapse'),
    goals: names.includes('shares')
      ? grouped(
          points.filter(({ ablation }) => ablation === 'share'),
          () => '',
        ).flatMap(goalsOf)
      : [],
    theorem: names.includes('theorem') ? grouped(theorems, () => '').map(theoremOf) : [],
  };
}

/** Studies of one scenario, set-up and kind, in the order of the scenarios and the ablations. */
function grouped<One extends AblationPoint | TheoremResult>(
  studies: readonly One[],
  kind: (study: One) => string,
): readonly (readonly [One, ...One[]])[] {
  const groups = new Map<string, [One, ...One[]]>();
  for (const study of studies.toSorted((a, b) => a.seed - b.seed)) {
    const key = JSON.stringify([study.scenario, study.preset, study.network, kind(study)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [study]);
    else group.push(study);
  }
  const order = (study: One): number => ABLATIONS.findIndex(({ name }) => name === kind(study));
  return [...groups.values()].sort(
    ([a], [b]) => order(a) - order(b) || place(a.scenario) - place(b.scenario) || compare(a, b),
  );
}

function compare(a: AblationPoint | TheoremResult, b: AblationPoint | TheoremResult): number {
  const key = ({ scenario, preset, network }: typeof a) => [scenario, preset, network].join('/');
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}

function blockOf(points: readonly [AblationPoint, ...AblationPoint[]]): readonly CurveBlock[] {
  const [first] = points;
  const known = ABLATIONS.find(({ name }) => name === first.ablation);
  if (known === undefined) return [];
  const curves = known.series.flatMap(({ name, title, usual, settings }): readonly Curve[] => {
    const own = points.filter(({ series }) => series === name);
    const labels = new Set([...settings.map(({ label }) => label), ...own.map(({ setting }) => setting)]);
    const found = [...labels].flatMap((label) => {
      const [one, ...others] = own.filter(({ setting }) => setting === label);
      return one === undefined ? [] : [curvePoint([one, ...others])];
    });
    return found.length === 0 ? [] : [{ series: name, title, usual, points: found }];
  });
  const measured = points.filter(({ after }) => after !== undefined);
  const [any] = measured;
  const before = firstOfEachSeed(measured);
  const isShared = measured.every(({ seed, before: own }) => {
    const first = before.find((point) => point.seed === seed)?.before;
    return own?.sensitivity.value === first?.sensitivity.value;
  });
  return [
    {
      ablation: known.name,
      table: known.table,
      title: known.title,
      axis: known.axis,
      about: known.about,
      scale: known.scale,
      ...placeOf(points),
      measures: POINT_MEASURES.filter((measure) => {
        if (any?.after === undefined) return false;
        const { test, retain, forget } = any.after.accuracy;
        // Where all rows are of one kind, one accuracy is enough.
        if (measure === 'retain') return !same(retain, test);
        if (measure === 'forget') return !same(forget, test);
        return read(any.after, measure) !== undefined;
      }),
      before: isShared ? summaries(before.map(({ seed, before: found }) => ({ seed, found }))) : {},
      majority: any?.after?.accuracy.test.majority,
      curves: isShared ? curves : [beforehand(measured, known.series[0]?.settings ?? []), ...curves],
    },
  ];
}

/** The models before, where each setting has one of its own, as a curve. */
function beforehand(
  points: readonly AblationPoint[],
  settings: readonly { readonly label: string }[],
): Curve {
  return {
    series: 'before',
    title: 'before forgetting',
    usual: undefined,
    points: settings.flatMap(({ label }) => {
      const own = firstOfEachSeed(points.filter(({ setting }) => setting === label));
      const [one, ...others] = own.map((point) => ({ ...point, after: point.before }));
      if (one === undefined) return [];
      return [{ ...curvePoint([one, ...others]), met: { count: 0, of: 0 }, notes: [] }];
    }),
  };
}

function placeOf(studies: readonly [AblationPoint | TheoremResult, ...(AblationPoint | TheoremResult)[]]): {
  readonly scenario: string;
  readonly scenarioTitle: string;
  readonly setup: PointSetup;
} {
  const [{ scenario, preset, network }] = studies;
  const facts = factsOf(scenario);
  return {
    scenario,
    scenarioTitle: facts?.title ?? scenario,
    setup: {
      preset,
      network: facts?.data === 'table' ? 'mlp' : network,
      seeds: [...new Set(studies.map(({ seed }) => seed))].sort((a, b) => a - b),
    },
  };
}

function same(a: Estimated & { readonly rows: number }, b: Estimated & { readonly rows: number }): boolean {
  return a.value === b.value && a.rows === b.rows;
}

function firstOfEachSeed(points: readonly AblationPoint[]): readonly AblationPoint[] {
  return [...new Map(points.toReversed().map((point) => [point.seed, point])).values()];
}

function curvePoint(points: readonly [AblationPoint, ...AblationPoint[]]): CurvePoint {
  const [first] = points;
  const measured = points.filter(({ after }) => after !== undefined);
  const rows = measured.flatMap(({ rows }) => rows ?? []);
  return {
    setting: first.setting,
    at: first.at,
    rows: rows.length === 0 ? undefined : rows.reduce((sum, count) => sum + count, 0) / rows.length,
    measures: summaries(measured.map(({ seed, after }) => ({ seed, found: after }))),
    met: metOf(measured),
    notRun: points.find(({ notRun }) => notRun !== undefined)?.notRun,
    notes: [...new Set(measured.flatMap(({ notes }) => notes))],
  };
}

function metOf(points: readonly AblationPoint[]): { readonly count: number; readonly of: number } {
  return { count: points.filter(({ targetMet }) => targetMet === true).length, of: points.length };
}

function summaries(
  found: readonly { readonly seed: number; readonly found: PointMeasured | undefined }[],
): Readonly<Partial<Record<PointMeasure, Summary>>> {
  return Object.fromEntries(
    POINT_MEASURES.flatMap((measure) => {
      const samples = found.flatMap(({ seed, found: one }) => {
        const value = one === undefined ? undefined : read(one, measure);
        return value === undefined ? [] : [sampleOf(seed, value)];
      });
      const summary = summaryOf(samples, BOUNDS[measure === 'sensitivity' ? 'positive' : 'share']);
      return summary === undefined ? [] : [[measure, summary] as const];
    }),
  );
}

const BOUNDS = {
  share: { least: 0, most: 1 },
  positive: { least: 0, most: Number.POSITIVE_INFINITY },
} as const;

function read({ accuracy, ...others }: PointMeasured, measure: PointMeasure): Estimated | undefined {
  switch (measure) {
    case 'test':
    case 'retain':
    case 'forget':
      return accuracy[measure];
    case 'sensitivity':
    case 'flips':
    case 'implant':
      return others[measure];
  }
}

function sampleOf(seed: number, { value, lower, upper }: Estimated): Sample {
  return { seed, value, lower, upper, hasInterval: true };
}

function goalsOf(points: readonly [AblationPoint, ...AblationPoint[]]): readonly Goal[] {
  const { scenario, scenarioTitle } = placeOf(points);
  const aim = AIMS[scenario];
  const known = ABLATIONS.find(({ name }) => name === 'share');
  if (aim === undefined || known === undefined) return [];
  return known.series.flatMap(({ name, title, settings }): readonly Goal[] => {
    if (!AIMING.includes(name)) return [];
    const of = (label: string) =>
      points.filter(
        ({ series, setting, after }) => series === name && setting === label && after !== undefined,
      );
    const samples = (label: string) =>
      of(label).flatMap(({ seed, after }) =>
        after === undefined ? [] : [sampleOf(seed, after.accuracy.test)],
      );
    const compared = (label: string) => {
      const [part, whole] = [summaryOf(samples(label)), summaryOf(samples('100%'))];
      // Both are judged on the same rows: their own intervals would tell too little.
      const loss = summaryOf(
        differences(samples('100%'), samples(label)).map((one) => ({ ...one, hasInterval: false })),
      );
      if (part === undefined || whole === undefined || loss === undefined) return undefined;
      const met = metOf(of(label));
      return { part, whole, loss, met, isReached: met.count === met.of && loss.value <= MOST_LOST };
    };
    const found = compared(aim);
    if (found === undefined) return [];
    const labels = settings.map(({ label }) => label).filter((label) => of(label).length > 0);
    const misses = labels.findLastIndex((label) => compared(label)?.isReached !== true);
    const rows = of(aim).flatMap(({ rows: count }) => count ?? []);
    return [
      {
        scenario,
        scenarioTitle,
        series: name,
        title,
        share: aim,
        rows: rows.length === 0 ? undefined : rows.reduce((sum, count) => sum + count, 0) / rows.length,
        most: MOST_LOST,
        ...found,
        reachedFrom: labels[misses + 1],
      },
    ];
  });
}

function theoremOf(results: readonly [TheoremResult, ...TheoremResult[]]): TheoremBlock {
  const [first] = results;
  const summary = (values: readonly (readonly [number, Estimated])[]): Summary =>
    summaryOf(values.map(([seed, value]) => sampleOf(seed, value))) ?? NOTHING;
  const losses = (values: readonly (readonly [number, TheoremResult['models'][number]['loss']])[]) => ({
    crossEntropy: summary(values.map(([seed, { crossEntropy }]) => [seed, crossEntropy])),
    distance: summary(values.map(([seed, { distance }]) => [seed, distance])),
  });
  const withSeeds = <One>(of: (result: TheoremResult) => readonly One[]) =>
    results.flatMap((result) => of(result).map((one) => [result.seed, one] as const));
  return {
    ...placeOf(results),
    notRun: results.find(({ notRun }) => notRun !== undefined)?.notRun,
    rows: first.rows,
    curve: byKey(
      withSeeds(({ curve }) => curve),
      ({ reading, norm }) => `${reading}/${norm}`,
    ).map(([[, { reading, norm }], all]) => ({
      reading,
      norm,
      ...losses(all.map(([seed, { loss }]) => [seed, loss])),
    })),
    models: byKey(
      withSeeds(({ models }) => models),
      ({ name, lambda }) => `${name}/${lambda ?? ''}`,
    ).map(([[, { name, lambda }], all]) => ({
      name,
      lambda,
      ...losses(all.map(([seed, { loss }]) => [seed, loss])),
    })),
    checks: byKey(
      withSeeds(({ checks }) => checks),
      ({ name, reading, norm, model, loss }) => JSON.stringify([name, reading, norm, model, loss]),
    ).map(([[, { name, reading, norm, model, loss, why }], all]): CheckRow => {
      const tally = (verdict: Truth) => all.filter(([, check]) => check.verdict === verdict).length;
      const [holds, doesNotHold, cannotBeTold] = TRUTHS.map(tally);
      return {
        name,
        reading,
        norm,
        model,
        loss,
        left: summary(all.map(([seed, check]) => [seed, check.left])),
        right: summary(all.map(([seed, check]) => [seed, check.right])),
        difference: summary(all.map(([seed, check]) => [seed, check.difference])),
        verdicts: {
          holds: holds ?? 0,
          'does-not-hold': doesNotHold ?? 0,
          'cannot-be-told': cannotBeTold ?? 0,
        },
        premises: all.filter(([, { premise }]) => premise === 'holds').length,
        why,
      };
    }),
    notes: [...new Set(results.flatMap(({ notes }) => notes))],
  };
}

const NOTHING: Summary = { value: Number.NaN, lower: Number.NaN, upper: Number.NaN, seeds: 0, over: 'none' };

/** Things with the same key together, with the first of each. */
function byKey<One>(
  all: readonly (readonly [number, One])[],
  keyOf: (one: One) => string,
): readonly (readonly [readonly [number, One], readonly (readonly [number, One])[]])[] {
  const groups = new Map<string, (readonly [number, One])[]>();
  for (const one of all) groups.set(keyOf(one[1]), [...(groups.get(keyOf(one[1])) ?? []), one]);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [[first, group] as const];
  });
}
