/** What tells results of one set-up from those of another, such as of an earlier version. */
import { createHash } from 'node:crypto';
import { settingsOf } from './cost.ts';
import type { RunOptions } from './events.ts';
import type { ScenarioName } from './scenario.ts';

/** To be raised where a method or a measurement changes, so that results from before are not laid beside those from after. */
const REVISION = 2;

/**
 * A short digest of how a scenario is trained, and of the revision of what is done with it. A kept result with another one
 * counts as not there.
 */
export function setupOf(
  scenario: ScenarioName,
  { preset, network }: Pick<RunOptions, 'preset' | 'network'>,
): string {
  const trained = settingsOf(scenario, { preset, network });
  return createHash('sha256')
    .update(JSON.stringify({ ...trained, revision: REVISION }))
    .digest('hex')
    .slice(0, 12);
}
