import { expect, it } from 'vitest';
import { z } from 'zod';
import { putTemplate } from '#src/templates/put-template.ts';
import { TemplateSpec } from '#src/templates/template.ts';
import { captureGolden, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();
const Operations = z.object({ items: z.array(z.object({ kind: z.string(), target: z.string(), state: z.string() })) });

const refreshes = async () =>
  Operations.parse((await service.request('GET', '/v1/operations')).body).items.filter(({ kind }) => kind === 'refresh-template');
const schedulers = () => service.redis.zrange('{thaw}:queue:control:repeat', 0, '-1');

it('a template is refreshed whenever its cron says so, for as long as it says so', async () => {
  await service.request('PUT', '/v1/templates/web', webTemplate);
  await captureGolden(service);
  await service.request('PUT', '/v1/templates/web', { ...webTemplate, refresh: { cron: '* * * * * *' } });
  await waitUntil(async () => expect((await refreshes()).filter(({ state }) => state === 'succeeded').length).toBeGreaterThanOrEqual(2));
  await service.request('PUT', '/v1/templates/web', webTemplate);
  expect(await schedulers()).toEqual(['housekeeping']);
  await waitUntil(async () => expect((await refreshes()).every(({ state }) => state === 'succeeded')).toBe(true));
  const [newest] = await refreshes();
  expect((await service.request('GET', '/v1/templates/web/aliases/stable')).body).toMatchObject({
    golden: Number(newest?.target.split('@')[1]),
    history: [{ by: 'thaw' }, expect.anything(), expect.anything()],
  });
});

it('schedules that a crash left without their template, or templates without theirs, are put right when a worker starts', async () => {
  const cron = { cron: '0 4 * * *' };
  await service.request('PUT', '/v1/templates/gone', { ...webTemplate, refresh: cron });
  expect(await schedulers()).toContain('refresh-template-gone');
  await service.stopWorker();
  await service.redis.del('{thaw}:template:gone');
  await service.redis.zrem('{thaw}:templates', 'gone');
  await putTemplate(service.redis, 'kept', TemplateSpec.parse({ ...webTemplate, refresh: cron }), undefined);
  await service.startWorker();
  expect((await schedulers()).toSorted()).toEqual(['housekeeping', 'refresh-template-kept']);
});
