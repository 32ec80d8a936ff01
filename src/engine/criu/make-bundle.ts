import { writeFileSync } from 'node:fs';
import type { InstanceId } from '#src/platform/ids.ts';
import { cgroupMounts } from './cgroup-mounts.ts';
import { makeCgroup } from './cgroups.ts';
import { type CriuDeps, criuConfigFile, instanceCgroup } from './engine-deps.ts';
import type { PreparedImage } from './images/stored-image.ts';
import { instanceLayout } from './instance-layout.ts';
import { buildSpec, capabilities, type ExternalMount, type SpecInput } from './oci-spec.ts';
import { mountRootfs } from './overlay.ts';
import { loadSeccompProfile } from './seccomp-profile.ts';

/** All that `runc create` wants of a cold instance: its root filesystem, its cgroup and its config.json. Answers what the instance sees of the cgroup. */
export async function makeBundle(
  deps: CriuDeps,
  id: InstanceId,
  image: PreparedImage,
  of: Pick<SpecInput, 'workload' | 'user' | 'sandbox'>,
): Promise<readonly ExternalMount[]> {
  const layout = instanceLayout(deps.paths, id);
  const cgroup = instanceCgroup(deps, id);
  await mountRootfs(layout, [image.rootfs]);
  makeCgroup(cgroup);
  const mounts = cgroupMounts(cgroup, deps.paths);
  const spec = buildSpec({
    ...of,
    image: image.config,
    rootfs: layout.rootfs,
    cgroupsPath: cgroup.path,
    cgroupMounts: mounts,
    seccomp: loadSeccompProfile(capabilities),
    criuConfig: criuConfigFile(deps),
  });
  writeFileSync(layout.config, JSON.stringify(spec), { mode: 0o600 });
  return mounts;
}
