import { cpus } from 'node:os';
import type { CheckpointReport } from '#src/engine/checkpoint-report.ts';
import type {
  Binding,
  BoundInstance,
  Checkpoint,
  CheckpointOptions,
  Engine,
  EngineInstance,
  EngineProbe,
  ExecResult,
  ExportedGolden,
  ExportOptions,
  GoldenDisk,
  ImportedGolden,
  InstanceExit,
  InstanceStats,
  RestoredInstance,
  RunPhase,
  StartedInstance,
} from '#src/engine/engine.ts';
import type { GoldenPlace } from '#src/engine/golden-place.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import type { ScanReport } from '#src/engine/scan-report.ts';
import type { Workload } from '#src/engine/workload.ts';
import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { MemoryFaults } from './faults.ts';
import { bindSimulated } from './simulated-bind.ts';
import { checkpointSimulated } from './simulated-checkpoint.ts';
import { simulateDelay } from './simulated-delay.ts';
import { runSimulated } from './simulated-exec.ts';
import { SimulatedGoldens, simulatedFingerprint } from './simulated-goldens.ts';
import { callSimulatedHook } from './simulated-hooks.ts';
import { instanceMemoryBytes, listedInstance, newApp, snapshotApp, startedInstance } from './simulated-instance.ts';
import { exportSimulated, importSimulated } from './simulated-moves.ts';
import { SimulatedNode } from './simulated-node.ts';
import { simulatedReport } from './simulated-report.ts';
import { restoreSimulated } from './simulated-restore.ts';
import type { MemoryTimings, Simulation } from './simulation.ts';
import { readSwitches } from './switches.ts';

export interface MemoryEngineOptions {
  readonly clock: Clock;
  readonly timings: Readonly<MemoryTimings>;
  /** Opens a loopback port for each port that a workload names. Without, nothing listens, and 100,000 instances fit one process. Default true. */
  readonly listen?: boolean;
  /** Of the simulated node; each instance takes `instanceMemoryBytes` of it. Default 1 TiB. */
  readonly memoryBytes?: number;
  readonly fingerprint?: NodeFingerprint;
}

export function createMemoryEngine(options: MemoryEngineOptions): MemoryEngine {
  return new MemoryEngine(options);
}

/**
 * A simulation of an engine: for tests of all that is above the port, for benches of scale and for developing against Thaw without root or
 * Linux. It is never evidence that checkpointing, isolation or a figure holds: that takes the criu engine.
 *
 * Goldens and instances live in the memory of this process and end with it. Instances answer HTTP as the tests' real app does; in a
 * workload's env, `APP_START_MS` says how long its app initialises and `APP_EXIT_CODE` makes it end then instead of becoming ready; for
 * what else can be made to go wrong from outside see switches.ts.
 */
export class MemoryEngine implements Engine {
  /** May be changed at any time; calls under way keep theirs. */
  readonly timings: MemoryTimings;
  /** May be replaced at any time, as an upgrade of the machine does it. Goldens that were made under another kernel are not restored then. */
  fingerprint: NodeFingerprint;
  readonly faults = new MemoryFaults();
  readonly #clock: Clock;
  readonly #memoryBytes: number;
  readonly #node: SimulatedNode;
  readonly #goldens = new SimulatedGoldens(this.faults);
  readonly #primed = new Map<InstanceId, GoldenId>();
  /** One call at a time for each instance, so that a repeated call finds what the first has made. */
  readonly #turns = new KeyedMutex();

  constructor({ clock, timings, listen = true, memoryBytes = 2 ** 40, fingerprint = simulatedFingerprint }: MemoryEngineOptions) {
    this.timings = { ...timings };
    this.fingerprint = fingerprint;
    this.#clock = clock;
    this.#memoryBytes = memoryBytes;
    this.#node = new SimulatedNode(clock, memoryBytes, listen);
  }

  /** The instance's process ends by itself, as in a crash. */
  kill(id: InstanceId, exitCode: number, { oomKilled = false } = {}): void {
    this.#node.end(this.#node.require(id), exitCode, oomKilled);
  }

  get #simulation(): Simulation {
    const { faults, timings, fingerprint } = this;
    return { clock: this.#clock, faults, node: this.#node, goldens: this.#goldens, timings, fingerprint };
  }

