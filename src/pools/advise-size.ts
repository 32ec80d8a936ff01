import { enough, outstandingRestores, poisson, type RefillLoad, utilisation } from './refill-load.ts';

/** What the rate of claims is measured over: a peak is taken to last this long. */
export const peakSeconds = 60;

/**
 * The smallest `size.ready` with which the share `hitRate` of the claims at the peak finds a warm instance. Pure.
 *
 * Each claim starts one restore, so that warm are `ready` less the restores outstanding. Claims that come by chance see what there is on
 * average (PASTA): one is served when fewer than `ready` are outstanding. So `ready` is the smallest n with P(outstanding ≥ n) ≤ 1 - hitRate.
 * Where refill is slower than the claims, or nearly, nothing settles within the peak: then no more is needed than lasts until its end.
 */
export function adviseReady(load: RefillLoad, hitRate: number): number {
  if (load.claimsPerSecond <= 0) return 1;
  const lasting = stockForPeak(load, hitRate);
  return utilisation(load) < 1 ? Math.min(lasting, enough(outstandingRestores(load), hitRate)) : lasting;
}

/**
 * What is outstanding at the end of a peak that began with none: what came less what was restored, and what is under way. Half the misses
 * are allowed for, because the worst moment may be an earlier one (the reflection principle).
 */
function stockForPeak({ claimsPerSecond, restoreMs, reactionMs, restoresAtOnce }: RefillLoad, hitRate: number): number {
  const sure = 1 - (1 - hitRate) / 2;
  const came = enough(poisson(claimsPerSecond * peakSeconds), sure);
  const restored = Math.floor(peakSeconds * Math.min(claimsPerSecond, (restoresAtOnce * 1000) / restoreMs));
  const notBegun = enough(poisson((claimsPerSecond * reactionMs) / 1000), sure);
  return came - restored + restoresAtOnce + notBegun;
}
