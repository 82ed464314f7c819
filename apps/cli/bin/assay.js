#!/usr/bin/env node
/**
 * The `assay` command: makes sure of the version of Node, then loads the program.
 *
 * Installed, that is the compiled program. In a checkout it is the source itself, run by the Node that the repository
 * brings along, since the machine's own may be too old to strip types. Plain JavaScript that any Node reads.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(folder, 'src', 'main.ts');
/** Strips types without being asked to. */
const STRIPS_TYPES = '22.18.0';

if (existsSync(source)) {
  runSource(nodeForSource(), ['--conditions=@assay/source', source, ...process.argv.slice(2)]);
} else {
  const { engines } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const needed = engines.node.replace('>=', '');
  if (isOlder(process.versions.node, needed)) refuse(needed);
  else await import('../dist/main.js');
}

/**
 * Becomes the program where the system and this Node can do that. Elsewhere it runs as a child: Ctrl-C in a terminal
 * reaches both, and the child ends its work in good order; other requests to end are passed on.
 */
function runSource(node, options) {
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.removeAllListeners('warning');
    process.execve(node, [node, ...options], process.env);
  }
  const child = spawn(node, options, { stdio: 'inherit' });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (status, signal) => {
    process.exitCode = status ?? (signal === 'SIGINT' ? 130 : 4);
  });
}

/** This Node if it is new enough, else the one among the repository's optional dependencies. */
function nodeForSource() {
  if (!isOlder(process.versions.node, STRIPS_TYPES)) return process.execPath;
  const require = createRequire(import.meta.url);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  for (const prefix of ['node', 'node-bin']) {
    try {
      const manifest = require.resolve(`${prefix}-${platform}-${process.arch}/package.json`);
      return join(dirname(manifest), 'bin', platform === 'win' ? 'node.exe' : 'node');
    } catch {
      // Not the one for this platform, or not installed.
    }
  }
  return refuse(STRIPS_TYPES);
}

/** Says which Node is needed and ends: wrong use. */
function refuse(needed) {
  process.stderr.write(
    `assay needs Node ${needed} or newer, and this is Node ${process.versions.node}. Install a newer one from https://nodejs.org and try again.\n`,
  );
  process.exit(2);
}

/** Compares versions of the form 22.12.0, number by number. */
function isOlder(version, than) {
  const numbers = version.split('.').map(Number);
  for (const [position, number] of than.split('.').map(Number).entries()) {
    const difference = (numbers[position] ?? 0) - number;
    if (difference !== 0) return difference < 0;
  }
  return false;
}
