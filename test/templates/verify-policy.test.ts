import { describe, expect, it } from 'vitest';
import { workloadOf } from '#src/templates/template.ts';
import { VerifyPolicy } from '#src/templates/verify-policy.ts';
import { webSpec } from '#test/support/memory-node.ts';

describe('what a golden must show', () => {
  it('is three times the time and twice the memory at most, unless the template says otherwise', () => {
    expect(VerifyPolicy.parse({})).toEqual({ maxRestoreFactor: 3, maxMemoryFactor: 2 });
    expect(VerifyPolicy.parse({ maxRestoreFactor: 1.5 })).toEqual({ maxRestoreFactor: 1.5, maxMemoryFactor: 2 });
  });

  it.each([
    ['no test at all', { smoke: {} }],
    ['two tests', { smoke: { http: { port: 80, path: '/' }, exec: { command: ['true'] } } }],
    ['a path that is none', { smoke: { http: { port: 80, path: 'x' } } }],
    ['a status that is never an answer', { smoke: { http: { port: 80, path: '/', status: 101 } } }],
    ['a factor below one', { maxMemoryFactor: 0.5 }],
    ['a word that is not known', { maxFactor: 2 }],
  ])('is refused with %s', (_what, policy) => {
    expect(VerifyPolicy.safeParse(policy).success).toBe(false);
  });

  it('is no business of the engine', () => {
    expect(workloadOf(webSpec({ verify: { maxMemoryFactor: 4 } }))).not.toHaveProperty('verify');
  });
});
