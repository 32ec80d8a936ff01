/** What claims and restores of a pool are like at its peak. */
export interface RefillLoad {
  readonly claimsPerSecond: number;
  /** One restore, while as many as may run at once do. */
  readonly restoreMs: number;
  /** From a claim until the restore of its successor may begin. */
  readonly reactionMs: number;
  readonly restoresAtOnce: number;
}

/** Probabilities below this are nothing; and no tail is followed further than any pool can be large. */
const nothing = 1e-9;
const longest = 10_000;

/** How busy the places for restores are: from 1 on, refill is slower than the claims. */
export function utilisation({ claimsPerSecond, restoreMs, restoresAtOnce }: RefillLoad): number {
  return (claimsPerSecond * restoreMs) / 1000 / restoresAtOnce;
}

/**
 * How likely it is that so many restores are outstanding, by their number, in the long run. A claim starts one restore. It first waits for
 * the planner: as many do as claims come in that time (M/D/∞, a Poisson distribution). Then it waits for a place and runs (M/M/c, Erlang's).
 * What leaves the first comes by chance again (Burke, Mirasol), so that the two are independent and their sum is a convolution. Real
 * restore times vary less than the exponential ones assumed, which errs on the safe side. Only for a utilisation below 1.
 */
export function outstandingRestores(load: RefillLoad): number[] {
  const { claimsPerSecond, restoreMs, reactionMs, restoresAtOnce } = load;
  const offered = (claimsPerSecond * restoreMs) / 1000;
  const inPlaces = normalised((k) => offered / Math.min(k, restoresAtOnce), restoresAtOnce);
  return convolve(poisson((claimsPerSecond * reactionMs) / 1000), inPlaces);
}

/** How likely each number of events is where `mean` are expected. */
export function poisson(mean: number): number[] {
  return normalised((k) => mean / k, mean);
}

/** The smallest n such that fewer than n happen with at least the probability. */
export function enough(probabilities: readonly number[], probability: number): number {
  let sum = 0;
  for (const [n, each] of probabilities.entries()) {
    sum += each;
    if (sum >= probability) return n + 1;
  }
  return probabilities.length + 1;
}

/**
 * Probabilities that are to each other as `ratio(k)` says of k to k - 1, followed beyond `turn` until they are nothing. By their logarithms:
 * those of a large mean begin smaller than any number.
 */
function normalised(ratio: (k: number) => number, turn: number): number[] {
  const logs = [0];
  let top = 0;
  for (let k = 1; k < turn + longest; k++) {
    const log = (logs[k - 1] ?? 0) + Math.log(ratio(k));
    if (k > turn && log - top < Math.log(nothing)) break;
    logs.push(log);
    top = Math.max(top, log);
  }
  const weights = logs.map((log) => Math.exp(log - top));
  const sum = weights.reduce((all, each) => all + each, 0);
  return weights.map((each) => each / sum);
}

function convolve(a: readonly number[], b: readonly number[]): number[] {
  const sums = new Array<number>(a.length + b.length - 1).fill(0);
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) sums[i + j] = (sums[i + j] ?? 0) + x * y;
  return sums;
}
