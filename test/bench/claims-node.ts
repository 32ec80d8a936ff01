import { MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { Workload } from '#src/engine/workload.ts';
import { createInstance, moveInstance } from '#src/instances/store.ts';
import { serveAgent } from '#src/nodes/agent.ts';
import { beat } from '#src/nodes/heartbeat.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import { systemClock } from '#src/platform/clock.ts';
import { parseConfig } from '#src/platform/config.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { createLogger } from '#src/platform/log.ts';
import { connectRedis } from '#src/platform/redis.ts';

// A node of the memory engine with so many warm clones of the pool `bench` as its parent asks for, and nothing that refills it.
const config = parseConfig(process.env);
const redis = connectRedis(config.redisUrl ?? '');
const log = createLogger('error', 'bench');
const engine = new MemoryEngine({ clock: systemClock, timings: { startMs: 0, checkpointMs: 0, restoreMs: 0, bindMs: 0 }, listen: false });
const golden = goldenId('bench', 1);
const primer = newInstanceId();
await engine.start(Workload.parse({ image: 'dir:/app' }), primer);
await engine.checkpoint(primer, golden);
const agent = await serveAgent({ engine, log }, { socket: config.paths.agentSocket });
await beat({ redis, engine, node: config.node, agent: agent.address, bootId: readBootId() });

async function fill(count: number): Promise<void> {
  const batch = 200;
  for (let done = 0; done < count; done += batch) await Promise.all(Array.from({ length: Math.min(batch, count - done) }, makeWarm));
}

async function makeWarm(): Promise<void> {
  const id = newInstanceId();
  const { address } = await engine.restore(golden, id);
  await createInstance(redis, { id, pool: 'bench', template: 'bench', golden, node: config.node, role: 'clone', state: 'restoring' });
  await moveInstance(redis, id, { to: 'preparing', address });
  await moveInstance(redis, id, {
    to: 'warm',
    ports: [{ name: 'web', port: 80, addressPort: 80, protocol: 'http' }],
    timingsMs: { total: 1 },
  });
}

process.on('message', (count) => void fill(Number(count)).then(() => process.send?.('filled')));
process.once('disconnect', () => process.exit(0));
process.send?.('ready');
