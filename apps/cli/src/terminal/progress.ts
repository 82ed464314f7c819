/** Where long work stands: one line that is redrawn on a terminal, a line now and then elsewhere. */
import type { Output } from '../io.ts';
import { duration, printableLine, shortened } from './text.ts';

/** On a terminal the line is redrawn at most so often, in milliseconds. */
const REDRAW = 100;
/** Elsewhere a line is written at most so often. */
const LINE = 5_000;
/** A guess of the time left is shown once so much time has passed. */
const FIRST_GUESS = 1_000;

/** Tells on an output how far the work has come. */
export class Progress {
  readonly #output: Output;
  readonly #silent: boolean;
  #step = '';
  #begun = 0;
  #shown: number;
  #drawn = false;

  constructor(output: Output, silent: boolean) {
    this.#output = output;
    this.#silent = silent;
    // Short work is done before a line about it would have been read.
    this.#shown = output.isTTY ? Number.NEGATIVE_INFINITY : performance.now();
  }

  /**
   * @param step what is being done: "Training"
   * @param done from 0 to 1; undefined where it is not known
   * @param detail numbers for the eye
   * @param secondsLeft where the caller knows better than the pace so far tells
   */
  update(step: string, done?: number, detail = '', secondsLeft?: number): void {
    if (this.#silent) return;
    const now = performance.now();
    if (step !== this.#step) {
      this.#step = step;
      this.#begun = now;
      if (this.#output.isTTY) this.#shown = Number.NEGATIVE_INFINITY;
    }
    if (now - this.#shown < (this.#output.isTTY ? REDRAW : LINE)) return;
    this.#shown = now;
    const elapsed = now - this.#begun;
    const guess =
      done !== undefined && done > 0 && elapsed > FIRST_GUESS
        ? (elapsed / 1000) * ((1 - done) / done)
        : undefined;
    const left = secondsLeft ?? guess;
    const parts = [
      done === undefined ? step : `${step} ${Math.floor(Math.min(1, Math.max(0, done)) * 100)}%`,
      detail,
      left !== undefined && left >= 0.5 ? `${duration(left)} left` : '',
    ];
    const line = printableLine(parts.filter((part) => part !== '').join(' · '));
    if (this.#output.isTTY) {
      this.#drawn = true;
      void this.#output.write(`\r\u001b[2K${shortened(line, (this.#output.columns ?? 80) - 1)}`);
    } else void this.#output.write(`${line}\n`);
  }

  /** Takes the line away, before something else is written. */
  clear(): void {
    if (!this.#drawn) return;
    this.#drawn = false;
    this.#shown = Number.NEGATIVE_INFINITY;
    void this.#output.write('\r\u001b[2K');
  }
}
