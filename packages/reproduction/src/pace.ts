/** How far a run is, and how long it will take yet by the pace of this machine. */
export class Pace {
  readonly #total: number;
  readonly #lanes: number;
  readonly #started = performance.now();
  #left: number;
  #finished = 0;
  #shown = 0;
  /** Estimated seconds of the cells under way that are done, by what they are of. */
  readonly #underWay = new Map<string, number>();

  /** @param total estimated seconds of the whole run, @param left of what is not there yet, @param lanes cells at a time */
  constructor(total: number, left: number, lanes: number) {
    this.#total = total;
    this.#left = left;
    this.#lanes = lanes;
  }

  /** @param of what the cell is of: a scenario and a seed, of whose cells one at a time is under way */
  finish(of: string, estimated: number): void {
    this.#underWay.delete(of);
    this.#left -= estimated;
    this.#finished += estimated;
  }

  /**
   * What will not be done says nothing of the pace.
   *
   * @param of if given, what of it was under way
   */
  leaveOut(estimated: number, of?: string): void {
    if (of !== undefined) this.#underWay.delete(of);
    this.#left -= estimated;
  }

  /** @param current estimated seconds of the cell under way that are done */
  at(of: string, current: number): { readonly done: number; readonly remainingSeconds: number } {
    this.#underWay.set(of, current);
    const underWay = [...this.#underWay.values()].reduce((sum, seconds) => sum + seconds, 0);
    const left = Math.max(0, this.#left - underWay);
    // A cell that is computed again, for what others need of it, is no step back.
    this.#shown = Math.max(this.#shown, Math.min(1, 1 - left / this.#total));
    const spent = (performance.now() - this.#started) / 1000;
    const reckoned = this.#finished + underWay;
    return {
      done: this.#shown,
      remainingSeconds: left * (this.#finished > 0 ? spent / reckoned : 1 / this.#lanes),
    };
  }
}
