import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Binding, InstanceExit } from '#src/engine/engine.ts';
import { newCloneIdentity } from '#src/engine/identity.ts';
import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { Loopback } from './loopback.ts';
import { answerRequest } from './simulated-http.ts';
import { type AppState, instanceMemoryBytes, print, type SimulatedInstance } from './simulated-instance.ts';
import type { Switches } from './switches.ts';

const keptLogs = 1000;

/** The machine that a memory engine stands for: its instances, their ports and what has ended. */
export class SimulatedNode {
  readonly instances = new Map<InstanceId, SimulatedInstance>();
  readonly exitListeners = new Set<(exit: InstanceExit) => void>();
  readonly #clock: Clock;
  readonly #memoryBytes: number;
  readonly #loopback: Loopback | undefined;
  readonly #closing = new AbortController();
  readonly #byPort = new Map<number, SimulatedInstance>();
  readonly #endedLogs = new Map<InstanceId, string>();

  constructor(clock: Clock, memoryBytes: number, listen: boolean) {
    this.#clock = clock;
    this.#memoryBytes = memoryBytes;
    this.#loopback = listen ? new Loopback((port, request, response) => this.#answer(port, request, response)) : undefined;
  }

  memoryFreeBytes(): number {
    return Math.max(0, this.#memoryBytes - this.instances.size * instanceMemoryBytes);
  }

  /** What a repeated start or restore finds. One that has ended makes way. */
  findRunning(id: InstanceId): SimulatedInstance | undefined {
    const instance = this.instances.get(id);
    if (instance?.state !== 'exited') return instance;
    this.remove(instance);
    return undefined;
  }

  /** Throws instance_not_found. */
  require(id: InstanceId): SimulatedInstance {
    const instance = this.instances.get(id);
    if (instance) return instance;
    throw new ThawError('instance_not_found', `instance ${id} is not on this node`, {
      fix: 'Ask for the instance again: it may have ended.',
    });
  }

  /** Throws instance_not_found. */
  requireAlive(id: InstanceId): SimulatedInstance {
    const instance = this.require(id);
    if (instance.state !== 'exited') return instance;
    throw new ThawError('instance_not_found', `instance ${id} has ended`, { fix: 'Destroy it and use another.' });
  }

  /** Throws bind_failed. */
  requireBindable(id: InstanceId, { claim }: Binding): SimulatedInstance {
    const instance = this.instances.get(id);
    const bound = instance?.binding?.claim ?? claim;
    if (instance && instance.state !== 'exited' && bound === claim) return instance;
    const reason = bound === claim ? 'it does not run' : `it is bound to ${bound}`;
    throw new ThawError('bind_failed', `instance ${id} can not be bound to ${claim}: ${reason}`, { fix: 'Claim another instance.' });
  }

  /** Runs an app from this state. Its initialisation goes on in the background; where none is left its ports are open on return. */
  async launch(id: InstanceId, app: AppState, clone?: { golden: GoldenId; checkpointedAtMs: number }): Promise<SimulatedInstance> {
    this.#admit();
    const runningSinceMs = this.#clock.nowMs();
    const identity = clone && newCloneIdentity(id, clone.checkpointedAtMs, runningSinceMs);
    const rest = { ports: {}, ready: false, binding: undefined, hooked: false, log: '', whenRunning: [] };
    const instance: SimulatedInstance = { id, golden: clone?.golden, app, runningSinceMs, state: 'running', identity, ...rest };
    this.instances.set(id, instance);
    try {
      await this.#reservePorts(instance);
      if (clone !== undefined && app.startLeftMs === 0) await this.#becomeReady(instance);
      else void this.#initialise(instance);
    } catch (error) {
      this.remove(instance);
      throw error;
    }
    return instance;
  }

  /** Of one that was bound and removed. */
  endedLog(id: InstanceId): string | undefined {
    return this.#endedLogs.get(id);
  }

  #keepLog({ id, log }: SimulatedInstance): void {
    this.#endedLogs.set(id, log);
    const [oldest] = this.#endedLogs.keys();
    if (this.#endedLogs.size > keptLogs && oldest !== undefined) this.#endedLogs.delete(oldest);
  }

  /** The instance's process ends by itself. What it leaves stays listed until it is removed. */
  end(instance: SimulatedInstance, exitCode: number, oomKilled = false): void {
    if (instance.state === 'exited') return;
    instance.state = 'exited';
    this.#closePorts(instance);
    for (const listener of this.exitListeners) listener({ id: instance.id, exitCode, oomKilled });
  }

  /** As its switches say, unless it has ended by then. */
  endLater(instance: SimulatedInstance, { THAW_SIMULATE_EXIT_AFTER_MS: exitMs, THAW_SIMULATE_OOM_AFTER_MS: oomMs }: Switches): void {
    const endAfter = async (ms: number, exitCode: number, oomKilled: boolean) => {
      await this.#clock.sleep(ms, this.#closing.signal).catch(() => {}); // closing: nothing ends any more
      if (!this.#closing.signal.aborted) this.end(instance, exitCode, oomKilled);
    };
    if (exitMs !== undefined) void endAfter(exitMs, 1, false);
    if (oomMs !== undefined) void endAfter(oomMs, 137, true);
  }

  remove(instance: SimulatedInstance): void {
    if (instance.binding !== undefined) this.#keepLog(instance);
    this.instances.delete(instance.id);
    instance.state = 'exited';
    this.#closePorts(instance);
  }

  /** Closes every port and stops what initialises; the instances can be reached by calls only. */
  close(): void {
    this.#closing.abort();
    for (const instance of this.instances.values()) this.#closePorts(instance);
  }

  #admit(): void {
    if (this.memoryFreeBytes() >= instanceMemoryBytes) return;
    const message = `no memory for another instance: ${this.instances.size} exist, the simulated node has ${this.#memoryBytes} bytes`;
    throw new ThawError('memory_reserve', message, { fix: 'Release instances, or give the memory engine more memoryBytes.' });
  }

  async #reservePorts(instance: SimulatedInstance): Promise<void> {
    if (!this.#loopback) return;
    for (const { port } of instance.app.workload.ports) {
      const hostPort = await this.#loopback.reserve();
      instance.ports[port] = hostPort;
      this.#byPort.set(hostPort, instance);
    }
  }

  async #initialise(instance: SimulatedInstance): Promise<void> {
    const { startLeftMs, workload, token } = instance.app;
    try {
      await this.#clock.sleep(startLeftMs, this.#closing.signal);
      const exitCode = workload.env.APP_EXIT_CODE;
      if (exitCode !== undefined) this.end(instance, Number(exitCode));
      else if (instance.state !== 'exited') await this.#becomeReady(instance);
      print(instance, `token ${token}`);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      print(instance, String(error));
      this.end(instance, 1); // as an app does whose port is taken
    }
  }

  async #becomeReady(instance: SimulatedInstance): Promise<void> {
    for (const port of Object.values(instance.ports)) await this.#loopback?.open(port);
    instance.ready = true;
  }

  #closePorts(instance: SimulatedInstance): void {
    for (const port of Object.values(instance.ports)) {
      this.#loopback?.release(port);
      this.#byPort.delete(port);
    }
  }

  async #answer(port: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const instance = this.#byPort.get(port);
    while (instance?.state === 'paused') await new Promise<void>((resolve) => instance.whenRunning.push(resolve));
    if (instance?.state !== 'running') {
      response.destroy();
      return;
    }
    const answer = answerRequest(instance, request.url ?? '/');
    const { exit } = answer;
    // One answer for each connection: a port number that another instance is given later never meets an old connection.
    response.writeHead(answer.status, { 'content-type': 'application/json', connection: 'close' });
    response.end(answer.body, () => exit && this.end(instance, exit.code, exit.oomKilled));
  }
}
