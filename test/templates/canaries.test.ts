import { beforeEach, describe, expect, it } from 'vitest';
import { templateRoutes } from '#src/templates/routes.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();
let call: Call;
const canaries = ['canary-11111111', 'canary-22222222'];
const spec = { image: 'nginx:1.27', ports: [{ name: 'web', port: 80 }], ready: { tcp: { port: 80 } }, scan: { policy: 'block', canaries } };

beforeEach(() => {
  const deps = { redis: server.redis, poolsOf: async () => [], removeTemplate: async () => {}, keepSchedule: async () => {} };
  call = roomApp('admin', (app) => templateRoutes(app, deps));
});

const put = (scan: unknown) => call('PUT', '/v1/templates/api', { ...spec, scan });
const stored = async () => (await requireTemplate(server.redis, 'api')).spec.scan?.canaries;

describe("a template's canaries", () => {
  it('are shown in no answer', async () => {
    const answers = [await put(spec.scan), await call('GET', '/v1/templates/api'), await call('GET', '/v1/templates')];
    expect(answers[1]).toMatchObject({ status: 200, body: { scan: { policy: 'block', canaries: ['redacted-1', 'redacted-2'] } } });
    for (const canary of canaries) expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain(canary);
  });

  it('stay what they are when what was read is changed and sent back', async () => {
    const created = await put(spec.scan);
    const same = await put(created.body.scan);
    expect(same).toMatchObject({ status: 200, body: { etag: created.body.etag } });
    expect(await stored()).toEqual(canaries);
    await put({ canaries: ['redacted-2', 'canary-33333333'] });
    expect(await stored()).toEqual(['canary-22222222', 'canary-33333333']);
  });

  it('that are said to be stored and are not are refused', async () => {
    expect(await put({ canaries: ['redacted-1'] })).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    await put(spec.scan);
    const refused = await put({ canaries: ['redacted-1', 'redacted-3'] });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: 'scan.canaries.1' }] } });
  });

  it('that any memory holds by chance are refused', async () => {
    expect(await put({ canaries: ['short'] })).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  });
});
