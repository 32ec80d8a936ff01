interface Waiting {
  readonly rank: number;
  start(): void;
}

/** Lets at most `places` tasks run at once; of the others the lowest rank goes first, and those of one rank in the order they came. */
export class Semaphore {
  readonly #waiting: Waiting[] = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  async run<T>(task: () => Promise<T>, rank = 0): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((start) => this.#wait({ rank, start })); // the place is handed over, not freed
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next.start();
      else this.#free++;
    }
  }

  #wait(task: Waiting): void {
    const behind = this.#waiting.findIndex((other) => other.rank > task.rank);
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, task);
  }
}

/** One task at a time for each key. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(task, task);
    const tail = mine.catch(() => {}); // the failure belongs to the caller, not to the next in line
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
