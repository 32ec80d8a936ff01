import { describe, expect, it, vi } from 'vitest';
import { Resources } from '#src/engine/workload.ts';
import { tell } from './ask-app.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';
import { watchExits } from './watch-exits.ts';

const withinASecond = { timeout: 1000, interval: 10 };

export function exitContract(run: ContractRun): void {
  describe('exits', () => {
    it('a clone that ends is noticed within a second, once, with its exit code', async () => {
      using exits = watchExits(run.engine);
      const [clone, next] = [await run.clone(), await run.clone()];
      await tell(clone, '/exit?code=7');
      await vi.waitFor(() => expect(exits.seen).toEqual([{ id: clone.id, exitCode: 7, oomKilled: false }]), withinASecond);
      const listed = await run.engine.list();
      expect(listed.find(({ id }) => id === clone.id)).toMatchObject({ state: 'exited', golden: run.golden.id });
      await tell(next, '/exit?code=0');
      await vi.waitFor(() => expect(exits.seen).toHaveLength(2), withinASecond);
      expect(exits.seen[1]).toEqual({ id: next.id, exitCode: 0, oomKilled: false });
    });

    it('an instance that ended can not be bound, and keeps its logs until it is destroyed', async () => {
      using exits = watchExits(run.engine);
      const clone = await run.clone();
      await tell(clone, '/print?text=goodbye');
      await tell(clone, '/exit?code=1');
      await vi.waitFor(() => expect(exits.seen).toHaveLength(1), withinASecond);
      await expect(run.engine.bind(clone.id, newBinding())).rejects.toMatchObject({ code: 'bind_failed' });
      expect(await run.engine.logs(clone.id, 10_000)).toContain('stdout goodbye');
      await run.engine.destroy(clone.id);
      expect(await run.engine.list()).toEqual([]);
    });

    it('what a bound instance said can be read after its end, by nobody what another did', async () => {
      const [bound, unbound] = [await run.clone(), await run.clone()];
      await run.engine.bind(bound.id, newBinding());
      for (const clone of [bound, unbound]) await tell(clone, '/print?text=goodbye');
      for (const { id } of [bound, unbound]) await run.engine.destroy(id);
      expect(await run.engine.logs(bound.id, 10_000)).toContain('stdout goodbye');
      expect((await run.engine.logs(bound.id, 5)).length).toBe(5);
      await expect(run.engine.logs(unbound.id, 10_000)).rejects.toMatchObject({ code: 'instance_not_found' });
    });

    it('an app that outgrows its memory is told apart from one that crashes', async () => {
      using exits = watchExits(run.engine);
      const instance = await run.startReady({ resources: Resources.parse({ memoryBytes: 48 * 1024 * 1024 }) });
      await tell(instance, '/alloc?mb=200');
      await vi.waitFor(() => expect(exits.seen).toEqual([{ id: instance.id, exitCode: 137, oomKilled: true }]), withinASecond);
    });

    it('a destroyed instance is no exit, and who stopped listening hears nothing', async () => {
      using exits = watchExits(run.engine);
      const deaf = watchExits(run.engine);
      deaf[Symbol.dispose]();
      const [destroyed, ends] = [await run.clone(), await run.clone()];
      await run.engine.destroy(destroyed.id);
      await tell(ends, '/exit?code=5');
      await vi.waitFor(() => expect(exits.seen.map(({ id }) => id)).toEqual([ends.id]), withinASecond);
      expect(deaf.seen).toEqual([]);
    });
  });
}
