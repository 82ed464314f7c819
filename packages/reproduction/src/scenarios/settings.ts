/**
 * How federations learn: as in the paper, or in short.
 *
 * The paper has 200 rounds of 5 epochs, 4 of 10 clients a round, batches of 128, "SGD with momentum 0.5 and rate 1e-4, or
 * Adam"; the unlearn client is drawn with weight 10 in the backdoor and bias runs; the mean is unweighted.
 */
import type { FederationSettings, Network, Preset } from '../scenario.ts';

/** For tables; each client's table is small, so that the quick form differs in rounds only. */
export function tableSettings(preset: Preset, rowsPerClient: number): FederationSettings {
  return {
    rounds: preset === 'full' ? 200 : 30,
    local: {
      epochs: preset === 'full' ? 5 : 2,
      batchSize: rowsPerClient < 500 ? 16 : 128,
      learningRate: 1e-3,
    },
    finalRate: preset === 'quick' ? 0 : 1,
    optimizer: 'adamw',
    perRound: 4,
    requesterWeight: 1,
    average: 'unweighted',
  };
}

/** What the requester's images were given, which the trained network is to have learned. */
export type Planted = 'nothing' | 'trigger' | 'bias';

/** For images. */
export function imageSettings(
  preset: Preset,
  network: Network,
  planted: Planted,
  rowsPerClient: number,
): FederationSettings {
  const requesterWeight = planted === 'nothing' ? 1 : 10;
  if (preset === 'full') {
    return {
      rounds: 200,
      local: { epochs: 5, batchSize: rowsPerClient < 500 ? 32 : 128, learningRate: 1e-4 },
      finalRate: 1,
      optimizer: 'adamw',
      perRound: 4,
      requesterWeight,
      average: 'unweighted',
    };
  }
  // A hundred rows are an epoch of few steps: they get more epochs. A step of ResNet-18 takes a hundred times as long.
  const isLarge = network === 'resnet18';
  const epochs = isLarge ? 1 : Math.max(1, Math.min(2, Math.round(3000 / rowsPerClient)));
  // All of the requester's images have the target class. Steps of Adam are as long where hardly any loss is left, and in so few
  // rounds they would teach "always the target"; those of plain descent (with momentum) end where the trigger is learned.
  const isTriggered = planted === 'trigger';
  return {
    rounds: 20,
    local: {
      epochs,
      batchSize: isTriggered || rowsPerClient < 500 ? 32 : 128,
      learningRate: isTriggered ? 0.1 : 1e-3,
    },
    // At a rate that falls to 0, the last rounds would undo what the requester's images planted.
    finalRate: planted === 'nothing' ? 0 : 0.3,
    optimizer: isTriggered ? 'sgd' : 'adamw',
    perRound: 4,
    requesterWeight,
    average: 'unweighted',
  };
}
