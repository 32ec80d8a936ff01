import type { IncomingMessage, ServerResponse } from 'node:http';
import type { InstanceExit } from '#src/engine/engine.ts';
import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { Loopback } from './loopback.ts';
import { answerRequest } from './simulated-http.ts';
import { type AppState, instanceMemoryBytes, print, type SimulatedInstance } from './simulated-instance.ts';

/** The machine that a memory engine stands for: its instances, their ports and what has ended. */
export class SimulatedNode {
  readonly instances = new Map<InstanceId, SimulatedInstance>();
  readonly exitListeners = new Set<(exit: InstanceExit) => void>();
  readonly #clock: Clock;
  readonly #memoryBytes: number;
  readonly #loopback: Loopback | undefined;
  readonly #closing = new AbortController();
  readonly #byPort = new Map<number, SimulatedInstance>();

  constructor(clock: Clock, memoryBytes: number, listen: boolean) {
    this.#clock = clock;
    this.#memoryBytes = memoryBytes;
    this.#loopback = listen ? new Loopback((port, request, response) => this.#answer(port, request, response)) : undefined;
  }

  memoryFreeBytes(): number {
    return Math.max(0, this.#memoryBytes - this.instances.size * instanceMemoryBytes);
  }

  /** Runs an app from this state. Its initialisation goes on in the background; where none is left its ports are open on return. */
  async launch(id: InstanceId, app: AppState, golden?: GoldenId): Promise<SimulatedInstance> {
    this.#admit();
    const runningSinceMs = this.#clock.nowMs();
    const rest = { ports: {}, ready: false, binding: undefined, log: '', whenRunning: [] };
    const instance: SimulatedInstance = { id, golden, app, runningSinceMs, state: 'running', ...rest };
    this.instances.set(id, instance);
    try {
      await this.#reservePorts(instance);
      if (golden !== undefined && app.startLeftMs === 0) await this.#becomeReady(instance);
      else void this.#initialise(instance);
    } catch (error) {
      this.remove(instance);
      throw error;
    }
    return instance;
  }

  /** The instance's process ends by itself. What it leaves stays listed until it is removed. */
  end(instance: SimulatedInstance, exitCode: number, oomKilled = false): void {
    if (instance.state === 'exited') return;
    instance.state = 'exited';
    this.#closePorts(instance);
    for (const listener of this.exitListeners) listener({ id: instance.id, exitCode, oomKilled });
  }

  remove(instance: SimulatedInstance): void {
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
