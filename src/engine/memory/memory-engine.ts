import { cpus } from 'node:os';
import type {
  Binding,
  Checkpoint,
  Engine,
  EngineInstance,
  EngineProbe,
  ExecResult,
  InstanceExit,
  InstanceStats,
  RestoredInstance,
  StartedInstance,
} from '#src/engine/engine.ts';
import type { Workload } from '#src/engine/workload.ts';
import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { MemoryFaults } from './faults.ts';
import { simulateDelay } from './simulated-delay.ts';
import { runSimulated } from './simulated-exec.ts';
import { SimulatedGoldens, simulatedFingerprint } from './simulated-goldens.ts';
import { instanceMemoryBytes, listedInstance, newApp, type SimulatedInstance, snapshotApp, startedInstance } from './simulated-instance.ts';
import { SimulatedNode } from './simulated-node.ts';

export interface MemoryTimings {
  /** From the start of a cold instance until its app answers; `start` itself answers at once. */
  startMs: number;
  checkpointMs: number;
  restoreMs: number;
  bindMs: number;
}

export interface MemoryEngineOptions {
  readonly clock: Clock;
  readonly timings: Readonly<MemoryTimings>;
  /** Opens a loopback port for each port that a workload names. Without, nothing listens, and 100,000 instances fit one process. Default true. */
  readonly listen?: boolean;
  /** Of the simulated node; each instance takes `instanceMemoryBytes` of it. Default 1 TiB. */
  readonly memoryBytes?: number;
}

export function createMemoryEngine(options: MemoryEngineOptions): MemoryEngine {
  return new MemoryEngine(options);
}

/**
 * A simulation of an engine: for tests of all that is above the port, for benches of scale and for developing against Thaw without root or
 * Linux. It is never evidence that checkpointing, isolation or a figure holds: that takes the criu engine.
 *
 * Goldens and instances live in the memory of this process and end with it. Instances answer HTTP as the tests' real app does; in a
 * workload's env, `APP_START_MS` says how long its app initialises and `APP_EXIT_CODE` makes it end then instead of becoming ready.
 */
export class MemoryEngine implements Engine {
  /** May be changed at any time; calls under way keep theirs. */
  readonly timings: MemoryTimings;
  readonly faults = new MemoryFaults();
  readonly #clock: Clock;
  readonly #memoryBytes: number;
  readonly #node: SimulatedNode;
  readonly #goldens = new SimulatedGoldens(this.faults);
  readonly #primed = new Map<InstanceId, GoldenId>();
  /** One call at a time for each instance, so that a repeated call finds what the first has made. */
  readonly #turns = new KeyedMutex();

  constructor({ clock, timings, listen = true, memoryBytes = 2 ** 40 }: MemoryEngineOptions) {
    this.timings = { ...timings };
    this.#clock = clock;
    this.#memoryBytes = memoryBytes;
    this.#node = new SimulatedNode(clock, memoryBytes, listen);
  }

  /** The instance's process ends by itself, as in a crash. */
  kill(id: InstanceId, exitCode: number, { oomKilled = false } = {}): void {
    this.#node.end(this.#find(id), exitCode, oomKilled);
  }

  async probe(): Promise<EngineProbe> {
    const memory = { memoryBytes: this.#memoryBytes, memoryFreeBytes: this.#node.memoryFreeBytes() };
    return {
      ok: true,
      problems: [],
      fingerprint: simulatedFingerprint,
      capacity: { ...memory, diskFreeBytes: 2 ** 40, cpus: cpus().length },
    };
  }

  start(workload: Workload, id: InstanceId, signal?: AbortSignal): Promise<StartedInstance> {
    return this.#turns.run(id, async () => {
      const startedAt = performance.now();
      const existing = this.#foundRunning(id);
      if (existing) return startedInstance(existing, startedAt);
      this.faults.strike('start', id);
      await simulateDelay(this.#clock, 0, `the start of ${id}`, signal);
      return startedInstance(await this.#node.launch(id, newApp(workload, this.timings.startMs)), startedAt);
    });
  }

  checkpoint(id: InstanceId, golden: GoldenId, signal?: AbortSignal): Promise<Checkpoint> {
    return this.#turns.run(id, async () => {
      const sealed = this.#goldens.sealed(golden);
      if (sealed) return sealed;
      this.#findAlive(id);
      this.faults.strike('checkpoint', `${id} into ${golden}`);
      const { checkpointMs } = this.timings;
      await simulateDelay(this.#clock, checkpointMs, `the checkpoint of ${id} into ${golden}`, signal);
      const primer = this.#findAlive(id);
      this.#node.remove(primer);
      return this.#goldens.seal(golden, snapshotApp(primer, this.#clock.nowMs()), checkpointMs);
    });
  }

