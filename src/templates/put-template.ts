import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { saveTemplate } from './store.ts';
import type { Template, TemplateSpec } from './template.ts';

/** A spec as it is sent: `volumes` has a code of its own to be refused with. */
export type SentSpec = TemplateSpec & { readonly volumes?: unknown };

/**
 * Creates or replaces a template. Goldens taken before keep the spec they were taken with.
 * Throws volumes_unsupported, or precondition_failed when `ifMatch` does not name what is stored.
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
  return saveTemplate(redis, name, spec, ifMatch);
}
