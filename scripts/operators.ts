/** Writes OPERATORS.md, the list of ops that can be differentiated, from the rule table itself. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMITTED_OPSET } from '../packages/graph/src/build.ts';
import type { OperatorGradient } from '../packages/graph/src/differentiate/rule.ts';
import { ASSAY_DOMAIN, FAMILIES, ZERO_DERIVATIVE } from '../packages/graph/src/differentiate/table.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from '../packages/graph/src/opsets.ts';

/** The whole text of OPERATORS.md. */
export function operatorsDocument(): string {
  const families = Object.entries(FAMILIES).filter(([, rules]) => Object.keys(rules).length > 0);
  const count = families.reduce((total, [, rules]) => total + Object.keys(rules).length, 0);
  return `${[
    '<!-- Written by `npm run operators` from packages/graph/src/differentiate/table.ts; edit the rules, not this file. -->',
    '# Operators',
    `\`@assay/graph\` differentiates ${count} operators of the ONNX standard set, and knows ${ZERO_DERIVATIVE.size} more whose ` +
      'derivative is zero. Every gradient is written with standard operators, so any ONNX runtime runs it.',
    `**Operator sets.** Models of operator set ${OLDEST_OPSET} to ${NEWEST_OPSET} are taken. An older one than ${EMITTED_OPSET} ` +
      `is first brought to ${EMITTED_OPSET}; gradients are emitted in ${EMITTED_OPSET} or, for a newer model, in the model’s own.`,
    '**Inputs** are counted from 0, as in the ONNX specification. Through the inputs that are not listed (indices, shapes, ' +
      'axes, running statistics) no gradient flows.',
    '## With a gradient',
    ...families.flatMap(([family, rules]) => [`### ${family}`, familyTable(rules)]),
    '## With a derivative of zero',
    'The output of these does not change under a small change of an input, or is no floating-point number. A path through ' +
      'one of them contributes nothing to the gradient, and is no error.',
    [...ZERO_DERIVATIVE]
      .sort(byName)
      .map((op) => `\`${op}\``)
      .join(', '),
    `\`${ASSAY_DOMAIN}.StopGradient\` marks a value to be held fixed: the identity with a derivative of zero. It is ` +
      'taken out of the models that are returned.',
    '## Not supported',
    'Every other operator, those of other domains, and control flow (`If`, `Loop`, `Scan`) have no rule. A model may contain ' +
      'them where no gradient has to pass: before the first wanted weight or input, or off the path to the loss. Where one ' +
      'is in the way, differentiation stops before anything runs, with a `NotDifferentiableError` that names the node and ' +
      'the op. The same error names the reason where an operator is listed above but is used in a way that its note excludes.',
    '`ai.onnx.preview.training.Gradient` nodes are accepted, and expanded into the operators above.',
  ].join('\n\n')}\n`;
}

function familyTable(rules: Readonly<Record<string, OperatorGradient>>): string {
  const rows = Object.entries(rules)
    .sort(([a], [b]) => byName(a, b))
    .map(
      ([op, { differentiable, note }]) =>
        `| \`${op}\` | ${inputs(differentiable)} | ${escapeCell(note ?? '')} |`,
    );
  return ['| op | differentiable inputs | note |', '|---|---|---|', ...rows].join('\n');
}

function inputs(differentiable: OperatorGradient['differentiable']): string {
  return differentiable === 'all' ? 'all' : differentiable.join(', ');
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Independent of the machine's language. */
function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '..', 'OPERATORS.md');
  writeFileSync(path, operatorsDocument());
}
