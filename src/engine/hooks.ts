import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { ExecTarget, HttpTarget } from './targets.ts';

/** Called after the warm-up of a primer, after the restore of a clone, and when a tenant has claimed an instance. */
export type HookName = 'beforeCheckpoint' | 'afterRestore' | 'bind';

function hook(maxTimeoutMs: number) {
  return z
    .strictObject({
      http: HttpTarget.optional(),
      exec: ExecTarget.optional(),
      timeoutMs: z.number().int().min(10).max(maxTimeoutMs).default(5000),
    })
    .refine(({ http, exec }) => (http === undefined) !== (exec === undefined), 'exactly one of http and exec');
}
export type Hook = z.infer<ReturnType<typeof hook>>;

/** A claim waits for its bind hook, so that one may not take long. */
export const bindHookMaxMs = 10_000;

/** What an app is told, so that it can let go of what does not survive a checkpoint, become somebody else and learn whose it is. */
export const Hooks = z.strictObject({
  beforeCheckpoint: hook(600_000).optional().describe('Called once the primer is warmed up, with {instance}'),
  afterRestore: hook(60_000)
    .optional()
    .describe('Called before a clone is warm, with /run/thaw/identity.json: {instance, seed, restoredAt, checkpointedAt, clockJumpMs}'),
  bind: hook(bindHookMaxMs)
    .optional()
    .describe(
      'Called at the claim, with /run/thaw/binding.json: {instance, claim, tenant, expiresAt, env, secrets, labels, identity}. http: a POST with the header Thaw-Hook-Token, which is what /run/thaw/hook-token holds while the call lasts. exec: the variable THAW_BINDING (after a restore THAW_IDENTITY) names the file',
    ),
});
export type Hooks = z.infer<typeof Hooks>;

/** Where an app tells what must differ between any two of its clones. */
export const Unique = z.strictObject({ http: HttpTarget }).describe('A golden is refused when two clones of it give one answer here');
export type Unique = z.infer<typeof Unique>;

/** `how` never quotes what the app said: of a bind that may be a tenant's secret (law 8). */
export function hookFailed(id: InstanceId, name: HookName, hook: Hook, how: string): ThawError {
  return new ThawError('hook_failed', `the ${name} hook of ${id}, ${describeHook(hook)}, ${how}`, {
    fix: `Correct \`hooks.${name}\` of the template, or the app: it must ${hook.http ? 'answer 200 to 299' : 'end with 0'} within ${hook.timeoutMs} ms. The log of the app may tell more.`,
  });
}

function describeHook({ http, exec }: Hook): string {
  return http ? `POST :${http.port}${http.path}` : `\`${exec?.command[0]}\``; // its arguments are the template's, whoever reads this
}
