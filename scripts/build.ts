/** Compiles every workspace to `dist`: JavaScript, type declarations and source maps, lowest floor first. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { type Workspace, workspaces } from './workspaces.ts';

/**
 * Builds the workspaces under a root folder, in the order in which they depend on each other: each is compiled against
 * the declarations of those below, just as its users will see them.
 *
 * @param report called with the folder of each workspace once it is built
 * @throws Error with the compiler's messages where a workspace does not compile
 */
export function build(root: string, report: (folder: string) => void = () => {}): void {
  // Not beside the sources, where an editor would take them for configurations of its own.
  const configurations = join(root, '.cache', 'build');
  mkdirSync(configurations, { recursive: true });
  for (const workspace of workspaces(root)) {
    compile(root, workspace, configurations);
    // npm takes a licence into a tarball only from the package's own folder.
    copyFileSync(join(root, 'LICENSE'), join(root, workspace.folder, 'LICENSE'));
    // The codes are data beside the packages; whoever installs the command gets them with it.
    if (workspace.name === '@assay/cli')
      cpSync(join(root, 'policies'), join(root, workspace.folder, 'dist', 'policies'), { recursive: true });
    for (const [command, path] of workspace.commands)
      checkCommand(join(root, workspace.folder, path), command);
    report(workspace.folder);
  }
}

function compile(root: string, workspace: Workspace, configurations: string): void {
  const folder = join(root, workspace.folder);
  const dist = join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const configuration = join(configurations, `${workspace.folder.replaceAll('/', '-')}.json`);
  const source = relative(configurations, join(folder, 'src'));
  writeFileSync(
    configuration,
    JSON.stringify({
      extends: relative(configurations, join(root, 'tsconfig.json')),
      compilerOptions: {
        noEmit: false,
        rootDir: source,
        outDir: relative(configurations, dist),
        // Without @assay/source: the packages below are seen through their declarations.
        customConditions: [],
        rewriteRelativeImportExtensions: true,
        declaration: true,
        sourceMap: true,
        // The sources are not shipped, so the maps carry them.
        inlineSources: true,
      },
      include: [source],
    }),
  );
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', configuration], {
      cwd: root,
      stdio: 'pipe',
      encoding: 'utf8',
    });
  } catch (error) {
    const messages = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    throw new Error(`${workspace.folder} does not compile:\n${messages}`);
  }
}

/** npm makes a command's file executable; only its first line is for us to get right. */
function checkCommand(path: string, command: string): void {
  if (!readFileSync(path, 'utf8').startsWith('#!/usr/bin/env node\n')) {
    throw new Error(`${path} is the command "${command}" but does not begin with "#!/usr/bin/env node".`);
  }
}

if (import.meta.main) {
  build(resolve(import.meta.dirname, '..'), (folder) => process.stdout.write(`built ${folder}\n`));
}
