import { beforeEach, describe, expect, it } from 'vitest';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requireGolden, resolveGolden } from '#src/goldens/store.ts';
import { writeHeartbeat } from '#src/nodes/store.ts';
import { getOperation } from '#src/operations/store.ts';
import { systemClock } from '#src/platform/clock.ts';
import { GoldenId, newInstanceId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { TemplateSpec } from '#src/templates/template.ts';
import { ask } from '#test/contract/ask-app.ts';
import { idle, keepsAll } from '#test/support/memory-node.ts';
import { noGoldenJobs } from '#test/support/no-golden-jobs.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const node = useCriuNode();
const server = useTestRedis();

/** What tells a clone from its primer: only a clone has it. */
const isPrimer = { exec: { command: ['/bin/sh', '-c', 'test ! -e /run/thaw/identity.json'] } };
const isClone = { exec: { command: ['cat', '/run/thaw/identity.json'] } };
const unique = { http: { port: 8080, path: '/id' } };
const cachedId = { env: { APP_SAME_ID: '1' }, unique };

beforeEach(async () => {
  const { capacity, fingerprint } = await node.engine.probe();
  await writeHeartbeat(server.redis, {
    name: 'n1',
    bootId: 'boot',
    agent: 'unix:/nowhere',
    fit: true,
    problems: [],
    capacity,
    fingerprint,
  });
});

/** The operation at its end, and its golden. */
async function capture(template: string, changes: object = {}) {
  const { redis } = server;
  await putTemplate(redis, template, TemplateSpec.parse(testTemplate(node.image, changes)), undefined);
  const { id, target } = await requestCapture({ redis, jobs: noGoldenJobs }, template, { promote: true });
  const goldens = { ...goldenSource(redis), restored: async () => {} };
  await captureGolden({ redis, engine: node.engine, clock: systemClock, goldens, node: 'n1', ...keepsAll }, id, idle);
  return { operation: await getOperation(redis, id), golden: await requireGolden(redis, GoldenId.parse(target)) };
}

describe('a verify of real containers', () => {
  it('refuses an app that answers a cached random id, and accepts it once a hook makes that anew after the restore', async () => {
    const { operation, golden } = await capture('cached', cachedId);
    expect([operation?.state, golden]).toMatchObject(['failed', { state: 'failed', problem: { code: 'not_unique' } }]);
    const afterRestore = { http: { port: 8080, path: '/hook?reseed=1' } };
    const reseeded = await capture('cached', { ...cachedId, hooks: { afterRestore } });
    expect(reseeded.golden).toMatchObject({ state: 'ready', evidence: { unique: true, clones: [{ hookMs: expect.any(Number) }, {}] } });
    expect(await node.engine.list()).toEqual([]);
  });

  it('refuses an app that is broken after its restore, leaves no clone of it, and what `stable` points to serves on', async () => {
    const { golden: good } = await capture('app', { unique, verify: { smoke: isClone } });
    expect(good).toMatchObject({ state: 'ready', evidence: { unique: true, smoke: { tookMs: expect.any(Number) } } });
    for (const { memoryBytes } of good.evidence?.clones ?? []) expect(memoryBytes).toBeGreaterThan(1024 * 1024);
    const broken: [Record<string, unknown>, string][] = [
      [{ ready: { ...isPrimer, timeoutMs: 500 } }, 'clone_not_ready'],
      [{ hooks: { afterRestore: { http: { port: 8080, path: '/exit?code=3' } } } }, 'clone_exited'],
      [{ verify: { smoke: isPrimer } }, 'smoke_failed'],
    ];
    for (const [changes, code] of broken) {
      const { operation, golden } = await capture('app', changes);
      expect([operation?.state, golden]).toMatchObject(['failed', { state: 'failed', problem: { code }, evidence: { problem: { code } } }]);
      expect([await node.engine.list(), await node.engine.hasGolden(golden.id)]).toEqual([[], false]);
      expect((await resolveGolden(server.redis, 'app', 'stable')).id).toBe(good.id);
      if (code === 'smoke_failed') expect(golden.evidence?.comparedWith?.golden).toBe(good.id);
    }
    const clone = await node.engine.restore(good.id, newInstanceId());
    expect(await ask(clone, '/id')).toContain('seed');
  });
});
