import { setTimeout as sleep } from 'node:timers/promises';
import { dim, duration, good, heading, type Screen } from './screen.ts';
import { describeProblem, isReady, watchOperation } from './take-golden.ts';
import type { ThawClient } from './thaw-client.ts';
import { tenants, type Visit, visitInstance } from './visit.ts';

const pauseBetweenClaimsMs = 1500;
const barWidth = 40;
const shownVisits = 6;

interface Race {
  readonly template: string;
  readonly pool: string;
  /** How long the cold start before took: the scale of the bar. */
  readonly coldStartMs: number;
}

/**
 * On one screen: a cold start (the primer of a second capture, which is cancelled once it is ready) beside tenants who claim clones,
 * talk to them and release them, one after the other, until it is there.
 */
export async function runRace(thaw: ThawClient, screen: Screen, race: Race, signal: AbortSignal): Promise<Visit[]> {
  const visits: Visit[] = [];
  const startedAt = performance.now();
  const { id } = await thaw.captureGolden(race.template, false);
  const finish = new AbortController();
  const draw = () => screen.show(drawRace(race, performance.now() - startedAt, visits));
  const visiting = keepVisiting(thaw, race.pool, AbortSignal.any([signal, finish.signal]), (visit) => {
    visits.push(visit);
    if (!screen.isLive)
      screen.line(`  ${duration(performance.now() - startedAt).padStart(7)}  cold start: still starting   ${describeVisit(visit)}`);
  });
  visiting.catch(() => finish.abort()); // told below, when it is awaited
  const operation = await watchOperation(thaw, id, signal, (now) => {
    draw();
    return isReady(now) || finish.signal.aborted;
  });
  const tookMs = performance.now() - startedAt;
  finish.abort();
  await visiting;
  if (!isReady(operation)) throw new Error(describeProblem(operation));
  await thaw.cancelOperation(id);
  draw();
  screen.keep();
  screen.line(`  ${good('✓')} one cold start in ${duration(tookMs)}; meanwhile ${visits.length} tenants came, worked and left`);
  return visits;
}

async function keepVisiting(thaw: ThawClient, pool: string, signal: AbortSignal, onVisit: (visit: Visit) => void): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const visit = await visitInstance(thaw, pool, tenants[n % tenants.length] ?? 'acme');
    await thaw.release(visit.claim.id);
    onVisit(visit);
    await sleep(pauseBetweenClaimsMs, undefined, { signal }).catch(() => {}); // the race is over
  }
}

export function describeVisit({ tenant, claimMs, firstAnswerMs, first }: Visit): string {
  return `${tenant.padEnd(9)} claimed ${first.hostname} in ${duration(claimMs).padStart(6)}, first answer after ${duration(firstAnswerMs).padStart(6)}`;
}

function drawRace({ coldStartMs }: Race, forMs: number, visits: readonly Visit[]): string[] {
  const done = Math.min(barWidth, Math.round((forMs / coldStartMs) * barWidth));
  const latest = visits.slice(-shownVisits).map((visit) => `  ${good('✓')} ${describeVisit(visit)}`);
  return [
    `  ${heading('cold start')}  ${'█'.repeat(done)}${dim('░'.repeat(barWidth - done))}  ${duration(forMs)}`,
    `  ${heading('claims')}      ${visits.length} claimed, answered and released`,
    ...latest,
  ];
}
