/** The tree holds nothing that ties it to one machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';

const root = join(import.meta.dirname, '..');

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      resolved: z.string().optional(),
      link: z.boolean().optional(),
      optionalDependencies: z.record(z.string(), z.string()).default({}),
    }),
  ),
});

const { packages } = Lock.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));

test('the lock file names packages and digests, and no host', () => {
  expect(Object.keys(packages).length).toBeGreaterThan(10);
  const withHost = Object.entries(packages).filter(
    ([, { resolved, link }]) => resolved !== undefined && link !== true,
  );
  expect(withHost.map(([path]) => path)).toEqual([]);
});

test('the lock file has an entry for every platform, without which `npm ci` refuses it', () => {
  const locked = new Set(
    Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)),
  );
  const wanted = Object.values(packages).flatMap(({ optionalDependencies }) =>
    Object.keys(optionalDependencies),
  );
  expect(wanted.filter((name) => !locked.has(name))).toEqual([]);
});

test('no install script runs', () => {
  expect(readFileSync(join(root, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
});

test('no file names a folder of somebody’s machine, or a package registry', () => {
  const machine = /(?<![\w.~:-])\/(?:home|Users|root|work)\/\w|\b[A-Z]:\\Users\\/;
  const registry = /\bregistry\.[a-z]+\.(?:org|com)\b/;
  const paths = [...filesUnder('')];
  expect(paths).toContain('package.json');
  const found = paths.filter((path) => {
    // Also in models and other binary files, where exporters like to leave paths.
    const text = readFileSync(join(root, path), 'latin1');
    return machine.test(text) || registry.test(text);
  });
  expect(found).toEqual([]);
});

const NOT_OURS: ReadonlySet<string> = new Set([
  'node_modules',
  'dist',
  'coverage',
  'demo-output',
  '.git',
  '.cache',
]);

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (NOT_OURS.has(entry.name)) continue;
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (entry.isFile()) yield path;
  }
}
