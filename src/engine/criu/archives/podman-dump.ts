import { z } from 'zod';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import { parseImageReference } from '#src/engine/image-reference.ts';
import { splitGoldenId } from '#src/platform/ids.ts';

const Spec = z.looseObject({
  process: z.looseObject({ args: z.array(z.string()) }),
  mounts: z.array(z.looseObject({ type: z.string() })),
  linux: z.looseObject({ namespaces: z.array(z.looseObject({ type: z.string() })) }),
});

/**
 * `config.dump` and `spec.dump` as podman 4 and 5 read them at `container restore --import` (libpod's ContainerConfig, the OCI runtime spec).
 * podman fills in what is left out: cgroup parent and manager, log and lock, its own binds of /etc/hosts, /etc/hostname and /etc/resolv.conf.
 */
export function podmanDump(golden: OpenGolden): { config: object; spec: object } {
  const spec = Spec.parse(JSON.parse(golden.files.config));
  const { record, seal } = golden;
  const { template, number } = splitGoldenId(record.golden);
  const name = `thaw-${template}-${number}`;
  const image = imageNameFor(record.workload.image, record.imageDigest);
  const at = new Date(record.checkpointedAtMs).toISOString();
  const config = {
    id: seal.digest.replace(/^sha256:/, ''),
    name,
    // Asked for an image's id, containers/storage looks for a name as well (tried with podman 4.3): the id is podman's own and not known here.
    rootfsImageID: image,
    rootfsImageName: image,
    RawImageName: image,
    idMappingsOptions: { HostUIDMapping: true, HostGIDMapping: true },
    NoShm: true, // /dev/shm is a tmpfs of the container's own, and in the dump
    NOShmShare: true,
    createNetNS: true,
    networkMode: 'bridge',
    newNetworks: { podman: { interface_name: 'eth0' } },
    command: spec.process.args,
    stopSignal: 15,
    stopTimeout: 10,
    createdTime: at,
    checkpointedTime: at,
    logDriver: 'k8s-file',
    runtime: 'runc',
  };
  return { config, spec: portableSpec(spec, name) };
}

/**
 * Under which name podman has to have the image, or can pull it. One that no registry has (`oci:`, `dir:`, `docker-archive:`) gets a name of
 * its content, under which it must be loaded by hand.
 */
export function imageNameFor(image: string, imageDigest: string): string {
  const reference = parseImageReference(image);
  if (reference.kind !== 'registry') return `localhost/thaw-image:${imageDigest.replace(/^sha256:/, '').slice(0, 12)}`;
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

function portableSpec(spec: z.infer<typeof Spec>, hostname: string): object {
  const { cgroupsPath: _, ...linux } = spec.linux;
  return {
    ...spec,
    hostname,
    root: { path: 'rootfs', readonly: false },
    annotations: { 'io.container.manager': 'libpod' }, // by which checkpointctl knows whose archive it reads
    mounts: spec.mounts.filter(({ type }) => type !== 'bind'),
    linux: { ...linux, namespaces: linux.namespaces.map(({ type }) => ({ type })) },
  };
}
