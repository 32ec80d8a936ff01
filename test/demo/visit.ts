import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { askWhoAmI, leaveNote, type WhoAmI } from './sample-client.ts';
import { type Claim, type ClaimRequest, RefusedError, type ThawClient } from './thaw-client.ts';

export const tenants = ['acme', 'globex', 'initech', 'hooli', 'umbrella', 'stark'];

/** One tenant's claim and what the instance answered; not yet released. */
export interface Visit {
  readonly tenant: string;
  readonly claim: Claim;
  readonly endpoint: string;
  readonly note: string;
  readonly claimMs: number;
  /** From the claim sent to the app's answer. */
  readonly firstAnswerMs: number;
  /** Of the clone, from the start of its job to ready. */
  readonly restoreMs: number;
  readonly first: WhoAmI;
  /** After the tenant left its note. */
  readonly second: WhoAmI;
}

const leaseMs = 120_000;
const emptyPoolPatienceMs = 20_000;

/** Claims an instance for a tenant and talks to it over its endpoint. */
export async function visitInstance(thaw: ThawClient, pool: string, tenant: string): Promise<Visit> {
  const { claim, sentAt, claimMs } = await claimInstance(thaw, pool, {
    tenant,
    leaseMs,
    env: { PLAN: 'pro' },
    secrets: { API_TOKEN: randomBytes(12).toString('hex') },
  });
  const [at] = claim.instance.endpoints;
  const endpoint = `http://${at?.host}:${at?.port}`; // on this machine no gateway is needed
  const first = await askWhoAmI(endpoint);
  const firstAnswerMs = performance.now() - sentAt;
  const note = `${tenant} was here (${claim.id})`;
  await leaveNote(endpoint, note);
  const second = await askWhoAmI(endpoint);
  const restoreMs = (await thaw.getInstance(claim.instance.id)).timingsMs.total ?? Number.NaN;
  return { tenant, claim, endpoint, note, claimMs, firstAnswerMs, restoreMs, first, second };
}

/** An empty pool is asked again; only the answered request is timed. */
async function claimInstance(
  thaw: ThawClient,
  pool: string,
  request: ClaimRequest,
): Promise<{ claim: Claim; sentAt: number; claimMs: number }> {
  const deadline = performance.now() + emptyPoolPatienceMs;
  while (true) {
    const sentAt = performance.now();
    try {
      const { answer, tookMs } = await thaw.claim(pool, request, randomUUID());
      return { claim: answer, sentAt, claimMs: tookMs };
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== 'pool_empty' || sentAt > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Whether every clone goes on from one and the same state: the same boot, and a counter that stands where the checkpoint left it. */
export function haveContinued(visits: readonly Visit[], counterAtCheckpoint: number): boolean {
  const boots = new Set(visits.map(({ first }) => `${first.bootToken} ${first.startedAt}`));
  return (
    boots.size === 1 &&
    visits.every(({ first, second }) => first.counter === counterAtCheckpoint + 1 && second.counter === counterAtCheckpoint + 2)
  );
}

/** Whether every clone is its own: no name or machine id twice, only its own tenant's note, and the binding of its own claim. */
export function areDistinct(visits: readonly Visit[]): boolean {
  const isUnique = (values: readonly string[]) => new Set(values).size === values.length;
  return (
    isUnique(visits.map(({ first }) => first.hostname)) &&
    isUnique(visits.map(({ first }) => first.machineId)) &&
    visits.every(({ first }) => first.notes.length === 0) &&
    visits.every(({ second, note }) => second.notes.length === 1 && second.notes[0] === note) &&
    visits.every(({ first, claim, tenant }) => first.binding?.tenant === tenant && first.binding.claim === claim.id)
  );
}
