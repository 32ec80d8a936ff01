import { bad, duration, good, heading, megabytes } from './screen.ts';
import type { TakenGolden } from './take-golden.ts';
import type { Visit } from './visit.ts';

export interface Outcome {
  readonly golden: TakenGolden;
  readonly visits: readonly Visit[];
  readonly continued: boolean;
  readonly distinct: boolean;
  readonly survivedKill: boolean;
  readonly pool: { readonly size: number; readonly refilledMs: number };
}

export type Report = ReturnType<typeof makeReport>;

/** What `--json` prints. Times in ms. */
export function makeReport({ golden, visits, continued, distinct, survivedKill, pool }: Outcome) {
  const firstAnswerMs = spread(visits.map((visit) => visit.firstAnswerMs));
  return {
    coldStartMs: Math.round(golden.coldStartMs),
    coldStartCpuMs: Math.round(golden.coldStartCpuMs),
    checkpointMs: Math.round(golden.checkpointMs),
    goldenBytes: golden.goldenBytes,
    restoreMs: spread(visits.map((visit) => visit.restoreMs)),
    claimMs: spread(visits.map((visit) => visit.claimMs)),
    firstAnswerMs,
    claims: visits.length,
    continued,
    distinct,
    survivedKill,
    pool: { size: pool.size, refilledMs: Math.round(pool.refilledMs) },
    speedup: Math.round(golden.coldStartMs / firstAnswerMs.p50),
  };
}

export function keptPromises(report: Report): boolean {
  return report.continued && report.distinct && report.survivedKill;
}

export function formatReport(report: Report): string[] {
  const answer = (yes: boolean) => (yes ? good('yes') : bad('NO'));
  const both = ({ p50, max }: { p50: number; max: number }) => `${duration(p50)} (at most ${duration(max)})`;
  const rows: [string, string][] = [
    ['cold start', `${duration(report.coldStartMs)}, of which CPU ${duration(report.coldStartCpuMs)}`],
    ['checkpoint', `${duration(report.checkpointMs)}, ${megabytes(report.goldenBytes)}`],
    ['restore of a clone', both(report.restoreMs)],
    ['claim', both(report.claimMs)],
    ['claim to first answer', both(report.firstAnswerMs)],
    ['claims', String(report.claims)],
    ['state continues from the checkpoint', answer(report.continued)],
    ['each clone is its own', answer(report.distinct)],
    ['claims survive kill -9 of the API', answer(report.survivedKill)],
    [`pool of ${report.pool.size}, from empty to full`, duration(report.pool.refilledMs)],
    ['faster than a cold start', `${report.speedup} times`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${heading(value)}`);
}

function spread(values: readonly number[]): { p50: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const round = (ms = 0) => Math.round(ms * 100) / 100;
  return { p50: round(sorted[Math.floor((sorted.length - 1) / 2)]), max: round(sorted.at(-1)) };
}
