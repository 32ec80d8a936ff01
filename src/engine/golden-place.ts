import { z } from 'zod';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import { type LayoutReference, parseImageReference, type RegistryReference, requirePath } from './image-reference.ts';

/** Where a golden can be brought to and had from. */
export type GoldenPlace = RegistryReference | LayoutReference | ArchivePlace;

/** A file as `podman container checkpoint --export` writes it. */
export interface ArchivePlace {
  readonly kind: 'archive';
  readonly text: string;
  readonly path: string;
}

const forms = 'Write docker://host/name:tag, oci:/path:tag, docker-archive:/file.tar or archive:/file.tar.';

/** Throws image_reference_invalid with what to write instead. Looks at the text only: whether a path may be used, a node knows. */
export function parseGoldenPlace(text: string): GoldenPlace {
  if (text.startsWith('archive:')) {
    const path = text.slice('archive:'.length);
    requirePath(text, path);
    return { kind: 'archive', text, path };
  }
  if (/^(?:docker:\/\/|oci:|docker-archive:)/.test(text)) {
    const reference = parseImageReference(text);
    if (reference.kind !== 'dir') return reference;
  }
  throw new ThawError('image_reference_invalid', `${JSON.stringify(text.slice(0, 300))} is no place for a golden`, { fix: forms });
}

/** A place to import from, as it is written. */
export const GoldenPlaceText = placeText(() => undefined);

/** A place to export to: one that can be written, which a digest can not. */
export const GoldenTargetText = placeText((place) =>
  place.kind === 'registry' && place.digest !== undefined ? 'an export needs a tag: what digest it gets, it tells' : undefined,
);

function placeText(refuse: (place: GoldenPlace) => string | undefined) {
  return z
    .string()
    .min(1)
    .max(4096)
    .superRefine((text, ctx) => {
      try {
        const why = refuse(parseGoldenPlace(text));
        if (why !== undefined) ctx.addIssue({ code: 'custom', message: why });
      } catch (error) {
        if (!isThawError(error)) throw error;
        ctx.addIssue({ code: 'custom', message: `${error.message}. ${error.fix}` });
      }
    });
}
