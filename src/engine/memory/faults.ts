import { type ProblemCode, ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';

export type FaultyCall =
  | 'start'
  | 'checkpoint'
  | 'inspect'
  | 'prime'
  | 'restore'
  | 'bind'
  | 'hook'
  | 'pause'
  | 'resume'
  | 'destroy'
  | 'export'
  | 'import'
  | 'exec';

/** What shall go wrong in a memory engine, set while it runs. A fault strikes before its call has changed anything. `hook`: one that the workload has, of any kind. */
export class MemoryFaults {
  readonly #next = new Map<FaultyCall, ProblemCode[]>();
  readonly #corrupt = new Set<GoldenId>();

  /** The next `times` calls of this kind throw this code. Faults of one kind strike in the order they were set. */
  failNext(call: FaultyCall, code: ProblemCode, times = 1): void {
    const codes = this.#next.get(call) ?? [];
    codes.push(...Array.from({ length: times }, () => code));
    this.#next.set(call, codes);
  }

  /** As if a byte of its files had flipped: `verifyGolden` and `restore` of it throw golden_corrupt from now on. */
  corruptGolden(golden: GoldenId): void {
    this.#corrupt.add(golden);
  }

  isCorrupt(golden: GoldenId): boolean {
    return this.#corrupt.has(golden);
  }

  /** A removed golden takes its damage with it. */
  forgetGolden(golden: GoldenId): void {
    this.#corrupt.delete(golden);
  }

  /** Throws the fault that was set for this call, if any. */
  strike(call: FaultyCall, what: string): void {
    const code = this.#next.get(call)?.shift();
    if (code) throw new ThawError(code, `${call} of ${what} failed: a simulated fault`, { fix: 'Clear the faults of the memory engine.' });
  }
}
