/** Random policies and fact bases over a small vocabulary, and a brute-force view of a fact's domain. */

import {
  type FactEntry,
  type FactState,
  type FactValue,
  loadVocabulary,
  type Subject,
  type SubjectRef,
} from '@assay/policy';
import fc from 'fast-check';

export const vocabulary = loadVocabulary([
  {
    origin: 'small.yaml',
    text: `
version: 1
facts:
  release.a: { type: boolean, title: A, question: A?, supply: [attest] }
  release.b: { type: boolean, title: B, question: B?, supply: [attest] }
  dataset.p: { type: boolean, title: P, question: P?, supply: [attest] }
  dataset.q: { type: boolean, title: Q, question: Q?, supply: [attest] }
  dataset.count: { type: number, min: 0, max: 4, title: Count, question: How many?, supply: [attest] }
  dataset.kind: { type: enum, values: [x, y, z], title: Kind, question: Which?, supply: [attest] }
  dataset.tags: { type: list, values: [x, y], title: Tags, question: Which?, supply: [attest] }
  dataset.until: { type: date, title: Until, question: When?, supply: [attest] }
  dataset.rate: { type: estimate, min: 0, max: 4, title: Rate, question: How much?, supply: [measure] }
`,
  },
]);

export const release: Subject = { kind: 'release', id: 'release' };
export const dataset: Subject = { kind: 'dataset', id: 'd1' };
export const dataset2: Subject = { kind: 'dataset', id: 'd2' };
export const subjects: readonly Subject[] = [release, dataset, dataset2];

/** All facts of all subjects, with every value that the random conditions can tell apart. */
const points = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4];
export const domains: ReadonlyMap<string, readonly FactValue[]> = new Map<string, readonly FactValue[]>([
  ['release.a', [true, false]],
  ['release.b', [true, false]],
  ['dataset.p', [true, false]],
  ['dataset.q', [true, false]],
  ['dataset.count', points],
  ['dataset.kind', ['x', 'y', 'z']],
  ['dataset.tags', [[], ['x'], ['y'], ['x', 'y']]],
  ['dataset.until', ['2026-01-01', '2026-11-22', '2027-01-01']],
  [
    'dataset.rate',
    points
      .flatMap((lower) => points.filter((upper) => upper >= lower).map((upper) => ({ lower, upper })))
      .map(({ lower, upper }) => ({ value: (lower + upper) / 2, lower, upper, n: 10 })),
  ],
]);

export const cells: readonly { readonly subject: SubjectRef; readonly name: string }[] = subjects.flatMap(
  (subject) =>
    [...domains.keys()]
      .filter((name) => name.startsWith(`${subject.kind}.`))
      .map((name) => ({ subject, name })),
);

export function known(value: FactValue): FactState {
  return { state: 'known', value, standing: 'attested', by: 'test' };
}

/** Entries for some of the cells; `share` of them are known. */
export function entriesArbitrary(share = 0.6): fc.Arbitrary<FactEntry[]> {
  return fc
    .tuple(
      ...cells.map(({ subject, name }) =>
        fc
          .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...(domains.get(name) ?? [])))
          .map(([roll, value]): FactEntry[] =>
            roll < share ? [{ subject, name, state: known(value) }] : [],
          ),
      ),
    )
    .map((parts) => parts.flat());
}

interface Options {
  /** `dataset` where the rule is about a data set, else only the release and macros. */
  readonly self: 'dataset' | 'release';
  readonly parameters?: boolean;
  /** Bare estimates compare three-valued, which plain CEL does not know. */
  readonly estimates?: boolean;
}

