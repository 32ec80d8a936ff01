import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { goldenId } from '#src/platform/ids.ts';
import { startSecondNode } from '#test/support/second-node.ts';
import { captureGolden, fillPool, poolStatus, waitForPool, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

/** As an upgrade and a restart of the machine's worker. */
async function upgradeTo(kernel: string): Promise<void> {
  await service.stopWorker();
  service.engine.fingerprint = { ...service.engine.fingerprint, kernel };
  await service.startWorker();
}

const OnNodes = z.object({
  digest: z.string(),
  fingerprint: z.object({ kernel: z.string() }),
  nodes: z.array(
    z.object({
      node: z.string(),
      compatible: z.boolean(),
      has: z.boolean(),
      reasons: z.array(z.string()).optional(),
      build: z.object({ state: z.string(), operation: z.string() }).optional(),
    }),
  ),
  builds: z.array(z.object({ class: z.string(), state: z.string(), nodes: z.array(z.string()), operation: z.string() })),
});
const golden = async () => OnNodes.parse((await service.request('GET', '/v1/templates/web/goldens/1')).body);
const operations = async () => {
  const { items } = z
    .object({ items: z.array(z.object({ kind: z.string(), state: z.string(), steps: z.array(z.object({ name: z.string() })) })) })
    .parse((await service.request('GET', '/v1/operations')).body);
  return items.filter(({ kind }) => kind === 'build-golden');
};

describe('a golden whose node was upgraded', () => {
  it('is captured there again by itself, and the pool refills', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    const before = await golden();
    expect(before.nodes).toEqual([{ node: 'n1', compatible: true, has: true }]);
    await upgradeTo('new');
    await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' });
    await waitForPool(service, { warm: 2, claimed: 1 });
    await waitUntil(async () => expect(await operations()).toMatchObject([{ state: 'succeeded' }]));
    const after = await golden();
    expect(after).toMatchObject({ digest: before.digest, fingerprint: before.fingerprint });
    expect(after.nodes).toEqual([{ node: 'n1', compatible: true, has: true }]);
    expect(after.builds.map(({ state, nodes }) => [state, nodes])).toEqual([['ready', ['n1']]]);
    expect((await operations())[0]?.steps.map(({ name }) => name)).toEqual(['start', 'ready', 'checkpoint', 'verify']);
  });

  it('gets no work there meanwhile, and the pool says why', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    service.engine.timings.startMs = 60_000;
    await upgradeTo('new');
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 3, max: 4 } });
    await waitUntil(async () => {
      const { reason, warm, restoring } = await poolStatus(service);
      expect(reason).toMatch(
        /n1 can not restore web@1 \(kernel new instead of simulated\); its own build is being captured \(operation op-/,
      );
      expect({ warm, restoring }).toEqual({ warm: 1, restoring: 0 });
    });
    const { nodes } = await golden();
    expect(nodes).toMatchObject([
      { node: 'n1', compatible: false, has: true, reasons: ['kernel new instead of simulated'], build: { state: 'building' } },
    ]);
  });

  it('serves claims by cold starts meanwhile, where template and claim allow it', async () => {
    await service.request('PUT', '/v1/templates/web', { ...webTemplate, coldFallback: true });
    await captureGolden(service);
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 0, max: 4 } });
    service.engine.faults.failNext('checkpoint', 'checkpoint_failed', 1);
    await upgradeTo('new');
    const claim = await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', waitMs: 8000, coldFallback: true });
    expect(claim).toMatchObject({ status: 201, body: { receipt: { path: 'cold', reason: 'no golden could be restored' } } });
    expect((await golden()).nodes).toMatchObject([{ compatible: false, build: { state: 'failed' } }]);
  });

  it('is captured again after its worker was killed in the middle of that', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    service.engine.timings.startMs = 60_000;
    await upgradeTo('new');
    await waitUntil(async () => expect(await operations()).toMatchObject([{ state: 'running' }]));
    await service.stopWorker();
    service.engine.timings.startMs = 1;
    await service.startWorker();
    await waitUntil(async () => expect(await operations()).toMatchObject([{ state: 'succeeded' }]));
    expect((await service.engine.list()).length).toBe((await poolStatus(service)).warm);
  });

  it('whose build fails is told why, and not tried again at once', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    service.engine.faults.failNext('checkpoint', 'checkpoint_failed', 1000);
    await upgradeTo('new');
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 2, max: 4 } });
    await waitUntil(async () => expect((await poolStatus(service)).reason).toContain('its own build could not be captured: '));
    const { nodes } = await golden();
    expect(nodes).toMatchObject([{ compatible: false, build: { state: 'failed' } }]);
    await vi.waitFor(async () => expect(await service.redis.hlen('{thaw}:builds-under-way')).toBe(0));
    expect(await operations()).toHaveLength(1);
  });

  it('is captured anew each time the machine goes from one kernel to another and back, and nothing of the other is left', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    await upgradeTo('new');
    await waitUntil(async () => expect(await operations()).toMatchObject([{ state: 'succeeded' }]));
    await upgradeTo('simulated');
    await waitUntil(async () => expect((await operations()).map(({ state }) => state)).toEqual(['succeeded', 'succeeded']));
    const { nodes, builds } = await golden();
    expect(nodes).toEqual([{ node: 'n1', compatible: true, has: true }]);
    expect(builds).toHaveLength(1);
  });
});

