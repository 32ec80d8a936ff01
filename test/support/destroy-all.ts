import type { Engine } from '#src/engine/engine.ts';

export async function destroyAll(engine: Engine): Promise<void> {
  for (const { id } of await engine.list()) await engine.destroy(id);
}
