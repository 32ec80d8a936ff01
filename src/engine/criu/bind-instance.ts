import { closeSync, constants, fchownSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Binding } from '#src/engine/engine.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { CriuDeps } from './engine-deps.ts';
import { instanceLayout } from './instance-layout.ts';
import { isRunning, readBindView, readBoundRecord, writeBoundRecord } from './instance-record.ts';

/** Of the sandboxes no more than a process beside the engine's has, too. */
type BindDeps = Pick<CriuDeps, 'paths'> & { readonly sandboxes: Pick<CriuDeps['sandboxes'], 'setEgress'> };

/**
 * Tells an instance whom it belongs to: /run/thaw/binding.json, in a tmpfs, readable by the app's user only (law 8).
 * The engine's own note of it (no secrets) is written first: an instance that may have seen a tenant is never warm again.
 */
export async function bindInstance(deps: BindDeps, id: InstanceId, binding: Binding): Promise<void> {
  const layout = instanceLayout(deps.paths, id);
  const record = readBindView(layout);
  if (!isRunning(record)) {
    throw new ThawError('bind_failed', `${id} does not run any more`, { fix: 'Claim again.' });
  }
  const bound = readBoundRecord(layout);
  if (bound && bound.claim !== binding.claim) {
    throw new ThawError('bind_failed', `${id} is bound to another claim`, { fix: 'Claim again.' });
  }
  try {
    writeBoundRecord(layout, { claim: binding.claim, tenant: binding.tenant, expiresAt: binding.expiresAt });
    writeBinding(record.runThaw, JSON.stringify({ instance: id, ...binding }), record);
  } catch (error) {
    if (!isErrnoError(error, 'ENOENT')) throw error; // its files went meanwhile: another process is destroying it
    throw new ThawError('bind_failed', `${id} is being destroyed`, { fix: 'Claim again.', cause: error });
  }
  if (record.workload.egress.claimed !== record.workload.egress.warm) await deps.sandboxes.setEgress(id, record.workload.egress.claimed);
}

/**
 * By rename, so that the app never reads half of it; owned before it has its name. Made anew and following no link, although the
 * instance sees the directory read-only: whatever stood there would be written with the host's rights.
 */
function writeBinding(runThaw: string, text: string, owner: { uid: number; gid: number }): void {
  const file = join(runThaw, 'binding.json');
  rmSync(`${file}.new`, { force: true });
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(`${file}.new`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o400);
  try {
    writeSync(fd, text);
    fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
}
