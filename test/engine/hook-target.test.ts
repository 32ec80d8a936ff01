import { describe, expect, it } from 'vitest';
import { isHookTarget } from '#src/engine/hook-target.ts';
import { Hooks, Unique } from '#src/engine/hooks.ts';

const template = {
  hooks: Hooks.parse({
    beforeCheckpoint: { http: { port: 9000, path: '/thaw/rest' } },
    afterRestore: { exec: { command: ['renew'] } },
    bind: { http: { port: 8080, path: '/thaw/bind?by=thaw' } },
  }),
  unique: Unique.parse({ http: { port: 8080, path: '/thaw/id' } }),
};

describe('what tenants may not ask', () => {
  it.each([
    ['as it is written', '/thaw/bind'],
    ['with any query', '/thaw/bind?x=1'],
    ['with a fragment', '/thaw/bind#x'],
    ['in absolute form', 'http://anything:80/thaw/bind'],
    ['encoded', '/%74haw%2Fbind'],
    ['encoded twice', '/%2574haw/bind'],
    ['with doubled slashes', '//thaw///bind'],
    ['with a last slash', '/thaw/bind/'],
    ['with dot segments', '/x/../thaw/./bind'],
    ['with encoded dot segments', '/x/%2e%2e/thaw/bind'],
    ['from above the root', '/../../thaw/bind'],
    ['with backslashes', '\\thaw\\bind'],
    ['with servlet parameters', '/thaw;a=1/bind;jsessionid=2'],
    ['in other letters', '/Thaw/BIND'],
    ['the path of unique', '/thaw/id'],
  ])('a hook %s', (_how, path) => {
    expect(isHookTarget(template, 8080, path)).toBe(true);
  });

  it.each([
    [8080, '/'],
    [8080, '/thaw'],
    [8080, '/thaw/bind/more'],
    [8080, '/thaw/binding'],
    [8080, '/thaw/rest'],
    [9000, '/thaw/bind'],
    [8080, '/%'],
    [8080, ''],
  ])('port %i %s is no hook', (port, path) => {
    expect(isHookTarget(template, port, path)).toBe(false);
  });

  it('is nothing where the template has no hooks', () => {
    expect(isHookTarget({}, 8080, '/thaw/bind')).toBe(false);
  });
});
