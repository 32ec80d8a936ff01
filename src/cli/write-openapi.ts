import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createApiApp } from '#src/api/app.ts';
import { openapiYaml } from '#src/api/openapi-document.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { systemClock } from '#src/platform/clock.ts';
import { createLogger } from '#src/platform/log.ts';
import { createMetrics } from '#src/platform/metrics.ts';
import { connectImpatientRedis } from '#src/platform/redis.ts';
import { openNodeJobs } from '#src/pools/node-jobs.ts';

// Usage: write-openapi.ts [--check]. The routes are built with parts that open nothing until they are used, and are not used.
const redis = connectImpatientRedis('unix:///nowhere');
const app = createApiApp({
  redis,
  agents: openAgentDirectory(redis),
  jobs: openNodeJobs(redis),
  clock: systemClock,
  log: createLogger('silent', 'openapi'),
  metrics: createMetrics(),
  fingerprint: () => '',
  poolsOf: async () => [],
  removeTemplate: async () => {},
});

const file = fileURLToPath(new URL('../../openapi.yaml', import.meta.url));
const current = openapiYaml(app);
if (!process.argv.includes('--check')) writeFileSync(file, current);
else if (readIfThere(file) !== current) {
  process.stderr.write('openapi.yaml does not say what the routes say.\n  Run `npm run openapi` and commit the result.\n');
  process.exitCode = 1;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // as stale as can be
  }
}
