/** Two or more codes side by side: what each says on a topic, over the same facts, and where they part. */

import { z } from 'zod';
import type { EvaluationRecord, Status, Verdict } from './evaluate.ts';
import { compare } from './facts.ts';
import type { Policy } from './policy.ts';
import { readYaml } from './yaml-source.ts';

/** A topic on which codes can be compared, with the rules of each that are about it. */
export interface Topic {
  readonly id: string;
  readonly title: string;
  /** Ids of rules, by policy id. A policy without rules here is silent. */
  readonly rules: Readonly<Record<string, readonly string[]>>;
  /** How the codes' wordings differ. */
  readonly note?: string;
}

/** What one code says on a topic. */
export interface Position {
  readonly policy: string;
  /** The gravest of its verdicts; `silent` without rules, `notApplicable` also where no subject was there to judge. */
  readonly stance: Status | 'silent';
  readonly verdicts: readonly Verdict[];
}

export interface Comparison {
  readonly topic: Topic;
  readonly positions: readonly Position[];
  /** `agree`: all that speak come to the same; `differ`: they do not; `alone`: one speaks, the others are silent. */
  readonly relation: 'agree' | 'differ' | 'alone' | 'silent';
  /** Facts that some of the codes read on this topic and others do not, by policy id. */
  readonly ownFacts: Readonly<Record<string, readonly string[]>>;
  /** Sentences that say how they differ and why. */
  readonly explanation: readonly string[];
}

const topicFile = z.strictObject({
  version: z.literal(1),
  topics: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z][a-z0-9-]*$/, 'An id is lower-case letters, digits and hyphens.'),
        title: z.string().min(1).max(300),
        rules: z.record(z.string(), z.array(z.string()).min(1)),
        note: z.string().min(1).max(2000).optional(),
      }),
    )
    .min(1)
    .max(500),
});

/**
 * Reads topics and checks that the rules they name exist.
 * @throws PolicyError with file, line and column.
 */
export function loadTopics(text: string, origin: string, policies: readonly Policy[]): Topic[] {
  const source = readYaml(text, origin, topicFile);
  const ids = new Set<string>();
  return source.value.topics.map((topic, i) => {
    const path = ['topics', i];
    if (ids.has(topic.id)) throw source.error([...path, 'id'], `There are two topics "${topic.id}".`);
    ids.add(topic.id);
    for (const [id, rules] of Object.entries(topic.rules)) {
      const policy = policies.find((candidate) => candidate.id === id);
      if (policy === undefined) throw source.error([...path, 'rules', id], `There is no policy "${id}".`);
      for (const [place, rule] of rules.entries())
        if (!policy.rules.some((candidate) => candidate.id === rule))
          throw source.error([...path, 'rules', id, place], `The policy "${id}" has no rule "${rule}".`);
    }
    const { note, ...rest } = topic;
    return { ...rest, ...(note !== undefined && { note }) };
  });
}

/** From the mildest to the gravest. */
const gravity: readonly Status[] = ['notApplicable', 'pass', 'waived', 'review', 'open', 'fail'];

/** Compares the policies of one evaluation, topic by topic, in the order of the topics. */
export function compareCodes(evaluation: EvaluationRecord, topics: readonly Topic[]): Comparison[] {
  const titles = new Map(evaluation.policies.map(({ id, title }) => [id, title]));
  const ids = [...titles.keys()].sort(compare);
  return topics.map((topic) => {
    const positions = ids.map((policy): Position => {
      const rules = Object.hasOwn(topic.rules, policy) ? (topic.rules[policy] ?? []) : [];
      const verdicts = evaluation.verdicts.filter(
        (verdict) => verdict.policy === policy && rules.includes(verdict.rule),
      );
      return { policy, stance: rules.length === 0 ? 'silent' : gravest(verdicts), verdicts };
    });
    const speaking = positions.filter(({ stance }) => stance !== 'silent');
    const stances = new Set(speaking.map(({ stance }) => stance));
    const relation =
      speaking.length === 0
        ? 'silent'
        : speaking.length === 1 && ids.length > 1
          ? 'alone'
          : stances.size === 1
            ? 'agree'
            : 'differ';
    const ownFacts = factsOfOneAlone(speaking);
    const name = (policy: string) => titles.get(policy) ?? policy;
    return {
      topic,
      positions,
      relation,
      ownFacts,
      explanation: explanationOf(topic, positions, relation, ownFacts, name),
    };
  });
}

function gravest(verdicts: readonly Verdict[]): Status {
  return verdicts.reduce<Status>(
    (worst, { status }) => (gravity.indexOf(status) > gravity.indexOf(worst) ? status : worst),
    'notApplicable',
  );
}

function factsOfOneAlone(positions: readonly Position[]): Record<string, readonly string[]> {
  const read = positions.map(({ policy, verdicts }) => ({
    policy,
    facts: new Set(verdicts.flatMap(({ reads }) => reads)),
  }));
  return Object.fromEntries(
    read.map(({ policy, facts }) => [
      policy,
      [...facts]
        .filter((fact) => read.every((other) => other.policy === policy || !other.facts.has(fact)))
        .sort(compare),
    ]),
  );
}

const sentenceOf: Readonly<Record<Status | 'silent', string>> = {
  silent: 'is silent',
  notApplicable: 'does not apply',
  pass: 'is met',
  waived: 'is waived',
  review: 'asks that a person look',
  open: 'is open',
  fail: 'is not met',
};

function explanationOf(
  topic: Topic,
  positions: readonly Position[],
  relation: Comparison['relation'],
  ownFacts: Readonly<Record<string, readonly string[]>>,
  name: (policy: string) => string,
): string[] {
  const sentences = positions.map(({ policy, stance, verdicts }) => {
    const behind = verdicts.filter(({ status }) => status === stance);
    const rules = [...new Set(behind.map(({ rule }) => rule))];
    const named = rules.length === 0 ? '' : ` (${rules.join(', ')})`;
    const exceptions = [
      ...new Set(behind.flatMap(({ rule, exception }) => (exception ? [`${rule} ${exception}`] : []))),
    ];
    const by = exceptions.length === 0 ? '' : `, by the exception ${exceptions.join(', ')}`;
    const missing = [...new Set(behind.flatMap((verdict) => verdict.missing.map(({ fact }) => fact)))];
    const lacks =
      stance === 'open' && missing.length > 0 ? `: ${missing.slice(0, 5).join(', ')} not known` : '';
    return `${name(policy)} ${sentenceOf[stance]}${named}${by}${lacks}.`;
  });
  if (relation === 'differ') {
    for (const [policy, facts] of Object.entries(ownFacts)) {
      if (facts.length > 0)
        sentences.push(`Only ${name(policy)} asks here about ${facts.slice(0, 8).join(', ')}.`);
    }
    if (Object.values(ownFacts).every((facts) => facts.length === 0))
      sentences.push('They read the same facts and ask different things of them.');
  }
  if (topic.note !== undefined) sentences.push(topic.note);
  return sentences;
}
