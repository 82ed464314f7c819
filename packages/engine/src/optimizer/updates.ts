/**
 * Optimisers inside the graph: a model that computes gradients becomes a model that also computes the next parameters.
 *
 * Parameters and the optimiser's state become inputs and outputs; a session that carries the outputs back into the
 * inputs trains by running, and nothing but the loss leaves the worker.
 */
import {
  elementCount,
  freeInputs,
  GRADIENT_PREFIX,
  GraphBuilder,
  type Model,
  namesIn,
  type Tensor,
  type ValueInfo,
  valueInfo,
} from '@assay/graph';
import { EngineError } from '../errors.ts';
import { claimName } from '../names.ts';
import { type AdamW, adamw } from './adamw.ts';
import { type Sgd, sgd } from './sgd.ts';
import { castScalar, type Group, type ParameterType, type UpdateContext, type UpdateRule } from './update.ts';

export type { AdamW } from './adamw.ts';
export type { Sgd } from './sgd.ts';

/** An optimiser with its settings. */
export type Optimizer = Sgd | AdamW;

/** How `withOptimizer` makes a training step. */
export interface OptimizerOptions {
  /** The output that is minimised; a scalar. */
  readonly loss: string;
  /** Initializers that are trained. */
  readonly parameters: readonly string[];
  readonly optimizer: Optimizer;
  /** Scales the gradients of all parameters down together where their joint Euclidean norm is larger. */
  readonly gradientClipNorm?: number;
  /** State that the model carries already (running statistics of batch normalization, say). */
  readonly carried?: CarriedState;
}

/** Tensors that live from step to step: their first values, and which output becomes which input. */
export interface CarriedState {
  readonly initialState: Readonly<Record<string, Tensor>>;
  /** Input name by output name. */
  readonly carry: Readonly<Record<string, string>>;
}

/** A graph that makes one step of training each time it runs. */
export interface TrainingStep extends CarriedState {
  /**
   * Inputs: those of the original model, the parameters, the optimiser's state, and the learning rate.
   * Outputs: those of the original model (the loss among them), the updated parameters and the updated state.
   */
  readonly model: Model;
  readonly loss: string;
  /** The input that takes the learning rate, a float32 scalar. */
  readonly learningRate: string;
  readonly parameters: readonly string[];
}

/** From this version on, an initializer that is no input is a constant. */
const IR_WITH_CONSTANT_INITIALIZERS = 4;

/** Parameters with at most so many elements are updated together: the cost of a node outweighs that of copying them. */
const PACKED_SIZE = 65_536;

/**
 * A training step of a model that computes its gradients already.
 *
 * @param model has an output `grad.NAME` for each parameter; these outputs are used up
 * @throws EngineError of kind `argument` if a name or setting is not what it has to be
 */
export function withUpdates(model: Model, options: OptimizerOptions): TrainingStep {
  const { loss, parameters, optimizer, gradientClipNorm, carried } = options;
  checkSettings(options);
  const { graph } = model;
  for (const output of [loss, ...parameters.map((name) => GRADIENT_PREFIX + name)]) {
    if (!graph.outputs.some(({ name }) => name === output)) {
      throw new EngineError('argument', `The graph has no output "${output}".`);
    }
  }
  // The builder's own names all begin with "optimizer."; those chosen here do not, and avoid the graph's.
  const taken = namesIn(graph);
  const build = new GraphBuilder(taken, 'optimizer');
  const learningRate = claimName(taken, 'learning-rate');
  const stateInputs: ValueInfo[] = [];
  const stateOutputs: ValueInfo[] = [];
  const initialState: Record<string, Tensor> = {};
  const carry: Record<string, string> = {};

  const carryInto = (input: string, initial: Tensor, updated: string): void => {
    const output = claimName(taken, `updated.${input}`);
    build.op('Identity', [updated], {}, output);
    stateInputs.push(valueInfo(input, initial.elementType, initial.dims));
    stateOutputs.push(valueInfo(output, initial.elementType, initial.dims));
    initialState[input] = initial;
    carry[output] = input;
  };
  const context: UpdateContext = {
    build,
    learningRate,
    state(hint, initial) {
      const current = claimName(taken, hint);
      return { current, next: (value) => carryInto(current, initial, value) };
    },
  };

  const packs = packsOf(parameters.map((name) => parameterOf(model, name)));
  const groups = packs.map((pack) => groupOf(build, pack));
  const clipped = gradientClipNorm === undefined ? groups : clipGradients(build, groups, gradientClipNorm);
  const updated = ruleOf(optimizer)(clipped, context);
  for (const [index, pack] of packs.entries()) {
    const vector = updated[index];
    if (vector !== undefined)
      unpack(build, pack, vector).forEach((value, member) => {
        const parameter = pack.members[member];
        if (parameter !== undefined) carryInto(parameter.name, parameter.value, value);
      });
  }

  const gradients = new Set(parameters.map((name) => GRADIENT_PREFIX + name));
  const trained = new Set(parameters);
  const initializers = [...graph.initializers].filter(([name]) => !trained.has(name));
  return {
    model: {
      ...model,
      irVersion: Math.max(model.irVersion, IR_WITH_CONSTANT_INITIALIZERS),
      graph: {
        ...graph,
        nodes: [...graph.nodes, ...build.nodes],
        inputs: [...freeInputs(graph), valueInfo(learningRate, 'float32', []), ...stateInputs],
        outputs: [...graph.outputs.filter(({ name }) => !gradients.has(name)), ...stateOutputs],
        initializers: new Map([...initializers, ...build.initializers]),
      },
    },
    loss,
    learningRate,
    parameters,
    initialState: { ...carried?.initialState, ...initialState },
    carry: { ...carried?.carry, ...carry },
  };
}

