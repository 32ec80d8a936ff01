import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { ask } from '#test/contract/ask-app.ts';
import { flipByte } from '#test/support/flip-byte.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { runCommandLine } from './run-command-line.ts';
import { tracesOf } from './traces-of.ts';
import { waitUntil } from './wait-until.ts';

const Answer = z.object({ ok: z.boolean(), goldens: z.array(z.record(z.string(), z.unknown())) });
const ourTrials = () => readdirSync('/var/tmp').filter((name) => name.startsWith(`thaw-try-${process.pid}-`));

describe('thaw doctor --upgrade', () => {
  let thaw: ThawProcess;

  beforeAll(async () => {
    thaw = await startThaw();
    const afterRestore = { http: { port: 8080, path: '/hook' } };
    await thaw.rest.putTemplate('web', testTemplate(thaw.image, { hooks: { afterRestore } }));
    await thaw.rest.putTemplate('flipped', testTemplate(thaw.image));
    for (const template of ['web', 'flipped']) expect(await thaw.rest.capture(template)).toMatchObject({ state: 'succeeded' });
    await thaw.rest.putPool('web', { template: 'web', size: { ready: 1, max: 2 } });
    await thaw.rest.untilWarm('web', 1);
    await flipByte(join(thaw.config.paths.goldens, 'flipped', '1', 'image'));
  });
  afterAll(() => thaw?.close());

  /** Runs it, and looks for what it left of its own engine on the host. */
  async function tryUpgrade(...options: string[]) {
    const env = { THAW_DATA_DIR: thaw.config.paths.dataDir, THAW_MEMORY_RESERVE_MB: '256', THAW_DISK_RESERVE_MB: '256' };
    const running = runCommandLine(env, 'doctor', '--upgrade', ...options);
    const name = await waitUntil('the trial', () => ourTrials()[0]);
    const outcome = await running;
    const { tag, paths } = parseConfig({ THAW_DATA_DIR: join('/var/tmp', name) });
    return { ...outcome, traces: tracesOf(tag, paths.dataDir) };
  }

  test('restores every promoted golden beside a Thaw that runs, tells which fails and why, and leaves nothing', async () => {
    const instances = await thaw.rest.listInstances();
    const kept = replacedFiles();
    const { exitCode, out, traces } = await tryUpgrade('--json');
    const answer = Answer.parse(JSON.parse(out));
    expect([exitCode, answer.ok, traces]).toEqual([1, false, []]);
    const common = { aliases: ['stable'], node: 'n1' };
    expect(answer.goldens).toEqual([
      { ...common, golden: 'flipped@1', status: 'fail', problem: expect.objectContaining({ code: 'golden_corrupt' }) },
      { ...common, golden: 'web@1', status: 'pass', restoreMs: expect.any(Number) },
    ]);
    expect(await thaw.rest.listInstances()).toEqual(instances);
    expect(existsSync(kept)).toBe(true);
  });

  /** As a build leaves those that gave way to it, as long as an instance runs on them: the warm one does, to go by their name. */
  function replacedFiles(): string {
    const directory = join(thaw.config.paths.goldens, 'web', '1');
    const digest = createHash('sha256')
      .update(readFileSync(join(directory, 'manifest.json')))
      .digest('hex');
    const replaced = `${directory}.replaced-${digest.slice(0, 16)}`;
    mkdirSync(replaced);
    return replaced;
  }

  test('does the same while Thaw is stopped, whose instances live on', async () => {
    const [warm] = await thaw.rest.listInstances();
    await thaw.down();
    const { exitCode, out, traces } = await tryUpgrade();
    expect([exitCode, traces, thaw.pids()]).toEqual([1, [], {}]);
    const [flipped, fix, web, , summary] = out.split('\n');
    expect(flipped).toMatch(/^FAIL {2}flipped@1 \(stable\) {2}golden flipped@1 was not restored: .* has changed since it was sealed$/);
    expect(fix).toMatch(/^ {6}fix: Take a new golden/);
    expect(web).toMatch(/^pass {2}web@1 \(stable\) {2}a clone was ready after \d/);
    expect(summary).toBe('1 pass, 1 fail, 0 on other nodes. Capture what fails again before its pools are filled.');
    expect(await ask({ address: warm?.address ?? '' }, '/id')).toContain(warm?.id);
  });
});

test('thaw doctor --upgrade where no Thaw has run, or with the memory engine, says so', async () => {
  await using dir = await makeTempDir();
  const env = { THAW_DATA_DIR: dir.path };
  expect(await runCommandLine(env, 'doctor', '--upgrade')).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining(`nothing is recorded in ${dir.path}`),
  });
  expect((await runCommandLine(env, 'doctor', '--upgrade', '--engine', 'memory')).err).toContain('the memory engine keeps no golden');
  expect([readdirSync(dir.path), ourTrials()]).toEqual([[], []]);
});
