import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { startService, webTemplate } from '#test/support/service.ts';

it('of many dry runs a node makes two at once at most, and the others after them', async () => {
  const service = await startService();
  try {
    const env = { APP_START_MS: '200' };
    await service.request('PUT', '/v1/templates/web', { ...webTemplate, env });
    const asked = await Promise.all(
      Array.from({ length: 5 }, () => service.request('POST', '/v1/templates/web/goldens', { dryRun: true })),
    );
    const ids = asked.map(({ body }) => z.object({ id: z.string() }).parse(body).id);
    let most = 0;
    const states = async () => {
      most = Math.max(most, (await service.engine.list()).length);
      const operations = await Promise.all(ids.map((id) => service.request('GET', `/v1/operations/${id}`)));
      return operations.map(({ body }) => z.object({ state: z.string() }).parse(body).state);
    };
    await vi.waitFor(async () => expect(await states()).toEqual(ids.map(() => 'succeeded')), { timeout: 30_000, interval: 5 });
    expect(most).toBeLessThanOrEqual(2);
  } finally {
    await service.close();
  }
});
