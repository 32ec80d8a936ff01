import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { captureGolden, fillPool, parseClaim, poolStatus, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { claimCalls } from './claim-calls.ts';

const service = useService();
const { claim, release } = claimCalls(service, 'backend');

describe('a claim', () => {
  it('hands out a warm instance that knows its binding', async () => {
    await fillPool(service, { ready: 1, max: 3 });
    const answer = await claim('acme', { env: { PLAN: 'gold' }, secrets: { TOKEN: 's3cret' }, labels: { order: '7' } });
    expect(answer.status).toBe(201);
    const held = parseClaim(answer);
    expect(held).toMatchObject({ state: 'active', tenant: 'acme', receipt: { path: 'hot', golden: 'web@1' } });
    const [endpoint] = held.instance.endpoints;
    expect((await fetch(`http://${endpoint?.host}:${endpoint?.port}`)).ok).toBe(true);
    const [bound] = (await service.engine.list()).filter((one) => one.boundTo !== undefined);
    expect(bound).toMatchObject({ id: held.instance.id, boundTo: { claim: held.id, tenant: 'acme', expiresAt: held.expiresAt } });
  });

  it('leaves no secret and no env in Redis', async () => {
    await fillPool(service, { ready: 1, max: 3 });
    const variables = { env: { PLAN: 'env-needle' }, secrets: { TOKEN: 'secret-needle' } };
    expect((await claim('acme', variables, { 'idempotency-key': 'k1' })).status).toBe(201);
    const everWritten = await readAppendOnlyFile();
    expect(everWritten).toContain('acme');
    expect(everWritten).not.toContain('needle');
  });

  it('50 at once on 10 instances: 10 get one each, the others are told when to come back', async () => {
    await fillPool(service, { ready: 10, max: 10 });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => claim(`tenant-${i}`)));
    const held = answers.filter((answer) => answer.status === 201).map(parseClaim);
    expect(held).toHaveLength(10);
    expect(new Set(held.map((one) => one.instance.id)).size).toBe(10);
    const bound = (await service.engine.list()).flatMap((one) => (one.boundTo ? [`${one.id} ${one.boundTo.claim}`] : []));
    expect(bound.toSorted()).toEqual(held.map((one) => `${one.instance.id} ${one.id}`).toSorted());
    const refused = answers.filter((answer) => answer.status !== 201);
    expect(refused.every((answer) => answer.status === 503)).toBe(true);
    expect(refused[0]?.body).toMatchObject({ code: 'pool_empty', class: 'capacity', detail: expect.stringContaining('size.max 10') });
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  it('what is claimed is filled up again', async () => {
    await fillPool(service, { ready: 2, max: 5 });
    await claim('acme');
    await waitForPool(service, { warm: 2, claimed: 1 });
  });

  it('prefers the golden that the pool changes over to', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    service.engine.timings.restoreMs = 300;
    await captureGolden(service);
    await waitUntil(async () => {
      const goldens = (await service.engine.list()).map((one) => one.golden);
      expect(goldens).toContain('web@2');
      expect(await poolStatus(service)).toMatchObject({ warm: 3 });
      expect(parseClaim(await claim('acme')).instance.golden).toBe('web@2');
    });
  });
});

describe('an instance that can not be bound', () => {
  it('is destroyed and another one handed out within the request', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    service.engine.faults.failNext('bind', 'bind_failed', 2);
    const answer = await claim('acme');
    expect(answer.status).toBe(201);
    const failed = (await listClaims()).filter((one) => one.state === 'failed');
    expect(failed).toHaveLength(2);
    await waitUntil(async () => {
      const left = (await service.engine.list()).map((one) => one.id);
      for (const one of failed) expect(left).not.toContain(one.instance.id);
    });
  });

  it('three in a row are a failure that says why, and gives the idempotency key free', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    service.engine.faults.failNext('bind', 'bind_failed', 3);
    const refused = await claim('acme', {}, { 'idempotency-key': 'k1' });
    expect(refused).toMatchObject({ status: 503, body: { code: 'bind_failed', class: 'node' } });
    await waitForPool(service, { warm: 3 });
    expect((await claim('acme', {}, { 'idempotency-key': 'k1' })).status).toBe(201);
  });
});