  prime(golden: GoldenId, id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.#goldens.open(golden);
      this.faults.strike('prime', `${id} from ${golden}`);
      if (!this.#node.instances.has(id)) this.#primed.set(id, golden);
    });
  }

  restore(golden: GoldenId, id: InstanceId, signal?: AbortSignal): Promise<RestoredInstance> {
    return this.#turns.run(id, async () => {
      const startedAt = performance.now();
      const existing = this.#foundRunning(id);
      if (existing) return startedInstance(existing, startedAt);
      try {
        const app = this.#goldens.open(golden);
        this.faults.strike('restore', `${id} from ${golden}`);
        await simulateDelay(this.#clock, this.timings.restoreMs, `the restore of ${id} from ${golden}`, signal);
        return startedInstance(await this.#node.launch(id, app, golden), startedAt);
      } finally {
        this.#primed.delete(id); // filled, or gone with the failed restore
      }
    });
  }

  bind(id: InstanceId, binding: Binding): Promise<void> {
    return this.#turns.run(id, async () => {
      this.#findBindable(id, binding);
      this.faults.strike('bind', id);
      await simulateDelay(this.#clock, this.timings.bindMs, `the bind of ${id}`);
      this.#findBindable(id, binding).binding = binding;
    });
  }

  pause(id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.faults.strike('pause', id);
      this.#findAlive(id).state = 'paused';
    });
  }

  resume(id: InstanceId): Promise<void> {
    return this.#turns.run(id, async () => {
      this.faults.strike('resume', id);
      const instance = this.#findAlive(id);
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
    const { allocatedBytes, cpuMs } = snapshotApp(this.#findAlive(id), this.#clock.nowMs());
    return { memoryBytes: instanceMemoryBytes + allocatedBytes, cpuMs, pids: 1 };
  }

  async logs(id: InstanceId, maxBytes: number): Promise<string> {
    const log = Buffer.from(this.#find(id).log);
    return log.subarray(Math.max(0, log.length - maxBytes)).toString();
  }

  async exec(id: InstanceId, command: readonly string[], options: { timeoutMs: number; signal?: AbortSignal }): Promise<ExecResult> {
    const instance = this.#findAlive(id);
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

  async removeGolden(golden: GoldenId): Promise<void> {
    this.#goldens.remove(golden);
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

  /** What a repeated start or restore finds. One that has ended makes way. */
  #foundRunning(id: InstanceId): SimulatedInstance | undefined {
    const instance = this.#node.instances.get(id);
    if (instance?.state !== 'exited') return instance;
    this.#node.remove(instance);
    return undefined;
  }

  #find(id: InstanceId): SimulatedInstance {
    const instance = this.#node.instances.get(id);
    if (instance) return instance;
    throw new ThawError('instance_not_found', `instance ${id} is not on this node`, {
      fix: 'Ask for the instance again: it may have ended.',
    });
  }

  #findAlive(id: InstanceId): SimulatedInstance {
    const instance = this.#find(id);
    if (instance.state !== 'exited') return instance;
    throw new ThawError('instance_not_found', `instance ${id} has ended`, { fix: 'Destroy it and use another.' });
  }

  #findBindable(id: InstanceId, { claim }: Binding): SimulatedInstance {
    const instance = this.#node.instances.get(id);
    const bound = instance?.binding?.claim ?? claim;
    if (instance && instance.state !== 'exited' && bound === claim) return instance;
    const reason = bound === claim ? 'it does not run' : `it is bound to ${bound}`;
    throw new ThawError('bind_failed', `instance ${id} can not be bound to ${claim}: ${reason}`, { fix: 'Claim another instance.' });
  }
}
