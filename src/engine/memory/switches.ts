import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';

const longestMs = 3_600_000;
const ms = z
  .string()
  .regex(/^\d{1,7}$/, `a whole number of milliseconds, at most ${longestMs}`)
  .transform(Number)
  .pipe(z.number().max(longestMs))
  .exactOptional();

const Switches = z.object({
  /** What a checkpoint of its primer trips over, in words; a dry run finds it, and the checkpoint fails. */
  THAW_SIMULATE_CHECKPOINT_FINDING: z.string().min(1).max(200).exactOptional(),
  /** How long each restore takes: a pool that was emptied stays so for a while. */
  THAW_SIMULATE_RESTORE_MS: ms,
  /** How long the bind takes. */
  THAW_SIMULATE_BIND_MS: ms,
  /** `1`: the bind fails. */
  THAW_SIMULATE_BIND_FAILURE: z.enum(['0', '1']).exactOptional(),
  /** The claimed instance ends by itself so long after its bind, as in a crash. */
  THAW_SIMULATE_EXIT_AFTER_MS: ms,
  /** The claimed instance is killed so long after its bind, as for want of memory. */
  THAW_SIMULATE_OOM_AFTER_MS: ms,
});
export type Switches = z.infer<typeof Switches>;

/**
 * What people who develop against the memory engine make go wrong: variables of a template's env, or of one claim's, which counts more.
 * They are plain variables to a real engine. Throws bind_failed or app_start_failed for a value that is none.
 */
export function readSwitches(code: 'bind_failed' | 'app_start_failed', env: Readonly<Record<string, string>>): Switches {
  const { data, error } = Switches.safeParse(env);
  if (data) return data;
  const [issue] = error.issues;
  throw new ThawError(code, `${issue?.path.join('.')} of the env is not right: ${issue?.message}`, { fix: 'Correct it, or leave it out.' });
}
