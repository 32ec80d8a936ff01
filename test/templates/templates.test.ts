import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createInstance } from '#src/instances/store.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { deleteTemplate } from '#src/templates/delete-template.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { getTemplate, listTemplates, requireTemplate } from '#src/templates/store.ts';
import { TemplateSpec, workloadOf } from '#src/templates/template.ts';
import { webSpec } from '#test/support/memory-node.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.redis.flushall());

const put = (name: string, changes = {}, ifMatch?: string) => putTemplate(server.redis, name, webSpec(changes), ifMatch);

describe('a template', () => {
  it('is created, then replaced, and keeps when it was created', async () => {
    const first = await put('api');
    const second = await put('api', { image: 'dir:/other' });
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.template.createdAt).toBe(first.template.createdAt);
    expect(second.template.etag).not.toBe(first.template.etag);
    expect(await getTemplate(server.redis, 'api')).toEqual(second.template);
  });

  it('put again as it is does not change', async () => {
    const first = await put('api', { env: { A: '1' }, warmup: [{ http: { port: 8080, path: '/' } }] });
    const again = await put('api', { env: { A: '1' }, warmup: [{ http: { port: 8080, path: '/' } }] });
    expect(again).toEqual({ ...first, created: false });
  });

  it('is not replaced by one who read it before it changed', async () => {
    const { template } = await put('api');
    await put('api', { image: 'dir:/other' }, template.etag);
    await expect(put('api', { image: 'dir:/third' }, template.etag)).rejects.toMatchObject({ code: 'precondition_failed', status: 412 });
    await put('api', { image: 'dir:/third' }, '*');
    await expect(put('new', {}, '*')).rejects.toMatchObject({ code: 'precondition_failed' });
  });

  it('that asks for volumes is refused with a code of its own', async () => {
    const sent = { ...webSpec(), volumes: [] };
    await expect(putTemplate(server.redis, 'api', sent, undefined)).rejects.toMatchObject({ code: 'volumes_unsupported' });
  });

  it('is listed by name over all pages', async () => {
    for (const name of ['c', 'a', 'b']) await put(name);
    const first = await listTemplates(server.redis, { limit: 2 });
    const second = await listTemplates(server.redis, { limit: 2, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map((template) => template.name)).toEqual(['a', 'b', 'c']);
    expect(second.nextCursor).toBeUndefined();
  });

  it('that does not exist is named in the refusal', async () => {
    await expect(requireTemplate(server.redis, 'api')).rejects.toThrow('there is no template "api"');
  });
});

describe('deleting a template', () => {
  const deps = (pools: string[] = [], deleted: string[] = []) => ({
    redis: server.redis,
    poolsOf: async () => pools,
    deleteGoldens: async (template: string) => void deleted.push(template),
  });

  it('takes its goldens away with it', async () => {
    await put('api');
    const deleted: string[] = [];
    await deleteTemplate(deps([], deleted), 'api', undefined);
    expect([await getTemplate(server.redis, 'api'), deleted]).toEqual([undefined, ['api']]);
  });

  it('is refused while a pool uses it', async () => {
    await put('api');
    await expect(deleteTemplate(deps(['web']), 'api', undefined)).rejects.toMatchObject({ code: 'template_in_use' });
  });

  it('is refused while an instance of it lives', async () => {
    await put('api');
    await createInstance(server.redis, { id: newInstanceId(), pool: '', template: 'api', node: 'n1', role: 'primer', state: 'starting' });
    await expect(deleteTemplate(deps(), 'api', undefined)).rejects.toMatchObject({ code: 'template_in_use' });
  });

  it('takes nothing away when its etag is another', async () => {
    await put('api');
    const deleted: string[] = [];
    await expect(deleteTemplate(deps([], deleted), 'api', 'stale')).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(deleted).toEqual([]);
  });
});

describe('a spec', () => {
  it.each(['hooks', 'unique', 'refresh'])('with %s is refused, because nothing would happen', (field) => {
    const parsed = TemplateSpec.safeParse({ image: 'nginx', ready: { tcp: { port: 80 } }, [field]: {} });
    expect(parsed.error?.issues).toMatchObject([{ path: [field], message: 'not supported yet' }]);
  });

  it('with an unknown field is refused', () => {
    expect(TemplateSpec.safeParse({ image: 'nginx', ready: { tcp: { port: 80 } }, imagee: 1 }).success).toBe(false);
  });

  it('gives the engine what concerns it', () => {
    const spec = webSpec({ env: { A: '1' } });
    expect(workloadOf(spec)).toMatchObject({ image: 'dir:/app', env: { A: '1' } });
    expect(Object.keys(workloadOf(spec))).not.toContain('ready');
  });
});