describe('an idempotency key', () => {
  const key = { 'idempotency-key': 'order-4711' };

  it('sent many times at once makes one claim', async () => {
    await fillPool(service, { ready: 5, max: 9 });
    service.engine.timings.bindMs = 50;
    const answers = await Promise.all(Array.from({ length: 8 }, () => claim('acme', {}, key)));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.every((answer) => answer.status === 201)).toBe(true);
    expect(await listClaims()).toHaveLength(1);
  });

  it('with another body is refused, whatever the order of its fields', async () => {
    await fillPool(service, { ready: 2, max: 9 });
    const first = await claim('acme', { env: { A: '1', B: '2' } }, key);
    const same = await claim('acme', { env: { B: '2', A: '1' } }, key);
    expect(parseClaim(same)).toEqual(parseClaim(first));
    expect([first, same].map((answer) => answer.headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    expect(await claim('acme', { env: { A: '1' } }, key)).toMatchObject({ status: 409, body: { code: 'idempotency_key_reused' } });
  });

  it('of another API key is another key', async () => {
    await fillPool(service, { ready: 2, max: 9 });
    const first = parseClaim(await claim('acme', {}, key));
    const other = parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' }, { as: 'admin', headers: key }));
    expect(other.id).not.toBe(first.id);
  });

  it('does not keep a refusal', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    expect((await claim('acme', {}, key)).status).toBe(503);
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 1, max: 1 } });
    await waitForPool(service, { warm: 1 });
    expect((await claim('acme', {}, key)).status).toBe(201);
  });

  it('finishes what a request that died had begun', async () => {
    await fillPool(service, { ready: 1, max: 9 });
    const first = parseClaim(await claim('acme', {}, key));
    await service.redis.hset(`{thaw}:claim:${first.id}`, 'state', 'reserved'); // as if the process had died before it recorded the bind
    expect(parseClaim(await claim('acme', {}, key))).toMatchObject({ id: first.id, state: 'active', instance: { id: first.instance.id } });
  });

  it('of a released claim answers that claim', async () => {
    await fillPool(service, { ready: 1, max: 9 });
    const { id } = parseClaim(await claim('acme', {}, key));
    await release(id);
    expect(parseClaim(await claim('acme', {}, key))).toMatchObject({ id, state: 'released' });
  });
});

describe('a request that does not fit', () => {
  it('a cold start that the template does not allow is refused', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    const answer = await claim('acme', { coldFallback: true });
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed', errors: [{ in: 'body', path: 'coldFallback' }] } });
  });

  it('a cold start of a golden is refused', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    for (const asked of [{ golden: 'web@1' }, { minGolden: 1 }, { maxAgeMs: 1000 }]) {
      const message = `a cold start has no golden, and ${Object.keys(asked)[0]} asks for one`;
      const answer = await claim('acme', { coldFallback: true, ...asked });
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path: 'coldFallback', message }] } });
    }
  });

  it('a wait that no proxy would survive takes Prefer: respond-async', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    expect(await claim('acme', { waitMs: 25_001 })).toMatchObject({ status: 422, body: { errors: [{ path: 'waitMs' }] } });
    expect((await claim('acme', { waitMs: 25_001 }, { prefer: 'respond-async' })).status).toBe(201);
    expect((await claim('acme', { waitMs: 300_001 }, { prefer: 'respond-async' })).status).toBe(422);
  });

  it('a lease above the pool’s is refused with the limit', async () => {
    await fillPool(service, { ready: 1, max: 1 }, { maxMs: 1_000_000 });
    expect(await claim('acme', { leaseMs: 1_000_001 })).toMatchObject({
      status: 422,
      body: { code: 'validation_failed', errors: [{ path: 'leaseMs', message: expect.stringContaining('1000000 ms') }] },
    });
  });

  it('a pool that does not exist is named', async () => {
    expect(await claim('acme')).toMatchObject({ status: 404, body: { code: 'pool_not_found', detail: 'there is no pool web' } });
  });
});

async function listClaims() {
  const { body } = await service.request('GET', '/v1/claims?limit=200');
  const items: unknown = typeof body === 'object' && body !== null && 'items' in body ? body.items : [];
  return Array.isArray(items)
    ? items.map((item: unknown) => parseClaim({ status: 200, headers: new Headers(), text: '', body: item }))
    : [];
}

/** Every command that Redis ever took, with its arguments. */
async function readAppendOnlyFile(): Promise<string> {
  const [, directory = ''] = await service.redis.config('GET', 'dir').then((reply) => z.array(z.string()).parse(reply));
  const files = glob('appendonlydir/*.aof', { cwd: directory });
  const texts = await Promise.all((await Array.fromAsync(files)).map((file) => readFile(join(directory, file), 'latin1')));
  return texts.join('');
}
