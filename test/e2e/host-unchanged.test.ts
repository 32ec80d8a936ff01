import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostState, processesOf, readHostState, readProcesses, type SeenProcess } from '#test/support/host-state.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { makeThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { askClaimed, eventually } from '#test/support/thaw-rest.ts';

/** Compared by the system's own commands (ip, findmnt, find, nft, sysctl, ps), so that a mistake of ours can not hide itself. */
describe('thaw down --destroy leaves the host as it was before thaw up', () => {
  let thaw: ThawProcess;
  let own: string[];
  let before: HostState;
  let zombies: number;

  beforeAll(async () => {
    thaw = await makeThaw();
    own = [`thaw-${thaw.config.tag}`, `thaw_${thaw.config.tag}`, dirname(thaw.config.paths.dataDir)];
    before = await readHostState(own);
    zombies = (await readProcesses()).filter(({ isZombie }) => isZombie).length;
  });
  afterAll(() => thaw?.close());

  /** A pool with egress, so that NAT and forwarding are in use, and claims on it. Answers every process that is ours by then. */
  async function useThaw(): Promise<SeenProcess[]> {
    await thaw.start();
    await thaw.rest.putTemplate('web', testTemplate(thaw.image, { egress: { warm: 'internet', claimed: 'internet' } }));
    expect((await thaw.rest.capture('web')).state).toBe('succeeded');
    await thaw.rest.putPool('web', { template: 'web', size: { ready: 2, max: 4 } });
    await thaw.rest.untilWarm('web', 2);
    await askClaimed(await thaw.rest.claim('web', { tenant: 'acme' }));
    await thaw.rest.untilWarm('web', 2);
    const during = await readHostState(own);
    for (const area of ['links', 'addresses', 'routes', 'namespaces', 'mounts', 'cgroups', 'firewall'] as const) {
      expect(during[area], area).not.toEqual(before[area]);
    }
    return processesOf(own, Object.values(thaw.pids()), await readProcesses());
  }

  async function expectAsBefore(seen: readonly SeenProcess[]): Promise<void> {
    expect(await readHostState(own)).toEqual(before);
    const keys = new Set(seen.map(({ key }) => key));
    const isOurs = (process: SeenProcess) => keys.has(process.key) || own.some((mark) => process.args.includes(mark));
    expect((await readProcesses()).filter((process) => isOurs(process) && !process.isZombie)).toEqual([]);
    await eventually(async () => {
      const all = await readProcesses(); // more than once: init takes its time to reap what its children left to it
      expect(all.filter(isOurs)).toEqual([]);
      expect(all.filter(({ isZombie }) => isZombie).length).toBeLessThanOrEqual(zombies);
    });
  }

  it('when it ran and was stopped', async () => {
    const seen = await useThaw();
    expect(seen.length).toBeGreaterThanOrEqual(5 + 3 * 2); // up, api, worker, agent, Redis; of each instance conmon and the app
    await thaw.down('--destroy');
    await expectAsBefore(seen);
  });

  it('when everything was ended by kill -9 amid a refill', async () => {
    const seen = await useThaw();
    await thaw.rest.claim('web', { tenant: 'acme' });
    await thaw.kill('up', 'api', 'worker', 'agent', 'redis');
    await thaw.down('--destroy');
    await expectAsBefore(seen);
  });

  it('when nothing runs any more, and again', async () => {
    await thaw.down('--destroy');
    await expectAsBefore([]);
  });
});
