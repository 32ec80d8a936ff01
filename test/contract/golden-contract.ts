import { describe, expect, it, vi } from 'vitest';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { tell } from './ask-app.ts';
import type { ContractRun } from './use-engine.ts';
import { watchExits } from './watch-exits.ts';

const nowhere = goldenId('nowhere', 1);

export function goldenContract(run: ContractRun): void {
  describe('goldens', () => {
    it('a checkpoint tells its sizes, its digest and what it cost', () => {
      const { checkpoint } = run.golden;
      expect(checkpoint.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(checkpoint.pagesBytes).toBeGreaterThan(0);
      expect(checkpoint.sizeBytes).toBeGreaterThan(checkpoint.pagesBytes);
      expect(checkpoint.cpuMs).toBeGreaterThanOrEqual(0);
      expect(checkpoint.timingsMs).toMatchObject({ dump: expect.any(Number), seal: expect.any(Number), total: expect.any(Number) });
    });

    it('a repeated checkpoint answers the sealed golden', async () => {
      const again = await run.engine.checkpoint(run.golden.primerId, run.golden.id);
      expect(again.digest).toBe(run.golden.checkpoint.digest);
      expect(again.sizeBytes).toBe(run.golden.checkpoint.sizeBytes);
    });

    it('a checkpoint ends its primer, which is no exit of its own', async () => {
      using exits = watchExits(run.engine);
      const { primerId } = await run.takeGolden();
      const running = (await run.engine.list()).filter(({ state }) => state === 'running');
      expect(running).toEqual([]);
      const other = await run.startReady();
      await tell(other, '/exit?code=1'); // once this one is reported, the primer would have been too
      await vi.waitFor(() => expect(exits.seen.map(({ id }) => id)).toContain(other.id), { timeout: 1000, interval: 10 });
      expect(exits.seen.map(({ id }) => id)).not.toContain(primerId);
    });

    it('a checkpoint of what does not run is refused', async () => {
      await expect(run.engine.checkpoint(newInstanceId(), nowhere)).rejects.toMatchObject({ code: 'instance_not_found' });
      expect(await run.engine.hasGolden(nowhere)).toBe(false);
    });

    it('a removed golden is gone, and removing it again is no error', async () => {
      const { id } = await run.takeGolden();
      expect(await run.engine.hasGolden(id)).toBe(true);
      expect(await run.engine.listGoldens()).toEqual(expect.arrayContaining([run.golden.id, id]));
      await run.engine.removeGolden(id);
      await run.engine.removeGolden(id);
      expect(await run.engine.hasGolden(id)).toBe(false);
      expect(await run.engine.listGoldens()).not.toContain(id);
      await expect(run.engine.restore(id, newInstanceId())).rejects.toMatchObject({ code: 'golden_missing' });
    });

    it('an intact golden verifies, a missing one is told', async () => {
      await run.engine.verifyGolden(run.golden.id);
      await expect(run.engine.verifyGolden(nowhere)).rejects.toMatchObject({ code: 'golden_missing' });
    });

    it('a golden with a changed byte is named and never restored', async () => {
      const { id } = await run.takeGolden();
      const file = await run.harness.corruptGolden(id);
      const corrupt = { code: 'golden_corrupt', message: expect.stringContaining(file) };
      await expect(run.engine.restore(id, newInstanceId())).rejects.toMatchObject(corrupt);
      await expect(run.engine.verifyGolden(id)).rejects.toMatchObject(corrupt);
      expect((await run.engine.list()).filter(({ golden }) => golden === id)).toEqual([]);
    });
  });
}
