import { cpus } from 'node:os';
import { type ApiDeps, createApiApp } from '#src/api/app.ts';
import { openFingerprint } from '#src/claims/fingerprint.ts';
import { loseClaim } from '#src/claims/sweep-claims.ts';
import { createCriuEngine } from '#src/engine/criu/criu-engine.ts';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { createImageStore } from '#src/engine/criu/images/image-store.ts';
import { openInstanceAccess } from '#src/engine/criu/instance-access.ts';
import type { Engine, InstanceAccess } from '#src/engine/engine.ts';
import { createMemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { createEgressSwitch } from '#src/engine/sandbox/local/egress-switch.ts';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import type { GoldenSource } from '#src/instances/restore-instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import { type Clock, systemClock } from '#src/platform/clock.ts';
import type { Config } from '#src/platform/config.ts';
import { embeddedRedisUrl } from '#src/platform/embedded-redis.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Logger } from '#src/platform/log.ts';
import { createMetrics } from '#src/platform/metrics.ts';
import { connectImpatientRedis, connectRedis, type Redis } from '#src/platform/redis.ts';
import { type NodeJobs, openNodeJobs } from '#src/pools/node-jobs.ts';
import { countRestore } from '#src/pools/restore-counts.ts';
import { poolsOfTemplate } from '#src/pools/store.ts';

/** The API with all it needs; nothing listens yet. It never sees an engine: what it asks of instances goes to the node agents. */
export async function composeApi(config: Config, log: Logger) {
  const redis = connectImpatientRedis(redisUrlOf(config));
  const agents = openAgentDirectory(redis, config.agentToken);
  const jobs = openNodeJobs(redis);
  const deps: ApiDeps = {
    redis,
    agents,
    jobs,
    log,
    clock: systemClock,
    metrics: createMetrics(),
    fingerprint: await openFingerprint(config.paths.fingerprintKey),
    poolsOf: (template) => poolsOfTemplate(redis, template),
    removeTemplate: (template, ifMatch) => removeTemplate({ redis, jobs }, template, ifMatch),
  };
  return {
    redis,
    app: createApiApp(deps),
    close: async () => {
      await jobs.close();
      agents.close();
      redis.disconnect();
    },
  };
}

/** What the parts of a worker work with. */
export interface WorkerDeps {
  readonly redis: Redis;
  /** For pub/sub alone. */
  readonly subscriber: Redis;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly jobs: NodeJobs;
  readonly goldens: GoldenSource;
  readonly node: string;
  readonly bootId: string;
  /** Restores that may run at once. */
  readonly restoresAtOnce: number;
  onInstanceLost(id: InstanceId, reason: string): Promise<void>;
  close(): Promise<void>;
}

/** The worker of this node; nothing runs yet. It owns the engine from here on. */
export async function composeWorker(config: Config, log: Logger, engine: Engine): Promise<WorkerDeps> {
  const redis = connectRedis(redisUrlOf(config));
  const subscriber = connectRedis(redisUrlOf(config));
  const jobs = openNodeJobs(redis);
  return {
    ...{ redis, subscriber, engine, log, jobs, clock: systemClock, node: config.node, bootId: readBootId() },
    goldens: countedGoldens(redis),
    restoresAtOnce: cpus().length, // more at once slow each other down (FACTS: parallel restores of one image)
    onInstanceLost: async (id, reason) => {
      const claim = (await getInstance(redis, id))?.claim;
      if (claim !== undefined) await loseClaim({ redis, jobs }, claim, reason);
    },
    close: async () => {
      await jobs.close();
      await engine.close();
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}

/** The engine of this node. Throws node_unfit when the machine can not run it. */
export async function openEngine(config: Config): Promise<Engine> {
  const { paths, tag, memoryReserveBytes, diskReserveBytes } = config;
  if (config.engine === 'memory') return createMemoryEngine({ clock: systemClock, timings: simulatedTimings });
  if (config.sandbox === 'pod') throw unfit('THAW_SANDBOX=pod is not supported yet', 'Use THAW_SANDBOX=local.');
  const criu = findCriu();
  if (criu === undefined) throw unfit('CRIU is not installed', 'Run `sh deploy/host/setup.sh`; `thaw doctor` tells what else is missing.');
  return createCriuEngine({
    ...{ paths, tag, criu, memoryReserveBytes, diskReserveBytes },
    images: createImageStore({ ...config, directory: paths.images }),
    sandboxes: createLocalSandboxes({ tag, dataDir: paths.dataDir, runDir: paths.run, hostPorts: config.hostPorts }),
  });
}

/**
 * What the node agent offers, beside the worker that owns the engine. Undefined for the memory engine: its instances live in the worker,
 * which is its own agent.
 */
export function openAgentAccess({ engine, paths, tag }: Config): InstanceAccess | undefined {
  if (engine === 'memory') return undefined;
  return openInstanceAccess({ paths, tag, sandboxes: createEgressSwitch({ tag, dataDir: paths.dataDir, runDir: paths.run }) });
}

/** About what the real engine needs for a small app. */
const simulatedTimings = { startMs: 2000, checkpointMs: 300, restoreMs: 60, bindMs: 1 };

/**
 * Counts restores for the metrics. That a restore worked does not yet clear the golden's failures: the planner does, once a
 * clone of it has lived for a while (forgiveness).
 */
function countedGoldens(redis: Redis): GoldenSource {
  const source = goldenSource(redis);
  return {
    ...source,
    failed: async (golden, problem) => {
      await countRestore(redis, problem.code);
      await source.failed(golden, problem);
    },
    restored: () => countRestore(redis, 'warm'),
  };
}

function redisUrlOf({ redisUrl, paths }: Config): string {
  return redisUrl ?? embeddedRedisUrl(paths);
}

function unfit(message: string, fix: string): ThawError {
  return new ThawError('node_unfit', message, { fix });
}
