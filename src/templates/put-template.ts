import { parseImageReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { Redis } from '#src/platform/redis.ts';
import { hasRedacted, restoreCanaries } from './redact-canaries.ts';
import { getTemplate, saveTemplate } from './store.ts';
import type { Template, TemplateSpec } from './template.ts';

/** A spec as it is sent: `volumes` has a code of its own to be refused with. */
export type SentSpec = TemplateSpec & { readonly volumes?: unknown };

/**
 * Creates or replaces a template. Goldens taken before keep the spec they were taken with.
 * Throws volumes_unsupported, validation_failed for a redacted canary that is not stored or an image to be watched whose digest never
 * changes, or precondition_failed when `ifMatch` does not name what is stored.
 */
export async function putTemplate(
  redis: Redis,
  name: string,
  sent: SentSpec,
  ifMatch: string | undefined,
): Promise<{ template: Template; created: boolean }> {
  const { volumes, ...spec } = sent;
  if (volumes !== undefined) {
    throw new ThawError('volumes_unsupported', `template "${name}" asks for volumes, which are not supported yet`, {
      fix: 'Leave `volumes` out; keep data in a service outside of the instance.',
    });
  }
  requireWatchable(spec);
  const whole = hasRedacted(spec) ? restoreCanaries(spec, (await getTemplate(redis, name))?.spec) : spec;
  return saveTemplate(redis, name, whole, ifMatch);
}

/** Only a tag in a registry can come to stand for another image. */
function requireWatchable({ image, refresh }: TemplateSpec): void {
  if (refresh?.onDigestChange === undefined) return;
  const reference = parseImageReference(image);
  if (reference.kind === 'registry' && reference.digest === undefined) return;
  throw validationFailed([{ in: 'body', path: 'refresh.onDigestChange', message: 'needs an image by its tag in a registry' }]);
}
