import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Hook, type HookName, hookFailed } from '#src/engine/hooks.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { SubprocessError } from '#src/platform/subprocess.ts';
import { type ExecDeps, execInInstance } from './exec-in-instance.ts';
import { postHook } from './post-hook.ts';
import { type RunThawFile, removeRunThaw, writeRunThaw } from './run-thaw.ts';

/** The part of an instance's record that a hook needs. */
export interface HookedInstance {
  readonly id: InstanceId;
  readonly address: string;
  readonly runThaw: string;
  readonly uid: number;
  readonly gid: number;
}

/** What each hook is told: sent as the body, or named to a command by a variable, for arguments and variables are no place for secrets. */
const told: Readonly<Record<HookName, { readonly file: RunThawFile; readonly variable: string } | undefined>> = {
  beforeCheckpoint: undefined,
  afterRestore: { file: 'identity.json', variable: 'THAW_IDENTITY' },
  bind: { file: 'binding.json', variable: 'THAW_BINDING' },
};

/** Throws hook_failed, which says how and quotes nothing of what went to the app or came back (law 8): no cause either, it would. */
export async function callHook(deps: ExecDeps, instance: HookedInstance, name: HookName, hook: Hook, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const failure = hook.exec
    ? await runHook(deps, instance, name, { ...hook, ...hook.exec }, signal)
    : hook.http && (await sendHook(instance, name, { ...hook, ...hook.http }, signal));
  signal?.throwIfAborted();
  if (failure !== undefined) throw hookFailed(instance.id, name, hook, failure);
}

/**
 * A token that only the engine and the app know, for as long as the call lasts: whoever else finds the way to the hook's port can not
 * pretend to be the engine.
 */
async function sendHook(
  { id, address: host, ...instance }: HookedInstance,
  name: HookName,
  { port, path, timeoutMs }: { port: number; path: string; timeoutMs: number },
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const file = told[name]?.file;
  const body = file === undefined ? JSON.stringify({ instance: id }) : readFileSync(join(instance.runThaw, file), 'utf8');
  const token = randomBytes(32).toString('hex');
  writeRunThaw(instance.runThaw, 'hook-token', token, instance);
  try {
    return await postHook({ host, port, path }, { token, body, timeoutMs, signal });
  } finally {
    removeRunThaw(instance.runThaw, 'hook-token');
  }
}

async function runHook(
  deps: ExecDeps,
  { id }: HookedInstance,
  name: HookName,
  { command, timeoutMs }: { command: readonly string[]; timeoutMs: number },
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { file, variable } = told[name] ?? {};
  const env = variable === undefined ? {} : { [variable]: `/run/thaw/${file}` };
  try {
    const { exitCode } = await execInInstance(deps, id, command, { timeoutMs, env, ...(signal === undefined ? {} : { signal }) });
    return exitCode === 0 ? undefined : `ended with exit code ${exitCode}`;
  } catch (error) {
    if (isThawError(error, 'subprocess_failed')) return `exceeded ${timeoutMs} ms`;
    if (error instanceof SubprocessError) return 'could not be run';
    throw error;
  }
}
