import { z } from '@hono/zod-openapi';
import { GoldenPlaceText, parseGoldenPlace } from '#src/engine/golden-place.ts';
import { isThawError } from '#src/platform/errors.ts';

const isArchive = (text: string) => text.startsWith('archive:');

/** Where a golden is imported from, as REST has it. */
export const ImportSource = z
  .strictObject({
    image: GoldenPlaceText.refine((text) => !isArchive(text), 'an archive is given as `archive`')
      .optional()
      .openapi({
        description: 'A checkpoint image: docker://host/name:tag, oci:/path:tag or docker-archive:/file.tar',
        example: 'docker://registry.example/goldens/api:7',
      }),
    archive: z
      .string()
      .max(4096)
      .superRefine((path, { addIssue }) => {
        try {
          parseGoldenPlace(`archive:${path}`);
        } catch (error) {
          if (!isThawError(error)) throw error;
          addIssue(`${error.message}. ${error.fix}`);
        }
      })
      .optional()
      .openapi({ description: 'A file that podman, CRI-O, containerd, the kubelet or an export wrote, below THAW_IMAGE_ROOTS' }),
  })
  .refine(({ image, archive }) => (image === undefined) !== (archive === undefined), 'exactly one of image and archive')
  .openapi('ImportSource');

/** The same as one text (golden-place.ts). */
export function placeOf({ image, archive }: z.infer<typeof ImportSource>): string {
  return image ?? `archive:${archive}`;
}
