/**
 * What a run will cost, before it begins: seconds of one thread of an ordinary processor (measured at 2.5 GHz).
 *
 * The rounds of a training are known; what a method does and what is measured of it is put as rows of training. A method that
 * stops when it has reached its goal may take half or twice as long: the true pace is told as soon as there is one.
 */
import type { RunOptions } from './events.ts';
import type { FederationSettings, Network, Preset, ScenarioName } from './scenario.ts';
import { imageSettings, type Planted, tableSettings } from './scenarios/settings.ts';

/** Rows for training, all clients together, and numbers per row. */
interface Size {
  readonly rows: Readonly<Record<'quick' | 'quickResnet' | 'full', number>>;
  readonly width: number;
  readonly planted: Planted;
}

const size = (width: number, planted: Planted, full: number, quick = full, quickResnet = quick): Size => ({
  rows: { quick, quickResnet, full },
  width,
  planted,
});

const GREY = 28 * 28;
const COLOUR = 3 * 32 * 32;
const CELEBA = 3 * 64 * 64;

const SIZES: Readonly<Record<ScenarioName, Size>> = {
  adult: size(1, 'nothing', 43_958),
  diabetes: size(1, 'nothing', 691),
  'celeba-mouth': size(CELEBA, 'nothing', 162_079, 8_000),
  'faces-mouth': size(COLOUR, 'nothing', 800),
  mnist: size(GREY, 'trigger', 60_000, 20_000, 10_000),
  'fashion-mnist': size(GREY, 'trigger', 60_000, 20_000, 10_000),
  'cifar-10': size(COLOUR, 'trigger', 50_000, 20_000, 10_000),
  'cifar-20': size(COLOUR, 'trigger', 50_000, 20_000, 10_000),
  'cifar-100': size(COLOUR, 'trigger', 50_000, 20_000, 10_000),
  'coloured-mnist': size(3 * GREY, 'bias', 11_982),
  'coloured-background': size(3 * GREY, 'bias', 11_982),
  'celeba-bias': size(CELEBA, 'bias', 162_079, 8_000),
  'faces-bias': size(COLOUR, 'bias', 800),
};

/** Seconds of a training step for an image, by its numbers: the first layer sees channels, all others only the area. */
const SECONDS_PER_IMAGE: Readonly<Record<Network, Readonly<Record<number, number>>>> = {
  cnn: { [GREY]: 0.00013, [3 * GREY]: 0.00015, [COLOUR]: 0.00017, [CELEBA]: 0.00062 },
  resnet18: { [GREY]: 0.017, [3 * GREY]: 0.017, [COLOUR]: 0.022, [CELEBA]: 0.09 },
};
/** Seconds of a step of a table's small network, whatever its batch. */
const SECONDS_PER_STEP = 0.0003;

/** Images that are trained on instead, in as long as one model is measured: on thousands of unseen images, or on hundreds. */
const MEASURED = { many: 40_000, few: 15_000 };
/** Fewer images than these are few. */
const MANY = 2_000;
/** Seconds in which a model of a table is measured. */
const TABLE_MEASURED = 0.8;
/** Images that are trained on instead, in as long as a method takes: in all, or for each of the requester's. */
const EFFORT: Readonly<Record<string, { readonly all?: number; readonly each?: number }>> = {
  'fed-recovery': { all: 10_000 },
  ferrari: { all: 200_000 },
  exact: { all: 40_000 },
  'ferrari-paper': { each: 50 },
  'null-space': { all: 50_000 },
  adversarial: { all: 60_000 },
};
/** Seconds of a method on a table. */
const TABLE_EFFORT: Readonly<Record<string, number>> = { ferrari: 4, exact: 1.5, adversarial: 1 };
/** Local epochs by which some methods train on. */
const TUNED = ['fine-tune', 'fed-cdp'];
const TUNING_EPOCHS = 5;

/** Seconds of one cell, roughly. */
export function estimateSeconds(
  scenario: ScenarioName,
  method: string,
  { preset, network }: Pick<RunOptions, 'preset' | 'network'>,
): number {
  const { isTable, width, own, settings } = settingsOf(scenario, { preset, network });
  const { rounds, perRound, local } = settings;
  const secondsPerRow = isTable
    ? SECONDS_PER_STEP / Math.min(own, local.batchSize)
    : (SECONDS_PER_IMAGE[network][width] ?? 0);
  const round = perRound * local.epochs * own * secondsPerRow;
  const measured = isTable ? TABLE_MEASURED : MEASURED[10 * own < MANY ? 'few' : 'many'] * secondsPerRow;
  if (method === 'baseline' || method === 'retrain') return rounds * round + measured;
  if (TUNED.includes(method)) return tuningRounds(settings) * round + measured;
  if (isTable) return measured + (TABLE_EFFORT[method] ?? 0);
  const { all = 0, each = 0 } = EFFORT[method] ?? {};
  return measured + (all + each * own) * secondsPerRow;
}

/** How a scenario is trained, as far as that is known without its data. */
export function settingsOf(
  scenario: ScenarioName,
  { preset, network }: Pick<RunOptions, 'preset' | 'network'>,
): {
  readonly isTable: boolean;
  /** Numbers per row. */
  readonly width: number;
  /** Rows of each client. */
  readonly own: number;
  readonly settings: FederationSettings;
} {
  const { rows, width, planted } = SIZES[scenario];
  const isTable = width === 1;
  const own = rowsOf(rows, preset, isTable ? 'cnn' : network) / 10;
  const settings = isTable ? tableSettings(preset, own) : imageSettings(preset, network, planted, own);
  return { isTable, width, own, settings };
}

function rowsOf(rows: Size['rows'], preset: Preset, network: Network): number {
  if (preset === 'full') return rows.full;
  return network === 'cnn' ? rows.quick : rows.quickResnet;
}

function tuningRounds({ local }: FederationSettings): number {
  return Math.max(1, Math.round(TUNING_EPOCHS / local.epochs));
}
