/** The fact base: which source counts, what is unknown and why, and what contradicts. */
import { contradict, type Dossier, openDossier } from '@assay/dossier';
import { evaluate, type FactValue, loadPolicy } from '@assay/policy';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FILES, folderWith, put, registry, TODAY, TOOL, vocabulary } from './vocabulary.ts';

const ADULT = { kind: 'dataset', id: 'adult' } as const;
const PRESENT = 'dataset.people.present';

async function opened(folder: string): Promise<Dossier> {
  return await openDossier(folder, { today: TODAY, tools: { assay: '0.1.0' } });
}

function measured(dossier: Dossier, value: FactValue, time: string, fact = PRESENT): Promise<string> {
  return dossier.recordEvidence({
    subject: 'dataset:adult',
    fact,
    value: plain(value),
    method: 'm',
    tool: TOOL,
    time,
  });
}

function attested(
  dossier: Dossier,
  value: FactValue,
  date: string,
  fact = PRESENT,
  until?: string,
): Promise<string> {
  return dossier.attest({
    subject: 'dataset:adult',
    fact,
    value: plain(value),
    by: 'Ada Lovelace',
    statement: `on ${date}`,
    date,
    ...(until === undefined ? {} : { until }),
  });
}

function plain(value: FactValue) {
  return typeof value === 'object' ? ('lower' in value ? { ...value } : [...value]) : value;
}

