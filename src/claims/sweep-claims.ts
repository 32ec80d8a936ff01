import type { EndClaimDeps } from './release-claim.ts';
import { endClaim, findDueClaims, findLostClaims, forgetClaims } from './store.ts';

const batch = 100;
const dayMs = 24 * 3_600_000;

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

async function expireClaim({ redis, jobs }: EndClaimDeps, id: string): Promise<void> {
  const expired = await endClaim(redis, id, { to: 'expired', reason: 'its lease ended', onlyWhenDue: true });
  const reason = 'the request that reserved it ended before the instance was bound';
  const { release } = expired.before === 'reserved' ? await endClaim(redis, id, { to: 'failed', reason, onlyWhenDue: true }) : expired;
  if (release) await jobs.destroy(release.node, release.instance);
}

/** Ends the claims whose instance died without anyone telling: the backstop of loseClaim. */
export async function loseOrphanedClaims(deps: EndClaimDeps): Promise<void> {
  for (let rank = 0; ; ) {
    const { looked, lost } = await findLostClaims(deps.redis, rank, batch);
    for (const id of lost) await loseClaim(deps, id, 'its instance is gone');
    if (looked < batch) return;
    rank += looked - lost.length;
  }
}

/** Ends a claim whose instance ended by itself or with its node. */
export async function loseClaim({ redis, jobs }: EndClaimDeps, id: string, reason: string): Promise<void> {
  const { release } = await endClaim(redis, id, { to: 'lost', reason });
  if (release) await jobs.destroy(release.node, release.instance);
}

/** Removes claims that ended a day ago: as long as an idempotency key can still ask for them. */
export async function forgetOldClaims({ redis }: Pick<EndClaimDeps, 'redis'>): Promise<void> {
  while ((await forgetClaims(redis, dayMs, batch)) === batch);
}
