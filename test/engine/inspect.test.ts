import { describe, expect, it } from 'vitest';
import { detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { hasSysResource } from '#src/engine/criu/host-facts.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { waitUntilReady } from '#test/contract/ask-app.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';
import { commandAfter, harmless, loopback, stopping, stoppingOnCgroupV1, stoppingWithoutSysResource } from './checkpoint-habits.ts';

/** What the report says, held against a real checkpoint and a real restore of the same instance. */
describe('a look at what would stop a checkpoint', () => {
  const node = useCriuNode();
  const golden = goldenId('look', 1);

  async function inspect(...perl: string[]) {
    const { id } = await node.startReady({ command: commandAfter(...perl) });
    return { id, report: await node.engine.inspect(id) };
  }

  async function takeAndClone(id: InstanceId) {
    const checkpoint = await node.engine.checkpoint(id, golden);
    const clone = newInstanceId();
    await waitUntilReady(await node.engine.restore(golden, clone));
    return { ...checkpoint, clone };
  }

  const isV1 = detectCgroupHost().version === 'v1';
  const all = Object.entries({ ...stopping, ...(hasSysResource() ? {} : stoppingWithoutSysResource), ...(isV1 ? stoppingOnCgroupV1 : {}) });

  it.each(all)('finds %s, at which a checkpoint fails', async (_name, { perl, kind, failsAt }) => {
    const { id, report } = await inspect(perl);
    const stops = report.findings.filter(({ severity }) => severity === 'stops');
    expect(stops.map((finding) => finding.kind)).toEqual([kind]);
    expect(report.wouldSucceed).toBe(false);
    if (kind !== 'user') expect(stops[0]?.process).toMatch(/^perl \(pid \d+\)$/);
    try {
      if (failsAt === 'restore') await node.engine.checkpoint(id, golden);
      await expect(
        failsAt === 'restore' ? node.engine.restore(golden, newInstanceId()) : node.engine.checkpoint(id, golden),
      ).rejects.toMatchObject({
        code: 'checkpoint_unsupported',
      });
    } finally {
      await node.engine.removeGolden(golden);
    }
  });

  it('is silent about what a checkpoint takes along, tells what it costs, and how large it will be', async () => {
    const { id, report } = await inspect(...harmless);
    expect(report.findings.filter(({ severity }) => severity === 'stops')).toEqual([]);
    expect(report.wouldSucceed).toBe(true);
    const peers = report.connections.map(({ protocol, local, process }) => [protocol, local.split(':')[0], process]);
    expect(peers).toEqual(Array.from({ length: 3 }, () => ['tcp', '127.0.0.1', 'perl (pid 1)'])); // two ends, and one that waits to be accepted
    expect(report.findings.filter(({ kind }) => kind === 'connection')).toHaveLength(3);
    expect(report.findings.filter(({ kind }) => kind === 'socket')).toMatchObject([
      { severity: 'costs', detail: expect.stringContaining('127.0.0.1:9000') },
    ]);
    const { pagesBytes, connections, imageDigest } = await takeAndClone(id);
    expect(imageDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(connections).toEqual(report.connections);
    expect(Math.abs(report.memoryBytes - pagesBytes)).toBeLessThan(0.25 * pagesBytes);
    await node.engine.removeGolden(golden);
  });

  it('names connections: a checkpoint closes them at both ends, those within the instance too, or is refused for them', async () => {
    const { id, report } = await inspect(loopback);
    await expect(node.engine.checkpoint(id, golden, undefined, { connections: 'refuse' })).rejects.toMatchObject({
      code: 'checkpoint_unsupported',
      message: expect.stringMatching(/perl \(pid 1\) 127\.0\.0\.1:\d+ to 127\.0\.0\.1:9000/),
    });
    expect(await node.engine.listGoldens()).toEqual([]);
    const { connections, clone } = await takeAndClone(id);
    expect(connections).toEqual(report.connections);
    expect(connections).toHaveLength(2);
    expect((await node.engine.inspect(clone)).connections).toEqual([]);
    await node.engine.removeGolden(golden);
  });

  it('leaves the instance as it was, paused or running', async () => {
    const { id, address } = await node.startReady();
    expect(await node.engine.inspect(id)).toMatchObject({ wouldSucceed: true, findings: [], processes: 1, connections: [] });
    await waitUntilReady({ address });
    await node.engine.pause(id);
    expect((await node.engine.inspect(id)).wouldSucceed).toBe(true);
    expect((await node.engine.list())[0]?.state).toBe('paused');
  });

  it('finds nothing where nothing runs', async () => {
    await expect(node.engine.inspect(newInstanceId())).rejects.toMatchObject({ code: 'instance_not_found' });
  });
});
