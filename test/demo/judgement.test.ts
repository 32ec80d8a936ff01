import { expect, test } from 'vitest';
import { formatReport, keptPromises, makeReport } from './report.ts';
import type { WhoAmI } from './sample-client.ts';
import { areDistinct, haveContinued, type Visit } from './visit.ts';

function visitOf(n: number, own: Partial<WhoAmI> = {}): Visit {
  const tenant = `tenant-${n}`;
  const note = `${tenant} was here`;
  const first: WhoAmI = {
    bootToken: 'one-boot',
    counter: 4,
    notes: [],
    hostname: `ins-${n}`,
    machineId: `${n}`.padStart(32, '0'),
    startedAt: '2026-11-22T22:00:00.000Z',
    documents: 20_000,
    binding: { tenant, claim: `clm-${n}`, env: {}, secrets: ['API_TOKEN'] },
    ...own,
  };
  const claim = {
    id: `clm-${n}`,
    state: 'active',
    tenant,
    instance: { id: `ins-${n}`, endpoints: [{ name: 'http', host: '127.0.0.1', port: 1 }] },
  };
  const second = { ...first, counter: first.counter + 1, notes: [...first.notes, note] };
  return { tenant, claim, endpoint: 'http://127.0.0.1:1', note, claimMs: n, firstAnswerMs: 2 * n, restoreMs: 100 * n, first, second };
}

test('clones continue only when all share one boot and count on from the checkpoint', () => {
  expect(haveContinued([visitOf(1), visitOf(2)], 3)).toBe(true);
  expect(haveContinued([visitOf(1), visitOf(2, { bootToken: 'another-boot' })], 3)).toBe(false);
  expect(haveContinued([visitOf(1), visitOf(2, { counter: 1 })], 3)).toBe(false);
  expect(haveContinued([visitOf(1), visitOf(2, { counter: 5 })], 3)).toBe(false);
});

test('clones are distinct only with names, machine ids, notes and bindings of their own', () => {
  expect(areDistinct([visitOf(1), visitOf(2)])).toBe(true);
  expect(areDistinct([visitOf(1), visitOf(2, { hostname: 'ins-1' })])).toBe(false);
  expect(areDistinct([visitOf(1), visitOf(2, { machineId: '1'.padStart(32, '0') })])).toBe(false);
  expect(areDistinct([visitOf(1), visitOf(2, { notes: ['tenant-1 was here'] })])).toBe(false);
  expect(areDistinct([visitOf(1), visitOf(2, { binding: null })])).toBe(false);
  expect(areDistinct([visitOf(1), visitOf(2, { binding: { tenant: 'tenant-1', claim: 'clm-1', env: {}, secrets: [] } })])).toBe(false);
});

test('the report has the median and the worst, and is well only when all three promises held', () => {
  const golden = { golden: 'search@1', coldStartMs: 12_000, coldStartCpuMs: 10_000, checkpointMs: 1500, goldenBytes: 240_000_000 };
  const visits = [3, 1, 5].map((n) => visitOf(n));
  const outcome = { golden, visits, continued: true, distinct: true, survivedKill: true, pool: { size: 5, refilledMs: 900.4 } };
  const report = makeReport(outcome);
  expect(report).toMatchObject({
    claims: 3,
    claimMs: { p50: 3, max: 5 },
    restoreMs: { p50: 300, max: 500 },
    speedup: 2000,
    pool: { refilledMs: 900 },
  });
  expect(keptPromises(report)).toBe(true);
  expect(keptPromises(makeReport({ ...outcome, survivedKill: false }))).toBe(false);
  expect(formatReport(makeReport({ ...outcome, distinct: false })).join('\n')).toMatch(/its own\s.*NO/);
});