  async probe(): Promise<EngineProbe> {
    const memory = { memoryBytes: this.#memoryBytes, memoryFreeBytes: this.#node.memoryFreeBytes() };
    return {
      ok: true,
      problems: [],
      fingerprint: this.fingerprint,
      capacity: { ...memory, diskFreeBytes: 2 ** 40, cpus: cpus().length },
    };
  }

  start(workload: Workload, id: InstanceId, signal?: AbortSignal): Promise<StartedInstance> {
    return this.#turns.run(id, async () => {
      const startedAt = performance.now();
      const existing = this.#node.findRunning(id);
      if (existing) return startedInstance(existing, startedAt);
      readSwitches('app_start_failed', workload.env);
      this.faults.strike('start', id);
      await simulateDelay(this.#clock, 0, `the start of ${id}`, signal);
      return startedInstance(await this.#node.launch(id, newApp(workload, this.timings.startMs)), startedAt);
    });
  }

  checkpoint(id: InstanceId, golden: GoldenId, signal?: AbortSignal, options: CheckpointOptions = {}): Promise<Checkpoint> {
    return this.#turns.run(id, () => checkpointSimulated(this.#simulation, id, golden, signal, options));
  }

  async inspect(id: InstanceId): Promise<CheckpointReport> {
    const instance = this.#node.requireAlive(id);
    this.faults.strike('inspect', id);
    return simulatedReport(instance);
  }

  prime(golden: GoldenId, id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.#goldens.open(golden);
      this.faults.strike('prime', `${id} from ${golden}`);
      if (!this.#node.instances.has(id)) this.#primed.set(id, golden);
    });
  }

  restore(golden: GoldenId, id: InstanceId, signal?: AbortSignal, digest?: string): Promise<RestoredInstance> {
    return this.#turns.run(id, async () => {
      try {
        return await restoreSimulated(this.#simulation, golden, id, signal, digest);
      } finally {
        this.#primed.delete(id); // filled, or gone with the failed restore
      }
    });
  }

  async callHook(id: InstanceId, hook: 'beforeCheckpoint' | 'afterRestore', signal?: AbortSignal): Promise<void> {
    await callSimulatedHook(this.#simulation, this.#node.requireAlive(id), hook, signal);
  }

  bind(id: InstanceId, binding: Binding): Promise<BoundInstance> {
    return this.#turns.run(id, () => bindSimulated(this.#simulation, id, binding));
  }

  pause(id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.faults.strike('pause', id);
      this.#node.requireAlive(id).state = 'paused';
    });
  }

  resume(id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.faults.strike('resume', id);
      const instance = this.#node.requireAlive(id);
      instance.state = 'running';
      for (const goOn of instance.whenRunning.splice(0)) goOn();
    });
  }

  destroy(id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.faults.strike('destroy', id);
      this.#primed.delete(id);
      const instance = this.#node.instances.get(id);
      if (instance) this.#node.remove(instance);
    });
  }

  async stats(id: InstanceId): Promise<InstanceStats> {
    const { allocatedBytes, cpuMs } = snapshotApp(this.#node.requireAlive(id), this.#clock.nowMs());
    return { memoryBytes: instanceMemoryBytes + allocatedBytes, cpuMs, pids: 1 };
  }

  async logs(id: InstanceId, maxBytes: number): Promise<string> {
    const log = Buffer.from(this.#node.endedLog(id) ?? this.#node.require(id).log);
    return log.subarray(Math.max(0, log.length - maxBytes)).toString();
  }

  async exec(id: InstanceId, command: readonly string[], options: { timeoutMs: number; signal?: AbortSignal }): Promise<ExecResult> {
    const instance = this.#node.requireAlive(id);
    this.faults.strike('exec', id);
    if (instance.state === 'running') return runSimulated(this.#clock, instance, command, options);
    throw new ThawError('invalid_transition', `instance ${id} is paused: nothing can run in it`, { fix: 'Resume it first.' });
  }

  async hasGolden(golden: GoldenId): Promise<boolean> {
    return this.#goldens.sealed(golden) !== undefined;
  }

  async verifyGolden(golden: GoldenId): Promise<void> {
    this.#goldens.open(golden);
  }

  scanGolden(golden: GoldenId, canaries: readonly string[]): Promise<ScanReport> {
    return this.#goldens.scan(golden, canaries);
  }

  exportGolden(golden: GoldenId, to: GoldenPlace, options: ExportOptions, phase: RunPhase): Promise<ExportedGolden> {
    return exportSimulated(this.#simulation, golden, to, options, phase);
  }

  importGolden(workload: Workload, golden: GoldenId, from: GoldenPlace, phase: RunPhase): Promise<ImportedGolden> {
    return importSimulated(this.#simulation, workload, golden, from, phase);
  }

  async removeGolden(golden: GoldenId): Promise<void> {
    this.#goldens.remove(golden);
  }

  async goldenDisk(): Promise<GoldenDisk> {
    return this.#goldens.disk();
  }

  async listGoldens(): Promise<GoldenId[]> {
    return this.#goldens.list();
  }

  async list(): Promise<EngineInstance[]> {
    const primed = [...this.#primed].map(([id, golden]): EngineInstance => ({ id, golden, state: 'partial' }));
    return [...primed, ...[...this.#node.instances.values()].map(listedInstance)];
  }

  onExit(listener: (exit: InstanceExit) => void): () => void {
    this.#node.exitListeners.add(listener);
    return () => this.#node.exitListeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#node.close();
  }

  async teardown(): Promise<void> {} // nothing is made outside this process
}
