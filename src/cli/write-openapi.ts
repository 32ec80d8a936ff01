import { createSecretKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createApiApp } from '#src/api/app.ts';
import { openAuditLog } from '#src/api/audit-log.ts';
import { openGatewayTokens } from '#src/api/gateway/tokens.ts';
import { openapiYaml } from '#src/api/openapi-document.ts';
import { createTenantTokens } from '#src/api/tenant-tokens.ts';
import { openWaitingRoom } from '#src/claims/waiting-room.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { systemClock } from '#src/platform/clock.ts';
import { openEventFeed } from '#src/platform/events-feed.ts';
import { createClientReader } from '#src/platform/http/read-client.ts';
import { createLogger } from '#src/platform/log.ts';
import { createMetrics } from '#src/platform/metrics.ts';
import { connectImpatientRedis } from '#src/platform/redis.ts';
import { openNodeJobs } from '#src/pools/node-jobs.ts';
import { isSchemaOf, writeSchema } from './write-schema.ts';

// Usage: write-openapi.ts [--check]. Writes openapi.yaml and the client's types of it. The routes are built with parts that open nothing until they are used, and are not used.
const redis = connectImpatientRedis('unix:///nowhere');
const log = createLogger('silent', 'openapi');
const app = createApiApp({
  redis,
  log,
  clientOf: createClientReader([]),
  auditLog: openAuditLog({ redis, log }),
  tokens: createTenantTokens(createSecretKey(Buffer.alloc(32))),
  agents: openAgentDirectory(redis),
  jobs: openNodeJobs(redis),
  clock: systemClock,
  metrics: createMetrics(),
  fingerprint: () => '',
  endpointUrl: () => '',
  gatewayTokens: openGatewayTokens(redis),
  readTarget: () => Promise.reject(new Error('nobody asks')),
  waitingRoom: openWaitingRoom(redis, () => redis),
  events: openEventFeed(redis, () => redis),
  poolsOf: async () => [],
  goldensNamed: async () => new Map(),
  removeTemplate: async () => {},
  keepSchedule: async () => {},
});

const document = fileURLToPath(new URL('../../openapi.yaml', import.meta.url));
const yaml = openapiYaml(app);
const stale = [
  ...(readIfThere(document) === yaml ? [] : ['openapi.yaml does not say what the routes say.']),
  ...(isSchemaOf(yaml) ? [] : ['src/client/schema.ts was not made from what the routes say.']),
];
if (!process.argv.includes('--check')) {
  writeFileSync(document, yaml);
  if (!isSchemaOf(yaml)) writeSchema(document, yaml);
} else if (stale.length > 0) {
  process.stderr.write(`${stale.join('\n')}\n  Run \`npm run openapi\` and commit the result.\n`);
  process.exitCode = 1;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // as stale as can be
  }
}
