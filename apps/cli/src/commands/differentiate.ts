/** `assay differentiate`: a model that computes gradients, from a model. */

import { nearestName } from '@assay/data';
import {
  assertUsable,
  differentiate,
  encodeModel,
  GRADIENT_PREFIX,
  keepOutputs,
  LOSS,
  type LossSpecification,
  type Model,
  trainableInitializers,
  withLoss,
} from '@assay/graph';
import { type Command, Option } from 'commander';
import { EXIT, InputError, UsageError } from '../failures.ts';
import { planFile, writeWhole } from '../files.ts';
import { readModelFile } from '../model-file.ts';
import { names } from '../options.ts';
import type { Action } from '../run.ts';
import { counted } from '../terminal/text.ts';
import { versions } from '../versions.ts';

interface Options {
  readonly loss: LossSpecification['kind'];
  readonly parameters?: readonly string[];
  readonly output?: string;
  readonly out: string;
  readonly force?: boolean;
}

export function addDifferentiate(program: Command, action: Action): void {
  program
    .command('differentiate')
    .summary('write a model that computes gradients')
    .description(
      'Writes a model that takes the inputs of MODEL and "labels", and gives its outputs, "loss" (the mean over the batch) and "grad.NAME" for each trainable initializer NAME. Only standard operators are used, so that any ONNX runtime runs it.',
    )
    .argument('<model>', 'ONNX file')
    .addOption(
      new Option('--loss <loss>', 'cross-entropy (labels are class numbers), mse, or sum of the output')
        .choices(['cross-entropy', 'mse', 'sum'])
        .default('cross-entropy'),
    )
    .option('--output <name>', 'output that the loss is of, where there are several')
    .option(
      '--parameters <names>',
      'initializers to differentiate by, with commas between them (default: all trainable)',
      names,
    )
    .requiredOption('-o, --out <file>', 'model to write')
    .option('--force', 'replace the file if it is there')
    .addHelpText(
      'after',
      `
Examples:
  $ assay differentiate adult.onnx --loss cross-entropy -o gradients.onnx
  $ assay differentiate model.onnx --loss sum --output logits -o gradients.onnx
`,
    )
    .action(async (modelPath: string, options: Options) => {
      await action(async (context) => {
        const planned = await planFile(context.io, options.out, {
          force: options.force === true,
          inputs: [modelPath],
        });
        const file = await readModelFile(modelPath);
        const result = differentiated(file.model, file.shown, options);
        const written = await writeWhole(context.io, planned, encodeModel(result.model));
        await context.note(result.notes);
        await context.show(
          `Wrote ${context.style.bold(options.out)}: loss and ${counted(result.parameters.length, 'gradient')}, by ${counted(result.model.graph.nodes.length, 'node')} in all.`,
        );
        await context.give({
          command: 'differentiate',
          model: { path: file.shown, sha256: file.digest },
          output: { path: options.out, sha256: written.digest, bytes: written.bytes },
          loss: options.loss,
          gradients: result.parameters.map((name) => GRADIENT_PREFIX + name),
          left_out: result.leftOut,
          notes: result.notes,
          versions: versions(),
        });
        return EXIT.done;
      });
    });
}

interface Differentiated {
  readonly model: Model;
  readonly parameters: readonly string[];
  /** Trainable initializers that the loss does not depend on. */
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
}

function differentiated(model: Model, shown: string, options: Options): Differentiated {
  assertUsable(model);
  const trainable = trainableInitializers(model);
  for (const name of options.parameters ?? []) {
    if (model.graph.initializers.has(name)) continue;
    const nearest = nearestName(name, trainable);
    throw new UsageError(
      `${shown} has no initializer "${name}". ${nearest === undefined ? `Trainable are: ${trainable.slice(0, 12).join(', ')}${trainable.length > 12 ? `, … (${trainable.length} in all)` : ''}.` : `Did you mean "${nearest}"?`}`,
    );
  }
  const wanted = options.parameters ?? trainable;
  const { model: withItsLoss, notes } = withLoss(model, {
    kind: options.loss,
    ...(options.output === undefined ? {} : { output: options.output }),
  });
  const reached = keepOutputs(withItsLoss, [LOSS]).graph.initializers;
  const parameters = wanted.filter((name) => reached.has(name));
  const leftOut = wanted.filter((name) => !reached.has(name));
  if (parameters.length === 0) {
    throw new InputError(
      `${shown} has no trainable initializer on which the loss depends, so there is nothing to differentiate by.`,
    );
  }
  const left =
    leftOut.length === 0
      ? []
      : [
          `The loss does not depend on ${leftOut.slice(0, 8).join(', ')}${leftOut.length > 8 ? `, and ${leftOut.length - 8} more` : ''}; there is no gradient of ${leftOut.length === 1 ? 'it' : 'them'}.`,
        ];
  return {
    model: differentiate(withItsLoss, { of: LOSS, withRespectTo: parameters }),
    parameters,
    leftOut,
    notes: [...notes, ...left],
  };
}
