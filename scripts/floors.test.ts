/** The floor check finds what it is for, in planted workspaces; and this repository keeps to its floors. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkFloors } from './floors.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'floors-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** A workspace with one source file. */
function plant(folder: string, name: string, source: string, dependencies: readonly string[] = []): void {
  const ranges = Object.fromEntries(dependencies.map((dependency) => [dependency, '0.1.0']));
  write(`${folder}/package.json`, JSON.stringify({ name, version: '0.1.0', dependencies: ranges }));
  write(`${folder}/src/index.ts`, source);
}

describe('directions', () => {
  test('an import to a lower floor that the manifest declares is allowed, in every form', () => {
    plant('packages/graph', '@assay/graph', 'export const a = 1;\n');
    plant(
      'packages/engine',
      '@assay/engine',
      [
        "import { a } from '@assay/graph';",
        "import type { A } from '@assay/graph';",
        "export * from '@assay/graph';",
        "export { a as b } from '@assay/graph';",
        "const later = await import('@assay/graph');",
      ].join('\n'),
      ['@assay/graph'],
    );
    expect(checkFloors(root)).toEqual([]);
  });

  test.each([
    ['a static import', "import { a } from '@assay/unlearn';"],
    ['a type import', "import type { A } from '@assay/unlearn';"],
    ['an import for its effect', "import '@assay/unlearn';"],
    ['a part of a package', "import { a } from '@assay/unlearn/part';"],
    ['export from', "export { a } from '@assay/unlearn';"],
    ['export all', "export * from '@assay/unlearn';"],
    ['a dynamic import', "const a = await import('@assay/unlearn');"],
    ['a dynamic import of a template', 'const a = await import(`@assay/unlearn`);'],
    ['a type in place', "export type A = import('@assay/unlearn').A;"],
    ['import.meta.resolve', "const a = import.meta.resolve('@assay/unlearn');"],
  ])('upwards is refused: %s', (_form, statement) => {
    plant('packages/unlearn', '@assay/unlearn', '');
    plant('packages/engine', '@assay/engine', `/** Purpose. */\n\n${statement}\n`);
    const violations = checkFloors(root);
    expect(violations).toContain(
      'packages/engine/src/index.ts:3: @assay/engine (floor 2) imports @assay/unlearn (floor 3); ' +
        'a package may import only from lower floors.',
    );
  });

  test('sideways is refused', () => {
    plant('packages/data', '@assay/data', '');
    plant('packages/engine', '@assay/engine', "import '@assay/data';", ['@assay/data']);
    expect(checkFloors(root)).toEqual([
      'packages/engine/package.json:1: depends on @assay/data, which does not stand on a lower floor than @assay/engine (2).',
      'packages/engine/src/index.ts:1: @assay/engine (floor 2) imports @assay/data (floor 2); ' +
        'a package may import only from lower floors.',
    ]);
  });

  test('a cycle of dependencies is refused at the manifest that goes up', () => {
    plant('packages/graph', '@assay/graph', '', ['@assay/engine']);
    plant('packages/engine', '@assay/engine', '', ['@assay/graph']);
    expect(checkFloors(root)).toEqual([
      'packages/graph/package.json:1: depends on @assay/engine, which does not stand on a lower floor than @assay/graph (1).',
    ]);
  });

  test('what looks like an import in a comment or a string is none', () => {
    plant(
      'packages/graph',
      '@assay/graph',
      "// import '@assay/cli';\nexport const a = \"import '@assay/cli'\";\n",
    );
    expect(checkFloors(root)).toEqual([]);
  });
});

