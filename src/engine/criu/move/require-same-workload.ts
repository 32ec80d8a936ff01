import { isDeepStrictEqual } from 'node:util';
import type { Workload } from '#src/engine/workload.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';

/**
 * A golden says itself what its clones may do (egress, limits, hooks), and one that was imported might say more than the template it is imported
 * into: the two must agree. The image's name alone may differ from place to place; its digest was compared. Throws golden_incompatible.
 */
export function requireSameWorkload(golden: GoldenId, { image: _own, ...own }: Workload, { image: _wanted, ...wanted }: Workload): void {
  const names = [...new Set([...Object.keys(own), ...Object.keys(wanted)])];
  const fields = (workload: object) => new Map<string, unknown>(Object.entries(workload));
  const [its, ours] = [fields(own), fields(wanted)];
  const different = names.filter((name) => !isDeepStrictEqual(its.get(name), ours.get(name)));
  if (different.length === 0) return;
  const what = different.map((name) => `\`${name}\``).join(', ');
  throw new ThawError(
    'golden_incompatible',
    `${golden} was made from a template that differs in ${what} from the one it is imported into`,
    {
      fix: `Give the template the same ${what} as where the golden was made (GET /v1/templates there), or export it again from such a template.`,
      details: { fields: different },
    },
  );
}
