import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { followEvents } from '#src/client/events.ts';
import { detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { readProcesses as readGroup } from '#src/engine/criu/cgroups.ts';
import { instanceCgroup } from '#src/engine/criu/engine-deps.ts';
import { workingInstances } from '#src/goldens/working-instances.ts';
import { OperationId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { processesOf, readHostState, readProcesses } from '#test/support/host-state.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { eventually } from '#test/support/thaw-rest.ts';

/** Each step takes long enough to be hit. */
const slow = {
  env: { APP_START_MS: '600' },
  warmup: [{ http: { port: 8080, path: '/alloc?mb=8' } }],
  hooks: { beforeCheckpoint: { http: { port: 8080, path: '/hook?sleepMs=400' } } },
  capture: { settleMs: 400 },
  scan: { policy: 'warn', canaries: [] },
};

const OperationEvent = z.object({
  type: z.string(),
  operation: z.string(),
  step: z.string().optional(),
  state: z.string().optional(),
  reason: z.string().optional(),
});

/** For a capture that is begun four times, on a busy machine. */
const captureLimitMs = 100_000;
const testLimitMs = 150_000;

/**
 * Real processes, real dumps: each step of a capture is told by an event, and the worker killed when it is heard.
 * What takes the time is to start workers, so one capture meets three kills.
 */
describe('kill -9 of the worker in the middle of a capture', () => {
  let thaw: ThawProcess;
  let own: string[];
  let before: Awaited<ReturnType<typeof readOwn>>;

  beforeAll(async () => {
    thaw = await startThaw();
    const { tag, paths } = thaw.config;
    own = [`thaw-${tag}`, `thaw_${tag}`, dirname(paths.dataDir)];
    await thaw.rest.putTemplate('web', testTemplate(thaw.image, slow));
    await thaw.rest.putTemplate('plain', testTemplate(thaw.image));
    expect(await thaw.rest.capture('plain')).toMatchObject({ state: 'succeeded' }); // what is made once is made
    before = await readOwn();
  });
  afterAll(() => thaw?.close());

  /** What of ours the host's own commands see; the bridge goes up and down with what hangs on it. */
  async function readOwn() {
    const { namespaces = [], mounts = [], cgroups = [] } = await readHostState(own);
    const { stdout: hanging } = await run(['ip', '-brief', 'link', 'show', 'master', `thaw-${thaw.config.tag}`], { timeoutMs: 10_000 });
    const living = processesOf(own, Object.values(thaw.pids()), await readProcesses()).filter(({ isZombie }) => !isZombie);
    const isOwn = (line: string) => own.some((mark) => line.includes(mark));
    return { things: [...namespaces, ...mounts, ...cgroups].filter(isOwn), hanging, processes: living.map(({ args }) => args).toSorted() };
  }

  /** Answers as soon as the step is told to begin in that run of the operation, the first is 1. Throws when it ends without it. */
  async function hearStep(operation: string, step: string, run = 1): Promise<void> {
    const source = { baseUrl: thaw.config.url, headers: { authorization: `Bearer ${thaw.apiKey}` }, fetch, withinMs: 10_000 };
    let runs = 0;
    for await (const event of followEvents(source, { type: 'operation' }, { after: '0' })) {
      const told = OperationEvent.parse(event);
      if (told.operation !== operation) continue;
      if (told.type === 'operation.running') runs++;
      if (runs === run && told.step === step && told.state === 'running') return;
      if (/succeeded|failed|cancelled/.test(told.type)) throw new Error(`${operation} ended before ${step}: ${JSON.stringify(told)}`);
    }
  }

  /** How many apps ran at once as the primer of the operation, looked at until `ended`. */
  async function watchPrimer(operation: OperationId, ended: Promise<unknown>): Promise<number> {
    const group = instanceCgroup({ tag: thaw.config.tag, cgroupHost: detectCgroupHost() }, workingInstances(operation).primer);
    let [most, isOver] = [0, false];
    ended.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    while (!isOver) {
      most = Math.max(most, readGroup(group).filter(isApp).length);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return most;
  }

  function expectNoLeak(): Promise<void> {
    return eventually(async () => {
      const { instances, goldens } = thaw.config.paths;
      expect(readdirSync(instances)).toEqual([]);
      expect(await thaw.rest.listInstances()).toEqual([]);
      expect(readdirSync(goldens, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.partial'))).toEqual([]);
      expect(await readOwn()).toEqual(before);
    });
  }

  /** Not one of runc's on its way to become it. */
  function isApp(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('test-app.pl');
    } catch {
      return false; // it has ended
    }
  }

  // With the cancels in between `thaw up` forgets the deaths of its worker: after each it waits longer before it starts the next.
  describe.each([
    { killed: ['start', 'ready', 'warmup'], cancelled: 'start' },
    { killed: ['before-checkpoint', 'settle', 'checkpoint'], cancelled: 'checkpoint' },
    { killed: ['scan', 'verify', 'promote'], cancelled: 'verify' },
  ])('at $killed', ({ killed, cancelled }) => {
    it(
      'one run after the other: the next worker begins afresh, in the end there is a golden, and nothing leaks',
      async () => {
        const { id, target } = await thaw.rest.beginCapture('web');
        const ended = thaw.rest.untilEnded(id, captureLimitMs);
        const mostPrimers = watchPrimer(OperationId.parse(id), ended);
        for (const [at, step] of killed.entries()) {
          const pids = thaw.pids();
          await hearStep(id, step, at + 1);
          await thaw.kill('worker');
          await thaw.untilReplaced('worker', pids);
        }
        const { state, steps, problem } = await ended;
        expect(state, JSON.stringify(problem)).toBe('succeeded');
        expect(steps.filter((one) => one.state !== 'succeeded')).toEqual([]);
        expect(await mostPrimers).toBeLessThanOrEqual(1);
        expect((await thaw.rest.getGolden(target)).state).toBe('ready');
        await expectNoLeak();
      },
      testLimitMs,
    );

    it(`a cancel at ${cancelled} ends what the engine does there, and leaves nothing`, async () => {
      const { id, target } = await thaw.rest.beginCapture('web');
      await hearStep(id, cancelled);
      expect((await thaw.rest.cancel(id)).state).toBe('cancelled');
      await eventually(async () =>
        expect(await thaw.rest.getGolden(target)).toMatchObject({ state: 'failed', problem: { code: 'cancelled' } }),
      );
      await expectNoLeak();
      expect(existsSync(`${thaw.config.paths.goldens}/${target.replace('@', '/')}`)).toBe(false);
    });
  });
});
