import type { Engine } from '#src/engine/engine.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { noteGolden } from '#src/goldens/note-golden.ts';
import type { RunStep } from '#src/operations/run-operation.ts';
import type { Redis } from '#src/platform/redis.ts';
import { freeGoldenDisk, type GoldenDiskDeps } from './golden-disk.ts';
import { retireOldGoldens } from './retire-old-goldens.ts';

/** After a capture: what its template does not keep and what the node's budget has no room for goes. Can be repeated. */
export async function tidyGoldens(deps: GoldenDiskDeps, { template, spec }: Golden, step: RunStep): Promise<void> {
  const { keep } = spec;
  if (keep) await step('retire', () => retireOldGoldens(deps, template, keep.last));
  if (deps.goldenDiskBytes !== undefined) await freeGoldenDisk(deps);
  await recordGoldenSizes(deps);
}

/** What each golden of this node shares with none changes when another comes or goes. */
export async function recordGoldenSizes({
  redis,
  engine,
}: {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'goldenDisk'>;
}): Promise<void> {
  const { uniqueBytes } = await engine.goldenDisk();
  for (const [golden, bytes] of uniqueBytes) await noteGolden(redis, golden, { uniqueBytes: bytes });
}