describe('declarations', () => {
  test('a package from npm must be declared', () => {
    plant('packages/data', '@assay/data', "import * as z from 'zod';\nimport x from '@scope/name/part';\n", [
      'zod',
    ]);
    expect(checkFloors(root)).toEqual([
      'packages/data/src/index.ts:2: @scope/name is imported but not among the dependencies in packages/data/package.json.',
    ]);
  });

  test('a workspace must be declared, also where the floor allows it', () => {
    plant('packages/random', '@assay/random', '');
    plant('packages/data', '@assay/data', "import '@assay/random';");
    expect(checkFloors(root)).toEqual([
      'packages/data/src/index.ts:1: @assay/random is imported but not among the dependencies in packages/data/package.json.',
    ]);
  });

  test('a relative import stays in its package', () => {
    plant('packages/random', '@assay/random', '');
    plant('packages/data', '@assay/data', "import '../../random/src/index.ts';\nimport './deep/er.ts';\n");
    write('packages/data/src/deep/er.ts', "import '../index.ts';\nimport '../../test/other.ts';\n");
    expect(checkFloors(root)).toEqual([
      'packages/data/src/index.ts:1: "../../random/src/index.ts" leaves packages/data/src; import the other package by its name.',
      'packages/data/src/deep/er.ts:2: "../../test/other.ts" leaves packages/data/src; import the other package by its name.',
    ]);
  });

  test('a file may be named by its place: in the package, or its manifest', () => {
    plant('packages/data', '@assay/data', "new URL('../package.json', import.meta.url);\n");
    write('packages/data/src/worker.ts', "\nnew URL('../../data/test/worker.ts', import.meta.url);\n");
    expect(checkFloors(root)).toEqual([
      'packages/data/src/worker.ts:2: "../../data/test/worker.ts" leaves packages/data/src; import the other package by its name.',
    ]);
  });

  test('a workspace without a floor is refused', () => {
    plant('packages/attic', '@assay/attic', '');
    expect(checkFloors(root)).toEqual([
      'packages/attic/package.json:1: @assay/attic has no floor; give it one in scripts/workspaces.ts.',
    ]);
  });

  test('a range that the repository does not hold is refused', () => {
    write('packages/random/package.json', JSON.stringify({ name: '@assay/random', version: '0.2.0' }));
    plant('packages/data', '@assay/data', '', ['@assay/random']);
    expect(checkFloors(root)).toEqual([
      'packages/data/package.json:1: asks for @assay/random 0.1.0, but this repository holds 0.2.0.',
    ]);
  });
});

describe('what a floor must do without', () => {
  test.each([
    ['a module of Node', "import { readFileSync } from 'node:fs';", 'imports node:fs of Node'],
    ['a module of Node on demand', "const fs = await import('node:fs');", 'imports node:fs of Node'],
    ['the types of a module of Node', "import type { Stats } from 'node:fs';", 'imports node:fs of Node'],
    ['a global of Node', 'export const a = process.env;', 'uses "process" of Node'],
    ['the network', "export const a = fetch('x');", 'uses "fetch" (input or output)'],
    ['a runtime', "import type { Tensor } from 'onnxruntime-web';", 'imports the runtime onnxruntime-web'],
    ['a computed import', 'export const a = (name: string) => import(name);', 'computed at run time'],
  ])('graph refuses %s', (_what, statement, expected) => {
    plant('packages/graph', '@assay/graph', `\n${statement}\n`, ['onnxruntime-web']);
    const violations = checkFloors(root);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain('packages/graph/src/index.ts:2: ');
    expect(violations[0]).toContain(expected);
    expect(violations[0]).toContain('must do without');
  });

  test('unlearn refuses Node behind a static import of another package, and lets it be loaded on demand', () => {
    plant('packages/unlearn', '@assay/unlearn', "import '@assay/engine';", ['@assay/engine']);
    plant(
      'packages/engine',
      '@assay/engine',
      "import './here.ts';\nconst port = () => import('./port.ts');\n",
    );
    write('packages/engine/src/here.ts', 'export {};\n');
    write('packages/engine/src/port.ts', "import 'node:worker_threads';\n");
    expect(checkFloors(root)).toEqual([]);

    write('packages/engine/src/here.ts', "export * from './port.ts';\n");
    expect(checkFloors(root)).toEqual([
      'packages/engine/src/port.ts:1: imports node:worker_threads of Node, and is loaded by @assay/unlearn, which must do without Node.',
    ]);
  });
});

test('a file that is no TypeScript is named with its line', () => {
  plant('packages/graph', '@assay/graph', 'const a = 1;\nimport {{ from;\n');
  expect(() => checkFloors(root)).toThrow(/^packages\/graph\/src\/index\.ts:2: cannot be read/);
});

test('this repository keeps to its floors', () => {
  expect(checkFloors(join(import.meta.dirname, '..'))).toEqual([]);
});
