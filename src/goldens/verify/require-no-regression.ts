import type { CloneFigures, Evidence } from '#src/goldens/evidence.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { VerifyPolicy } from '#src/templates/verify-policy.ts';

type Compared = NonNullable<Evidence['comparedWith']>;
type Limits = Pick<VerifyPolicy, 'maxRestoreFactor' | 'maxMemoryFactor'>;

/** Of small apps the factors alone would judge noise: what is not slower or larger by this much is let pass. */
const slackMs = 200;
const slackBytes = 32 * 1024 * 1024;

/** The best of clones: what disturbs a measurement only ever adds to it. */
export function bestOf(clones: readonly Pick<CloneFigures, 'restoreMs' | 'memoryBytes'>[]): { restoreMs: number; memoryBytes: number } {
  return {
    restoreMs: Math.min(...clones.map(({ restoreMs }) => restoreMs)),
    memoryBytes: Math.min(...clones.map(({ memoryBytes }) => memoryBytes)),
  };
}

/** Throws golden_regressed when clones of the golden are much slower or larger than those of the one in use. */
export function requireNoRegression(golden: GoldenId, clones: readonly CloneFigures[], than: Compared, limits: Limits): void {
  const { restoreMs, memoryBytes } = bestOf(clones);
  const { maxRestoreFactor, maxMemoryFactor } = limits;
  if (restoreMs > Math.max(than.restoreMs * maxRestoreFactor, than.restoreMs + slackMs)) {
    const figures = `becomes ready in ${Math.round(restoreMs)} ms, of ${than.golden} in ${Math.round(than.restoreMs)} ms`;
    throw regressed(`a clone of golden ${golden} ${figures}`, 'maxRestoreFactor', maxRestoreFactor);
  }
  if (memoryBytes > Math.max(than.memoryBytes * maxMemoryFactor, than.memoryBytes + slackBytes)) {
    const figures = `holds ${megabytes(memoryBytes)} MB of memory, of ${than.golden} ${megabytes(than.memoryBytes)} MB`;
    throw regressed(`a clone of golden ${golden} ${figures}`, 'maxMemoryFactor', maxMemoryFactor);
  }
}

function regressed(figures: string, limit: keyof Limits, factor: number): ThawError {
  return new ThawError('golden_regressed', `${figures}: more than ${factor} times as much`, {
    fix: `See what the app does more than before. If it is meant to, raise \`verify.${limit}\` of the template and capture again.`,
  });
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
