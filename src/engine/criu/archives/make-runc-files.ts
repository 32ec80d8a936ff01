import { mkdirSync, readFileSync } from 'node:fs';
import { destroyInstance } from '#src/engine/criu/destroy-instance.ts';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import { resolveUser } from '#src/engine/criu/images/resolve-user.ts';
import type { PreparedImage } from '#src/engine/criu/images/stored-image.ts';
import { instanceLayout } from '#src/engine/criu/instance-layout.ts';
import { makeBundle } from '#src/engine/criu/make-bundle.ts';
import { externalMounts } from '#src/engine/criu/oci-spec.ts';
import { generalise } from '#src/engine/criu/runc-state.ts';
import type { Workload } from '#src/engine/workload.ts';
import { newInstanceId } from '#src/platform/ids.ts';

const createTimeoutMs = 30_000;

export interface RuncFiles {
  /** Both as a golden keeps them: without names of an instance. */
  readonly config: string;
  readonly runcState: string;
  /** Where an instance of ours finds what is its own: /run/thaw and so on. */
  readonly ownMounts: readonly string[];
}

/**
 * runc's files of an instance that never was: its state is a format of runc's own, by which it later enters and manages the clones. So runc
 * creates a container of the workload, which waits before its command, and that is destroyed. Once more when it fails: reconcile destroys
 * what has no record, and may have met it.
 */
export async function makeRuncFiles(deps: CriuDeps, workload: Workload, image: PreparedImage): Promise<RuncFiles> {
  try {
    return await createAndDestroy(deps, workload, image);
  } catch {
    return await createAndDestroy(deps, workload, image);
  }
}

async function createAndDestroy(deps: CriuDeps, workload: Workload, image: PreparedImage): Promise<RuncFiles> {
  const id = newInstanceId();
  const layout = instanceLayout(deps.paths, id);
  try {
    const user = await resolveUser(image.rootfs, workload.user ?? image.config.user);
    mkdirSync(layout.directory, { recursive: true, mode: 0o700 });
    const sandbox = await deps.sandboxes.prepare(id);
    const mounts = await makeBundle(deps, id, image, { workload, user, sandbox });
    await deps.runc.run(['create', '--bundle', layout.directory, id], { timeoutMs: createTimeoutMs });
    const names = { id, tag: deps.tag, paths: deps.paths };
    return {
      config: generalise(readFileSync(layout.config, 'utf8'), names),
      runcState: generalise(readFileSync(layout.runcState, 'utf8'), names),
      ownMounts: externalMounts(sandbox, mounts).map(({ destination }) => destination),
    };
  } finally {
    await destroyInstance(deps, id);
  }
}
