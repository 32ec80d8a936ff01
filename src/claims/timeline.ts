import type { Golden } from '#src/goldens/golden.ts';
import { getGolden } from '#src/goldens/store.ts';
import type { Instance } from '#src/instances/instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { oldestEventPlace, readEventsBetween, type ThawEvent } from '#src/platform/events.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type Claim, ClaimState, hasClaimEnded } from './claim.ts';

/** One thing that happened on the way of a claim; `at` in ms since the epoch. */
export interface TimelineStep extends Omit<ThawEvent, 'id' | 'claim' | 'tenant' | 'pool' | 'template'> {
  /** How long this state lasted; absent while it lasts, and for what has no length. */
  readonly tookMs?: number;
  /** What that time was spent on, by phase. */
  readonly phasesMs?: Readonly<Record<string, number>>;
}

export interface Timeline {
  readonly claim: ClaimId;
  /** Oldest first, from the capture of the golden to the end of the instance. */
  readonly steps: readonly TimelineStep[];
  /** False: some events were no longer kept, or stood too far apart; what the records tell is there all the same. */
  readonly complete: boolean;
}

/** What the records of a claim, its instance and its golden tell; the latter two are kept for a shorter time. */
interface Records {
  readonly claim: Claim;
  readonly instance: Instance | undefined;
  readonly golden: Golden | undefined;
}

/** Reads a bounded stretch of events around the beginning and the end of the claim, so that it costs the same in a busy stream. */
export async function readTimeline(redis: Redis, claim: Claim): Promise<Timeline> {
  const [instance, golden, { events, complete }] = await Promise.all([
    claim.instance === undefined ? undefined : getInstance(redis, claim.instance),
    claim.golden === undefined ? undefined : getGolden(redis, claim.golden),
    readClaimEvents(redis, claim),
  ]);
  return { claim: claim.id, steps: buildSteps({ claim, instance, golden }, events), complete };
}

const readAtOnce = 500;
/** The instance is destroyed a little after its claim ended. */
const afterEndMs = 10_000;
const endOfTimeMs = 253_402_300_799_999;

async function readClaimEvents(
  redis: Redis,
  { id, instance, createdAt, endedAt }: Claim,
): Promise<{ events: ThawEvent[]; complete: boolean }> {
  const span = { fromMs: createdAt, toMs: endedAt === undefined ? endOfTimeMs : endedAt + afterEndMs, count: readAtOnce };
  const [first, oldest] = await Promise.all([readEventsBetween(redis, span), oldestEventPlace(redis)]);
  const isWhole = first.length < readAtOnce;
  const last = isWhole ? [] : (await readEventsBetween(redis, { ...span, newestFirst: true })).toReversed();
  const overlap = last.findIndex((event) => event.id === first.at(-1)?.id);
  const events = [...first, ...last.slice(overlap + 1)].filter(
    (event) => event.claim === id || (instance !== undefined && event.instance === instance),
  );
  const isKept = oldest !== undefined && Number(oldest.split('-')[0]) <= createdAt;
  return { events, complete: isKept && (isWhole || overlap >= 0) };
}

/** Events tell more than records (who, why), and records what happened before the claim and how long its parts took. */
export function buildSteps(records: Records, events: readonly ThawEvent[]): TimelineStep[] {
  const told = events.map(({ id: _id, claim: _claim, tenant: _tenant, pool: _pool, template: _template, ...step }): TimelineStep => step);
  const untold = recordedSteps(records).filter(({ type }) => !told.some((step) => step.type === type));
  const steps = [...untold, ...told].toSorted((a, b) => a.at - b.at);
  return steps.map((step, index) => withDuration(step, steps.slice(index + 1), records));
}

function recordedSteps({ claim, instance, golden }: Records): TimelineStep[] {
  const steps: TimelineStep[] = [];
  if (golden)
    steps.push({ type: 'golden.capturing', at: golden.createdAt, golden: golden.id, operation: golden.operation, node: golden.node });
  if (instance) {
    const where = { instance: instance.id, golden: instance.golden, node: instance.node };
    steps.push({ type: instance.role === 'cold' ? 'instance.starting' : 'instance.restoring', at: instance.createdAt, ...where });
    if (claim.warmAt === undefined && instance.warmAt !== undefined) steps.push({ type: 'instance.warm', at: instance.warmAt, ...where });
  }
  if (claim.warmAt !== undefined) steps.push({ type: 'instance.warm', at: claim.warmAt, instance: claim.instance, node: claim.node });
  const { receipt, createdAt, endedAt, state } = claim;
  if (claim.instance !== undefined) {
    const waitMs = receipt !== undefined && receipt.path !== 'hot' ? receipt.timingsMs.wait : 0;
    if (waitMs > 0) steps.push({ type: 'claim.waiting', at: createdAt });
    steps.push({
      type: 'claim.reserved',
      at: Math.round(createdAt + waitMs),
      instance: claim.instance,
      golden: claim.golden,
      node: claim.node,
    });
  } else {
    steps.push({ type: 'claim.waiting', at: createdAt });
  }
  // `total` begins at the request, a little before createdAt.
  if (receipt)
    steps.push({
      type: 'claim.active',
      at: Math.min(Math.round(createdAt + receipt.timingsMs.total), endedAt ?? Number.POSITIVE_INFINITY),
    });
  if (endedAt !== undefined) steps.push({ type: `claim.${state}`, at: endedAt, reason: claim.endDetail ?? claim.endReason });
  return steps;
}

const ends = ClaimState.options.filter(hasClaimEnded).map((state) => `claim.${state}`);
/** What a state lasts until. */
const lastsUntil: Readonly<Record<string, readonly string[]>> = {
  'instance.starting': ['instance.warm', 'instance.failed'],
  'instance.restoring': ['instance.warm', 'instance.failed'],
  'instance.warm': ['claim.reserved'],
  'claim.waiting': ['claim.reserved', ...ends],
  'claim.reserved': ['claim.bound', 'claim.active', ...ends],
  'claim.bound': ['claim.active', ...ends],
  'claim.active': ends,
};

function withDuration(step: TimelineStep, later: readonly TimelineStep[], records: Records): TimelineStep {
  const until = later.find(({ type }) => lastsUntil[step.type]?.includes(type));
  const phasesMs = phasesOf(step, records);
  return { ...step, ...(until ? { tookMs: until.at - step.at } : {}), ...(phasesMs ? { phasesMs } : {}) };
}

function phasesOf({ type }: TimelineStep, { claim, instance, golden }: Records): Readonly<Record<string, number>> | undefined {
  if (type === 'golden.capturing') return golden?.timingsMs;
  if (type === 'instance.starting' || type === 'instance.restoring') return instance?.timingsMs;
  if (type === 'claim.reserved' && claim.receipt) {
    const { bind, hook } = claim.receipt.timingsMs;
    return { bind, hook };
  }
  return undefined;
}
