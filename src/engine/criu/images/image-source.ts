import type { LayoutReference, RegistryReference } from '#src/engine/image-reference.ts';

/** An image in skopeo's words. */
export interface ImageSource {
  /** As the template has it, for messages. */
  readonly text: string;
  /** `docker://host/name:tag`, `oci:/path:tag`, `docker-archive:/file`. */
  readonly name: string;
  /** Undefined for a path: nobody to log in to. */
  readonly registry?: string;
}

/** `digest` holds a registry's image to these bytes, so that a tag moved meanwhile changes nothing. */
export function registrySource(reference: RegistryReference, digest?: string): ImageSource {
  const { text, registry, repository, tag } = reference;
  const held = digest ?? reference.digest;
  return { text, registry, name: `docker://${registry}/${repository}${held === undefined ? `:${tag}` : `@${held}`}` };
}

/** `path` is the real one, all symlinks resolved. */
export function layoutSource(reference: LayoutReference, path: string): ImageSource {
  return { text: reference.text, name: `${reference.kind}:${path}${reference.name === undefined ? '' : `:${reference.name}`}` };
}
