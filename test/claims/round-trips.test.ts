import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClaimRequest } from '#src/claims/claim.ts';
import { claimInstance } from '#src/claims/claim-instance.ts';
import { type AgentDirectory, openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { systemClock } from '#src/platform/clock.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { fillPool, startService, type TestService } from '#test/support/service.ts';

let service: TestService;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

it('a claim asks Redis twice and the node once', async () => {
  await fillPool(service, { ready: 3, max: 6 });
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
  const deps = { redis, agents: { ask }, clock: systemClock, jobs: { destroy: async () => {} }, fingerprint: () => 'f' };
  try {
    const command = { pool: 'web', body: ClaimRequest.parse({ tenant: 'acme' }), keyId: 'key-1' };
    await claimInstance(deps, { ...command, idempotencyKey: 'warms the script cache' });
    asked.length = 0;
    await claimInstance(deps, { ...command, idempotencyKey: 'k2' });
    expect(asked).toEqual(['evalsha', 'the node', 'evalsha']);
  } finally {
    redis.disconnect();
    agents.close();
  }
});
