import { expect, it } from 'vitest';
import { ClaimRequest } from '#src/claims/claim.ts';
import { joinClaim } from '#src/claims/join-claim.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { systemClock } from '#src/platform/clock.ts';
import { ClaimId } from '#src/platform/ids.ts';
import { createLogger } from '#src/platform/log.ts';
import { fillPool, parseClaim } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

/** Repeats, without `Prefer: respond-async`, the request of a claim; its client has hung up. */
async function joinAndHangUp(id: string): Promise<unknown> {
  const agents = openAgentDirectory(service.redis);
  const waitingRoom = {
    id: 'none',
    closing: new AbortController().signal,
    enter: () => Promise.reject(new Error('nobody waits')),
    close: async () => {},
  };
  const deps = {
    ...{ redis: service.redis, agents, clock: systemClock, waitingRoom, log: createLogger('error', 'test') },
    ...{ endpointUrl: () => 'http://x', jobs: { destroy: async () => {} }, fingerprint: () => 'f' },
  };
  const command = {
    ...{ pools: ['web'] as [string], body: ClaimRequest.parse({ tenant: 'acme', waitMs: 60_000 }), keyId: 'key-1' },
    ...{ idempotencyKey: 'k1', respondAsync: false, trace: undefined, hungUp: () => AbortSignal.abort() },
  };
  try {
    return await joinClaim(deps, { command, startedAt: 0, waitUntilMs: systemClock.nowMs() + 60_000 }, ClaimId.parse(id));
  } finally {
    agents.close();
  }
}

const claim = (headers = {}) => service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', waitMs: 60_000 }, { headers });

it('a caller who hung up neither waits for the claim that it joined nor makes another when that one fails', async () => {
  await fillPool(service, { ready: 1, max: 1 });
  const held = parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'holder' }));
  const { id } = (await claim({ prefer: 'respond-async' })).body as { id: string };
  const hungUp = expect.objectContaining({ code: 'client_closed_request' });
  await expect(joinAndHangUp(id)).rejects.toEqual(hungUp);
  await service.redis.hset(`{thaw}:claim:${id}`, 'state', 'failed');
  await expect(joinAndHangUp(id)).rejects.toEqual(hungUp);
  expect(await joinAndHangUp(held.id)).toMatchObject({ claim: { id: held.id, state: 'active' }, replayed: true });
});
