import { setTimeout as delay } from 'node:timers/promises';
import { askClaimed, type Claim, eventually, RefusedError, type Rest } from '#test/support/thaw-rest.ts';

/** A claim and how far its instance had counted when it was asked last. */
export interface Held {
  readonly claim: Claim;
  readonly token: string;
  counter: number;
}

export interface Customers {
  /** Until so many more claims were answered. */
  untilAnswered(more: number): Promise<void>;
  /** `answered`: the ids of all claims; `kept`: those that were not released. */
  stop(): Promise<{ readonly answered: readonly string[]; readonly kept: readonly Held[] }>;
}

const mostKept = 8;
const patienceMs = 30_000;

/** Two back ends that claim one instance after the other from the pool `web`, talk to it, keep some and release the others. */
export function startCustomers(rest: Rest, tenant: string): Customers {
  const answered: string[] = [];
  const kept: Held[] = [];
  let isStopping = false;
  const run = async () => {
    while (!isStopping) {
      const claim = await claimPatiently(rest, tenant);
      answered.push(claim.id);
      const one = await talk(claim);
      if (kept.length < mostKept && answered.length % 2 === 0) kept.push(one);
      else await insist(() => rest.release(claim.id));
    }
  };
  const running = Promise.all([run(), run()]);
  running.catch(() => {}); // thrown by untilAnswered and stop
  return {
    untilAnswered: async (more) => {
      const goal = answered.length + more;
      const reached = eventually(async () => {
        if (answered.length < goal) throw new Error(`${answered.length} claims were answered, not ${goal}`);
      });
      await Promise.race([running, reached]);
    },
    stop: async () => {
      isStopping = true;
      await running;
      return { answered, kept };
    },
  };
}

export async function talk(claim: Claim): Promise<Held> {
  const { token, counter } = await askClaimed(claim);
  return { claim, token, counter };
}

/** One key, however often it takes: what was made and not answered is found again by it. */
function claimPatiently(rest: Rest, tenant: string): Promise<Claim> {
  const key = crypto.randomUUID();
  return insist(() => rest.claim('web', { tenant, leaseMs: 600_000 }, key));
}

/** Again while Thaw is away or has no instance. What it refuses for good is thrown. */
async function insist<T>(request: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await delay(50)) {
    try {
      return await request();
    } catch (error) {
      const isFinal = error instanceof RefusedError && error.problem.status < 500;
      if (isFinal || performance.now() > deadline) throw error;
    }
  }
}
