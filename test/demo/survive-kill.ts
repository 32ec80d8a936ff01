import { askWhoAmI } from './sample-client.ts';
import { duration, good, type Screen } from './screen.ts';
import { type Service, untilReady } from './service.ts';
import type { ThawClient } from './thaw-client.ts';
import type { Visit } from './visit.ts';

/** Kills the API while tenants hold their instances. Answers whether every claim and every instance is what it was before. */
export async function surviveKill(
  thaw: ThawClient,
  screen: Screen,
  service: Service,
  visits: readonly Visit[],
  signal: AbortSignal,
): Promise<boolean> {
  const pid = await service.killApi();
  const killedAt = performance.now();
  screen.line(`  kill -9 ${pid}: the API is gone`);
  const meanwhile = await Promise.all(visits.map(({ endpoint }) => askWhoAmI(endpoint)));
  screen.line(`  ${good('✓')} ${visits.length} of ${visits.length} claimed instances answer without it`);
  await untilReady(service, thaw.isReady, signal);
  screen.line(`  ${good('✓')} it is back after ${duration(performance.now() - killedAt)}`);

  const kept = await Promise.all(visits.map((visit, n) => isAsBefore(thaw, visit, meanwhile[n]?.counter ?? 0)));
  const survivors = kept.filter(Boolean).length;
  screen.line(
    `  ${survivors === visits.length ? good('✓') : '✗'} ${survivors} of ${visits.length} claims are active and their instances go on`,
  );
  return survivors === visits.length;
}

async function isAsBefore(thaw: ThawClient, { claim, endpoint, note, second }: Visit, counterMeanwhile: number): Promise<boolean> {
  const now = await thaw.getClaim(claim.id);
  const answer = await askWhoAmI(endpoint);
  return (
    now.state === 'active' &&
    now.instance.id === claim.instance.id &&
    answer.bootToken === second.bootToken &&
    answer.hostname === second.hostname &&
    counterMeanwhile === second.counter + 1 &&
    answer.counter === second.counter + 2 &&
    answer.notes.includes(note)
  );
}
