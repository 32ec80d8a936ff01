import { setTimeout as sleep } from 'node:timers/promises';
import { sampleCommand, samplePort } from './build-sample-image.ts';
import { fillPool } from './fill-pool.ts';
import { describeVisit, runRace } from './race.ts';
import { makeReport, type Report } from './report.ts';
import { duration, good, heading, megabytes, type Screen } from './screen.ts';
import { type Service, untilReady } from './service.ts';
import { surviveKill } from './survive-kill.ts';
import { takeGolden } from './take-golden.ts';
import { createThawClient, type ThawClient } from './thaw-client.ts';
import { areDistinct, haveContinued, tenants, type Visit, visitInstance } from './visit.ts';

const template = 'search';
const pool = 'search';
const poolSize = 5;
const leastClaims = 20;
const leastInTurn = 24;
const restMs = 200;
/** The counter of the sample app counts these: a clone's first own answer is the next. */
const warmupVisits = 3;

export interface Stage {
  readonly screen: Screen;
  readonly service: Service;
  readonly image: string;
  readonly signal: AbortSignal;
}

/** From nothing to tenants at work, scene by scene. Throws when a scene fails or the signal comes; what runs then is the caller's to end. */
export async function playMainJob({ screen, service, image, signal }: Stage): Promise<Report> {
  const thaw = createThawClient(service, signal);
  const scene = (title: string) => screen.line(heading(`\n${title}`));

  scene('Service: thaw up');
  await untilReady(service, thaw.isReady, signal);
  screen.line(`  ${good('✓')} ${service.url}`);

  scene('Golden: start once, checkpoint when ready');
  await thaw.putTemplate(template, templateSpec(image));
  const golden = await takeGolden(thaw, screen, template, signal);
  screen.line(`  ${golden.golden}: ${megabytes(golden.goldenBytes)}, taken after a cold start of ${duration(golden.coldStartMs)}`);

  scene(`Pool: ${poolSize} clones, warm`);
  await thaw.putPool(pool, { template, size: { ready: poolSize, max: poolSize * 4 } });
  screen.line(`  ${good('✓')} ${poolSize} of ${poolSize} warm after ${duration(await fillPool(thaw, screen, pool, poolSize, signal))}`);

  scene('Race: a cold start beside claims');
  const race = await runRace(thaw, screen, { template, pool, coldStartMs: golden.coldStartMs }, signal);

  scene('Day: tenants come one after the other');
  const day = await visitInTurn(thaw, screen, Math.max(leastInTurn, leastClaims - race.length - poolSize), signal);

  scene(`Rush: ${poolSize} tenants at once, and the pool is empty`);
  await fillPool(thaw, screen, pool, poolSize, signal);
  const rushedAt = performance.now();
  const rush = await Promise.all(tenants.slice(0, poolSize).map((tenant) => visitInstance(thaw, pool, tenant)));
  for (const visit of rush) screen.line(`  ${good('✓')} ${describeVisit(visit)}`);
  await fillPool(thaw, screen, pool, poolSize, signal);
  const refilledMs = performance.now() - rushedAt;
  screen.line(`  ${good('✓')} ${poolSize} warm again after ${duration(refilledMs)}`);

  scene('Accident: kill -9 of the API');
  const survivedKill = await surviveKill(thaw, screen, service, rush, signal);
  await Promise.all(rush.map(({ claim }) => thaw.release(claim.id)));

  const visits = [...race, ...day, ...rush];
  const continued = haveContinued(visits, warmupVisits);
  return makeReport({ golden, visits, continued, distinct: areDistinct(visits), survivedKill, pool: { size: poolSize, refilledMs } });
}

/** Each comes when the pool is full again, works and leaves. */
async function visitInTurn(thaw: ThawClient, screen: Screen, count: number, signal: AbortSignal): Promise<Visit[]> {
  const visits: Visit[] = [];
  while (visits.length < count) {
    await fillPool(thaw, screen, pool, poolSize, signal);
    await sleep(restMs, undefined, { signal }); // the last clone's records are still being written when it counts as warm
    const visit = await visitInstance(thaw, pool, tenants[visits.length % tenants.length] ?? 'acme');
    await thaw.release(visit.claim.id);
    screen.line(`  ${good('✓')} ${describeVisit(visit)}`);
    visits.push(visit);
  }
  return visits;
}

function templateSpec(image: string) {
  return {
    image: `dir:${image}`,
    command: sampleCommand,
    ports: [{ name: 'http', port: samplePort }],
    resources: { memoryBytes: 768 * 1024 * 1024, cpus: 1, pids: 64 },
    ready: { http: { port: samplePort, path: '/healthz' }, timeoutMs: 120_000 },
    warmup: [
      ...Array.from({ length: warmupVisits }, () => ({ http: { port: samplePort, path: '/whoami' } })),
      { http: { port: samplePort, path: '/search?q=harbour+light' } },
    ],
  };
}