describe('precedence', () => {
  test('nothing is unknown; a declaration has its line; an attestation is stronger; evidence is strongest', async () => {
    const dossier = await opened(folderWith(FILES));
    const state = (id: string) => dossier.facts(vocabulary).fact({ kind: 'dataset', id }, PRESENT);
    expect(state('other')).toEqual({ state: 'unknown', reason: 'never recorded' });
    expect(state('adult')).toEqual({
      state: 'known',
      value: true,
      standing: 'declared',
      by: 'assay.yaml:18:16',
    });
    const attestation = await attested(dossier, false, TODAY);
    expect(state('adult')).toEqual({
      state: 'known',
      value: false,
      standing: 'attested',
      by: `attestation:${attestation}`,
    });
    const evidence = await measured(dossier, true, '2020-01-01T00:00:00Z');
    expect(state('adult')).toEqual({
      state: 'known',
      value: true,
      standing: 'measured',
      by: `evidence:${evidence}`,
    });
  });

  test('of two records of one kind, the later counts, in whatever order they were written', async () => {
    for (const times of [
      ['2026-01-01', '2026-01-02'],
      ['2026-01-02', '2026-01-01'],
    ] as const) {
      const dossier = await opened(folderWith(FILES));
      for (const day of times) await measured(dossier, day === '2026-01-02', `${day}T00:00:00Z`);
      expect(dossier.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({ value: true });
      const other = await opened(folderWith(FILES));
      for (const day of times) await attested(other, day === '2026-01-02', day);
      expect(other.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({ value: true });
    }
  });

  test('two of the same time that contradict decide nothing', async () => {
    const dossier = await opened(folderWith(FILES));
    await attested(dossier, true, TODAY);
    await dossier.attest({
      subject: 'dataset:adult',
      fact: PRESENT,
      value: false,
      by: 'Grace Hopper',
      statement: 's',
    });
    expect(dossier.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({
      state: 'unknown',
      reason: 'inconclusive',
    });
  });

  test('what can only be measured is not attested', async () => {
    const dossier = await opened(folderWith(FILES));
    await dossier.attest({
      subject: 'model:income',
      fact: 'model.sensitivity.protected',
      value: { value: 0, lower: 0, upper: 0, n: 9 },
      by: 'Ada Lovelace',
      statement: 's',
    });
    expect(
      dossier.facts(vocabulary).fact({ kind: 'model', id: 'income' }, 'model.sensitivity.protected'),
    ).toMatchObject({ state: 'unknown' });
  });

  test('a record of another type than the vocabulary has says nothing', async () => {
    const dossier = await opened(folderWith(FILES));
    await measured(dossier, 'perhaps', '2026-01-01T00:00:00Z');
    expect(dossier.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({ standing: 'declared' });
  });
});

describe('lapsed records', () => {
  test('evidence of the file as it was is stale, and says so', async () => {
    const folder = folderWith(FILES);
    const id = await measured(await opened(folder), 0.5, '2026-01-01T00:00:00Z', 'dataset.consent.share');
    put(folder, 'data/adult.csv', 'changed');
    const state = (await opened(folder)).facts(vocabulary).fact(ADULT, 'dataset.consent.share');
    expect(state).toMatchObject({
      state: 'unknown',
      reason: 'stale',
      detail: expect.stringContaining(`evidence:${id}: dataset:adult has changed since`),
    });
  });

  test('an attestation whose days are over has expired', async () => {
    const folder = folderWith(FILES);
    await attested(
      await openDossier(folder, { today: '2026-01-01' }),
      true,
      '2026-01-01',
      'dataset.consent.asked',
      '2026-06-30',
    );
    const state = (await opened(folder)).facts(vocabulary).fact(ADULT, 'dataset.consent.asked');
    expect(state).toMatchObject({
      state: 'unknown',
      reason: 'expired',
      detail: expect.stringContaining('it held until 2026-06-30'),
    });
  });

  test('what was measured does not turn back into what was claimed when the file changes', async () => {
    const folder = folderWith(FILES);
    await measured(await opened(folder), false, '2026-01-01T00:00:00Z');
    put(folder, 'data/adult.csv', 'changed');
    const dossier = await opened(folder);
    expect(dossier.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({
      state: 'unknown',
      reason: 'stale',
      detail: expect.stringContaining('declares in line 18 contradicts it'),
    });
    await attested(dossier, true, TODAY);
    expect(dossier.facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({
      value: true,
      standing: 'attested',
    });
  });

  test('a declaration that lapsed records agree with counts', async () => {
    const folder = folderWith(FILES);
    await measured(await opened(folder), true, '2026-01-01T00:00:00Z');
    put(folder, 'data/adult.csv', 'changed');
    expect((await opened(folder)).facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({
      value: true,
      standing: 'declared',
    });
  });

  test('an older record about the file as it is counts before a newer one about another', async () => {
    const folder = folderWith(FILES);
    await measured(await opened(folder), false, '2026-01-01T00:00:00Z');
    put(folder, 'data/adult.csv', 'changed');
    await measured(await opened(folder), true, '2026-02-01T00:00:00Z');
    put(folder, 'data/adult.csv', FILES['data/adult.csv']);
    expect((await opened(folder)).facts(vocabulary).fact(ADULT, PRESENT)).toMatchObject({
      value: false,
      standing: 'measured',
    });
  });
});

describe('conflicts', () => {
  test('attested against measured is shown, with both sources', async () => {
    const dossier = await opened(folderWith(FILES));
    const evidence = await measured(dossier, true, '2026-01-01T00:00:00Z', 'dataset.people.faces');
    const attestation = await attested(dossier, false, TODAY, 'dataset.people.faces');
    await attested(dossier, true, TODAY);
    expect(dossier.facts(vocabulary).conflicts()).toEqual([
      {
        subject: 'dataset:adult',
        fact: 'dataset.people.faces',
        sources: [
          { standing: 'measured', by: `evidence:${evidence}`, value: true },
          { standing: 'attested', by: `attestation:${attestation}`, value: false },
        ],
      },
    ]);
  });

  test('a declaration that evidence contradicts is shown', async () => {
    const dossier = await opened(folderWith(FILES));
    await measured(dossier, false, '2026-01-01T00:00:00Z');
    expect(dossier.facts(vocabulary).conflicts()).toMatchObject([
      {
        fact: PRESENT,
        sources: [
          { standing: 'measured', value: false },
          { standing: 'declared', by: 'assay.yaml:18:16', value: true },
        ],
      },
    ]);
  });

  test('intervals contradict only if they do not meet; lists only if their elements differ', () => {
    const interval = (lower: number, upper: number) => ({ value: (lower + upper) / 2, lower, upper, n: 10 });
    expect(contradict(interval(0, 1), interval(1, 2))).toBe(false);
    expect(contradict(interval(0, 1), interval(1.1, 2))).toBe(true);
    expect(contradict(interval(0, 1), 0.5)).toBe(false);
    expect(contradict(1.5, interval(0, 1))).toBe(true);
    expect(contradict(['a', 'b'], ['b', 'a', 'a'])).toBe(false);
    expect(contradict(['a'], [])).toBe(true);
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), fc.nat(9), fc.nat(9), (a, b, c, d) => {
        const [first, second] = [
          interval(Math.min(a, b), Math.max(a, b)),
          interval(Math.min(c, d), Math.max(c, d)),
        ];
        const common = Array.from({ length: 10 }, (_, x) => x).some(
          (x) => x >= first.lower && x <= first.upper && x >= second.lower && x <= second.upper,
        );
        expect(contradict(first, second)).toBe(!common);
        expect(contradict(second, first)).toBe(!common);
      }),
    );
  });
});

describe('withdrawn data sets', () => {
  async function facts(datasets: string, files: Readonly<Record<string, string>> = {}) {
    const folder = folderWith({
      'assay.yaml': `version: 1\nrelease: {name: a, version: "1"}\ndatasets:\n${datasets}`,
      ...files,
    });
    const base = (await opened(folder)).facts(vocabulary, registry);
    return (id: string, name: string) => base.fact({ kind: 'dataset', id }, `dataset.deprecated.${name}`);
  }

  test('a withdrawn data set is found by its name', async () => {
    const fact = await facts('  faces:\n    name: MS-Celeb-1M\n');
    expect(fact('faces', 'status')).toEqual({
      state: 'known',
      value: 'deprecated',
      standing: 'measured',
      by: 'registry of deprecated data sets',
    });
    expect(fact('faces', 'entry')).toMatchObject({ value: 'MS-Celeb-1M' });
    expect(fact('faces', 'because')).toMatchObject({ value: expect.stringContaining('MS-Celeb-1M') });
  });

  test('what was made from one inherits, through the lineage of the dossier', async () => {
    const fact = await facts('  mine:\n    derivedFrom: [middle]\n  middle:\n    derivedFrom: [MegaFace]\n');
    expect(fact('mine', 'status')).toMatchObject({ value: 'deprecated' });
    expect(fact('mine', 'matchedBy')).toMatchObject({ value: 'lineage' });
  });

  test('use for an audit is permitted, by the purpose that is declared', async () => {
    const fact = await facts('  faces:\n    name: MS-Celeb-1M\n    purpose: audit\n');
    expect(fact('faces', 'status')).toMatchObject({ value: 'permitted' });
  });

  test('any other data set matches nothing, and without a registry it is unknown', async () => {
    const fact = await facts('  mine:\n    name: My survey of bicycles\n');
    expect(fact('mine', 'status')).toMatchObject({ state: 'known', value: 'none' });
    expect(fact('mine', 'entry')).toMatchObject({ state: 'known', value: '' });
    expect(fact('mine', 'descentTold')).toMatchObject({ state: 'unknown' });
    expect(
      (await opened(folderWith(FILES))).facts(vocabulary).fact(ADULT, 'dataset.deprecated.status'),
    ).toMatchObject({ state: 'unknown' });
  });
});

test('the engine evaluates a dossier, and a changed file opens what was passed', async () => {
  const text = `id: test
version: 1.0.0
title: Test
source: { title: Test, place: none }
rules:
  - id: T1
    title: Consent
    text: People are asked.
    reference: none
    modal: must
    for: dataset
    when: dataset.people.present
    require: dataset.consent.asked
    evidence: attestation
    remedy: { text: Ask them. }
`;
  const policy = loadPolicy(text, 'test.yaml', vocabulary);
  const folder = folderWith(FILES);
  const verdicts = async () => {
    const dossier = await opened(folder);
    const evaluation = evaluate([policy], dossier.facts(vocabulary), {
      parameters: {},
      waivers: dossier.policyWaivers(),
      today: TODAY,
    });
    return Object.fromEntries(evaluation.verdicts.map(({ subject, status }) => [subject.id, status]));
  };
  expect(await verdicts()).toEqual({ adult: 'open', other: 'open' });
  await attested(await opened(folder), true, TODAY, 'dataset.consent.asked');
  expect(await verdicts()).toEqual({ adult: 'pass', other: 'open' });
  put(folder, 'data/adult.csv', 'changed');
  expect(await verdicts()).toEqual({ adult: 'open', other: 'open' });
  await (await opened(folder)).waive({
    policy: 'test',
    rule: 'T1',
    subject: 'dataset:adult',
    because: 'b',
    signatures: 2,
    by: ['Ada Lovelace', 'Grace Hopper'],
    until: '2026-12-01',
  });
  expect(await verdicts()).toEqual({ adult: 'waived', other: 'open' });
});

test('a decision keeps what it was made from: texts, digests, facts, verdicts', async () => {
  const folder = folderWith(FILES);
  const dossier = await opened(folder);
  await measured(dossier, true, '2026-01-01T00:00:00Z');
  const facts = dossier.facts(vocabulary, registry);
  const given = {
    tool: TOOL,
    policies: [
      {
        id: 'own',
        version: '1',
        policy: { origin: 'policies/own.yaml', text: 'id: own\n' },
        overlays: [{ origin: 'o.yaml', text: 'o' }],
        parameters: { company: 'x' },
      },
    ],
    vocabulary: [{ origin: 'v.yaml', text: 'v' }],
    registry: { origin: 'r.yaml', text: 'r' },
    facts,
    names: vocabulary,
    verdicts: [{ rule: 'R1', status: 'pass' }],
  };
  await dossier.recordDecision({ ...given, time: '2026-11-22T12:00:00Z' });
  await dossier.recordDecision({ ...given, time: '2026-11-22T11:00:00Z' });
  const [first, second] = await dossier.decisions();
  expect([first?.record.time, second?.record.time]).toEqual(['2026-11-22T11:00:00Z', '2026-11-22T12:00:00Z']);
  expect(
    first?.record.facts.find(({ fact, subject }) => fact === PRESENT && subject === 'dataset:adult')?.state,
  ).toMatchObject({ value: true, standing: 'measured' });
  expect(first?.record.verdicts).toEqual(given.verdicts);
  const kept = first?.record.policies[0];
  expect(await dossier.decisionText(kept?.policy.sha256 ?? '')).toBe('id: own\n');
  expect(await dossier.decisionText(kept?.overlays[0]?.sha256 ?? '')).toBe('o');
  put(folder, `decisions/texts/${kept?.policy.sha256}.yaml`, 'id: looser\n');
  await expect(dossier.decisionText(kept?.policy.sha256 ?? '')).rejects.toMatchObject({
    code: 'edited-by-hand',
  });
});
