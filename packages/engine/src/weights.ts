/** Weights as constants or as inputs: the two forms in which a model is run. */
import { freeInputs, type Model, namesIn, type Tensor, valueInfo } from '@assay/graph';
import { EngineError } from './errors.ts';
import type { TrainingStep } from './optimizer/updates.ts';
import { openSession, type Session, type SessionOptions, type Tensors } from './session.ts';

/** From this version on, an initializer that is no input is a constant. */
const IR_WITH_CONSTANT_INITIALIZERS = 4;

/**
 * The model with these tensors as constants under the same names: initializers are replaced, inputs are filled in.
 *
 * Initializers that an old file lists among its inputs as well become constants too, so that the runtime may fold them.
 *
 * @throws EngineError of kind `argument` if a name is neither, or a tensor has another shape or type
 */
export function freezeWeights(model: Model, weights: Tensors = {}): Model {
  const { graph } = model;
  const initializers = new Map(graph.initializers);
  for (const [name, value] of Object.entries(weights)) {
    const old = graph.initializers.get(name) ?? graph.inputs.find((input) => input.name === name)?.type;
    if (old === undefined)
      throw new EngineError('argument', `The graph has no initializer or input "${name}".`);
    const shape = 'dims' in old ? old.dims : old.shape;
    const fits =
      old.elementType === value.elementType &&
      (shape === undefined ||
        (shape.length === value.dims.length &&
          shape.every((dim, axis) => typeof dim === 'string' || dim === value.dims[axis])));
    if (!fits) {
      throw new EngineError(
        'argument',
        `"${name}" is ${old.elementType}[${shape?.join(', ') ?? '?'}] and cannot become ${value.elementType}[${value.dims.join(', ')}].`,
      );
    }
    initializers.set(name, value);
  }
  const inputs = graph.inputs.filter(({ name }) => !initializers.has(name));
  const irVersion = Math.max(model.irVersion, IR_WITH_CONSTANT_INITIALIZERS);
  return { ...model, irVersion, graph: { ...graph, inputs, initializers } };
}

/**
 * The model with these initializers as inputs, and their values apart: for a session whose weights change.
 *
 * @throws EngineError of kind `argument` if a name is no initializer
 */
export function exposeWeights(
  model: Model,
  names: readonly string[],
): { readonly model: Model; readonly weights: Record<string, Tensor> } {
  const { graph } = model;
  const weights: Record<string, Tensor> = {};
  for (const name of names) {
    const value = graph.initializers.get(name);
    if (value === undefined) throw new EngineError('argument', `The graph has no initializer "${name}".`);
    weights[name] = value;
  }
  const exposed = Object.entries(weights).map(([name, value]) =>
    valueInfo(name, value.elementType, value.dims),
  );
  const initializers = new Map([...graph.initializers].filter(([name]) => !Object.hasOwn(weights, name)));
  const irVersion = Math.max(model.irVersion, IR_WITH_CONSTANT_INITIALIZERS);
  const inputs = [...freeInputs(graph), ...exposed];
  return { model: { ...model, irVersion, graph: { ...graph, inputs, initializers } }, weights };
}

/**
 * The model with inputs that come from a table which stays in the worker: each named input is gathered from `NAME.table`
 * by the row numbers of one new input.
 *
 * Hold the tables once, then feed nothing but row numbers, so that no batch is ever assembled or sent.
 *
 * @param inputs names of inputs whose first axis is the batch
 * @param rows name of the new input, int64 [batch]
 * @returns the model; its inputs are `NAME.table` for each name, `rows`, and those not named
 */
export function gatherRows(model: Model, inputs: readonly string[], rows = 'rows'): Model {
  const { graph } = model;
  const taken = namesIn(graph);
  for (const name of [rows, ...inputs.map((input) => `${input}.table`)]) {
    if (taken.has(name)) throw new EngineError('argument', `The graph already has a value "${name}".`);
  }
  const tables = inputs.map((name) => {
    const type = graph.inputs.find((input) => input.name === name)?.type;
    if (type === undefined || graph.initializers.has(name)) {
      throw new EngineError('argument', `The graph has no free input "${name}" of a known type.`);
    }
    return valueInfo(`${name}.table`, type.elementType, type.shape && ['table rows', ...type.shape.slice(1)]);
  });
  const gathers = inputs.map(
    (name) =>
      ({
        op: 'Gather',
        domain: '',
        name: '',
        inputs: [`${name}.table`, rows],
        outputs: [name],
        attributes: { axis: { kind: 'int', value: 0n } },
      }) as const,
  );
  const rest = graph.inputs.filter(({ name }) => !inputs.includes(name));
  return {
    ...model,
    graph: {
      ...graph,
      nodes: [...gathers, ...graph.nodes],
      inputs: [...rest, ...tables, valueInfo(rows, 'int64', ['batch'])],
    },
  };
}

/** A session with the weights as constants: the runtime fuses and lays out all it can. For passes without gradients. */
export function openFrozen(
  model: Model,
  weights: Tensors = {},
  options: SessionOptions = {},
): Promise<Session> {
  return openSession(freezeWeights(model, weights), options);
}

/**
 * A session that trains by running: parameters and the optimiser's state stay in the worker.
 *
 * @param state first values that differ from the step's own (from a checkpoint, say)
 */
export async function openTrainable(
  step: TrainingStep,
  options: SessionOptions = {},
  state: Tensors = {},
): Promise<Session> {
  const session = await openSession(step.model, options);
  try {
    await session.hold({ ...step.initialState, ...state }, step.carry);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}
