import { createHash, randomBytes } from 'node:crypto';
import type { Binding, BoundIdentity, CloneIdentity, EngineInstance, StartedInstance } from '#src/engine/engine.ts';
import { newSeed } from '#src/engine/identity.ts';
import type { Workload } from '#src/engine/workload.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { loopbackAddress } from './loopback.ts';

/** What a simulated instance takes of the node's memory. */
export const instanceMemoryBytes = 8 * 1024 * 1024;

const maxLogBytes = 64 * 1024;

/** The memory of the simulated app: what a checkpoint keeps and every clone continues from. */
export interface AppState {
  readonly workload: Workload;
  /** Made at the cold start: equal in all clones of one golden, so that a cold start can not pass for a clone. */
  readonly token: string;
  /** What it is known by, once a hook has made it anew. */
  id?: string;
  /** How many answers were given. */
  counter: number;
  allocatedBytes: number;
  cpuMs: number;
  /** What is left of the app's initialisation; 0 once it is ready. */
  startLeftMs: number;
  /** Never changed in place: clones share it. */
  hookCalls: readonly HookCall[];
}

/** A hook call as the app keeps it: of a binding the secrets by name only. */
interface HookCall {
  readonly path: string;
  readonly isTokenRight: boolean;
  readonly body: unknown;
}

/** What a claim tells an instance, with who it is for its tenant. */
interface SimulatedBinding extends Binding {
  readonly identity: BoundIdentity;
}

export interface SimulatedInstance {
  readonly id: InstanceId;
  readonly golden: GoldenId | undefined;
  readonly app: AppState;
  /** Of the engine's clock: when the process began to run here. */
  readonly runningSinceMs: number;
  /** Container port → port on loopback; empty when the engine does not listen. */
  readonly ports: Record<number, number>;
  state: 'running' | 'paused' | 'exited';
  ready: boolean;
  /** Of a clone. */
  readonly identity: CloneIdentity | undefined;
  binding: SimulatedBinding | undefined;
  /** Its bind hook has succeeded. */
  hooked: boolean;
  /** The newest of stdout and stderr, in the order they were written. */
  log: string;
  /** What waits for the instance to go on. */
  readonly whenRunning: (() => void)[];
}

/** A cold app. `APP_START_MS` in its environment overrides how long it initialises. */
export function newApp(workload: Workload, startMs: number): AppState {
  const ownMs = Number(workload.env.APP_START_MS ?? Number.NaN);
  const startLeftMs = Number.isFinite(ownMs) ? ownMs : startMs;
  return { workload, token: randomBytes(8).toString('hex'), counter: 0, allocatedBytes: 0, cpuMs: 0, startLeftMs, hookCalls: [] };
}

/** The app as it is at this moment, by value. */
export function snapshotApp(instance: SimulatedInstance, nowMs: number): AppState {
  const { app } = instance;
  const passedMs = Math.min(app.startLeftMs, Math.max(0, nowMs - instance.runningSinceMs));
  const startLeftMs = instance.ready ? 0 : app.startLeftMs - passedMs;
  return { ...app, startLeftMs, cpuMs: app.cpuMs + app.startLeftMs - startLeftMs };
}

export function print(instance: SimulatedInstance, line: string): void {
  instance.log = `${instance.log}${line}\n`.slice(-maxLogBytes);
}

/** Differs between instances, stays the same within one, as the file of a real one does. */
export function machineId(instance: SimulatedInstance): string {
  return createHash('sha256').update(instance.id).digest('hex').slice(0, 32);
}

/** /run/thaw/binding.json as the app inside would read it. */
export function bindingFile(instance: SimulatedInstance): string | undefined {
  if (!instance.binding) return undefined;
  return JSON.stringify({ instance: instance.id, ...instance.binding });
}

/** The seed stays what it was at the first bind. */
export function keepBinding(instance: SimulatedInstance, binding: Binding): void {
  const seed = instance.binding?.identity.seed ?? newSeed();
  instance.binding = { ...binding, identity: { instance: instance.id, tenant: binding.tenant, seed } };
}

/** The binding as the app shows it, secrets by name only: what an app answers is read by people and kept in logs. */
export function shownBinding({ id, binding }: SimulatedInstance): object | null {
  return binding ? { instance: id, ...binding, secrets: Object.keys(binding.secrets) } : null;
}

export function startedInstance({ ports }: SimulatedInstance, startedAt: number): StartedInstance {
  return { address: loopbackAddress, ports, timingsMs: { total: elapsedMs(startedAt) } };
}

export function listedInstance({ id, state, golden, ports, binding }: SimulatedInstance): EngineInstance {
  const boundTo = binding && { claim: binding.claim, tenant: binding.tenant, expiresAt: binding.expiresAt };
  return { id, state, address: loopbackAddress, ports, ...(golden && { golden }), ...(boundTo && { boundTo }) };
}
