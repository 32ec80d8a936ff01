import { describe, expect, it } from 'vitest';
import { adviseReady, peakSeconds } from '#src/pools/advise-size.ts';
import { enough, outstandingRestores, poisson, type RefillLoad } from '#src/pools/refill-load.ts';

const load = (claimsPerSecond: number, restoreMs: number, restoresAtOnce: number, reactionMs = 50): RefillLoad => ({
  ...{ claimsPerSecond, restoreMs, restoresAtOnce, reactionMs },
});

describe('what is outstanding', () => {
  it.each([0.1, 1, 7.5, 800])('of a Poisson distribution around %d has that mean and variance', (mean) => {
    const { total, average, variance } = moments(poisson(mean));
    expect(total).toBeCloseTo(1, 6);
    expect(average).toBeCloseTo(mean, 4);
    expect(variance / mean).toBeCloseTo(1, 4);
  });

  it('with one place is the geometric distribution of M/M/1', () => {
    const [none = 0, one = 0, two = 0] = outstandingRestores(load(5, 100, 1, 0));
    expect([none, one, two].map((each) => each.toFixed(6))).toEqual(['0.500000', '0.250000', '0.125000']);
  });

  it('with places for all is a Poisson distribution over reaction and restore together', () => {
    const { average, variance } = moments(outstandingRestores(load(20, 150, 500, 50)));
    expect([average, variance].map((each) => each.toFixed(4))).toEqual(['4.0000', '4.0000']);
  });
});

describe('advice', () => {
  it('without claims is one', () => expect(adviseReady(load(0, 100, 4), 0.999)).toBe(1));

  it('of rare claims and quick restores is one', () => expect(adviseReady(load(1 / 60, 30, 4, 10), 0.999)).toBe(1));

  it('of two claims a second and restores of half a second on many places', () => {
    // mean 2 · 0.55 = 1.1 outstanding; P(N ≥ 5) = 0.0054, P(N ≥ 6) = 0.00097
    expect([0.99, 0.999].map((rate) => adviseReady(load(2, 500, 100), rate))).toEqual([5, 6]);
    expect(enough(poisson(1.1), 0.999)).toBe(6);
  });

  it('grows with the claims, the restores and the hit rate, and falls with the places', () => {
    const base = adviseReady(load(10, 400, 8), 0.99);
    expect(adviseReady(load(15, 400, 8), 0.99)).toBeGreaterThan(base);
    expect(adviseReady(load(10, 600, 8), 0.99)).toBeGreaterThan(base);
    expect(adviseReady(load(10, 400, 8), 0.9999)).toBeGreaterThan(base);
    expect(adviseReady(load(10, 400, 5), 0.99)).toBeGreaterThan(base);
  });

  it('of a refill slower than the claims lasts for the peak minute and is finite', () => {
    const ready = adviseReady(load(10, 1000, 2), 0.99);
    expect(ready).toBeGreaterThan(480); // 600 come, 120 are restored
    expect(ready).toBeLessThan(560);
  });

  it('of absurd loads is still a number', () => {
    for (const [claims, restoreMs, places] of [
      [1e4, 60_000, 1],
      [1e-9, 1, 1],
      [1e3, 1, 1000],
      [9.999, 100, 1],
    ] as const) {
      const ready = adviseReady(load(claims, restoreMs, places), 0.99999);
      expect(Number.isInteger(ready) && ready >= 1, `${claims} ${restoreMs} ${places}: ${ready}`).toBe(true);
    }
  });
});

/** A simulation that knows nothing of the mathematics: claims by chance, places that restore one clone at a time, one after the other. */
describe('the simulated hit rate', () => {
  it.each([
    [load(2, 500, 8), 0.99],
    [load(20, 130, 4), 0.99],
    [load(20, 130, 4), 0.9],
    [load(6, 130, 1), 0.99],
    [load(40, 60, 4, 20), 0.99],
    [load(0.2, 2000, 2), 0.95],
  ])('of %j in the long run is at least %d, with hardly one more than it takes', (each, hitRate) => {
    const ready = adviseReady(each, hitRate);
    const exponential = (random: () => number) => -Math.log(1 - random()) * each.restoreMs;
    expect(simulate(each, ready, exponential, 20_000)).toBeGreaterThan(hitRate - 0.002);
    expect(simulate(each, ready - 1, exponential, 20_000)).toBeLessThan(hitRate + 0.001);
    expect(simulate(each, ready, () => each.restoreMs, 20_000)).toBeGreaterThan(hitRate);
  });

  it.each([
    [load(10, 1000, 2), 0.99],
    [load(20, 210, 4), 0.99],
    [load(20, 199, 4), 0.99],
    [load(30, 130, 4), 0.95],
  ])('of %j, where refill can hardly follow, is at least %d over the peak minute', (each, hitRate) => {
    const ready = adviseReady(each, hitRate);
    const rates = Array.from({ length: 200 }, (_, seed) => simulate(each, ready, () => each.restoreMs, peakSeconds, seed + 1));
    expect(rates.reduce((sum, rate) => sum + rate, 0) / rates.length).toBeGreaterThan(hitRate);
  });
});

function simulate(each: RefillLoad, ready: number, restoreMs: (random: () => number) => number, seconds: number, seed = 1): number {
  const random = mulberry32(seed);
  const freeAt = new Array<number>(each.restoresAtOnce).fill(0);
  let outstanding: number[] = [];
  let hits = 0;
  let claims = 0;
  for (let now = 0; ; ) {
    now += (-Math.log(1 - random()) / each.claimsPerSecond) * 1000;
    if (now > seconds * 1000) return claims === 0 ? 1 : hits / claims;
    outstanding = outstanding.filter((doneAt) => doneAt > now);
    claims++;
    if (outstanding.length < ready) hits++;
    const place = freeAt.indexOf(Math.min(...freeAt));
    const doneAt = Math.max(now + each.reactionMs, freeAt[place] ?? 0) + restoreMs(random);
    freeAt[place] = doneAt;
    outstanding.push(doneAt);
  }
}

/** Tommy Ettinger's 32-bit generator: the same seed gives the same numbers. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function moments(probabilities: readonly number[]): { total: number; average: number; variance: number } {
  const total = probabilities.reduce((sum, each) => sum + each, 0);
  const average = probabilities.reduce((sum, each, k) => sum + k * each, 0);
  const variance = probabilities.reduce((sum, each, k) => sum + (k - average) ** 2 * each, 0);
  return { total, average, variance };
}
