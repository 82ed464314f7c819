/**
 * Keeps a process from ending while one of its threads is inside native code.
 *
 * Node tears worker threads down when the process exits; a call of onnxruntime-node that returns into a torn-down
 * thread aborts the process. Two shared words prevent it (Dekker's scheme): the worker announces that it is busy and
 * then looks whether it may still enter; the process says that it is ending and then waits until the worker is not busy.
 */
const BUSY = 0;
const ENDING = 1;

/** Memory shared by the two sides of a gate. */
export function createGateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
}

/** The worker's side. */
export function workerGate(memory: SharedArrayBuffer): { enter(): boolean; leave(): void } {
  const words = new Int32Array(memory);
  const leave = (): void => {
    Atomics.store(words, BUSY, 0);
    Atomics.notify(words, BUSY);
  };
  return {
    enter() {
      Atomics.store(words, BUSY, 1);
      if (Atomics.load(words, ENDING) === 0) return true;
      leave();
      return false;
    },
    leave,
  };
}

/** The process's side: lets no further call in, and blocks until the running one is over or the time is up. */
export function closeGate(memory: SharedArrayBuffer, milliseconds: number): void {
  const words = new Int32Array(memory);
  Atomics.store(words, ENDING, 1);
  Atomics.wait(words, BUSY, 1, milliseconds);
}
