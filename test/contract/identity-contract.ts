import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { InstanceId } from '#src/platform/ids.ts';
import { ask, askState } from './ask-app.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';

const file = '/run/thaw/identity.json';

export const CloneIdentity = z.strictObject({
  instance: z.string(),
  seed: z.string().regex(/^[0-9a-f]{64}$/),
  restoredAt: z.iso.datetime(),
  checkpointedAt: z.iso.datetime(),
  clockJumpMs: z.number().min(0),
});

export function identityContract(run: ContractRun): void {
  describe('what makes a clone unique', () => {
    it('it finds a seed of its own and how far the clock jumped, in a file for the app alone', async () => {
      const clone = await run.clone();
      const identity = await identityOf(run, clone.id);
      expect(identity.instance).toBe(clone.id);
      expect(identity.clockJumpMs).toBe(Date.parse(identity.restoredAt) - Date.parse(identity.checkpointedAt));
      expect((await run.engine.exec(clone.id, ['stat', '-c', '%a', file], { timeoutMs: 10_000 })).stdout).toBe('400\n');
    });

    it('two clones have different seeds, and so have two bindings', async () => {
      const [one, other] = [await run.clone(), await run.clone()];
      await run.engine.bind(one.id, newBinding());
      await run.engine.bind(other.id, newBinding());
      const seeds = [one, other].map(async (clone) => [(await identityOf(run, clone.id)).seed, seedOf((await askState(clone)).binding)]);
      expect(new Set((await Promise.all(seeds)).flat()).size).toBe(4);
    });

    it('restoring again under the same id keeps the seed', async () => {
      const clone = await run.clone();
      const { seed } = await identityOf(run, clone.id);
      await run.engine.restore(run.golden.id, clone.id);
      expect((await identityOf(run, clone.id)).seed).toBe(seed);
    });

    it('an app that makes its identity of the seed is another in each clone; one that keeps what it made at its start is not', async () => {
      const [one, other] = [await run.clone(), await run.clone()];
      expect(await ask(one, '/id')).not.toBe(await ask(other, '/id'));
      const same = await run.takeGolden({ env: { APP_SAME_ID: '1' } });
      const [twin, double] = [await run.clone(same), await run.clone(same)];
      expect(await ask(twin, '/id')).toBe(await ask(double, '/id'));
    });
  });
}

async function identityOf(run: ContractRun, id: InstanceId): Promise<z.infer<typeof CloneIdentity>> {
  const { stdout } = await run.engine.exec(id, ['cat', file], { timeoutMs: 10_000 });
  return CloneIdentity.parse(JSON.parse(stdout));
}

function seedOf(binding: unknown): string {
  return z.object({ identity: z.object({ seed: z.string() }) }).parse(binding).identity.seed;
}
