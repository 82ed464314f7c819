/**
 * Loaded before a measured program (`node --import`): when it ends, it writes what it has used to the file named by
 * ASSAY_BENCH_USAGE, as JSON: processor seconds of all its threads, and the most memory held at once.
 *
 * On Linux the memory is VmHWM, which counts this program alone; the resource usage of a process also remembers the one
 * that started it, from between fork and exec.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const { ASSAY_BENCH_USAGE: path } = process.env;

if (path !== undefined) {
  process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    const usage = { peakBytes: peakBytes(), processorSeconds: (user + system) / 1e6 };
    writeFileSync(path, JSON.stringify(usage));
  });
}

function peakBytes(): number {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (found !== undefined) return Number(found) * 1024;
  } catch {
    // No such file: not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
