import { expect, it } from 'vitest';
import { readAliases } from '#src/goldens/alias.ts';
import { getGolden } from '#src/goldens/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { captureGolden, fillPool, putPool, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();
const size = { ready: 3, max: 12 };

it('the golden that a pool would be rolled back to is kept until its change over is done, however few the template keeps', async () => {
  await fillPool(service, size);
  await putPool(service, { size, rollout: { soakMs: 60_000 } });
  await service.request('PUT', '/v1/templates/web', { ...webTemplate, keep: { last: 1 }, refresh: { promote: 'manual' } });
  await captureGolden(service);
  await service.request('PUT', '/v1/templates/web/aliases/stable', { golden: 2 });
  await waitUntil(async () => expect(await service.redis.hget('{thaw}:rollout:web', 'warmAt')).not.toBeNull());
  await captureGolden(service);
  expect(await getGolden(service.redis, goldenId('web', 1))).toMatchObject({ state: 'ready' });

  service.engine.faults.corruptGolden(goldenId('web', 2));
  const [clone] = (await service.engine.list()).filter(({ golden }) => golden === goldenId('web', 2));
  if (clone) service.engine.kill(clone.id, 1);
  await waitUntil(async () => expect(await readAliases(service.redis, 'web')).toMatchObject([{ alias: 'stable', golden: 1 }]));
});
