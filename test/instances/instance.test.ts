import { describe, expect, it } from 'vitest';
import { canMove, InstanceState, isInTheMaking, isLive, liveStates, statesBefore } from '#src/instances/instance.ts';

describe('the transition table', () => {
  it('knows no way back to warm from a tenant', () => {
    const reachable = new Set<InstanceState>(['claimed']);
    for (const state of reachable) for (const next of InstanceState.options) if (canMove(state, next)) reachable.add(next);
    expect([...reachable].sort()).toEqual(['claimed', 'destroyed', 'failed', 'releasing', 'suspended']);
  });

  it('leads from every live state to an end', () => {
    for (const state of liveStates) expect(canMove(state, 'failed')).toBe(true);
  });

  it('knows no way out of an end', () => {
    expect(InstanceState.options.filter((state) => !isLive(state))).toEqual(['destroyed', 'failed']);
  });

  it('makes warm only what was prepared, and claimed only what was warm or suspended', () => {
    expect(statesBefore('warm')).toEqual(['preparing']);
    expect(statesBefore('claimed')).toEqual(['warm', 'suspended']);
    expect(statesBefore('destroyed')).toEqual(['releasing']);
  });

  it('nothing in the making can be claimed', () => {
    expect(InstanceState.options.filter((state) => isInTheMaking(state) && canMove(state, 'claimed'))).toEqual([]);
  });
});
