import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { viewGolden } from '#src/goldens/view.ts';
import { writeHeartbeat } from '#src/nodes/store.ts';
import { requireOperation } from '#src/operations/store.ts';
import { viewOperation } from '#src/operations/view.ts';
import { systemClock } from '#src/platform/clock.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { TemplateSpec } from '#src/templates/template.ts';
import { fakeToken } from '#test/support/fake-secrets.ts';
import { idle, keepsAll } from '#test/support/memory-node.ts';
import { noGoldenJobs } from '#test/support/no-golden-jobs.ts';
import { redisContent } from '#test/support/redis-content.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const node = useCriuNode();
const server = useTestRedis();
const token = fakeToken('ghp_', 36);

beforeEach(async () => {
  const { capacity, fingerprint } = await node.engine.probe();
  const record = { name: 'n1', bootId: 'boot', agent: 'unix:/nowhere', fit: true, problems: [] };
  await writeHeartbeat(server.redis, { ...record, capacity, fingerprint });
  writeFileSync(join(node.image.replace('dir:', ''), 'etc/secret'), token);
});

async function capture(scan: object) {
  const { redis } = server;
  const command = ['/bin/sh', '-c', 'S=$(cat /etc/secret) exec perl /srv/test-app.pl'];
  await putTemplate(redis, 'api', TemplateSpec.parse(testTemplate(node.image, { command, scan })), undefined);
  const { id, target } = await requestCapture({ redis, jobs: noGoldenJobs }, 'api', { promote: true });
  const goldens = { ...goldenSource(redis), restored: async () => {} };
  await captureGolden({ redis, engine: node.engine, clock: systemClock, goldens, node: 'n1', ...keepsAll }, id, idle);
  return { operation: await requireOperation(redis, id), golden: await requireGolden(redis, GoldenId.parse(target)) };
}

describe('a capture of an app that holds a token', () => {
  it('is refused where the template blocks, tells what holds it, and puts it nowhere', async () => {
    const { operation, golden } = await capture({ policy: 'block' });
    expect(operation).toMatchObject({ state: 'failed', problem: { code: 'secrets_found' } });
    expect(operation.problem?.message).toContain('github-pat in perl (pid 1)');
    expect(golden).toMatchObject({ state: 'failed', scan: { findings: [{ kind: 'github-pat', where: 'perl (pid 1)' }] } });
    expect(await node.engine.listGoldens()).toEqual([]);
    expect(JSON.stringify([viewOperation(operation), viewGolden(golden)])).not.toContain(token);
    expect(await redisContent(server.redis)).not.toContain(token);
  });

  it('is ready where it warns, with what was found', async () => {
    const { golden } = await capture({ policy: 'warn' });
    expect(golden).toMatchObject({ state: 'ready', scan: { findings: [{ kind: 'github-pat', count: expect.any(Number) }] } });
  });
});
