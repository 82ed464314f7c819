/** Dossiers to work on: copies of the examples, and small ones of a test's own. */
import { cp } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './world.ts';

export const EXAMPLES = fileURLToPath(new URL('../../../../examples', import.meta.url));

/** The day on which the examples were written. */
export const TODAY = '2026-11-22';

/** A copy of an example that is removed at the end of the block. */
export async function exampleCopy(name: 'census-income' | 'song-popularity' | 'voice-cloning') {
  const folder = await temporaryFolder();
  await cp(`${EXAMPLES}/${name}`, folder.path, { recursive: true });
  return folder;
}

/** A policy with one rule of each kind, over facts of a release. */
export const POLICY = `id: small
version: 1.0.0
title: A small code
source: { title: A small code, place: a test }
rules:
  - id: S-1
    title: Not for weapons
    text: The release is not made for weapons.
    reference: first
    modal: prohibited
    for: release
    require: "!release.purpose.weapons"
    evidence: a word
  - id: S-2
    title: Consequences are told
    text: Consequences are told.
    reference: second
    modal: must
    for: release
    require: release.consequences.communicated
    evidence: a word
  - id: S-3
    title: Safety is considered
    text: Safety is considered.
    reference: third
    modal: should
    for: release
    require: release.safety.considered
    evidence: a word
`;

export const MANIFEST = `version: 1
release:
  name: Small
  version: 1.0.0
  purpose: { weapons: false }
people:
  - { name: Ann Lee, role: maintainer }
  - { name: Ben Roy, role: reviewer }
policies:
  - { id: small, file: small.yaml }
`;

/** A folder with a small dossier. */
export async function smallDossier(manifest: string = MANIFEST, policy: string = POLICY) {
  const folder = await temporaryFolder();
  await folder.write('assay.yaml', manifest);
  await folder.write('small.yaml', policy);
  return folder;
}
