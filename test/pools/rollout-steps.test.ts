import { describe, expect, it } from 'vitest';
import { goldenId } from '#src/platform/ids.ts';
import { isSoaking, nextStep, type Rollout, type RolloutView } from '#src/pools/rollout/rollout.ts';
import { RolloutPolicy } from '#src/pools/rollout-policy.ts';

const policy = RolloutPolicy.parse({ soakMs: 1000, deadlineMs: 100_000 });
const [six, seven, eight] = [goldenId('api', 6), goldenId('api', 7), goldenId('api', 8)] as const;
const startedAt = 1_000_000;
const rollout: Rollout = { from: six, to: seven, state: 'progressing', startedAt, deadline: startedAt + 100_000, failed: 0 };
const view: RolloutView = { golden: seven, wanted: 3, outdated: 3, freshWarm: 0, longestMs: 0, hasFailures: false, reason: undefined };

const stepOf = (changes: Partial<Rollout>, seen: Partial<RolloutView>, afterMs = 0) =>
  nextStep({ ...rollout, ...changes }, { ...view, ...seen }, policy, startedAt + afterMs);

describe('a rollout', () => {
  it('begins when the pool is filled from another golden, and not with its first', () => {
    expect(nextStep(undefined, view, policy, startedAt)).toEqual({ kind: 'begin', to: seven, state: 'complete' });
    expect(stepOf({ state: 'complete' }, {})).toBeUndefined();
    expect(stepOf({ state: 'complete' }, { golden: eight })).toEqual({ kind: 'begin', from: seven, to: eight, state: 'progressing' });
  });

  it('in the middle of another begins from where that one began', () => {
    expect(stepOf({}, { golden: eight })).toEqual({ kind: 'begin', from: six, to: eight, state: 'progressing' });
  });

  it('that was rolled back stays so until the pool is filled from something else', () => {
    expect(stepOf({}, { golden: six })).toMatchObject({ kind: 'end', state: 'rolled_back' });
    expect(stepOf({ state: 'rolled_back' }, { golden: six })).toBeUndefined();
    expect(stepOf({ state: 'rolled_back' }, { golden: seven })).toEqual({ kind: 'begin', from: six, to: seven, state: 'progressing' });
  });

  it('is taken to work once a clone has lived long enough, or none could and none failed', () => {
    const warmAt = startedAt + 10;
    expect(stepOf({}, { freshWarm: 1 })).toEqual({ kind: 'warm' });
    expect(stepOf({ warmAt }, { longestMs: 999 }, 5000)).toBeUndefined();
    expect(stepOf({ warmAt }, { longestMs: 1000 }, 1010)).toEqual({ kind: 'proven' });
    expect(stepOf({ warmAt }, { longestMs: 1000, hasFailures: true }, 1010)).toBeUndefined();
    expect(stepOf({ warmAt }, {}, 6010)).toEqual({ kind: 'proven' });
    expect([
      isSoaking(rollout, false),
      isSoaking({ ...rollout, provenAt: 1 }, false),
      isSoaking({ ...rollout, provenAt: 1 }, true),
    ]).toEqual([true, false, true]);
  });

  it('is complete when nothing old is left, at once where nothing is wanted, and not while the new one fails', () => {
    const done = { warmAt: startedAt, provenAt: startedAt };
    expect(stepOf(done, { outdated: 0, freshWarm: 1 })).toEqual({ kind: 'end', state: 'complete' });
    expect(stepOf({}, { outdated: 0, wanted: 0 })).toEqual({ kind: 'end', state: 'complete' });
    expect(stepOf(done, { outdated: 1, freshWarm: 3 })).toBeUndefined();
    expect(stepOf(done, { outdated: 0, freshWarm: 1, hasFailures: true })).toBeUndefined();
  });

  it('misses its deadline once, with what holds it up, and can be complete after all', () => {
    expect(stepOf({}, { reason: 'no node has room' }, 100_000)).toEqual({
      ...{ kind: 'end', state: 'failed' },
      reason: 'the change to api@7 took longer than 100000 ms: no node has room',
    });
    expect(stepOf({ state: 'failed' }, {}, 200_000)).toBeUndefined();
    const done = { state: 'failed', warmAt: startedAt, provenAt: startedAt } as const;
    expect(stepOf(done, { outdated: 0, freshWarm: 3 }, 200_000)).toEqual({ kind: 'end', state: 'complete' });
  });
});
