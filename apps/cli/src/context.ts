/** What every command is given: where it reads, how it speaks, the settings that all commands share. */
import type { Progress as DataProgress, OpenOptions } from '@assay/data';
import type { Io } from './io.ts';
import { Progress } from './terminal/progress.ts';
import { type Style, styleFor } from './terminal/style.ts';
import { printable, printableInColour, wrapped } from './terminal/text.ts';

/** Settings that every command takes. */
export interface Settings {
  /** Print one JSON document on standard output, and all else on standard error. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly seed: number;
  /** Folder with the published data sets. */
  readonly dataDir: string | undefined;
}

/** Widest text: longer lines are hard to read. */
const WIDEST = 100;
const DEFAULT_WIDTH = 80;

export class Context {
  readonly io: Io;
  readonly settings: Settings;
  /** Colours of standard output. */
  readonly style: Style;
  readonly progress: Progress;
  /** Columns for text on standard output. */
  readonly width: number;

  constructor(io: Io, settings: Settings) {
    this.io = io;
    this.settings = settings;
    this.style = styleFor(io.stdout, io.environment);
    this.progress = new Progress(io.stderr, settings.quiet);
    this.width = Math.max(40, Math.min(WIDEST, io.stdout.columns ?? DEFAULT_WIDTH));
  }

  get signal(): AbortSignal {
    return this.io.signal;
  }

  /** Shows a result to a person; nothing where a program reads. Names from files cannot steer the terminal. */
  async show(text: string): Promise<void> {
    if (this.settings.json) return;
    this.progress.clear();
    await this.io.stdout.write(`${wrapped(printableInColour(text), this.width)}\n`);
  }

  /** Gives a result to a program; nothing where a person reads. */
  async give(document: unknown): Promise<void> {
    if (!this.settings.json) return;
    this.progress.clear();
    await this.io.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  /** Says something on the way, on standard error. */
  async say(text: string): Promise<void> {
    if (this.settings.quiet) return;
    this.progress.clear();
    const width = Math.max(40, Math.min(WIDEST, this.io.stderr.columns ?? DEFAULT_WIDTH));
    await this.io.stderr.write(`${wrapped(printable(text), width, '  ')}\n`);
  }

  /** Says several things, each on its own line with a mark before it. */
  async note(notes: readonly string[]): Promise<void> {
    for (const text of notes) await this.say(`- ${text}`);
  }

  /** How tables are opened: where named data sets are, who watches, who may stop it. */
  reading(): OpenOptions {
    const { dataDir } = this.settings;
    return {
      signal: this.signal,
      onProgress: (progress) => this.reportReading(progress),
      ...(dataDir === undefined ? {} : { dataDir }),
    };
  }

  reportReading({ step, done, total }: DataProgress): void {
    const begun = step.charAt(0).toUpperCase() + step.slice(1);
    this.progress.update(begun, total === undefined || total === 0 ? undefined : done / total);
  }
}
