import { createHash } from 'node:crypto';
import type { Checkpoint, ExportedGolden, GoldenDisk, ImportedGolden } from '#src/engine/engine.ts';
import type { GoldenPlace } from '#src/engine/golden-place.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import type { ScanReport } from '#src/engine/scan-report.ts';
import { searchStream } from '#src/engine/secrets/search-stream.ts';
import { createSecretSearch } from '#src/engine/secrets/secret-search.ts';
import { SecretTally } from '#src/engine/secrets/secret-tally.ts';
import type { Workload } from '#src/engine/workload.ts';
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

interface SealedAt {
  readonly dumpMs: number;
  readonly checkpointedAtMs: number;
  readonly fingerprint: NodeFingerprint;
}

/** The goldens of a memory engine: each the state of an app, never changed once it is sealed. */
export class SimulatedGoldens {
  readonly #goldens = new Map<GoldenId, SimulatedGolden>();
  /** By place: what was exported. */
  readonly #elsewhere = new Map<string, SimulatedGolden>();
  readonly #faults: MemoryFaults;

  constructor(faults: MemoryFaults) {
    this.#faults = faults;
  }

  seal(golden: GoldenId, app: AppState, { dumpMs, checkpointedAtMs, fingerprint }: SealedAt): Checkpoint {
    const pagesBytes = instanceMemoryBytes + app.allocatedBytes;
    const checkpoint = {
      sizeBytes: pagesBytes + 4096,
      pagesBytes,
      digest: `sha256:${createHash('sha256').update(JSON.stringify(app)).digest('hex')}`,
      cpuMs: app.cpuMs,
      fingerprint,
      connections: [],
      timingsMs: { dump: dumpMs, seal: 0, total: dumpMs },
    };
    this.#goldens.set(golden, { app, checkpoint, checkpointedAtMs });
    return checkpoint;
  }

  sealed(golden: GoldenId): Checkpoint | undefined {
    return this.#goldens.get(golden)?.checkpoint;
  }

  /** As a real kernel may: restore_failed for what was captured under another. */
  requireKernel(golden: GoldenId, { kernel }: NodeFingerprint): void {
    const made = this.sealed(golden)?.fingerprint.kernel;
    if (made === kernel) return;
    const message = `the restore of golden ${golden} failed: it was captured under kernel ${made}, this is ${kernel} (simulated)`;
    throw new ThawError('restore_failed', message, { fix: 'Capture a build of it for this kernel.' });
  }

  /** The state that a clone begins with. Throws golden_missing or golden_corrupt. */
  open(golden: GoldenId): Pick<SimulatedGolden, 'app' | 'checkpointedAtMs'> {
    const found = this.#require(golden);
    if (!this.#faults.isCorrupt(golden)) return { app: { ...found.app }, checkpointedAtMs: found.checkpointedAtMs };
    const message = `golden ${golden}: pages-1.img does not have the sha256 of its manifest (a simulated fault)`;
    throw new ThawError('golden_corrupt', message, { fix: 'Delete the golden and take a new one.' });
  }

  /** The state of its app is all the memory that it has. */
  async scan(golden: GoldenId, canaries: readonly string[]): Promise<ScanReport> {
    const tally = new SecretTally();
    const memory = Buffer.from(JSON.stringify(this.open(golden).app));
    tally.addBytes(await searchStream(createSecretSearch(canaries), [memory], undefined, (kind) => tally.add(kind, 'app (pid 1)')));
    return { ...tally.report(), tookMs: 0 };
  }

  /** Brings a copy to where an import from the same place of this engine finds it. Throws export_target_exists. */
  export(golden: GoldenId, { kind, text }: GoldenPlace, overwrite: boolean): ExportedGolden {
    this.open(golden);
    const isReplaceable = kind === 'registry' || (overwrite && kind !== 'oci');
    if (this.#elsewhere.has(text) && !isReplaceable) {
      throw new ThawError('export_target_exists', `the export to ${text}: it exists already`, { fix: 'Choose another name.' });
    }
    const copy = this.#require(golden);
    this.#elsewhere.set(text, copy);
    return { digest: copy.checkpoint.digest, sizeBytes: copy.checkpoint.sizeBytes };
  }

  /** Throws image_not_found or golden_incompatible. */
  import(golden: GoldenId, { kind, text }: GoldenPlace, workload: Workload): ImportedGolden {
    const copy = this.#elsewhere.get(text);
    if (!copy) throw new ThawError('image_not_found', `there is nothing at ${text}`, { fix: 'Export a golden to it first.' });
    const { image } = copy.app.workload;
    if (image !== workload.image) {
      const fix = 'Import it into a template of the image that it was taken from.';
      throw new ThawError('golden_incompatible', `the golden lies on image ${image}, not on ${workload.image}`, { fix });
    }
    this.#goldens.set(golden, copy);
    return { ...copy.checkpoint, origin: { kind: kind === 'archive' ? 'archive' : 'image', from: text, engine: 'thaw' } };
  }

  remove(golden: GoldenId): void {
    this.#goldens.delete(golden);
    this.#faults.forgetGolden(golden);
  }

  #require(golden: GoldenId): SimulatedGolden {
    const found = this.#goldens.get(golden);
    if (found) return found;
    throw new ThawError('golden_missing', `golden ${golden} is not on this node`, { fix: 'Take or import the golden again.' });
  }

  /** They share nothing. */
  disk(): GoldenDisk {
    const uniqueBytes = new Map([...this.#goldens].map(([id, { checkpoint }]) => [id, checkpoint.sizeBytes]));
    return { usedBytes: [...uniqueBytes.values()].reduce((sum, bytes) => sum + bytes, 0), uniqueBytes };
  }

  list(): GoldenId[] {
    return [...this.#goldens.keys()];
  }
}
