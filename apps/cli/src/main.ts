/** The program behind `assay`: runs the command line of this process. */

import { EXIT } from './failures.ts';
import { processIo } from './io.ts';
import { run } from './run.ts';

const interruption = new AbortController();
let interruptions = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interruptions += 1;
    // The first time the work is ended in good order; whoever asks twice does not want to wait for that.
    if (interruptions > 1) process.exit(EXIT.interrupted);
    interruption.abort();
  });
}
// Whoever reads may stop reading: `assay predict … -o - | head`.
process.stdout.on('error', (error) => {
  process.exit('code' in error && error.code === 'EPIPE' ? EXIT.done : EXIT.internal);
});

process.exitCode = await run(process.argv.slice(2), processIo(interruption.signal));
