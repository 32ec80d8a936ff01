import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildGolden } from '#src/goldens/builds/build-golden.ts';
import { buildKind, requestBuild } from '#src/goldens/builds/request-build.ts';
import { readBuilds } from '#src/goldens/builds/store.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { goldenSource } from '#src/goldens/golden-source.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { createInstance, getInstance } from '#src/instances/store.ts';
import { requireNode, writeHeartbeat } from '#src/nodes/store.ts';
import { listUnfinishedOperations, requireOperation } from '#src/operations/store.ts';
import { systemClock } from '#src/platform/clock.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { TemplateSpec } from '#src/templates/template.ts';
import { askState } from '#test/contract/ask-app.ts';
import { idle, keepsAll } from '#test/support/memory-node.ts';
import { noGoldenJobs } from '#test/support/no-golden-jobs.ts';
import { counterAtCheckpoint, testTemplate } from '#test/support/test-template.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const node = useCriuNode();
const server = useTestRedis();
const id = goldenId('api', 1);

async function workerDeps() {
  const { redis } = server;
  const { engine } = node;
  const { capacity, fingerprint } = await engine.probe();
  const record = { name: 'n1', bootId: 'boot', agent: 'unix:/nowhere', fit: true, problems: [] };
  await writeHeartbeat(redis, { ...record, capacity, fingerprint });
  const goldens = { ...goldenSource(redis), restored: async () => {} };
  return { redis, engine, clock: systemClock, goldens, node: 'n1', ...keepsAll };
}

/** As the planner has one restored. */
async function restoreClone(): Promise<{ id: InstanceId; address: string }> {
  const clone = newInstanceId();
  const deps = await workerDeps();
  await createInstance(deps.redis, { id: clone, pool: 'web', template: 'api', golden: id, node: 'n1', role: 'clone', state: 'restoring' });
  await restoreInstance(deps, clone, idle);
  return { id: clone, address: (await getInstance(deps.redis, clone))?.address ?? '' };
}

const filesOfGoldens = () => readdirSync(join(node.config.paths.goldens, 'api')).map((name) => name.replace(/[0-9a-f]{16}$/, '…'));

it('a golden of real containers is captured anew after a change of kernel; what runs on the old files goes on', async () => {
  const { redis } = server;
  const deps = await workerDeps();
  const command = ['/bin/sh', '-c', 'echo from the primer > /srv/kept; exec perl /srv/test-app.pl'];
  await putTemplate(redis, 'api', TemplateSpec.parse(testTemplate(node.image, { command })), undefined);
  await captureGolden(deps, (await requestCapture({ redis, jobs: noGoldenJobs }, 'api', { promote: true })).id, idle);
  const before = await requireGolden(redis, id);
  const old = await restoreClone();
  const { token: oldToken } = await askState(old);

  writeFileSync(join(node.image.replace('dir:', ''), 'etc/added'), 'the reference stands for another image by now');
  await node.reopen({}, { kernel: '9.9.9' });
  await expect(restoreClone()).rejects.toMatchObject({ code: 'golden_incompatible' });

  const upgraded = await workerDeps();
  await requestBuild({ redis, jobs: noGoldenJobs }, before, await requireNode(redis, 'n1'));
  const [operation] = await listUnfinishedOperations(redis, buildKind);
  if (!operation) throw new Error('no build was begun');
  await buildGolden(upgraded, operation.id, idle);
  expect(await requireOperation(redis, operation.id)).toMatchObject({ state: 'succeeded', target: id });

  const clone = await restoreClone();
  const { token, counter } = await askState(clone);
  expect(counter).toBe(counterAtCheckpoint + 1);
  expect(token).not.toBe(oldToken);
  expect((await node.engine.exec(clone.id, ['ls', '/etc/added'], { timeoutMs: 5000 })).exitCode).not.toBe(0);
  expect(await requireGolden(redis, id)).toMatchObject({ digest: before.digest, fingerprint: before.fingerprint });
  const { builds, files } = await readBuilds(redis, before);
  const made = builds.find((build) => build.class === files.get('n1'));
  expect(made).toMatchObject({ state: 'ready', fingerprint: { kernel: '9.9.9' }, evidence: { node: 'n1' } });
  expect(made?.digest).not.toBe(before.digest);

  expect((await askState(old)).token).toBe(oldToken);
  const kept = await node.engine.exec(old.id, ['cat', '/srv/kept'], { timeoutMs: 5000 });
  expect(kept.stdout).toBe('from the primer\n');
  expect(filesOfGoldens().toSorted()).toEqual(['1', '1.replaced-…']);
  await node.engine.destroy(old.id);
  await node.reopen({}, { kernel: '9.9.9' });
  expect(filesOfGoldens()).toEqual(['1']);
});