/** A random condition over the small vocabulary, as text. */
export function conditionArbitrary({
  self,
  parameters = false,
  estimates = true,
}: Options): fc.Arbitrary<string> {
  const atomsOf = (holder: string, depth: number) => {
    const number = fc.integer({ min: 0, max: 4 }).map(String);
    const limit = parameters
      ? fc.oneof(
          { arbitrary: number, weight: 6 },
          { arbitrary: fc.constantFrom('param.limit', 'param.limit + 1.0', '2.0 - param.limit'), weight: 1 },
        )
      : number;
    const listed = parameters
      ? fc.constantFrom('["x"]', '["x", "y"]', '["z"]', '["y"]', 'param.list')
      : fc.constantFrom('["x"]', '["x", "z"]', '["y"]');
    const comparison = fc.constantFrom('<', '<=', '>', '>=');
    const atoms: fc.Arbitrary<string>[] = [
      fc.constantFrom(`${holder}.p`, `${holder}.q`),
      fc.tuple(comparison, limit).map(([op, right]) => `${holder}.count ${op} ${right}`),
      fc.tuple(comparison, limit).map(([op, left]) => `${left} ${op} ${holder}.count`),
      fc.tuple(fc.constantFrom('==', '!='), number).map(([op, right]) => `${holder}.count ${op} ${right}.0`),
      listed.map((list) => `${holder}.kind in ${list}`),
      fc.constantFrom(
        `"x" in ${holder}.tags`,
        `${holder}.kind in ${holder}.tags`,
        `${holder}.tags.size() > 1`,
      ),
      fc.constantFrom(`${holder}.kind == "x"`, `${holder}.kind != "y"`, `${holder}.p == ${holder}.q`),
      ...(estimates
        ? [
            fc.tuple(comparison, limit).map(([op, right]) => `${holder}.rate ${op} ${right}`),
            fc.constantFrom(`${holder}.until >= today`, `${holder}.until < "2026-11-22"`),
          ]
        : []),
      ...(parameters ? [fc.constantFrom('param.strict', `${holder}.p`, `${holder}.q`)] : []),
    ];
    if (parameters && depth === 0)
      atoms.push(
        fc.constantFrom(
          `param.list.exists(l, l in ${holder}.tags)`,
          `param.list.all(l, l in ${holder}.tags)`,
        ),
      );
    return fc.oneof(...atoms);
  };
  const { condition } = fc.letrec<{ condition: string; atom: string; body: string }>((tie) => ({
    atom: fc.oneof(
      ...(self === 'dataset' ? [{ arbitrary: atomsOf('dataset', 0), weight: 6 }] : []),
      { arbitrary: fc.constantFrom('release.a', 'release.b'), weight: 2 },
      {
        arbitrary: fc
          .tuple(fc.constantFrom('exists', 'all', 'exists_one'), tie('body'))
          .map(([macro, body]) => `datasets.${macro}(d, ${body})`),
        weight: 2,
      },
    ),
    body: fc.oneof(
      atomsOf('d', 1),
      fc
        .tuple(atomsOf('d', 1), fc.constantFrom('&&', '||'), atomsOf('d', 1))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
    ),
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      tie('atom'),
      tie('condition').map((of) => `!(${of})`),
      fc
        .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
        .map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc
        .tuple(tie('condition'), tie('condition'), tie('condition'))
        .map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    ),
  }));
  return condition;
}

/** A rule of a random policy, before it is written as YAML. */
export interface RuleSketch {
  readonly id: string;
  readonly self: 'dataset' | 'release';
  readonly when: string | undefined;
  readonly require: string;
  readonly review: string | undefined;
  readonly exceptions: readonly string[];
  readonly modal: string;
}

export function ruleArbitrary(id: string, parameters = false): fc.Arbitrary<RuleSketch> {
  return fc.constantFrom('dataset' as const, 'release' as const).chain((self) => {
    const condition = conditionArbitrary({ self, parameters });
    return fc.record({
      id: fc.constant(id),
      self: fc.constant(self),
      when: fc.option(condition, { nil: undefined }),
      require: condition,
      review: fc.option(condition, { nil: undefined }),
      exceptions: fc.array(condition, { maxLength: 2 }),
      modal: fc.constantFrom('prohibited', 'must', 'should', 'consider'),
    });
  });
}

export interface ParameterSketch {
  readonly limit: number;
  readonly list: readonly string[];
  readonly strict: boolean;
  readonly tighten: readonly [string, string, string];
}

/** Writes a policy; JSON is YAML. */
export function policyText(
  id: string,
  rules: readonly RuleSketch[],
  scope: string | undefined,
  parameters?: ParameterSketch,
): string {
  return JSON.stringify({
    id,
    version: '1',
    title: `The code ${id}`,
    source: { title: 'made', place: 'here' },
    ...(parameters && {
      parameters: {
        limit: { type: 'number', title: 'limit', default: parameters.limit, tighten: parameters.tighten[0] },
        list: {
          type: 'list',
          title: 'list',
          values: ['x', 'y'],
          default: parameters.list,
          tighten: parameters.tighten[1],
        },
        strict: {
          type: 'boolean',
          title: 'strict',
          default: parameters.strict,
          tighten: parameters.tighten[2],
        },
      },
    }),
    ...(scope !== undefined && { scope: { when: scope } }),
    rules: rules.map(({ id: rule, self, when, require, review, exceptions, modal }) => ({
      id: rule,
      title: `Rule ${rule}`,
      text: 'Our words.',
      reference: 'section 1',
      modal,
      for: self,
      ...(when !== undefined && { when }),
      require,
      ...(review !== undefined && { review }),
      exceptions: exceptions.map((exception, i) => ({
        id: `E${i + 1}`,
        title: 'Exception',
        when: exception,
      })),
      evidence: 'What decides.',
    })),
  });
}
