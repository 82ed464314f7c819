/** Events of work under way, in order. */
export class Queue<Event> {
  readonly #events: Event[] = [];
  #wake: (() => void) | undefined;

  push(event: Event): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** Yields what is pushed until the work is done; throws what the work throws. */
  async *drain(work: Promise<void>): AsyncGenerator<Event, void, undefined> {
    let isOver = false;
    const ended = work.finally(() => {
      isOver = true;
      this.#wake?.();
    });
    ended.catch(() => {});
    while (!isOver || this.#events.length > 0) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (isOver) resolve();
      });
    }
    await ended;
  }
}
