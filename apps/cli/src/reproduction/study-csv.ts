/** The studies as CSV: one row for each number. */
import { POINT_MEASURES, type StudyTables, type Summary } from '@assay/reproduction';
import { csvCell } from '../csv.ts';
import { pointMeasure, verdictText } from './study-words.ts';

const COLUMNS = [
  'table',
  'scenario',
  'preset',
  'network',
  'study',
  'series',
  'setting',
  'measure',
  'unit',
  'value',
  'lower',
  'upper',
  'interval_over',
  'seeds',
  'forgotten',
  'verdict',
  'why',
] as const;

type Line = Readonly<Partial<Record<(typeof COLUMNS)[number], string>>>;

/** Shares are from 0 to 1, losses in nats or as distances. */
export function studiesCsv({ ablations, shares, relapse, theorem }: StudyTables): string {
  const lines = [
    ...[...shares, ...ablations, ...relapse].flatMap(
      ({ ablation, table, scenario, setup, curves, before, measures }) => {
        const head = {
          table,
          scenario,
          preset: setup.preset,
          network: setup.network,
          study: ablation,
        };
        const numbers = (found: (typeof curves)[number]['points'][number]['measures']) =>
          POINT_MEASURES.filter((measure) => measures.includes(measure)).flatMap(
            (measure): readonly Line[] => {
              const summary = found[measure];
              return summary === undefined
                ? []
                : [{ measure, unit: pointMeasure(measure).unit, ...cells(summary) }];
            },
          );
        return [
          ...numbers(before).map((line): Line => ({ ...head, series: 'before', ...line })),
          ...curves.flatMap(({ series, points }) =>
            points.flatMap(({ setting, measures: found, met, notRun }): readonly Line[] => {
              const place = { ...head, series, setting };
              const own = numbers(found).map((line) => ({
                ...place,
                ...line,
                forgotten: `${met.count}/${met.of}`,
              }));
              return notRun === undefined ? own : [...own, { ...place, why: notRun }];
            }),
          ),
        ];
      },
    ),
    ...theorem.flatMap(({ scenario, setup, curve, models, checks }) => {
      const head = { table: 'theorem', scenario, preset: setup.preset, network: setup.network };
      return [
        ...curve.flatMap(({ reading, norm, crossEntropy, distance }): readonly Line[] => {
          const place = { ...head, study: 'least loss', series: reading, setting: String(norm) };
          return [
            { ...place, measure: 'crossEntropy', ...cells(crossEntropy) },
            { ...place, measure: 'distance', ...cells(distance) },
          ];
        }),
        ...models.flatMap(({ name, lambda, crossEntropy, distance }): readonly Line[] => {
          const place = {
            ...head,
            study: 'loss',
            series: name,
            setting: lambda === undefined ? '' : `λ=${lambda}`,
          };
          return [
            { ...place, measure: 'crossEntropy', ...cells(crossEntropy) },
            { ...place, measure: 'distance', ...cells(distance) },
          ];
        }),
        ...checks.map(
          (check): Line => ({
            ...head,
            study: check.name,
            series: [check.model, check.reading].filter((text) => text !== undefined).join(', '),
            setting: check.norm === undefined ? '' : `C=${check.norm}`,
            measure: check.loss,
            ...cells(check.difference),
            verdict: verdictText(check),
            why: check.why,
          }),
        ),
      ];
    }),
  ];
  const row = (cells: readonly string[]) => cells.map(csvCell).join(',');
  return `${[row(COLUMNS), ...lines.map((line: Line) => row(COLUMNS.map((column) => line[column] ?? '')))].join('\r\n')}\r\n`;
}

function cells({ value, lower, upper, over, seeds }: Summary): Line {
  const bounded = over === 'none' ? {} : { lower: String(lower), upper: String(upper) };
  return { value: String(value), ...bounded, interval_over: over, seeds: String(seeds) };
}
