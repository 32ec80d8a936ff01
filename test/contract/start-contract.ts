import { describe, expect, it, vi } from 'vitest';
import { newInstanceId } from '#src/platform/ids.ts';
import { askState, waitUntilReady } from './ask-app.ts';
import type { ContractRun } from './use-engine.ts';
import { watchExits } from './watch-exits.ts';

export function startContract(run: ContractRun): void {
  describe('start', () => {
    it('starting twice under one id gives one instance', async () => {
      const id = newInstanceId();
      const workload = run.harness.workload();
      const [first, atOnce] = await Promise.all([run.engine.start(workload, id), run.engine.start(workload, id)]);
      await waitUntilReady(first);
      const { token } = await askState(first);
      const later = await run.engine.start(workload, id);
      for (const again of [atOnce, later]) expect([again.address, again.ports]).toEqual([first.address, first.ports]);
      expect((await askState(later)).token).toBe(token);
      expect(await run.engine.list()).toMatchObject([{ id, state: 'running', address: first.address }]);
    });

    it('start answers while the app still initialises', async () => {
      const startedAt = performance.now();
      const instance = await run.engine.start(run.harness.workload({ env: { APP_START_MS: '500' } }), newInstanceId());
      await expect(askState(instance)).rejects.toThrow();
      await waitUntilReady(instance);
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(500);
    });

    it('two cold starts share no state', async () => {
      const [one, other] = [await run.startReady(), await run.startReady()];
      expect((await askState(one)).token).not.toBe((await askState(other)).token);
      expect((await run.engine.list()).map(({ golden }) => golden)).toEqual([undefined, undefined]);
    });

    it('an app that ends at once is reported with its exit code', async () => {
      using exits = watchExits(run.engine);
      const id = newInstanceId();
      await run.engine.start(run.harness.workload({ env: { APP_EXIT_CODE: '3' } }), id);
      await vi.waitFor(() => expect(exits.seen).toEqual([{ id, exitCode: 3, oomKilled: false }]), { timeout: 2000, interval: 10 });
    });

    it('an aborted start leaves nothing', async () => {
      const start = run.engine.start(run.harness.workload(), newInstanceId(), AbortSignal.abort());
      await expect(start).rejects.toMatchObject({ code: 'cancelled' });
      expect(await run.engine.list()).toEqual([]);
    });
  });
}
