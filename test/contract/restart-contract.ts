import { describe, expect, it, type TestContext, vi } from 'vitest';
import { ask, askState, tell } from './ask-app.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';
import { watchExits } from './watch-exits.ts';

export function restartContract(run: ContractRun): void {
  describe('a restarted worker', () => {
    it('finds its instances running and manages them', async (test) => {
      const reopen = reopenOf(run, test);
      const [clone, paused, cold] = [await run.clone(), await run.clone(), await run.startReady()];
      const binding = newBinding();
      await run.engine.bind(clone.id, binding);
      await run.engine.pause(paused.id);
      const before = await run.engine.list();
      const { counter } = await askState(clone);
      await reopen();
      expect(await run.engine.list()).toEqual(expect.arrayContaining(before));
      expect(await askState(clone)).toMatchObject({ token: run.golden.primer.token, counter: counter + 1 });
      await expect(run.engine.bind(clone.id, newBinding())).rejects.toMatchObject({ code: 'bind_failed' });
      expect(await run.engine.exec(clone.id, ['echo', 'hello'], { timeoutMs: 10_000 })).toMatchObject({ stdout: 'hello\n' });
      await ask(cold, '/print?text=again');
      await vi.waitFor(async () => expect(await run.engine.logs(cold.id, 1000)).toContain('stdout again'));
      await run.engine.resume(paused.id);
      expect((await askState(paused)).token).toBe(run.golden.primer.token);
    });

    it('notices exits of instances that another process started', async (test) => {
      const reopen = reopenOf(run, test);
      const clone = await run.clone();
      await reopen();
      using exits = watchExits(run.engine);
      await tell(clone, '/exit?code=9');
      const expected = [{ id: clone.id, exitCode: 9, oomKilled: false }];
      await vi.waitFor(() => expect(exits.seen).toEqual(expected), { timeout: 1000, interval: 10 });
    });

    it('lists what ended while nobody looked', async (test) => {
      const reopen = reopenOf(run, test);
      const [ends, stays] = [await run.clone(), await run.clone()];
      await run.engine.close();
      await tell(ends, '/exit?code=9');
      await reopen();
      await vi.waitFor(async () => {
        const states = (await run.engine.list()).map(({ id, state }) => [id, state]);
        expect(Object.fromEntries(states)).toEqual({ [ends.id]: 'exited', [stays.id]: 'running' });
      });
    });

    it('still has its goldens', async (test) => {
      await reopenOf(run, test)();
      expect(await run.engine.listGoldens()).toContain(run.golden.id);
      expect(await run.engine.checkpoint(run.golden.primerId, run.golden.id)).toMatchObject({ digest: run.golden.checkpoint.digest });
      expect((await askState(await run.clone())).token).toBe(run.golden.primer.token);
    });
  });
}

function reopenOf(run: ContractRun, test: TestContext): () => Promise<void> {
  return run.harness.reopen ?? test.skip('instances of this engine end with its process');
}
