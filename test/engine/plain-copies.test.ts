import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PlainCopies } from '#src/engine/criu/encryption/plain-copies.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { unmount } from '#src/engine/criu/overlay.ts';
import { dataPaths } from '#src/platform/data-paths.ts';
import { goldenId } from '#src/platform/ids.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

it('plain copies of several goldens that are first opened at once lie in one tmpfs, and each stays to be found', async () => {
  await using dir = await makeTempDir();
  const paths = dataPaths(dir.path);
  const root = join(paths.run, 'plain');
  const copies = new PlainCopies({ paths, memory: createMemoryHolds(0) });
  const goldens = Array.from({ length: 12 }, (_, index) => goldenId('many', index + 1));
  const fill = async (copy: string) => writeFileSync(join(copy, 'plain'), copy);
  const mounts = () => readMounts().filter(({ mountPoint }) => mountPoint === root);
  try {
    await Promise.all(goldens.map((golden) => copies.open(golden, 'sha256:00ff', 1, fill)));
    expect(mounts()).toHaveLength(1);
    for (const golden of goldens) {
      const found = copies.find(golden, 'sha256:00ff') ?? 'nothing';
      expect(readFileSync(join(found, 'plain'), 'utf8')).toContain(golden);
      expect(copies.find(golden, 'sha256:ff00')).toBeUndefined();
    }
  } finally {
    for (const { mountPoint } of mounts()) await unmount(mountPoint);
  }
});
