import { rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { Engine } from '#src/engine/engine.ts';
import type { Config, DataPaths } from '#src/platform/config.ts';
import { messageOf } from '#src/platform/errors.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import { CommandError } from './command.ts';

type DestroyingEngine = Pick<Engine, 'list' | 'destroy' | 'teardown'>;

const atOnce = 4;

/**
 * Ends every instance of this node and removes what Thaw made on the host: links, mounts, namespaces, cgroups, tables. Goldens,
 * images and the records in Redis stay. Answers how many instances there were. Can be repeated.
 *
 * Throws CommandError when a worker still runs (it would make new ones) or an instance can not be destroyed.
 */
export async function destroyEverything(engine: DestroyingEngine, paths: DataPaths): Promise<number> {
  await refuseLiveWorker(paths.agentSocket);
  const instances = await engine.list();
  const places = new Semaphore(atOnce);
  const results = await Promise.allSettled(instances.map(({ id }) => places.run(() => engine.destroy(id))));
  const failures = results.flatMap((result, at) =>
    result.status === 'rejected' ? [`  ${instances[at]?.id}: ${messageOf(result.reason)}`] : [],
  );
  if (failures.length > 0) {
    throw new CommandError(
      `${failures.length} of ${instances.length} instances could not be destroyed:\n${failures.join('\n')}`,
      'Repair what is named, then run it again.',
    );
  }
  await engine.teardown();
  for (const path of [paths.instances, paths.run, paths.agentSocket]) rmSync(path, { recursive: true, force: true });
  return instances.length;
}

/** The same where no engine is open yet: on the data directory of `config`. */
export async function destroyInstances(config: Config): Promise<number> {
  const { openEngine } = await import('#src/compose.ts'); // the engine is heavy, and few commands need it
  const engine = await openEngine(config);
  try {
    return await destroyEverything(engine, config.paths);
  } finally {
    await engine.close();
  }
}

async function refuseLiveWorker(agentSocket: string): Promise<void> {
  if (!(await isAnswered(agentSocket))) return;
  throw new CommandError(`a worker still runs on this data directory: it answers on ${agentSocket}`, 'Stop that `thaw worker` first.');
}

function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
