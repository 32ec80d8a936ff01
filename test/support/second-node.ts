import { composeWorker } from '#src/compose.ts';
import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { agentListen, serveAgent } from '#src/nodes/agent.ts';
import { systemClock } from '#src/platform/clock.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { startWorker } from '#workers/start-worker.ts';
import type { TestService } from './service.ts';
import { makeTempDir } from './temp-dir.ts';

export interface SecondNode extends AsyncDisposable {
  readonly engine: MemoryEngine;
}

/** A worker of another node, `n2`, with an engine and a data directory of its own, beside the service's. */
export async function startSecondNode({ config }: Pick<TestService, 'config'>, fingerprint: NodeFingerprint): Promise<SecondNode> {
  const directory = await makeTempDir();
  const settings = { THAW_DATA_DIR: directory.path, REDIS_URL: config.redisUrl, THAW_ENGINE: 'memory', THAW_NODE: 'n2' };
  const own = parseConfig(settings);
  const timings = { startMs: 1, checkpointMs: 1, restoreMs: 1, bindMs: 0 };
  const engine = createMemoryEngine({ clock: systemClock, timings, fingerprint });
  const deps = await composeWorker(own, createLogger('error', 'test'), engine);
  const agent = await serveAgent(deps, agentListen(own));
  const worker = await startWorker(deps, agent.address);
  return {
    engine,
    async [Symbol.asyncDispose]() {
      await worker.stop();
      await agent.close();
      await deps.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}
