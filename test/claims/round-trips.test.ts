import { expect, it } from 'vitest';
import { ClaimRequest } from '#src/claims/claim.ts';
import { claimInstance } from '#src/claims/claim-instance.ts';
import { type AgentDirectory, openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { systemClock } from '#src/platform/clock.ts';
import { createLogger } from '#src/platform/log.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { fillPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

it('a claim asks Redis twice and the node once', async () => {
  await fillPool(service, { ready: 3, max: 6 });
  expect(await countSteps({ tenant: 'acme' }, { respondAsync: false })).toEqual(['evalsha', 'the node', 'evalsha']);
});

it('a claim that is answered while it waits asks Redis once', async () => {
  await fillPool(service, { ready: 0, max: 1 });
  expect(await countSteps({ tenant: 'acme', waitMs: 60_000, minGolden: 99 }, { respondAsync: true })).toEqual(['evalsha']);
});

/** What a claim asks of others until it is answered. */
async function countSteps(body: object, { respondAsync }: { readonly respondAsync: boolean }): Promise<string[]> {
  const redis = connectRedis(service.config.redisUrl ?? '');
  const asked: string[] = [];
  const sendCommand = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    asked.push(command.name);
    return sendCommand(command, stream);
  };
  const agents = openAgentDirectory(service.redis);
  const ask: AgentDirectory['ask'] = (node, call) => {
    asked.push('the node');
    return agents.ask(node, call);
  };
  const closing = new AbortController();
  let seated = 0;
  const enter = async () => {
    seated++;
    return { called: new Promise<never>(() => {}), [Symbol.dispose]: () => void seated-- };
  };
  const deps = {
    redis,
    agents: { ask },
    clock: systemClock,
    waitingRoom: { id: 'none', closing: closing.signal, enter, close: async () => {} },
    log: createLogger('error', 'test'),
    endpointUrl: () => 'http://x',
    jobs: { destroy: async () => {} },
    fingerprint: () => 'f',
  };
  const request = { pools: ['web'] as [string], body: ClaimRequest.parse(body), keyId: 'key-1', respondAsync };
  const command = { ...request, trace: undefined, hungUp: () => new AbortController().signal };
  try {
    await claimInstance(deps, { ...command, idempotencyKey: 'warms the script cache' });
    asked.length = 0;
    await claimInstance(deps, { ...command, idempotencyKey: 'k2' });
    return [...asked];
  } finally {
    closing.abort();
    await waitUntil(async () => expect(seated).toBe(0));
    redis.disconnect();
    agents.close();
  }
}
