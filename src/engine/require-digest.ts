import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';

/**
 * Throws golden_missing when the files of a golden, intact as they are, are those of another: somebody exchanged directories, or brought back an
 * older one. Not golden_corrupt, for which a golden is condemned: its files may just have been captured anew. Undefined: nobody knows which.
 */
export function requireDigest(golden: GoldenId, found: string, meant: string | undefined): void {
  if (meant === undefined || found === meant) return;
  throw new ThawError('golden_missing', `golden ${golden} is not on this node: what lies in its place is ${found}, not ${meant}`, {
    fix: 'Put its files back, or take a new golden of the template.',
    details: { golden },
  });
}
