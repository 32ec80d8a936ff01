import type { CriuDeps } from './engine-deps.ts';
import type { GoldenStore } from './golden-store.ts';
import { instanceLayout, readInstanceIds } from './instance-layout.ts';
import { readInstanceRecord } from './instance-record.ts';

/**
 * Images below no golden and no instance. Run when a golden was removed, which is when an image loses its last user; one that was fetched
 * for a capture that failed stays until then, for the next try.
 */
export async function removeUnusedImages(deps: CriuDeps, goldens: GoldenStore): Promise<void> {
  if (deps.memory.isHolding()) return; // a start may have fetched its image and not recorded it yet: the next removal looks again
  const used = new Set([
    ...goldens.list().map((golden) => goldens.imageDigest(golden)),
    ...readInstanceIds(deps.paths.instances).map((id) => readInstanceRecord(instanceLayout(deps.paths, id))?.imageDigest),
  ]);
  for (const { digest } of await deps.images.list()) if (!used.has(digest)) await deps.images.remove(digest);
}
