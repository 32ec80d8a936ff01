import { normalize } from 'node:path/posix';
import { z } from 'zod';
import { isThawError, ThawError } from '#src/platform/errors.ts';

/** Where an image is to be had, parsed from a template's `image`. Nothing in it can become an option of a program. */
export type ImageReference = RegistryReference | LayoutReference | DirectoryReference;

export interface RegistryReference {
  readonly kind: 'registry';
  readonly text: string;
  /** `docker.io`, `host`, `host:port`. */
  readonly registry: string;
  readonly repository: string;
  /** Either one; a reference that gives both is held by its digest, as docker does. */
  readonly tag?: string;
  readonly digest?: string;
}

/** An OCI image layout, or a tar written by `docker save`. */
export interface LayoutReference {
  readonly kind: 'oci' | 'docker-archive';
  readonly text: string;
  readonly path: string;
  /** Which image of several. */
  readonly name?: string;
}

export interface DirectoryReference {
  readonly kind: 'dir';
  readonly text: string;
  readonly path: string;
}

const forms = 'Write nginx:1.27, docker://host/name:tag, oci:/path:tag, docker-archive:/file.tar or dir:/rootfs.';

const domainPart = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const domainPattern = new RegExp(`^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`);
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^sha256:[a-f0-9]{64}$/;
/** What skopeo accepts as the name of an image in a layout (the OCI specification's grammar of ref.name). */
const layoutNamePattern = /^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$/;
const unsupportedTransport = /^(?:docker-daemon|containers-storage|oci-archive|ostree|sif|tarball|https?|file):/;
const maxNameLength = 255;

/** A reference as a template has it. One that can not be meant is refused with what to write instead. */
export const ImageText = z
  .string()
  .min(1)
  .max(4096)
  .superRefine((text, ctx) => {
    try {
      parseImageReference(text);
    } catch (error) {
      if (!isThawError(error)) throw error;
      ctx.addIssue({ code: 'custom', message: `${error.message}. ${error.fix}` });
    }
  });

/** Throws image_reference_invalid with what to write instead. Looks at the text only: whether a path may be used, a node knows. */
export function parseImageReference(text: string): ImageReference {
  const unsupported = unsupportedTransport.exec(text)?.[0];
  if (unsupported) throw invalid(text, `images can not be had from ${unsupported}`);
  const [transport, rest] = splitAtColon(text);
  if (rest !== undefined && (transport === 'oci' || transport === 'docker-archive' || transport === 'dir')) {
    return parsePathReference(text, transport, rest);
  }
  return parseRegistryReference(text, text.startsWith('docker://') ? text.slice('docker://'.length) : text);
}

function parseRegistryReference(text: string, name: string): RegistryReference {
  const [named, digest, ...more] = name.split('@');
  if (named === undefined || more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) {
    throw invalid(text, 'a digest is written @sha256: and 64 hexadecimal digits');
  }
  const colon = named.lastIndexOf(':');
  const isTagged = colon > named.lastIndexOf('/');
  const tag = isTagged ? named.slice(colon + 1) : 'latest';
  if (!tagPattern.test(tag)) throw invalid(text, `${JSON.stringify(tag)} is no tag (letters, digits, _ . -; at most 128)`);
  const { registry, repository } = splitRegistry(isTagged ? named.slice(0, colon) : named);
  if (!domainPattern.test(registry)) throw invalid(text, `${JSON.stringify(registry)} is no registry (host or host:port)`);
  if (!repositoryPattern.test(repository) || registry.length + repository.length >= maxNameLength) {
    throw invalid(text, `${JSON.stringify(repository)} is no repository (a-z, 0-9 and single . _ - between; ${maxNameLength} in all)`);
  }
  return { kind: 'registry', text, registry, repository, ...(digest === undefined ? { tag } : { digest }) };
}

/** Docker's rule: the first part is a registry when it has a dot, a port or is localhost; else all of it lies on Docker Hub. */
function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  if (slash > 0 && (/[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase())) {
    const registry = first === 'index.docker.io' ? 'docker.io' : first;
    const repository = name.slice(slash + 1);
    return { registry, repository: registry === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository };
  }
  return { registry: 'docker.io', repository: name.includes('/') ? name : `library/${name}` };
}

function parsePathReference(text: string, kind: 'oci' | 'docker-archive' | 'dir', rest: string) {
  const [path, name] = kind === 'dir' ? [rest] : splitAtColon(rest);
  if (name !== undefined && !layoutNamePattern.test(name)) throw invalid(text, `${JSON.stringify(name)} is no image name`);
  requirePath(text, path);
  return kind === 'dir' ? { kind, text, path } : { kind, text, path, ...(name === undefined ? {} : { name }) };
}

/** Throws image_reference_invalid for a path that is relative, not normalised or not printable. */
export function requirePath(text: string, path: string): void {
  if (!path.startsWith('/')) throw invalid(text, 'the path must be absolute');
  if (/[\p{Cc}]/u.test(path)) throw invalid(text, 'the path holds control characters');
  if (path !== normalize(path) || path.endsWith('/')) {
    throw invalid(
      text,
      'the path must be normalised (no ., .., // and no / at its end)',
      `Write ${normalize(path).replace(/(?<=.)\/$/, '')}.`,
    );
  }
}

function splitAtColon(text: string): [string, string | undefined] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function invalid(text: string, why: string, fix: string = forms): ThawError {
  return new ThawError('image_reference_invalid', `image ${JSON.stringify(text.slice(0, 300))}: ${why}`, { fix });
}
