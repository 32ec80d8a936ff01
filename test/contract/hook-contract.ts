import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Hooks } from '#src/engine/hooks.ts';
import type { Workload } from '#src/engine/workload.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { ask, askState } from './ask-app.ts';
import { CloneIdentity } from './identity-contract.ts';
import { newBinding } from './new-binding.ts';
import type { ContractRun } from './use-engine.ts';

const HookCalls = z.array(z.strictObject({ path: z.string(), isTokenRight: z.boolean(), body: z.record(z.string(), z.unknown()) }));

const http = (query = '') => ({ http: { port: 8080, path: `/hook${query}` } });
const exec = (script: string) => ({ exec: { command: ['sh', '-c', script] } });
const withHooks = (hooks: z.input<typeof Hooks>): Partial<Workload> => ({ hooks: Hooks.parse(hooks) });

export function hookContract(run: ContractRun): void {
  describe('the bind hook', () => {
    it('is sent the binding once, with a token that is right and gone afterwards', async () => {
      const instance = await run.startReady(withHooks({ bind: http() }));
      const binding = newBinding();
      const { timingsMs } = await run.engine.bind(instance.id, binding);
      expect(timingsMs).toEqual({ bind: expect.any(Number), hook: expect.any(Number) });
      expect(timingsMs.hook).toBeGreaterThan(0);
      const { binding: shown } = await askState(instance);
      expect(shown).toMatchObject({ claim: binding.claim, secrets: ['PASSWORD', 'TOKEN'], identity: { tenant: 'acme' } });
      expect(await callsOf(instance)).toEqual([{ path: '/hook', isTokenRight: true, body: shown }]);
      expect(await hasToken(run, instance.id)).toBe(false);
    });

    it('is there in a clone, whose golden keeps it', async () => {
      const clone = await run.clone(await run.takeGolden(withHooks({ bind: http() })));
      expect(await callsOf(clone)).toEqual([]);
      await run.engine.bind(clone.id, newBinding());
      expect(await callsOf(clone)).toMatchObject([{ isTokenRight: true, body: { instance: clone.id } }]);
    });

    it('is not called again for a repeated bind, nor for another claim, which is refused', async () => {
      const instance = await run.startReady(withHooks({ bind: http() }));
      const binding = newBinding();
      await Promise.all([run.engine.bind(instance.id, binding), run.engine.bind(instance.id, binding)]);
      expect((await run.engine.bind(instance.id, binding)).timingsMs.hook).toBe(0);
      await expect(run.engine.bind(instance.id, newBinding())).rejects.toMatchObject({ code: 'bind_failed' });
      expect(await callsOf(instance)).toHaveLength(1);
    });

    it('that fails fails the bind in words that quote neither binding nor answer, and is called again for the same claim', async () => {
      const instance = await run.startReady(withHooks({ bind: http('?status=500') }));
      const binding = newBinding();
      const failure = await failureOf(run.engine.bind(instance.id, binding));
      expect(failure).toMatchObject({ code: 'hook_failed', class: 'template', fix: expect.stringContaining('hooks.bind') });
      expect(failure.message).toMatch(new RegExp(`bind hook of ${instance.id}, POST :8080/hook.*was answered with 500`));
      expect([failure.cause, JSON.stringify(failure)].join()).not.toMatch(/battery|staple|acme/);
      await expect(run.engine.bind(instance.id, binding)).rejects.toMatchObject({ code: 'hook_failed' });
      expect(await callsOf(instance)).toHaveLength(2);
      expect(await run.engine.list()).toMatchObject([{ boundTo: { claim: binding.claim } }]);
    });

    it('that takes too long is given up at its limit', async () => {
      const instance = await run.startReady(withHooks({ bind: { ...http('?sleepMs=600'), timeoutMs: 200 } }));
      const startedAt = performance.now();
      await expect(run.engine.bind(instance.id, newBinding())).rejects.toMatchObject({
        code: 'hook_failed',
        message: expect.stringContaining('exceeded 200 ms'),
      });
      expect(performance.now() - startedAt).toBeLessThan(600);
      expect(await hasToken(run, instance.id)).toBe(false);
    });

    it('can be a command, which is told where the binding is', async () => {
      const instance = await run.startReady(withHooks({ bind: exec('cat "$THAW_BINDING" > /dev/null') }));
      const { timingsMs } = await run.engine.bind(instance.id, newBinding());
      expect(timingsMs.hook).toBeGreaterThanOrEqual(0);
    });

    it.each([
      ['ends with 1', { exec: { command: ['false'] } }, 'ended with exit code 1'],
      ['takes too long', { exec: { command: ['sleep', '30'] }, timeoutMs: 300 }, 'exceeded 300 ms'],
    ])('as a command that %s fails the bind', async (_how, hook, message) => {
      const instance = await run.startReady(withHooks({ bind: hook }));
      const bound = run.engine.bind(instance.id, newBinding());
      await expect(bound).rejects.toMatchObject({ code: 'hook_failed', message: expect.stringContaining(message) });
    });
  });

  describe('the hooks around a checkpoint', () => {
    it('beforeCheckpoint is told which instance it is, and what it did is in every clone', async () => {
      const primer = await run.startReady(withHooks({ beforeCheckpoint: http(), afterRestore: http() }));
      await run.engine.callHook(primer.id, 'beforeCheckpoint');
      const told = [{ path: '/hook', isTokenRight: true, body: { instance: primer.id } }];
      expect(await callsOf(primer)).toEqual(told);
      const golden = goldenId('hooks', 1);
      await run.engine.checkpoint(primer.id, golden);
      expect(await callsOf(await run.engine.restore(golden, newInstanceId()))).toEqual(told);
    });

    it('afterRestore is told the seed and how far the wall clock jumped', async () => {
      const clone = await run.clone(await run.takeGolden(withHooks({ afterRestore: http() })));
      await run.engine.callHook(clone.id, 'afterRestore');
      const [call] = await callsOf(clone);
      const identity = CloneIdentity.parse(call?.body);
      expect([call?.isTokenRight, identity.instance]).toEqual([true, clone.id]);
      expect(identity.clockJumpMs).toBe(Date.parse(identity.restoredAt) - Date.parse(identity.checkpointedAt));
    });

    it('one that fails is told by name, one that is not there is no error', async () => {
      const primer = await run.startReady(withHooks({ beforeCheckpoint: http('?status=503') }));
      const failed = run.engine.callHook(primer.id, 'beforeCheckpoint');
      await expect(failed).rejects.toMatchObject({ code: 'hook_failed', message: expect.stringContaining('the beforeCheckpoint hook of') });
      await run.engine.callHook(primer.id, 'afterRestore');
      expect(await callsOf(primer)).toHaveLength(1);
    });

    it('one that is cancelled says so', async () => {
      const primer = await run.startReady(withHooks({ beforeCheckpoint: http('?sleepMs=500') }));
      const call = run.engine.callHook(primer.id, 'beforeCheckpoint', AbortSignal.timeout(50));
      await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    });
  });
}

async function callsOf(instance: Parameters<typeof ask>[0]): Promise<z.infer<typeof HookCalls>> {
  return HookCalls.parse(JSON.parse(await ask(instance, '/hooks')));
}

async function hasToken(run: ContractRun, id: InstanceId): Promise<boolean> {
  return (await run.engine.exec(id, ['cat', '/run/thaw/hook-token'], { timeoutMs: 10_000 })).exitCode === 0;
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome.status === 'rejected' && outcome.reason instanceof Error) return outcome.reason;
  throw new Error('it did not fail');
}
