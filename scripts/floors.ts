/** Checks that the packages keep to their floors: who may import whom, and who may touch the world outside. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix, resolve } from 'node:path';
import { type FileUses, INPUT_OUTPUT_GLOBALS, NODE_GLOBALS, usesOf } from './imports.ts';
import { FLOORS, type Workspace, workspaces } from './workspaces.ts';

interface Restriction {
  /** No Node modules or globals, neither its own nor through what it imports statically. */
  readonly node?: true;
  /** No ONNX Runtime of its own. */
  readonly runtime?: true;
  /** No network, storage or workers. */
  readonly inputOutput?: true;
}

/** What some packages must do without. */
const RESTRICTIONS: ReadonlyMap<string, Restriction> = new Map<string, Restriction>([
  ['@assay/random', { node: true, runtime: true, inputOutput: true }],
  ['@assay/graph', { node: true, runtime: true, inputOutput: true }],
  ['@assay/policy', { node: true, runtime: true, inputOutput: true }],
  ['@assay/unlearn', { node: true }],
]);

const RUNTIME = /^onnxruntime-/;

interface SourceFile {
  readonly path: string;
  readonly workspace: Workspace;
  readonly uses: FileUses;
}

/**
 * Checks every source file of the workspaces under a root folder.
 *
 * @returns one sentence per violation, each with its file and line; none where all is well
 */
export function checkFloors(root: string): readonly string[] {
  const all = workspaces(root);
  const byName = new Map(all.map((workspace) => [workspace.name, workspace]));
  const files = new Map<string, SourceFile>();
  for (const workspace of all) {
    for (const path of globSync(`${workspace.folder}/src/**/*.{ts,tsx}`, { cwd: root })) {
      const posixPath = path.replaceAll('\\', '/');
      const uses = usesOf(posixPath, readFileSync(join(root, path), 'utf8'));
      files.set(posixPath, { path: posixPath, workspace, uses });
    }
  }

  const violations: string[] = [];
  for (const workspace of all) violations.push(...checkManifest(workspace, byName));
  for (const file of files.values()) {
    violations.push(...checkImports(file, byName), ...checkRestrictions(file));
  }
  for (const workspace of all) {
    if (RESTRICTIONS.get(workspace.name)?.node) violations.push(...checkReach(workspace, files, byName));
  }
  return violations;
}

/** The manifest's own dependencies must go down, which also rules out cycles. */
function checkManifest(workspace: Workspace, byName: ReadonlyMap<string, Workspace>): readonly string[] {
  const manifest = `${workspace.folder}/package.json:1`;
  const { floor } = workspace;
  if (floor === undefined) {
    return [`${manifest}: ${workspace.name} has no floor; give it one in scripts/workspaces.ts.`];
  }
  const violations: string[] = [];
  for (const [name, range] of workspace.dependencies) {
    const target = byName.get(name);
    if (target === undefined) continue;
    if ((target.floor ?? Infinity) >= floor) {
      violations.push(
        `${manifest}: depends on ${name}, which does not stand on a lower floor than ${workspace.name} (${floor}).`,
      );
    }
    if (range !== target.version) {
      violations.push(`${manifest}: asks for ${name} ${range}, but this repository holds ${target.version}.`);
    }
  }
  return violations;
}

function checkImports(file: SourceFile, byName: ReadonlyMap<string, Workspace>): readonly string[] {
  const { workspace } = file;
  const violations: string[] = [];
  for (const { specifier, line } of file.uses.imports) {
    if (specifier === undefined) continue;
    const place = `${file.path}:${line}`;
    if (isRelative(specifier)) {
      const target = relativeTarget(file.path, specifier);
      // The manifest is the one file outside src that is shipped.
      if (!target.startsWith(`${workspace.folder}/src/`) && target !== `${workspace.folder}/package.json`) {
        violations.push(
          `${place}: "${specifier}" leaves ${workspace.folder}/src; import the other package by its name.`,
        );
      }
      continue;
    }
    if (isBuiltin(specifier)) continue;
    const name = packageOf(specifier);
    if (name === workspace.name) {
      violations.push(`${place}: ${name} imports itself by name; use a relative import.`);
      continue;
    }
    const target = byName.get(name);
    const targetFloor = target?.floor ?? FLOORS.get(name);
    if (targetFloor !== undefined && targetFloor >= (workspace.floor ?? 0)) {
      violations.push(
        `${place}: ${workspace.name} (floor ${workspace.floor ?? 'unknown'}) imports ${name} (floor ${targetFloor}); ` +
          'a package may import only from lower floors.',
      );
    }
    if (!workspace.dependencies.has(name)) {
      violations.push(
        `${place}: ${name} is imported but not among the dependencies in ${workspace.folder}/package.json.`,
      );
    }
  }
  return violations;
}

function checkRestrictions(file: SourceFile): readonly string[] {
  const restriction = RESTRICTIONS.get(file.workspace.name);
  if (restriction === undefined) return [];
  const violations: string[] = [];
  const refuse = (line: number, what: string): void => {
    violations.push(`${file.path}:${line}: ${what}, which ${file.workspace.name} must do without.`);
  };
  for (const { specifier, line, kind } of file.uses.imports) {
    if (specifier === undefined) refuse(line, 'imports a module whose name is computed at run time');
    else if (restriction.node && isBuiltin(specifier) && kind !== 'static')
      refuse(line, `imports ${specifier} of Node`);
    else if (restriction.runtime && RUNTIME.test(specifier))
      refuse(line, `imports the runtime ${packageOf(specifier)}`);
  }
  for (const { name, line } of file.uses.globals) {
    if (restriction.node && NODE_GLOBALS.has(name)) refuse(line, `uses "${name}" of Node`);
    else if (restriction.inputOutput && INPUT_OUTPUT_GLOBALS.has(name))
      refuse(line, `uses "${name}" (input or output)`);
  }
  return violations;
}

/** Follows static imports, also into the packages below, to a module of Node. */
function checkReach(
  start: Workspace,
  files: ReadonlyMap<string, SourceFile>,
  byName: ReadonlyMap<string, Workspace>,
): readonly string[] {
  const violations: string[] = [];
  const seen = new Set<string>();
  const queue = [...files.values()].filter((file) => file.workspace === start);
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file.path)) continue;
    seen.add(file.path);
    for (const { specifier, line, kind } of file.uses.imports) {
      if (specifier === undefined || kind !== 'static') continue;
      if (isBuiltin(specifier)) {
        const through = file.workspace === start ? '' : `, and is loaded by ${start.name}`;
        violations.push(
          `${file.path}:${line}: imports ${specifier} of Node${through}, which must do without Node.`,
        );
        continue;
      }
      const target = isRelative(specifier)
        ? relativeTarget(file.path, specifier)
        : `${byName.get(packageOf(specifier))?.folder}/src/index.ts`;
      const next = files.get(target);
      if (next !== undefined) queue.push(next);
    }
  }
  return violations;
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../') || specifier === '.' || specifier === '..';
}

function relativeTarget(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

/** `@scope/name/part` → `@scope/name`, `name/part` → `name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

if (import.meta.main) {
  const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
  if (!existsSync(join(root, 'package.json'))) throw new Error(`${root} holds no package.json.`);
  const violations = checkFloors(root);
  for (const violation of violations) process.stderr.write(`${violation}\n`);
  if (violations.length > 0) {
    process.stderr.write(
      `${violations.length} violation${violations.length === 1 ? '' : 's'} of the floors.\n`,
    );
    process.exitCode = 1;
  }
}
