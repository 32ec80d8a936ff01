import { existsSync, readdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '#test/contract/ask-app.ts';
import { flipByte } from '#test/support/flip-byte.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { askClaimed, eventually, type Instance, type Operation, RefusedError, requireSilence } from '#test/support/thaw-rest.ts';

/** What goes wrong with real images, apps, goldens and disks, and that nothing else suffers from it. */
describe('a failure', () => {
  let thaw: ThawProcess;

  beforeAll(async () => {
    thaw = await startThaw();
    await thaw.rest.putTemplate('good', testTemplate(thaw.image));
    expect(await thaw.rest.capture('good')).toMatchObject({ state: 'succeeded' });
    await thaw.rest.putPool('good', { template: 'good', size: { ready: 1, max: 4 } });
  });
  afterAll(() => thaw?.close());

  /** The pool of the good template serves a tenant, and of everything else no instance and no file is left. */
  async function expectServiceGoesOn(): Promise<void> {
    await thaw.rest.untilWarm('good', 1);
    const claim = await thaw.rest.claim('good', { tenant: 'acme' });
    expect((await askClaimed(claim)).binding?.claim).toBe(claim.id);
    await thaw.rest.release(claim.id);
    await eventually(async () => {
      const instances = await thaw.rest.listInstances();
      expect(instances.filter(({ template }) => template !== 'good')).toEqual([]);
      const recorded = new Set(instances.map(({ id }) => id));
      expect(readdirSync(thaw.config.paths.instances).filter((id) => !recorded.has(id))).toEqual([]);
    });
  }

  function filesOfGolden(template: string): string[] {
    const directory = join(thaw.config.paths.goldens, template);
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  async function capture(template: string, over: object): Promise<Operation> {
    await thaw.rest.putTemplate(template, testTemplate(thaw.image, over));
    return thaw.rest.capture(template);
  }

  function problemOf(operation: Operation, failedStep: string): Operation['problem'] {
    expect(operation.state).toBe('failed');
    expect(operation.steps.at(-1)).toMatchObject({ name: failedStep, state: 'failed' });
    expect(operation.problem?.fix).toMatch(/\w+ \w+.*\.$/);
    return operation.problem;
  }

  const ready = (timeoutMs: number) => ({ http: { port: 8080, path: '/status' }, timeoutMs });

  it('of an image that does not exist names the image', async () => {
    const image = `${thaw.image}-that-is-not-there`;
    const problem = problemOf(await capture('no-image', { image }), 'start');
    expect(problem).toMatchObject({ code: 'image_not_found', class: 'template', message: expect.stringContaining(image) });
    expect(filesOfGolden('no-image')).toEqual([]);
    await expectServiceGoesOn();
  });

  it('of a command that is not in the image says so', async () => {
    const problem = problemOf(await capture('no-command', { command: ['/usr/bin/nothing'] }), 'start');
    expect(problem).toMatchObject({ code: 'app_start_failed', class: 'template', message: expect.stringContaining('/usr/bin/nothing') });
    expect(filesOfGolden('no-command')).toEqual([]);
    await expectServiceGoesOn();
  });

  it('of an app that ends at once tells its exit code and what it said', async () => {
    const problem = problemOf(await capture('exits', { env: { APP_EXIT_CODE: '3' } }), 'ready');
    expect(problem).toMatchObject({
      code: 'app_exited',
      class: 'template',
      message: expect.stringMatching(/exit code 3 .*\btoken [0-9a-f]{16}/s),
    });
    expect(filesOfGolden('exits')).toEqual([]);
    await expectServiceGoesOn();
  });

  it('of an app that never becomes ready tells the probe, the limit and what the app said', async () => {
    const problem = problemOf(await capture('sleeps', { env: { APP_START_MS: '600000' }, ready: ready(1500) }), 'ready');
    expect(problem).toMatchObject({
      code: 'app_not_ready',
      class: 'template',
      message: expect.stringMatching(/GET :8080\/status within 1500 ms; .*\btoken [0-9a-f]{16}/s),
    });
    expect(filesOfGolden('sleeps')).toEqual([]);
    await expectServiceGoesOn();
  });

  it('of an app that CRIU can not dump tells what of it can not be dumped', async () => {
    // A deleted file that is still open and larger than our ghost-limit of 64 MB.
    const hold = 'exec 9>/tmp/big && head -c 80000000 /dev/zero >&9 && rm /tmp/big && exec perl /srv/test-app.pl';
    const problem = problemOf(await capture('undumpable', { command: ['/bin/sh', '-c', hold] }), 'checkpoint');
    expect(problem).toMatchObject({
      code: 'checkpoint_unsupported',
      class: 'template',
      message: expect.stringContaining('deleted file'),
    });
    expect(filesOfGolden('undumpable')).toEqual([]);
    await expectServiceGoesOn();
  });

  it('of a golden whose file has a flipped byte is told by its pool, and nothing is restored from it', async () => {
    expect(await capture('flipped', {})).toMatchObject({ state: 'succeeded' });
    const file = await flipByte(join(thaw.config.paths.goldens, 'flipped', '1', 'image'));
    await thaw.rest.putPool('flipped', { template: 'flipped', size: { ready: 2, max: 4 } });
    await eventually(async () => {
      const status = await thaw.rest.poolStatus('flipped');
      expect(status.reason).toMatch(/^golden flipped@1 is failed: .*has changed since it was sealed/);
      expect(status.reason).toContain(file);
    });
    expect(await thaw.rest.poolStatus('flipped')).toMatchObject({ warm: 0, claimed: 0 });
    const refused = await thaw.rest.claim('flipped', { tenant: 'acme' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({ problem: { code: 'pool_empty', class: 'capacity', detail: expect.stringContaining(file) } });
    const metrics = await (await fetch(`${thaw.config.url}/metrics`)).text();
    expect(metrics).toMatch(/golden_corrupt.* [1-9]\d*$/m);
    await thaw.rest.deletePool('flipped');
    await expectServiceGoesOn();
  });

  it('of a warm clone that ends by itself is recorded, and the clone replaced', async () => {
    await thaw.rest.untilWarm('good', 1);
    const victim = (await thaw.rest.listInstances()).find(({ state }) => state === 'warm');
    await exit(victim, 5);
    await eventually(async () => expect((await thaw.rest.getInstance(victim?.id ?? '')).state).toBe('failed'));
    expect((await thaw.rest.getInstance(victim?.id ?? '')).problem).toMatchObject({
      code: 'clone_exited',
      class: 'golden',
      message: expect.stringContaining('with exit code 5'),
    });
    await expectServiceGoesOn();
  });

  it('of a claimed instance ends its claim as lost, with the reason', async () => {
    await thaw.rest.untilWarm('good', 1);
    const claim = await thaw.rest.claim('good', { tenant: 'acme' });
    await exit(await thaw.rest.getInstance(claim.instance.id), 7);
    await eventually(async () => expect((await thaw.rest.getClaim(claim.id)).state).toBe('lost'));
    expect(await thaw.rest.getClaim(claim.id)).toMatchObject({ endReason: 'exited', exitCode: 7 });
    await requireSilence(claim);
    expect(await thaw.rest.release(claim.id)).toMatchObject({ state: 'lost' });
    await expectServiceGoesOn();
  });

  it('for want of disk names the reserve; what is warm is handed out meanwhile, and the rest goes on once there is room', async () => {
    await thaw.rest.untilWarm('good', 1);
    await thaw.down();
    const reserveMegabytes = String(Math.ceil((await freeMegabytes(thaw)) * 1.5)); // at twice of what is free, the biggest writers are ended
    await thaw.start({ THAW_DISK_RESERVE_MB: reserveMegabytes });
    const problem = problemOf(await capture('late', {}), 'start');
    const message = expect.stringContaining(`${reserveMegabytes} MB are reserved`);
    expect(problem).toMatchObject({ code: 'disk_reserve', class: 'capacity', message });
    expect(filesOfGolden('late')).toEqual([]);
    await expectServiceGoesOn();
    await eventually(async () => expect((await thaw.rest.poolStatus('good')).reason).toContain('n1 has no disk left above its reserve'));
    await thaw.down();
    await thaw.start();
    expect(await thaw.rest.capture('late')).toMatchObject({ state: 'succeeded', target: 'late@2' });
    await thaw.rest.untilWarm('good', 1);
  });
});

async function freeMegabytes({ config }: ThawProcess): Promise<number> {
  const { bavail, bsize } = await statfs(config.paths.dataDir);
  return (bavail * bsize) / 1024 / 1024;
}

/** Ends the app of an instance, which may not live to answer. */
async function exit(instance: Instance | undefined, code: number): Promise<void> {
  await ask({ address: instance?.address ?? '' }, `/exit?code=${code}`).catch(() => {});
}
