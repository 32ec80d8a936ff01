import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requirePool } from '#src/pools/store.ts';
import { getTemplate } from '#src/templates/store.ts';
import type { ClaimRequest } from './claim.ts';

/**
 * Throws validation_failed unless the template of each pool allows cold starts, and where the claim asks for a golden: what is started cold has
 * none, so that one after the other would be started for it in vain; pool_not_found.
 */
export async function requireColdFallback(redis: Redis, pools: readonly string[], body: ClaimRequest): Promise<void> {
  const asked = (['golden', 'minGolden', 'maxAgeMs'] as const).find((name) => body[name] !== undefined);
  if (asked !== undefined) {
    const message = `a cold start has no golden, and ${asked} asks for one`;
    throw validationFailed([{ in: 'body', path: 'coldFallback', message }], `Leave out coldFallback, or ${asked}.`);
  }
  for (const name of pools) {
    const { spec } = await requirePool(redis, name);
    const template = await getTemplate(redis, spec.template);
    if (template?.spec.coldFallback) continue;
    const message = `template ${spec.template} of pool ${name} does not allow cold starts`;
    throw validationFailed(
      [{ in: 'body', path: 'coldFallback', message }],
      'Set coldFallback of the template, or leave it out of the claim.',
    );
  }
}
