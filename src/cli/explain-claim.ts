import { z } from 'zod';
import { formatDuration, formatTable, formatTime, onOneLine } from './table.ts';

export const ExplainedClaim = z.object({
  id: z.string(),
  state: z.string(),
  tenant: z.string(),
  pool: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  instance: z.object({ id: z.string(), node: z.string().optional(), golden: z.string().optional() }).optional(),
  receipt: z.object({ path: z.string(), reason: z.string().optional(), timingsMs: z.object({ total: z.number() }) }).optional(),
  endedAt: z.string().optional(),
  endReason: z.string().optional(),
  endDetail: z.string().optional(),
  exitCode: z.number().optional(),
});
export type ExplainedClaim = z.infer<typeof ExplainedClaim>;

const Step = z.object({
  type: z.string(),
  sinceMs: z.number(),
  tookMs: z.number().optional(),
  phasesMs: z.record(z.string(), z.number()).optional(),
  golden: z.string().optional(),
  instance: z.string().optional(),
  reason: z.string().optional(),
  actor: z.string().optional(),
});
type Step = z.infer<typeof Step>;

export const ExplainedTimeline = z.object({ steps: z.array(Step), complete: z.boolean() });
export type ExplainedTimeline = z.infer<typeof ExplainedTimeline>;

/** The story of a claim in a few sentences, and its steps as a table. */
export function explainClaim(claim: ExplainedClaim, { steps, complete }: ExplainedTimeline): string {
  const rows = steps.map((step) => [
    `${step.sinceMs < 0 ? '-' : '+'}${formatDuration(Math.abs(step.sinceMs))}`,
    wordsOf(step),
    step.tookMs === undefined ? '' : formatDuration(step.tookMs),
    detailOf(step),
  ]);
  return [
    `Claim ${claim.id} of tenant ${claim.tenant} on pool ${claim.pool}, asked for at ${formatTime(claim.createdAt)}, is ${claim.state}.`,
    ...heldSentence(claim, steps),
    ...pathSentence(claim),
    endSentence(claim, steps),
    '',
    formatTable(['since', 'what', 'lasted', 'detail'], rows),
    ...(complete ? [] : ['', 'Some events of its time are no longer kept; these steps come from the records.']),
  ].join('\n');
}

function heldSentence({ instance, endedAt }: ExplainedClaim, steps: readonly Step[]): string[] {
  if (!instance) return [];
  const from = instance.golden === undefined ? 'started cold' : `a clone of golden ${instance.golden}`;
  const warm = steps.find((step) => step.type === 'instance.warm')?.tookMs;
  const on = instance.node === undefined ? '' : ` on node ${instance.node}`;
  const since = warm === undefined ? '' : `, which had been warm for ${formatDuration(warm)}`;
  return [`It ${endedAt === undefined ? 'holds' : 'held'} instance ${instance.id}${on}, ${from}${since}.`];
}

function pathSentence({ receipt }: ExplainedClaim): string[] {
  if (!receipt) return [];
  const took = `answered after ${formatDuration(receipt.timingsMs.total)}`;
  return [
    receipt.path === 'hot'
      ? `It was hot: ${took}.`
      : `It was ${receipt.path}, not hot: ${took}; ${onOneLine(receipt.reason ?? 'no reason is recorded')}.`,
  ];
}

function endSentence({ state, endedAt, endReason, endDetail, exitCode, expiresAt }: ExplainedClaim, steps: readonly Step[]): string {
  if (endedAt === undefined) return state === 'waiting' ? 'It waits in line.' : `Its lease ends at ${formatTime(expiresAt)}.`;
  const held = steps.find((step) => step.type === 'claim.active')?.tookMs;
  const why = onOneLine(endDetail ?? endReason ?? 'no reason is recorded');
  const code = exitCode === undefined || why.includes(`exit code ${exitCode}`) ? '' : `, exit code ${exitCode}`;
  return `It ended at ${formatTime(endedAt)}${held === undefined ? '' : `, held for ${formatDuration(held)}`}: ${why}${code}.`;
}

/** What a type means to someone who knows claims but not events. Others show as they are called. */
const words: Readonly<Record<string, string>> = {
  'golden.capturing': 'the golden was captured',
  'instance.starting': 'the instance was started',
  'instance.restoring': 'the clone was restored',
  'instance.preparing': 'the clone ran and was awaited',
  'instance.warm': 'it was warm',
  'instance.destroyed': 'the instance was destroyed',
  'instance.failed': 'the instance failed',
  'claim.waiting': 'the claim waited in line',
  'claim.reserved': 'the instance was reserved for it',
  'claim.bound': 'it waited to be acknowledged',
  'claim.active': 'the tenant held it',
  'claim.renewed': 'the lease was renewed',
  'claim.expiring': 'the end of the lease was announced',
  'claim.released': 'the claim was released',
  'claim.expired': 'the claim expired',
  'claim.lost': 'the claim lost its instance',
  'claim.failed': 'the claim failed',
};

function wordsOf({ type }: Step): string {
  return words[type] ?? type;
}

function detailOf({ golden, phasesMs = {}, reason, actor }: Step): string {
  const phases = Object.entries(phasesMs).map(([name, ms]) => `${name} ${formatDuration(ms)}`);
  return [golden, phases.join(', '), reason, actor === undefined ? undefined : `by ${actor}`].filter(Boolean).join(' · ');
}
