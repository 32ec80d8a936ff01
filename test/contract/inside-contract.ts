import { describe, expect, it, vi } from 'vitest';
import { newInstanceId } from '#src/platform/ids.ts';
import { ask, askState } from './ask-app.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';

const limit = { timeoutMs: 10_000 };

export function insideContract(run: ContractRun): void {
  describe('pause, logs, exec and stats', () => {
    it('a paused instance does not answer, and goes on where it was', async () => {
      const clone = await run.clone();
      const { counter } = await askState(clone);
      await run.engine.pause(clone.id);
      await run.engine.pause(clone.id);
      expect(await run.engine.list()).toMatchObject([{ state: 'paused' }]);
      const held = ask(clone, '/print?text=held', 10_000);
      await expect(ask(clone, '/print?text=late', 300)).rejects.toMatchObject({ name: 'TimeoutError' });
      await run.engine.resume(clone.id);
      expect(await held).toBe('printed\n');
      await run.engine.resume(clone.id);
      expect(await run.engine.list()).toMatchObject([{ state: 'running' }]);
      const state = await askState(clone);
      expect(state.token).toBe(run.golden.primer.token);
      expect(state.counter).toBeGreaterThan(counter);
    });

    it('a paused instance can be destroyed', async () => {
      const clone = await run.clone();
      await run.engine.pause(clone.id);
      await run.engine.destroy(clone.id);
      expect(await run.engine.list()).toEqual([]);
    });

    it('logs hold stdout and stderr of a cold instance from its start', async () => {
      const instance = await run.startReady();
      await ask(instance, '/print?text=tea');
      const { token } = await askState(instance);
      await vi.waitFor(async () => {
        const logs = await run.engine.logs(instance.id, 10_000);
        for (const line of [`token ${token}`, 'stdout tea', 'stderr tea']) expect(logs).toContain(line);
      });
    });

    it('what a clone prints after its restore is in its own logs', async () => {
      const [clone, other] = [await run.clone(), await run.clone()];
      await ask(clone, '/print?text=tea');
      await ask(other, '/print?text=coffee');
      await vi.waitFor(async () => {
        const logs = await run.engine.logs(clone.id, 10_000);
        for (const line of ['stdout tea', 'stderr tea']) expect(logs).toContain(line);
        expect(logs).not.toContain('coffee');
      });
    });

    it('logs are cut to their newest bytes', async () => {
      const clone = await run.clone();
      await ask(clone, `/print?text=${'long'.repeat(100)}`);
      await ask(clone, '/print?text=end');
      await vi.waitFor(async () => {
        const logs = await run.engine.logs(clone.id, 40);
        expect(Buffer.byteLength(logs)).toBeLessThanOrEqual(40);
        expect(logs).toContain('stderr end');
      });
    });

    it('exec answers exit code, stdout and stderr', async () => {
      const clone = await run.clone();
      expect(await run.engine.exec(clone.id, ['echo', 'a b', '$HOME'], limit)).toEqual({ exitCode: 0, stdout: 'a b $HOME\n', stderr: '' });
      expect(await run.engine.exec(clone.id, ['false'], limit)).toMatchObject({ exitCode: 1 });
      const missing = await run.engine.exec(clone.id, ['cat', '/nowhere'], limit);
      expect(missing).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('/nowhere') });
      const { hostname } = await askState(clone);
      expect((await run.engine.exec(clone.id, ['hostname'], limit)).stdout).toBe(`${hostname}\n`);
    });

    it('exec ends at its deadline and says so', async () => {
      const clone = await run.clone();
      const late = run.engine.exec(clone.id, ['sleep', '30'], { timeoutMs: 300 });
      await expect(late).rejects.toMatchObject({ code: 'subprocess_failed', message: expect.stringContaining('300 ms') });
      await vi.waitFor(async () => expect((await run.engine.stats(clone.id)).pids).toBe(1)); // nothing of it runs on inside
      expect((await askState(clone)).token).toBe(run.golden.primer.token);
    });

    it('stats tell memory, cpu time and processes', async () => {
      const clone = await run.clone();
      await askState(clone);
      const before = await run.engine.stats(clone.id);
      expect(before.memoryBytes).toBeGreaterThan(0);
      expect(before.cpuMs).toBeGreaterThanOrEqual(0);
      expect(before.pids).toBe(1);
      await ask(clone, '/alloc?mb=32');
      const grown = (await run.engine.stats(clone.id)).memoryBytes - before.memoryBytes;
      expect(grown).toBeGreaterThan(24 * 1024 * 1024); // the kernel counts in batches, and file cache may go meanwhile
    });

    it('nothing can be done with an instance that is not there', async () => {
      const id = newInstanceId();
      const { engine } = run;
      const calls: (() => Promise<unknown>)[] = [
        () => engine.pause(id),
        () => engine.resume(id),
        () => engine.stats(id),
        () => engine.logs(id, 100),
        () => engine.exec(id, ['true'], limit),
      ];
      for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'instance_not_found' });
      await expect(engine.bind(id, newBinding())).rejects.toMatchObject({ code: 'bind_failed' });
    });
  });
}
