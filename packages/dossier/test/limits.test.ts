/** Large dossiers: what is stated to work works in bounded time and memory, and what is beyond is refused. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, Folder, openDossier, parseManifest, readDeclarations, sha256 } from '@assay/dossier';
import { expect, test } from 'vitest';
import { errorOf, FILES, folderWith, TODAY, vocabulary } from './vocabulary.ts';

const booleans = [...vocabulary.facts.values()].filter(
  ({ subject, type, path }) => subject === 'dataset' && type === 'boolean' && path !== undefined,
);

test('a manifest of 100,000 declared facts is read, each with its place', () => {
  const lines = ['version: 1', 'release: {name: a, version: "1"}', 'datasets:'];
  let facts = 0;
  for (let i = 0; facts < 100_000; i++) {
    lines.push(`  d${i}:`);
    const groups = new Map<string, string[]>();
    for (const { path = '' } of booleans) {
      const keys = path.split('.');
      if (keys.length !== 2) continue;
      const [group = '', key = ''] = keys;
      groups.set(group, [...(groups.get(group) ?? []), `${key}: true`]);
      facts++;
    }
    for (const [group, members] of groups) lines.push(`    ${group}: {${members.join(', ')}}`);
  }
  const text = lines.join('\n');
  const manifest = parseManifest(text);
  const declared = readDeclarations(manifest, vocabulary);
  expect(declared.size).toBe(facts);
  const last = [...declared.values()].at(-1)?.place;
  expect(last?.line).toBe(lines.length);
});

test('a store of 5,000 records is read and checked', async () => {
  const folder = folderWith(FILES);
  const model = sha256('weights');
  mkdirSync(join(folder, 'evidence'));
  for (let i = 0; i < 5_000; i++) {
    const text = canonicalJson({
      kind: 'evidence',
      subject: 'model:income',
      fact: `model.made.up${i}`,
      value: i,
      about: [{ subject: 'model:income', sha256: model }],
      method: 'm',
      tool: { name: 't', version: '1' },
      time: '2026-01-01T00:00:00Z',
    });
    writeFileSync(join(folder, 'evidence', `${sha256(text)}.json`), text);
  }
  const dossier = await openDossier(folder, { today: TODAY });
  expect(dossier.evidence).toHaveLength(5_000);
  expect(dossier.status().count).toEqual({ holds: 5_000, stale: 0, expired: 0 });
});

test('a folder of more files than the limit is refused before any is read', async () => {
  const folder = await Folder.at(folderWith({ 'evidence/a': '', 'evidence/b': '', 'evidence/c': '' }));
  expect(await folder.list('evidence', 3)).toEqual(['a', 'b', 'c']);
  const error = await errorOf(() => folder.list('evidence', 2));
  expect(error).toMatchObject({ code: 'too-large' });
  expect(error.message).toContain('at most 2');
});

test('a text of more parts than the limit is refused in no time', async () => {
  for (const text of ['"', '\n', '&a ', 'a:\n', '1,'].map((part) => part.repeat(1_000_000))) {
    expect(await errorOf(() => parseManifest(text))).toMatchObject({ code: 'too-large' });
  }
});
