import { describe, expect, it } from 'vitest';
import type { InstanceId } from '#src/platform/ids.ts';
import { askState } from './ask-app.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';

const file = '/run/thaw/binding.json';

export function bindingContract(run: ContractRun): void {
  describe('bind', () => {
    it('a clone is born unbound', async () => {
      const clone = await run.clone();
      expect((await askState(clone)).binding).toBeNull();
      expect((await run.engine.list())[0]).not.toHaveProperty('boundTo');
    });

    it('the app reads its binding, and it alone', async () => {
      const [clone, other] = [await run.clone(), await run.clone()];
      const binding = newBinding();
      await run.engine.bind(clone.id, binding);
      const { secrets, ...open } = binding;
      const identity = { instance: clone.id, tenant: binding.tenant, seed: expect.stringMatching(/^[0-9a-f]{64}$/) };
      expect((await askState(clone)).binding).toEqual({ ...open, secrets: Object.keys(secrets), instance: clone.id, identity });
      expect((await askState(other)).binding).toBeNull();
      expect(JSON.parse((await exec(run, clone, ['cat', file])).stdout)).toEqual({ ...binding, instance: clone.id, identity });
      expect((await exec(run, clone, ['stat', '-c', '%a', file])).stdout).toBe('400\n');
    });

    it('whom an instance was bound to is listed, its secrets are not', async () => {
      const clone = await run.clone();
      const binding = newBinding();
      const { claim, tenant, expiresAt } = binding;
      await run.engine.bind(clone.id, binding);
      const listed = await run.engine.list();
      expect(listed).toMatchObject([{ id: clone.id, boundTo: { claim, tenant, expiresAt } }]);
      expect(JSON.stringify(listed)).not.toMatch(/battery|staple/);
    });

    it('the same claim can be bound again, with a later end', async () => {
      const clone = await run.clone();
      const binding = newBinding();
      await run.engine.bind(clone.id, binding);
      const renewed = { ...binding, expiresAt: '2031-01-01T00:00:00.000Z' };
      const before = (await askState(clone)).binding;
      await run.engine.bind(clone.id, renewed);
      expect((await askState(clone)).binding).toEqual({ ...before, expiresAt: renewed.expiresAt });
      expect(await run.engine.list()).toMatchObject([{ boundTo: { claim: binding.claim, expiresAt: renewed.expiresAt } }]);
    });

    it('a second claim is refused and changes nothing', async () => {
      const clone = await run.clone();
      const first = newBinding();
      await run.engine.bind(clone.id, first);
      await expect(run.engine.bind(clone.id, newBinding())).rejects.toMatchObject({ code: 'bind_failed' });
      expect((await askState(clone)).binding).toMatchObject({ claim: first.claim });
      expect(await run.engine.list()).toMatchObject([{ boundTo: { claim: first.claim } }]);
    });

    it('of two claims at once one wins', async () => {
      const clone = await run.clone();
      const bindings = [newBinding(), newBinding()];
      const outcomes = await Promise.allSettled(bindings.map((binding) => run.engine.bind(clone.id, binding)));
      const winner = bindings[outcomes.findIndex(({ status }) => status === 'fulfilled')];
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect((await askState(clone)).binding).toMatchObject({ claim: winner?.claim });
    });
  });
}

function exec(run: ContractRun, { id }: { id: InstanceId }, command: readonly string[]) {
  return run.engine.exec(id, command, { timeoutMs: 10_000 });
}