function ruleOf(optimizer: Optimizer): UpdateRule {
  return optimizer.kind === 'sgd' ? sgd(optimizer) : adamw(optimizer);
}

/** One parameter with its first value. */
interface Parameter {
  readonly name: string;
  readonly elementType: ParameterType;
  readonly value: Tensor;
}

/** Parameters of one type that are updated as one vector. */
interface Pack {
  readonly elementType: ParameterType;
  readonly members: readonly Parameter[];
}

function parameterOf(model: Model, name: string): Parameter {
  const value = model.graph.initializers.get(name);
  if (value === undefined)
    throw new EngineError('argument', `The model has no initializer "${name}" to train.`);
  const { elementType } = value;
  if (elementType !== 'float32' && elementType !== 'float64' && elementType !== 'float16') {
    throw new EngineError('argument', `"${name}" holds ${elementType} elements and cannot be trained.`);
  }
  return { name, elementType, value };
}

/** Small parameters of one type together, each large one by itself. */
function packsOf(parameters: readonly Parameter[]): readonly Pack[] {
  const packs: Pack[] = [];
  const small = new Map<ParameterType, Parameter[]>();
  for (const parameter of parameters) {
    const { elementType, value } = parameter;
    const together = small.get(elementType);
    if (elementCount(value.dims) > PACKED_SIZE) packs.push({ elementType, members: [parameter] });
    else if (together !== undefined) together.push(parameter);
    else {
      const members = [parameter];
      small.set(elementType, members);
      packs.push({ elementType, members });
    }
  }
  return packs;
}

function groupOf(build: GraphBuilder, { elementType, members }: Pack): Group {
  const [first, second] = members;
  if (first !== undefined && second === undefined) {
    const { name, value } = first;
    return { label: name, elementType, dims: value.dims, parameter: name, gradient: GRADIENT_PREFIX + name };
  }
  const flat = (prefix: string): string =>
    build.op(
      'Concat',
      members.map(({ name }) => build.op('Reshape', [prefix + name, build.ints([-1])])),
      { axis: 0 },
    );
  const length = members.reduce((sum, { value }) => sum + elementCount(value.dims), 0);
  return {
    label: `packed.${elementType}`,
    elementType,
    dims: [length],
    parameter: flat(''),
    gradient: flat(GRADIENT_PREFIX),
  };
}

/** The members' own vectors or matrices, in order. */
function unpack(build: GraphBuilder, { members }: Pack, vector: string): readonly string[] {
  if (members.length === 1) return [vector];
  const lengths = build.ints(members.map(({ value }) => elementCount(value.dims)));
  const parts = build.ops('Split', [vector, lengths], members.length, { axis: 0 });
  return members.map(({ value }, index) => build.op('Reshape', [parts[index] ?? '', build.ints(value.dims)]));
}

/** Scales all gradients by min(1, c / (‖g‖ + 10⁻⁶)), where ‖g‖ runs over all of them (as PyTorch's clip_grad_norm_). */
function clipGradients(build: GraphBuilder, groups: readonly Group[], limit: number): readonly Group[] {
  const squares = groups.map(({ gradient, elementType }) => {
    const exact = elementType === 'float16' ? build.op('Cast', [gradient], { to: 1 }) : gradient;
    const sum = build.op('ReduceSumSquare', [exact], { keepdims: 0 });
    return castScalar(build, sum, elementType === 'float16' ? 'float32' : elementType, 'float64');
  });
  const norm = build.op('Sqrt', [squares.length === 1 ? (squares[0] ?? '') : build.op('Sum', squares)]);
  const ratio = build.op('Div', [
    build.scalar('float64', limit),
    build.op('Add', [norm, build.scalar('float64', 1e-6)]),
  ]);
  const factor = build.op('Min', [ratio, build.scalar('float64', 1)]);
  return groups.map((group) => ({
    ...group,
    gradient: build.op('Mul', [group.gradient, castScalar(build, factor, 'float64', group.elementType)]),
  }));
}

/** Each setting with the range that it has to lie in. */
function checkSettings({ parameters, optimizer, gradientClipNorm }: OptimizerOptions): void {
  if (parameters.length === 0) throw new EngineError('argument', 'There is no parameter to train.');
  if (new Set(parameters).size !== parameters.length) {
    throw new EngineError('argument', 'A parameter is listed twice.');
  }
  const isFraction = (value: number): boolean => value >= 0 && value < 1;
  const isSize = (value: number): boolean => value >= 0 && value < Number.POSITIVE_INFINITY;
  const check = (
    name: string,
    value: number | undefined,
    fits: (value: number) => boolean,
    range: string,
  ): void => {
    if (value !== undefined && !fits(value))
      throw new EngineError('argument', `${name} is ${range}, not ${value}.`);
  };
  check('The weight decay', optimizer.weightDecay, isSize, 'at least 0');
  check('The norm to clip gradients to', gradientClipNorm, (value) => isSize(value) && value > 0, 'above 0');
  if (optimizer.kind === 'sgd') {
    check('The momentum', optimizer.momentum, isFraction, 'from 0 up to 1');
    if (optimizer.nesterov && !optimizer.momentum) {
      throw new EngineError('argument', "Nesterov's method needs a momentum above 0.");
    }
  } else {
    check('beta1', optimizer.beta1, isFraction, 'from 0 up to 1');
    check('beta2', optimizer.beta2, isFraction, 'from 0 up to 1');
    check('epsilon', optimizer.epsilon, isSize, 'at least 0');
  }
}
