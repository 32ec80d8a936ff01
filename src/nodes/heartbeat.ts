import type { Engine } from '#src/engine/engine.ts';
import type { Redis } from '#src/platform/redis.ts';
import { writeHeartbeat } from './store.ts';

export interface HeartbeatDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'probe'>;
  readonly node: string;
  readonly bootId: string;
  /** Where the node's agent listens: `unix:/path` or `http://host:port`. */
  readonly agent: string;
}

/** Tells Redis that the node lives, and what it can take right now. */
export async function beat({ redis, engine, node, bootId, agent }: HeartbeatDeps): Promise<void> {
  const { ok, problems, capacity, fingerprint } = await engine.probe();
  await writeHeartbeat(redis, { name: node, bootId, agent, fit: ok, problems: [...problems], capacity, fingerprint });
}