describe('a golden on nodes of two classes', () => {
  it('gets a build on each, and clones run on both', async () => {
    await fillPool(service, { ready: 1, max: 40 });
    await using second = await startSecondNode(service, { ...service.engine.fingerprint, kernel: 'other' });
    await waitUntil(async () => {
      const { nodes } = await golden();
      expect(nodes).toEqual([
        { node: 'n1', compatible: true, has: true },
        { node: 'n2', compatible: true, has: true },
      ]);
    });
    const { builds } = await golden();
    expect(builds.map((build) => build.nodes)).toEqual(expect.arrayContaining([['n1'], ['n2']]));
    expect(new Set(builds.map((build) => build.class)).size).toBe(2);

    await service.request('POST', '/v1/nodes/n1/cordon');
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 3, max: 40 } });
    await waitForPool(service, { warm: 3 });
    expect(await second.engine.list()).toHaveLength(2);
  });

  it('whose files are spoiled on one is captured there again, and the other goes on', async () => {
    await fillPool(service, { ready: 1, max: 40 });
    await using second = await startSecondNode(service, { ...service.engine.fingerprint, kernel: 'other' });
    await waitUntil(async () => expect((await golden()).nodes[1]).toEqual({ node: 'n2', compatible: true, has: true }));
    second.engine.faults.corruptGolden(goldenId('web', 1));
    await service.request('POST', '/v1/nodes/n1/cordon');
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 3, max: 40 } });
    await waitUntil(async () => expect(await operations()).toHaveLength(2));
    await waitForPool(service, { warm: 3 });
  });

  it('is not captured on a node of its own class, which only lacks its files', async () => {
    await fillPool(service, { ready: 1, max: 40 });
    await using _second = await startSecondNode(service, service.engine.fingerprint);
    await waitUntil(async () =>
      expect((await golden()).nodes[1]).toEqual({ node: 'n2', compatible: true, has: false, reasons: ['its files are not there'] }),
    );
    expect(await operations()).toEqual([]);
  });

  it('is never captured on another architecture', async () => {
    await fillPool(service, { ready: 1, max: 40 });
    await using _second = await startSecondNode(service, { ...service.engine.fingerprint, arch: 'riscv64' });
    await service.request('POST', '/v1/nodes/n1/cordon');
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 2, max: 40 } });
    await waitUntil(async () => expect((await poolStatus(service)).reason).toContain('architecture riscv64 instead of'));
    expect(await operations()).toEqual([]);
  });
});
