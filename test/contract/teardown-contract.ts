import { describe, expect, it } from 'vitest';
import type { ContractRun } from './use-engine.ts';

/** Last: what follows a teardown is not promised. */
export function teardownContract(run: ContractRun): void {
  describe('probe and teardown', () => {
    it('a node that runs instances says that it can, and what it has left', async () => {
      const { ok, problems, capacity, fingerprint } = await run.engine.probe();
      expect([ok, problems]).toEqual([true, []]);
      expect(fingerprint).toEqual(run.golden.checkpoint.fingerprint);
      expect(capacity.memoryFreeBytes).toBeGreaterThan(0);
      expect(capacity.memoryFreeBytes).toBeLessThanOrEqual(capacity.memoryBytes);
      expect(capacity.cpus).toBeGreaterThanOrEqual(1);
    });

    it('a teardown leaves nothing, and a second one is no error', async () => {
      const clone = await run.clone();
      await run.engine.destroy(clone.id);
      await run.engine.teardown();
      await run.engine.teardown();
      expect(await run.engine.list()).toEqual([]);
    });
  });
}
