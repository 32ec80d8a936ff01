import { poolChangedChannel } from '#src/instances/keys.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type RepeatDeps, repeat } from '#src/platform/repeat.ts';
import { planOnePool } from './plan-one-pool.ts';
import type { RunPlanDeps } from './run-plan.ts';
import { allPoolNames } from './store.ts';

export interface PlannerDeps extends RunPlanDeps, RepeatDeps {
  /** A connection of its own: one that subscribes can do nothing else. Closed by stop. */
  readonly subscriber: Redis;
}

const sweepEveryMs = 1000;
/** A settled pool is looked at again after so long, give or take a half, should a message have been lost. */
const settledMs = 20_000;
/** Changes come in bursts (one clone publishes three): they are planned together. Short beside any restore. */
const gatherMs = 20;

/**
 * Keeps every pool as wanted: plans a pool at once when something of it changed, and each second those that are not settled, because time
 * alone can change their plan (a breaker closes, a node gets room). Settled ones have their turn now and then: a thousand full pools cost
 * nothing each second. Timers and not jobs: a plan that is missed is made up by the next, so there is nothing that a queue would have to
 * remember.
 */
export class Planner {
  readonly #deps: PlannerDeps;
  readonly #sweeping: { stop(): Promise<void> };
  /** Pools being planned; true: changed again since. */
  readonly #busy = new Map<string, boolean>();
  readonly #running = new Set<Promise<void>>();
  /** Settled pools: when their next turn is (ms). */
  readonly #dueAt = new Map<string, number>();
  #isStopping = false;

  constructor(deps: PlannerDeps) {
    this.#deps = deps;
    this.#sweeping = repeat(deps, 'the planning of all pools', sweepEveryMs, () => this.#planDue());
  }

  /** Listens for changes. Without this, only the sweep plans. */
  async listen(): Promise<void> {
    this.#deps.subscriber.on('message', (_channel, pool) => this.#track(pool === '*' ? this.#planAll() : this.#planSoon(pool)));
    this.#deps.subscriber.on('ready', () => this.#dueAt.clear()); // what was published while the connection was away is lost
    await this.#deps.subscriber.subscribe(poolChangedChannel);
  }

  /** Answers when what was under way has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#deps.subscriber.disconnect();
    await Promise.all([this.#sweeping.stop(), ...this.#running]);
  }

  async #planAll(): Promise<void> {
    this.#dueAt.clear();
    for (const pool of this.#busy.keys()) this.#busy.set(pool, true); // one that is being planned was read before the change
    await this.#planDue();
  }

  async #planDue(): Promise<void> {
    const names = await allPoolNames(this.#deps.redis);
    const known = new Set(names);
    for (const name of this.#dueAt.keys()) if (!known.has(name)) this.#dueAt.delete(name);
    for (const name of names) {
      if ((this.#dueAt.get(name) ?? 0) <= this.#deps.clock.nowMs()) await this.#plan(name);
    }
  }

  async #planSoon(pool: string): Promise<void> {
    await this.#deps.clock.sleep(gatherMs);
    await this.#plan(pool);
  }

  /** A plan that fails is made again by the next sweep. */
  async #plan(pool: string): Promise<void> {
    if (this.#busy.has(pool)) {
      this.#busy.set(pool, true);
      return;
    }
    try {
      do {
        this.#busy.set(pool, false);
        if (this.#isStopping) return;
        const planned = await planOnePool(this.#deps, pool);
        if (planned === 'settled') this.#dueAt.set(pool, this.#deps.clock.nowMs() + settledMs * (0.5 + Math.random()));
        else this.#dueAt.delete(pool);
        if (this.#busy.get(pool)) await this.#deps.clock.sleep(gatherMs);
      } while (this.#busy.get(pool));
    } catch (err) {
      this.#deps.log.error({ err, pool }, 'a pool could not be planned; the next sweep tries again');
    } finally {
      this.#busy.delete(pool);
    }
  }

  #track(work: Promise<void>): void {
    const settled = work
      .catch((err: unknown) => this.#deps.log.error({ err }, 'a change of a pool was not planned; the next sweep makes it up'))
      .finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }
}
