import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import type { MemoryTimings } from '#src/engine/memory/simulation.ts';
import type { CaptureDeps } from '#src/goldens/capture/capture-run.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { createInstance } from '#src/instances/store.ts';
import { writeHeartbeat } from '#src/nodes/store.ts';
import { type Clock, systemClock } from '#src/platform/clock.ts';
import { type GoldenId, goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { TemplateSpec } from '#src/templates/template.ts';

/** One simulated node on a real Redis: what the lower rooms work with. */
export interface MemoryNode extends CaptureDeps {
  readonly redis: Redis;
  readonly engine: MemoryEngine;
  readonly node: string;
  /** What was asked of the node, as `verb id`. */
  readonly asked: string[];
  readonly jobs: GoldenJobs;
}

export const idle = new AbortController().signal;

/** A node without a budget for its goldens, of which no pool names any by number. */
export const keepsAll: Pick<CaptureDeps, 'goldenDiskBytes' | 'goldensNamed'> = {
  goldenDiskBytes: undefined,
  goldensNamed: async () => new Map(),
};

/** Whoever sleeps by it never goes on. */
export const stoppedClock: Clock = { nowMs: systemClock.nowMs, sleep: () => new Promise(() => {}) };

const fast: MemoryTimings = { startMs: 1, checkpointMs: 0, restoreMs: 0, bindMs: 0 };

export async function startMemoryNode(redis: Redis, timings: Partial<MemoryTimings> = {}): Promise<MemoryNode> {
  const engine = createMemoryEngine({ clock: systemClock, timings: { ...fast, ...timings } });
  const { capacity, fingerprint } = await engine.probe();
  const node = 'n1';
  await writeHeartbeat(redis, { name: node, bootId: 'boot-1', agent: 'unix:/nowhere', fit: true, problems: [], capacity, fingerprint });
  const asked: string[] = [];
  const ask = (verb: string) => async (_node: string, id: string) => {
    asked.push(`${verb} ${id}`);
  };
  const goldens = { ...goldenSource(redis), restored: async () => {} };
  const jobs = {
    capture: ask('capture'),
    verify: ask('verify'),
    export: ask('export'),
    build: ask('build'),
    dryRun: ask('dryRun'),
    removeGolden: ask('removeGolden'),
  };
  return { redis, engine, clock: systemClock, goldens, node, asked, jobs, ...keepsAll };
}

/** A web app that is ready once it answers. */
export function webSpec(changes: Record<string, unknown> = {}): TemplateSpec {
  const ready = { http: { port: 8080, path: '/' }, timeoutMs: 2000, intervalMs: 5 };
  return TemplateSpec.parse({ image: 'dir:/app', ports: [{ name: 'web', port: 8080 }], ready, ...changes });
}

/** A ready golden, taken the way a worker takes one and promoted to `stable`. */
export async function takeGolden(node: MemoryNode, template: string, spec = webSpec()): Promise<GoldenId> {
  await putTemplate(node.redis, template, spec, undefined);
  const operation = await requestCapture(node, template, { promote: true });
  await captureGolden(node, operation.id, idle);
  return goldenId(template, Number(operation.target.split('@')[1]));
}

/** The record that the planner writes before it asks for a clone. */
export async function recordClone(node: MemoryNode, golden: GoldenId, pool = 'web'): Promise<InstanceId> {
  const id = newInstanceId();
  const template = golden.split('@')[0] ?? '';
  await createInstance(node.redis, { id, pool, template, golden, node: node.node, role: 'clone', state: 'restoring' });
  return id;
}
