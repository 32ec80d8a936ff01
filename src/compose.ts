import { cpus } from 'node:os';
import { type ApiDeps, createApiApp } from '#src/api/app.ts';
import { openAuditLog } from '#src/api/audit-log.ts';
import { createApiKeyCheck } from '#src/api/gateway/api-key-check.ts';
import { createEndpointUrl, type PublicPlace } from '#src/api/gateway/endpoint-url.ts';
import { openGateway } from '#src/api/gateway/gateway.ts';
import { createHookReader, readLeases, readTarget } from '#src/api/gateway/read-target.ts';
import { openGatewayTokens } from '#src/api/gateway/tokens.ts';
import { openTenantTokens } from '#src/api/tenant-tokens.ts';
import { openFingerprint } from '#src/claims/fingerprint.ts';
import { serveLine } from '#src/claims/reserve-instance.ts';
import { touchClaim } from '#src/claims/store.ts';
import { loseClaim } from '#src/claims/sweep-claims.ts';
import { openWaitingRoom } from '#src/claims/waiting-room.ts';
import { createCriuEngine } from '#src/engine/criu/criu-engine.ts';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { createImageStore } from '#src/engine/criu/images/image-store.ts';
import { readRegistryDigest } from '#src/engine/criu/images/registry-digest.ts';
import { openInstanceAccess } from '#src/engine/criu/instance-access.ts';
import type { Engine, InstanceAccess } from '#src/engine/engine.ts';
import { createMemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { createEgressSwitch } from '#src/engine/sandbox/local/egress-switch.ts';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import type { GoldensNamed } from '#src/goldens/keep/drop-golden.ts';
import { openRefreshSchedules, type RefreshSchedules } from '#src/goldens/refresh-schedules.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { recordGoldenRestore } from '#src/goldens/restore-times.ts';
import type { InstanceLoss } from '#src/instances/lose-instance.ts';
import type { GoldenSource } from '#src/instances/restore-instance.ts';
import type { ColdStarts } from '#src/instances/start-cold.ts';
import { getInstance } from '#src/instances/store.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import { type Clock, systemClock } from '#src/platform/clock.ts';
import type { Config } from '#src/platform/config.ts';
import { embeddedRedisUrl } from '#src/platform/embedded-redis.ts';
import { ThawError } from '#src/platform/errors.ts';
import { openEventFeed } from '#src/platform/events-feed.ts';
import { createClientReader } from '#src/platform/http/read-client.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Logger } from '#src/platform/log.ts';
import { createMetrics } from '#src/platform/metrics.ts';
import { connectImpatientRedis, connectRedis, type Redis } from '#src/platform/redis.ts';
import { openSpanExporter } from '#src/platform/tracing-export.ts';
import { type NodeJobs, openNodeJobs } from '#src/pools/node-jobs.ts';
import { countRestore } from '#src/pools/restore-counts.ts';
import { countRestorePhases } from '#src/pools/restore-phases.ts';
import { recordRestoreTime } from '#src/pools/restore-times.ts';
import { goldensNeeded } from '#src/pools/rollout/goldens-needed.ts';
import { goldensNamed, poolsOfTemplate } from '#src/pools/store.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { workloadOf } from '#src/templates/template.ts';

/** The API with all it needs; nothing listens yet. It never sees an engine: what it asks of instances goes to the node agents. */
export async function composeApi(config: Config, log: Logger) {
  const redis = connectImpatientRedis(redisUrlOf(config));
  const agents = openAgentDirectory(redis, config.agentToken);
  const jobs = openNodeJobs(redis);
  const schedules = openRefreshSchedules(redis);
  const events = openEventFeed(redis, () => connectRedis(redisUrlOf(config)));
  const auditLog = openAuditLog({ redis, log });
  const waitingRoom = openWaitingRoom(redis, () => connectRedis(redisUrlOf(config)));
  const clientOf = createClientReader(config.trustedProxies);
  const place: PublicPlace = { url: config.url, gatewayDomain: config.gatewayDomain };
  const endpointUrl = createEndpointUrl(place);
  const gatewayTokens = openGatewayTokens(redis);
  const hooks = createHookReader(redis);
  const readGatewayTarget = (claim: string) => readTarget(redis, hooks, claim);
  const gateway = openGateway({
    ...{ log, clientOf, domain: config.gatewayDomain, tokens: gatewayTokens, read: readGatewayTarget },
    readLeases: (claims) => readLeases(redis, claims),
    touchClaim: (claim) => touchClaim(redis, claim),
    isApiKey: createApiKeyCheck(redis),
  });
  const spans = config.traceExport && openSpanExporter(log, config.traceExport);
  const deps: ApiDeps = {
    redis,
    spans: spans?.sink,
    auditLog,
    clientOf,
    tokens: await openTenantTokens(config),
    agents,
    jobs,
    events,
    log,
    clock: systemClock,
    waitingRoom,
    ...{ endpointUrl, gatewayTokens, readTarget: readGatewayTarget },
    metrics: createMetrics(),
    fingerprint: await openFingerprint(config.paths.fingerprintKey),
    keepSchedule: (template) => schedules.keep(template),
    poolsOf: (template) => poolsOfTemplate(redis, template),
    goldensNamed: (template) => goldensNamed(redis, template),
    removeTemplate: (template, ifMatch) => removeTemplate({ redis, jobs }, template, ifMatch),
  };
  return {
    ...{ redis, gateway, place },
    app: createApiApp(deps),
    /** Streams would go on as long as their clients like. */
    endStreams: () => events.close(),
    close: async () => {
      gateway[Symbol.dispose]();
      events.close();
      await waitingRoom.close();
      await auditLog.close();
      await spans?.close();
      await jobs.close();
      await schedules.close();
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
  readonly coldStarts: ColdStarts;
  readonly schedules: RefreshSchedules;
  /** What an image's tag stands for in its registry now; undefined where images are simulated. */
  readonly imageDigest: ((image: string, signal: AbortSignal) => Promise<string>) | undefined;
  readonly node: string;
  readonly bootId: string;
  readonly goldenDiskBytes: number | undefined;
  readonly goldensNamed: GoldensNamed;
  /** Restores that may run at once. */
  readonly restoresAtOnce: number;
  onInstanceLost(id: InstanceId, loss: InstanceLoss): Promise<void>;
  close(): Promise<void>;
}

/** The worker of this node; nothing runs yet. It owns the engine from here on. */
export async function composeWorker(config: Config, log: Logger, engine: Engine): Promise<WorkerDeps> {
  const redis = connectRedis(redisUrlOf(config));
  const subscriber = connectRedis(redisUrlOf(config));
  const jobs = openNodeJobs(redis);
  const schedules = openRefreshSchedules(redis);
  return {
    ...{ redis, subscriber, engine, log, jobs, clock: systemClock, node: config.node, bootId: readBootId() },
    goldens: countedGoldens(redis),
    schedules,
    imageDigest:
      config.engine === 'memory'
        ? undefined
        : (image, signal) => readRegistryDigest({ ...config, tmpDir: config.paths.images }, image, signal),
    goldenDiskBytes: config.goldenDiskBytes,
    goldensNamed: (template) => goldensNeeded(redis, template),
    coldStarts: {
      spec: async (template) => {
        const { spec } = await requireTemplate(redis, template);
        return { workload: workloadOf(spec), ready: spec.ready };
      },
      started: (pool) => serveLine(redis, pool),
    },
    restoresAtOnce: cpus().length, // more at once slow each other down (FACTS: parallel restores of one image)
    onInstanceLost: async (id, loss) => {
      const claim = (await getInstance(redis, id))?.claim;
      if (claim !== undefined) await loseClaim({ redis, jobs }, claim, loss);
    },
    close: async () => {
      await jobs.close();
      await schedules.close();
      await engine.close();
      redis.disconnect();
      subscriber.disconnect();
    },
  };
}

/** The engine of this node. Throws node_unfit when the machine can not run it. */
export async function openEngine(config: Config): Promise<Engine> {
  const { paths, tag, memoryReserveBytes, diskReserveBytes, goldenKeys } = config;
  if (config.engine === 'memory') return createMemoryEngine({ clock: systemClock, timings: simulatedTimings });
  if (config.sandbox === 'pod') throw unfit('THAW_SANDBOX=pod is not supported yet', 'Use THAW_SANDBOX=local.');
  const criu = findCriu();
  if (criu === undefined) throw unfit('CRIU is not installed', 'Run `sh deploy/host/setup.sh`; `thaw doctor` tells what else is missing.');
  return createCriuEngine({
    ...{ paths, tag, criu, memoryReserveBytes, diskReserveBytes, goldenKeys },
    images: createImageStore({ ...config, directory: paths.images }),
    imageAccess: config,
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
 * What else follows a restore: who waits in line is served, the metrics and the pool's times are told. That it worked does not yet clear the
 * golden's failures: the planner does, once a clone of it has lived for a while (forgiveness).
 */
function countedGoldens(redis: Redis): GoldenSource {
  const source = goldenSource(redis);
  return {
    ...source,
    failed: async (clone, problem) => {
      await countRestore(redis, problem.code);
      await source.failed(clone, problem);
    },
    restored: async ({ pool, golden }, timingsMs) => {
      if (pool !== '') await serveLine(redis, pool); // first: someone waits
      await Promise.all([countRestore(redis, 'warm'), countRestorePhases(redis, timingsMs)]);
      if (pool !== '')
        await Promise.all([recordRestoreTime(redis, pool, timingsMs.total), recordGoldenRestore(redis, golden, timingsMs.total)]);
    },
  };
}

function redisUrlOf({ redisUrl, paths }: Config): string {
  return redisUrl ?? embeddedRedisUrl(paths);
}

function unfit(message: string, fix: string): ThawError {
  return new ThawError('node_unfit', message, { fix });
}
