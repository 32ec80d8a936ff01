import { requireMemory } from './node-reserve.ts';

/** Memory promised to restores that have not filled it yet: what the kernel still calls available to each of them. */
export interface MemoryHolds {
  /** Runs `task` holding `needBytes`. Throws memory_reserve when they and all that is held would cross the reserve. */
  hold<T>(what: string, needBytes: number, task: () => Promise<T>): Promise<T>;
  /** Whether a start or a restore is under way. */
  isHolding(): boolean;
}

export function createMemoryHolds(reserveBytes: number): MemoryHolds {
  let heldBytes = 0;
  let holders = 0;
  return {
    isHolding: () => holders > 0,
    hold: async (what, needBytes, task) => {
      requireMemory(what, heldBytes + needBytes, reserveBytes);
      heldBytes += needBytes;
      holders += 1;
      try {
        return await task();
      } finally {
        heldBytes -= needBytes;
        holders -= 1;
      }
    },
  };
}
