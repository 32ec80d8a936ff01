import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Binding, BoundIdentity, BoundInstance } from '#src/engine/engine.ts';
import type { Hook } from '#src/engine/hooks.ts';
import { newSeed } from '#src/engine/identity.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { callHook, type HookedInstance } from './call-hook.ts';
import type { CriuDeps } from './engine-deps.ts';
import type { ExecDeps } from './exec-in-instance.ts';
import { type InstanceLayout, instanceLayout } from './instance-layout.ts';
import { isRunning, readBindView, readBoundRecord, writeBoundRecord } from './instance-record.ts';
import { writeRunThaw } from './run-thaw.ts';

/** Of the sandboxes no more than a process beside the engine's has, too. */
type BindDeps = Pick<CriuDeps, 'paths'> & ExecDeps & { readonly sandboxes: Pick<CriuDeps['sandboxes'], 'setEgress'> };

/**
 * Tells an instance whom it belongs to: /run/thaw/binding.json, in a tmpfs, readable by the app's user only (law 8); then its bind hook.
 * The engine's own note of it (no secrets) is written first: an instance that may have seen a tenant is never warm again.
 */
export async function bindInstance(deps: BindDeps, id: InstanceId, binding: Binding): Promise<BoundInstance> {
  const startedAt = performance.now();
  const layout = instanceLayout(deps.paths, id);
  const record = readBindView(layout);
  if (!isRunning(record)) {
    throw new ThawError('bind_failed', `${id} does not run any more`, { fix: 'Claim again.' });
  }
  const bound = readBoundRecord(layout);
  if (bound && bound.claim !== binding.claim) {
    throw new ThawError('bind_failed', `${id} is bound to another claim`, { fix: 'Claim again.' });
  }
  const seed = (bound && readSeed(record.runThaw)) ?? newSeed();
  const identity: BoundIdentity = { instance: id, tenant: binding.tenant, seed };
  try {
    writeBoundRecord(layout, { claim: binding.claim, tenant: binding.tenant, expiresAt: binding.expiresAt });
    writeRunThaw(record.runThaw, 'binding.json', JSON.stringify({ instance: id, ...binding, identity }), record);
  } catch (error) {
    throw isErrnoError(error, 'ENOENT') ? beingDestroyed(layout, id, error) : error;
  }
  const { egress, hooks } = record.workload;
  if (egress.claimed !== egress.warm) await deps.sandboxes.setEgress(id, egress.claimed);
  const bindMs = elapsedMs(startedAt);
  const hook = hooks?.bind === undefined || existsSync(layout.hooked) ? 0 : await runBindHook(deps, { id, ...record }, layout, hooks.bind);
  return { timingsMs: { bind: bindMs, hook } };
}

/** Answers how long it took (ms). */
async function runBindHook(deps: BindDeps, instance: HookedInstance, layout: InstanceLayout, hook: Hook): Promise<number> {
  const startedAt = performance.now();
  try {
    await callHook(deps, instance, 'bind', hook);
    writeFileSync(layout.hooked, '');
  } catch (error) {
    throw isErrnoError(error, 'ENOENT') ? beingDestroyed(layout, instance.id, error) : error;
  }
  return elapsedMs(startedAt);
}

/** Its files went meanwhile: another process is destroying it, and may have looked for the note before it was written. */
function beingDestroyed(layout: InstanceLayout, id: InstanceId, cause: unknown): ThawError {
  rmSync(layout.bound, { force: true });
  return new ThawError('bind_failed', `${id} is being destroyed`, { fix: 'Claim again.', cause });
}

const Bound = z.object({ identity: z.object({ seed: z.string() }) });

/** What the app may know already, of a bind whose answer was lost. */
function readSeed(runThaw: string): string | undefined {
  try {
    return Bound.parse(JSON.parse(readFileSync(join(runThaw, 'binding.json'), 'utf8'))).identity.seed;
  } catch {
    return undefined; // the first bind was cut short before it was written
  }
}
