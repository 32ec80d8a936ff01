import { listInstances } from '#src/instances/list-instances.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from './store.ts';

export interface DeleteTemplateDeps {
  readonly redis: Redis;
  /** Names of the pools that keep instances of the template. */
  poolsOf(template: string): Promise<string[]>;
  /** Takes the template away with its goldens and aliases, in one step. Throws precondition_failed or capture_in_progress. */
  removeTemplate(template: string, ifMatch: string | undefined): Promise<void>;
}

/**
 * Removes a template and its goldens, so that a new one of its name inherits nothing.
 * Throws template_not_found, template_in_use, capture_in_progress or precondition_failed.
 */
export async function deleteTemplate(deps: DeleteTemplateDeps, name: string, ifMatch: string | undefined): Promise<void> {
  await requireTemplate(deps.redis, name);
  const pools = await deps.poolsOf(name);
  if (pools.length > 0) {
    throw new ThawError('template_in_use', `template "${name}" is used by the pools ${pools.slice(0, 5).join(', ')}`, {
      fix: 'Delete those pools first, or let them use another template.',
    });
  }
  const { items } = await listInstances(deps.redis, { template: name, limit: 1 });
  if (items[0]) {
    throw new ThawError('template_in_use', `instances of template "${name}" are still live: ${items[0].id} is ${items[0].state}`, {
      fix: 'Wait until they are destroyed, or cancel the capture that is under way, and delete it again.',
    });
  }
  await deps.removeTemplate(name, ifMatch);
}
