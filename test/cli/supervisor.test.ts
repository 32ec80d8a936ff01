import { describe, expect, test } from 'vitest';
import { type ProcessSpec, superviseProcesses } from '#src/cli/supervisor.ts';
import type { Clock } from '#src/platform/clock.ts';
import { createLogger } from '#src/platform/log.ts';

const log = createLogger('silent', 'test');

/** Time passes only by sleeping, and each sleep is written down. */
function fakeClock(): { clock: Clock; slept: number[]; pass: (ms: number) => void } {
  let nowMs = 0;
  const slept: number[] = [];
  const clock: Clock = {
    nowMs: () => nowMs,
    async sleep(ms) {
      slept.push(ms);
      nowMs += ms;
    },
  };
  return { clock, slept, pass: (ms) => (nowMs += ms) };
}

/** A process that runs until the test ends it, and writes down what happens to it. */
function fakeProcess(name: string, events: string[]) {
  let end: (how: string) => void = () => {};
  let started: () => void = () => {};
  const spec: ProcessSpec = {
    name,
    async start() {
      const exited = new Promise<string>((resolve) => {
        end = resolve;
      });
      events.push(`start ${name}`);
      started();
      return {
        pid: 1,
        waitForExit: () => exited,
        async stop() {
          events.push(`stop ${name}`);
        },
      };
    },
  };
  const die = async (): Promise<void> => {
    const again = new Promise<void>((resolve) => {
      started = resolve;
    });
    end('was ended by SIGKILL');
    await again;
  };
  return { spec, die };
}

const never = new AbortController().signal;

describe('the supervisor', () => {
  test('it starts processes in order and stops them in the reverse order', async () => {
    const events: string[] = [];
    const specs = ['redis', 'worker', 'api'].map((name) => fakeProcess(name, events).spec);
    const supervisor = await superviseProcesses({ clock: fakeClock().clock, log }, specs, never);
    await supervisor.stop();
    expect(events).toEqual(['start redis', 'start worker', 'start api', 'stop api', 'stop worker', 'stop redis']);
  });

  test('restarts come at once, then after 0.1 s doubled up to 5 s, and at once again for a process that was well', async () => {
    const { clock, slept, pass } = fakeClock();
    const { spec, die } = fakeProcess('api', []);
    const supervisor = await superviseProcesses({ clock, log }, [spec], never);
    for (let deaths = 0; deaths < 9; deaths++) await die();
    pass(10_000);
    await die();
    await supervisor.stop();
    expect(slept).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 0]);
  });

  test('a first start that fails stops what runs already and is the answer', async () => {
    const events: string[] = [];
    const broken: ProcessSpec = { name: 'worker', start: () => Promise.reject(new Error('no disk')) };
    const specs = [fakeProcess('redis', events).spec, broken, fakeProcess('api', events).spec];
    await expect(superviseProcesses({ clock: fakeClock().clock, log }, specs, never)).rejects.toThrow('no disk');
    expect(events).toEqual(['start redis', 'stop redis']);
  });

  test('a restart that fails is tried again', async () => {
    const { clock, slept } = fakeClock();
    const { spec, die } = fakeProcess('redis', []);
    let starts = 0;
    const flaky: ProcessSpec = {
      name: 'redis',
      start: (signal) => (++starts === 2 ? Promise.reject(new Error('its port is taken')) : spec.start(signal)),
    };
    const supervisor = await superviseProcesses({ clock, log }, [flaky], never);
    await die();
    await supervisor.stop();
    expect(starts).toBe(3);
    expect(slept).toEqual([0, 100]);
  });
});
