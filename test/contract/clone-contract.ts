import { describe, expect, it } from 'vitest';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { askState } from './ask-app.ts';
import type { ContractRun } from './use-engine.ts';

export function cloneContract(run: ContractRun): void {
  describe('clones', () => {
    it('every clone continues from the checkpoint', async () => {
      const { primer } = run.golden;
      for (const clone of [await run.clone(), await run.clone()]) {
        expect(await askState(clone)).toMatchObject({ token: primer.token, counter: primer.counter + 1, pid: primer.pid });
        expect(clone.timingsMs).toMatchObject({ total: expect.any(Number) });
      }
    });

    it('two clones go separate ways and know who they are', async () => {
      const [one, other] = [await run.clone(), await run.clone()];
      await askState(one);
      const [a, b] = [await askState(one), await askState(other)];
      expect(a.counter).toBe(b.counter + 1);
      expect(new Set([a.hostname, b.hostname, run.golden.primer.hostname]).size).toBe(3);
      expect(new Set([a.machineId, b.machineId, run.golden.primer.machineId]).size).toBe(3);
      for (const { machineId } of [a, b]) expect(machineId).toMatch(/^[0-9a-f]{32}$/);
    });

    it('restoring twice under one id gives one clone', async () => {
      const id = newInstanceId();
      const restore = () => run.engine.restore(run.golden.id, id);
      const [first, atOnce] = await Promise.all([restore(), restore()]);
      const { counter } = await askState(first);
      const later = await restore();
      for (const again of [atOnce, later]) expect([again.address, again.ports]).toEqual([first.address, first.ports]);
      expect((await askState(later)).counter).toBe(counter + 1);
      expect(await run.engine.list()).toMatchObject([{ id, state: 'running', golden: run.golden.id, address: first.address }]);
    });

    it('a golden that was meant by its digest is restored, and another in its place is not', async () => {
      const { id: golden, checkpoint } = run.golden;
      const id = newInstanceId();
      const another = `sha256:${'0'.repeat(64)}`;
      const restore = (digest: string) => run.engine.restore(golden, id, undefined, digest);
      await expect(restore(another)).rejects.toMatchObject({ code: 'golden_missing', message: expect.stringContaining(`not ${another}`) });
      expect(await run.engine.list()).toEqual([]);
      await restore(checkpoint.digest);
      expect(await run.engine.list()).toMatchObject([{ id, state: 'running' }]);
    });

    it('a restore fills what was primed for it', async () => {
      const id = newInstanceId();
      await run.engine.prime(run.golden.id, id);
      await run.engine.prime(run.golden.id, id);
      expect(await run.engine.list()).toMatchObject([{ id, state: 'partial' }]);
      const clone = await run.engine.restore(run.golden.id, id);
      expect((await askState(clone)).token).toBe(run.golden.primer.token);
      expect(await run.engine.list()).toMatchObject([{ id, state: 'running' }]);
    });

    it('what was primed and never filled can be destroyed', async () => {
      const id = newInstanceId();
      await run.engine.prime(run.golden.id, id);
      await run.engine.destroy(id);
      expect(await run.engine.list()).toEqual([]);
    });

    it('a restore of a golden that is not there leaves nothing', async () => {
      await expect(run.engine.restore(goldenId('nowhere', 1), newInstanceId())).rejects.toMatchObject({ code: 'golden_missing' });
      expect(await run.engine.list()).toEqual([]);
    });

    it.each([0, 2, 10, 40])('a restore aborted after %i ms leaves nothing', async (afterMs) => {
      const id = newInstanceId();
      const signal = afterMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(afterMs);
      const [outcome] = await Promise.allSettled([run.engine.restore(run.golden.id, id, signal)]);
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'cancelled' });
      // A restore that was quicker than the signal is whole; there is nothing in between.
      expect((await run.engine.list()).map(({ state }) => state)).toEqual(outcome.status === 'rejected' ? [] : ['running']);
    });

    it('an aborted restore can be tried again under its id', async () => {
      const id = newInstanceId();
      await expect(run.engine.restore(run.golden.id, id, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
      expect((await askState(await run.engine.restore(run.golden.id, id))).token).toBe(run.golden.primer.token);
    });

    it('a destroyed clone is gone, and destroying it again is no error', async () => {
      const [gone, stays] = [await run.clone(), await run.clone()];
      await run.engine.destroy(gone.id);
      await run.engine.destroy(gone.id);
      await run.engine.destroy(newInstanceId());
      await expect(askState(gone)).rejects.toThrow();
      expect((await run.engine.list()).map(({ id }) => id)).toEqual([stays.id]);
      expect((await askState(stays)).counter).toBe(run.golden.primer.counter + 1);
    });
  });
}
