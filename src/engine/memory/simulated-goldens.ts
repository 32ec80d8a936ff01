import { createHash } from 'node:crypto';
import type { Checkpoint } from '#src/engine/engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { MemoryFaults } from './faults.ts';
import { type AppState, instanceMemoryBytes } from './simulated-instance.ts';

export const simulatedFingerprint: NodeFingerprint = { arch: process.arch, kernel: 'simulated', engine: 'memory' };

interface SimulatedGolden {
  readonly app: AppState;
  readonly checkpointedAtMs: number;
  readonly checkpoint: Checkpoint;
}

/** The goldens of a memory engine: each the state of an app, never changed once it is sealed. */
export class SimulatedGoldens {
  readonly #goldens = new Map<GoldenId, SimulatedGolden>();
  readonly #faults: MemoryFaults;

  constructor(faults: MemoryFaults) {
    this.#faults = faults;
  }

  seal(golden: GoldenId, app: AppState, { dumpMs, checkpointedAtMs }: { dumpMs: number; checkpointedAtMs: number }): Checkpoint {
    const pagesBytes = instanceMemoryBytes + app.allocatedBytes;
    const checkpoint = {
      sizeBytes: pagesBytes + 4096,
      pagesBytes,
      digest: `sha256:${createHash('sha256').update(JSON.stringify(app)).digest('hex')}`,
      cpuMs: app.cpuMs,
      fingerprint: simulatedFingerprint,
      timingsMs: { dump: dumpMs, seal: 0, total: dumpMs },
    };
    this.#goldens.set(golden, { app, checkpoint, checkpointedAtMs });
    return checkpoint;
  }

  sealed(golden: GoldenId): Checkpoint | undefined {
    return this.#goldens.get(golden)?.checkpoint;
  }

  /** The state that a clone begins with. Throws golden_missing or golden_corrupt. */
  open(golden: GoldenId): Pick<SimulatedGolden, 'app' | 'checkpointedAtMs'> {
    const found = this.#goldens.get(golden);
    if (!found) throw new ThawError('golden_missing', `golden ${golden} is not on this node`, { fix: 'Take or import the golden again.' });
    if (!this.#faults.isCorrupt(golden)) return { app: { ...found.app }, checkpointedAtMs: found.checkpointedAtMs };
    const message = `golden ${golden}: pages-1.img does not have the sha256 of its manifest (a simulated fault)`;
    throw new ThawError('golden_corrupt', message, { fix: 'Delete the golden and take a new one.' });
  }

  remove(golden: GoldenId): void {
    this.#goldens.delete(golden);
    this.#faults.forgetGolden(golden);
  }

  list(): GoldenId[] {
    return [...this.#goldens.keys()];
  }
}
