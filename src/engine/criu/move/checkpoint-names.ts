/** By any of these an engine knows an image whose one layer is a checkpoint archive; the value is the container's name. */
export const checkpointNames = [
  'io.podman.annotations.checkpoint.name',
  'io.kubernetes.cri-o.annotations.checkpoint.name',
  'org.criu.checkpoint.container.name',
] as const;

/** Without which podman takes an image for no checkpoint (4.3.1), and which must be its own runtime's name. */
export const podmanRuntime = { 'io.podman.annotations.checkpoint.runtime.name': 'runc' } as const;

/** The tag inside layouts that are ours alone. */
export const layoutTag = 'image';
