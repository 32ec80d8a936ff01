import { randomBytes } from 'node:crypto';
import type { InstanceId } from '#src/platform/ids.ts';
import type { CloneIdentity } from './engine.ts';

/** 256 bits of the kernel's generator, which alone is not the same in all clones of a golden. */
export function newSeed(): string {
  return randomBytes(32).toString('hex');
}

/** What a clone is told of itself at its restore. */
export function newCloneIdentity(instance: InstanceId, checkpointedAtMs: number, nowMs: number): CloneIdentity {
  return {
    instance,
    seed: newSeed(),
    restoredAt: new Date(nowMs).toISOString(),
    checkpointedAt: new Date(checkpointedAtMs).toISOString(),
    clockJumpMs: nowMs - checkpointedAtMs,
  };
}
