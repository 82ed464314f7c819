/** The dossier of a release candidate: manifest, evidence, attestations, waivers, staleness, facts. */
export { canonicalJson, type JsonValue, sha256 } from './canonical.ts';
export { Folder } from './confine.ts';
export { type Declared, readDeclarations } from './declarations.ts';
export { digestFile, digestModel, digestOfFiles, type FileDigest, readModel } from './digests.ts';
export * from './dossier.ts';
export * from './errors.ts';
export { type Conflict, contradict, type DossierFacts } from './facts.ts';
export { evidenceFrom, type ImportedEvidence } from './import/evidence.ts';
export { attributeNamed } from './init/attributes.ts';
export * from './init/draft.ts';
export { type Initial, initDossier, initFrom } from './init/init.ts';
export { type FoundLicence, spdxLicence } from './init/licence.ts';
export { manifestText, type WriteOptions } from './init/write.ts';
export { manifestJsonSchema } from './json-schema.ts';
export * from './manifest.ts';
export type {
  About,
  Attestation,
  Decision,
  Evidence,
  Recorded,
  Value,
  Waiver,
} from './records.ts';
export { type Lapse, lapseText } from './staleness.ts';
export * from './status.ts';
export { MOST_RECORDS } from './store.ts';
export { keyOf, type LocatedSubject, type Problem, refOf } from './subjects.ts';
