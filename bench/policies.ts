/** Benchmark `policies`: dossiers judged per second by the shipped codes, and the largest policies and dossiers. */

import { readdirSync, readFileSync } from 'node:fs';
import {
  evaluate,
  type FactBase,
  type FactDeclaration,
  type FactEntry,
  type FactValue,
  factBase,
  limits,
  loadPolicy,
  loadVocabulary,
  type Policy,
  type Subject,
} from '@assay/policy';
import { inTurns, spreadOf } from './measure.ts';
import { type Benchmark, type ResultTable, spreadText } from './report.ts';

const folder = new URL('../policies/', import.meta.url);
const today = '2026-11-22';
const subjects: readonly Subject[] = [
  { kind: 'release', id: 'release' },
  { kind: 'model', id: 'model' },
  { kind: 'dataset', id: 'training' },
  { kind: 'dataset', id: 'evaluation' },
];
/** Shares of all facts that are known: what is missing has to be found and shown to matter. */
const SHARES = [1, 0.8, 0.3] as const;

export const policies: Benchmark = {
  name: 'policies',
  summary: 'dossiers judged per second by the shipped codes; the largest policies and dossiers',
  async run({ quick, say }) {
    return [await rates(quick, say), await extremes(quick, say)];
  },
};

const vocabularyFiles = () =>
  readdirSync(new URL('facts/', folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => ({ origin: name, text: readFileSync(new URL(`facts/${name}`, folder), 'utf8') }));

async function rates(quick: boolean, say: (text: string) => void): Promise<ResultTable> {
  const vocabulary = loadVocabulary(vocabularyFiles());
  const codes = ['neurips-code-of-ethics', 'neocrym'].map((name) =>
    loadPolicy(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'), name, vocabulary),
  );
  const rules = codes.reduce((sum, code) => sum + code.rules.length, 0);
  const declared = [...vocabulary.facts.values()];
  const count = quick ? 200 : 1000;
  const rows: string[][] = [];
  const data: Record<string, unknown>[] = [];
  for (const share of SHARES) {
    say(`${count} dossiers, ${share * 100} % of the facts known`);
    const next = generator(7);
    const dossiers = Array.from({ length: count }, () => randomDossier(declared, share, next));
    let verdicts = 0;
    const seconds = await inTurns(
      {
        judge: async () =>
          time(() => {
            verdicts = 0;
            for (const dossier of dossiers) verdicts += evaluate(codes, dossier, { today }).verdicts.length;
          }),
      },
      quick ? 3 : 9,
    );
    const rate = spreadOf(seconds.judge.map((taken) => count / taken));
    rows.push([`${share * 100} %`, String(rules), (verdicts / count).toFixed(0), spreadText(rate, 1)]);
    data.push({ share, rules, verdicts: verdicts / count, dossiersPerSecond: rate });
  }
  return {
    title: 'Dossiers judged by the NeurIPS and the Neocrym code',
    notes: [
      `Dossiers per second on one core: median [quartiles]. ${count} dossiers of one model and two data sets with random facts; policies are loaded once, and each evaluation names what is missing and shows that it matters.`,
    ],
    columns: ['facts known', 'rules', 'verdicts', 'dossiers/s'],
    rows,
    data,
  };
}

async function extremes(quick: boolean, say: (text: string) => void): Promise<ResultTable> {
  say('the largest policy and the largest dossier');
  const vocabulary = loadVocabulary([{ origin: 'bench', text: small }]);
  const text = manyRules(limits.rules);
  const load = () => loadPolicy(text, 'bench', vocabulary);
  const largest = load();
  const one = loadPolicy(manyRules(1), 'bench', vocabulary);
  const nothing = factBase(subjects, []);
  const names = [...vocabulary.facts.keys()];
  const many: Subject[] = [
    { kind: 'release', id: 'release' },
    ...Array.from({ length: 100_000 / names.length }, (_, i): Subject => ({ kind: 'dataset', id: `d${i}` })),
  ];
  const entries = many.slice(1).flatMap((subject) =>
    names.map(
      (name): FactEntry => ({
        subject,
        name,
        state: { state: 'known', value: 2, standing: 'declared', by: 'bench' },
      }),
    ),
  );
  const big = factBase(many, entries);
  const judge = (policy: Policy, facts: FactBase) => async () =>
    time(() => evaluate([policy], facts, { today }));
  const seconds = await inTurns(
    {
      [`read ${limits.rules} rules`]: async () => time(load),
      [`judge ${limits.rules} rules, nothing known`]: judge(largest, nothing),
      '1 rule, 100,000 facts known': judge(one, big),
      '1 rule, 100,000 facts missing': judge(one, factBase(many, [])),
    },
    quick ? 2 : 5,
  );
  const results = Object.entries(seconds).map(([name, taken]) => ({ name, seconds: spreadOf(taken) }));
  return {
    title: 'The largest policy and dossier',
    notes: ['Milliseconds: median [quartiles].'],
    columns: ['work', 'ms'],
    rows: results.map(({ name, seconds: taken }) => [name, spreadText(taken, 1000)]),
    data: results,
  };
}

/** Ten numbers of a data set, all read by each rule. */
const small = JSON.stringify({
  version: 1,
  facts: Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [
      `dataset.n${i}`,
      { type: 'number', title: 'N', question: 'How many?', supply: ['attest'] },
    ]),
  ),
});

function manyRules(count: number): string {
  const condition = (least: number) =>
    Array.from({ length: 10 }, (_, i) => `dataset.n${i} > ${least}`).join(' && ');
  const rules = Array.from({ length: count }, (_, i) => ({
    id: `R${i}`,
    title: 'T',
    text: 'T',
    reference: 'r',
    modal: 'should',
    for: 'dataset',
    require: condition(i % 3),
    evidence: 'e',
  }));
  // One rule to a line, as YAML of a person would have at least.
  const head = 'id: large\nversion: "1"\ntitle: Large\nsource: { title: s, place: p }\nrules:\n';
  return head + rules.map((rule) => `  - ${JSON.stringify(rule)}\n`).join('');
}

function randomDossier(declared: readonly FactDeclaration[], share: number, next: () => number): FactBase {
  const entries = subjects.flatMap((subject) =>
    declared
      .filter((fact) => fact.subject === subject.kind && next() < share)
      .map(
        (fact): FactEntry => ({
          subject,
          name: fact.name,
          state: { state: 'known', value: randomValue(fact, next), standing: 'attested', by: 'bench' },
        }),
      ),
  );
  return factBase(subjects, entries);
}

function randomValue({ type, values, min = 0, max = 1 }: FactDeclaration, next: () => number): FactValue {
  const number = min + next() * (max - min);
  switch (type) {
    case 'boolean':
      return next() < 0.5;
    case 'number':
      return number;
    case 'string':
      return 'text';
    case 'date':
      return next() < 0.5 ? '2026-01-01' : '2027-01-01';
    case 'enum':
      return values?.[Math.floor(next() * values.length)] ?? '';
    case 'list':
      return (values ?? ['text']).filter(() => next() < 0.2);
    case 'estimate':
      return { value: number, lower: (min + number) / 2, upper: (number + max) / 2, n: 100 };
  }
}

/** Mulberry32: numbers in [0, 1) that are the same on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function time(work: () => unknown): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}
