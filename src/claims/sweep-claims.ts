import type { InstanceLoss } from '#src/instances/lose-instance.ts';
import { type EndClaimDeps, endAndDestroy } from './end-and-destroy.ts';
import { findDueClaims, findLostClaims, forgetClaims, warnClaims } from './store.ts';

const batch = 100;
const keptMs = 7 * 24 * 3_600_000;

/**
 * Ends every claim whose lease is over, and takes back what was reserved by a request that died before it could record the
 * bind. Safe beside other sweeps: each claim is ended once, by the clock of Redis.
 */
export async function expireClaims(deps: EndClaimDeps): Promise<void> {
  for (;;) {
    const due = await findDueClaims(deps.redis, batch);
    for (const id of due) await expireClaim(deps, id);
    if (due.length < batch) return;
  }
}

/** What is due may be held, reserved by a request that died, or waiting in a process that is gone. */
async function expireClaim(deps: EndClaimDeps, id: string): Promise<void> {
  const before = await endAndDestroy(deps, id, { to: 'expired', reason: 'expired', onlyWhenDue: true });
  const details: Readonly<Record<string, string>> = {
    reserved: 'the request that reserved it ended before the instance was bound',
    waiting: 'the API process that it waited in ended',
  };
  const detail = details[before ?? ''];
  if (detail !== undefined) await endAndDestroy(deps, id, { to: 'failed', reason: 'failed', detail, onlyWhenDue: true });
}

/** Announces leases that are almost over, so that their holders can renew them in time. */
export async function warnOfExpiry({ redis }: Pick<EndClaimDeps, 'redis'>): Promise<void> {
  while ((await warnClaims(redis, batch)) === batch);
}

/** Ends the claims whose instance died without anyone telling: the backstop of loseClaim. */
export async function loseOrphanedClaims(deps: EndClaimDeps): Promise<void> {
  for (let rank = 0; ; ) {
    const { looked, lost } = await findLostClaims(deps.redis, rank, batch);
    for (const id of lost) await loseClaim(deps, id, { reason: 'node_lost', detail: 'its instance is gone' });
    if (looked < batch) return;
    rank += looked - lost.length;
  }
}

/** Ends a claim whose instance ended by itself or with its node. */
export async function loseClaim(deps: EndClaimDeps, id: string, loss: InstanceLoss): Promise<void> {
  await endAndDestroy(deps, id, { to: 'lost', ...loss });
}

/** Removes claims that ended a week ago. */
export async function forgetOldClaims({ redis }: Pick<EndClaimDeps, 'redis'>): Promise<void> {
  while ((await forgetClaims(redis, keptMs, batch)) === batch);
}
