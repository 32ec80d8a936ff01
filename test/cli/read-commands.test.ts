import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from './run-command-line.ts';

const key = 'a-key-of-sixteen';
const time = '2026-01-31T12:00:00.000Z';

/** What the API would answer. */
const answers: Readonly<Record<string, unknown>> = {
  '/v1/pools?limit=200': {
    items: [
      {
        name: 'search',
        template: 'search',
        golden: 'stable',
        size: { ready: 5, max: 20 },
        status: { warm: 3, restoring: 2, claimed: 1, wanted: 5, golden: 'search@7' },
      },
      {
        name: 'web',
        template: 'web',
        golden: 'stable',
        size: { ready: 1, max: 1 },
        status: { warm: 0, restoring: 0, claimed: 0, wanted: 1, reason: 'web has no alias stable' },
      },
    ],
  },
  '/v1/claims?limit=200': {
    items: [
      { id: 'clm-1', state: 'active', pool: 'search', tenant: 'acme', expiresAt: time, instance: { id: 'ins-1', golden: 'search@7' } },
    ],
    nextCursor: 'abc',
  },
  '/v1/templates/search/goldens?limit=200': {
    items: [{ id: 'search@7', state: 'ready', node: 'here', sizeBytes: 157_286_400, createdAt: time }],
  },
  '/v1/operations/op-1': {
    id: 'op-1',
    kind: 'capture-golden',
    target: 'search@8',
    state: 'failed',
    steps: [
      { name: 'start', state: 'succeeded', tookMs: 412.4 },
      { name: 'ready', state: 'failed' },
    ],
    problem: { message: 'search did not become ready within 120000 ms', fix: 'Raise ready.timeoutMs.' },
    createdAt: time,
  },
};

describe('the commands that read', () => {
  let server: Server;
  let env: { THAW_URL: string; THAW_API_KEY: string };

  beforeAll(async () => {
    server = createServer((request, response) => {
      const known = answers[request.url ?? ''];
      if (request.headers.authorization !== `Bearer ${key}`) {
        response.writeHead(401).end(JSON.stringify({ code: 'unauthenticated', detail: 'this key is not known' }));
      } else if (known === undefined) {
        response.writeHead(404).end(JSON.stringify({ code: 'template_not_found', detail: `nothing at ${request.url}`, fix: 'List them.' }));
      } else response.end(JSON.stringify(known));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    env = { THAW_URL: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`, THAW_API_KEY: key };
  });

  afterAll(() => {
    server.close();
  });

  test('pools show what is warm of what is wanted, and why not', async () => {
    expect((await runCommandLine(env, 'pools')).out).toBe(
      [
        'POOL    GOLDEN      WARM  RESTORING  CLAIMED  MAX  REASON',
        'search  search@7    3/5   2          1        20   -',
        'web     web@stable  0/1   0          0        1    web has no alias stable',
      ].join('\n'),
    );
  });

  test('a list with more pages says so, beside the answer', async () => {
    const { out, err } = await runCommandLine(env, 'claims');
    expect(out).toContain('clm-1  active  acme    search  search@7  ins-1     2026-01-31 12:00:00Z');
    expect(err).toContain('GET /v1/claims?cursor=abc continues');
  });

  test('--json is the answer as it came', async () => {
    const { out } = await runCommandLine(env, 'goldens', 'search', '--json');
    expect(JSON.parse(out)).toEqual(answers['/v1/templates/search/goldens?limit=200']);
    expect((await runCommandLine(env, 'goldens', 'search')).out).toContain('search@7  ready  150 MiB  here');
  });

  test('an operation shows its steps and what went wrong', async () => {
    expect((await runCommandLine(env, 'operations', 'op-1')).out).toBe(
      [
        'capture-golden search@8: failed',
        'STEP   STATE      TOOK',
        'start  succeeded  412 ms',
        'ready  failed     -',
        'search did not become ready within 120000 ms',
        'Raise ready.timeoutMs.',
      ].join('\n'),
    );
  });

  test("a problem is told in the service's words, with its fix", async () => {
    expect(await runCommandLine(env, 'goldens', 'nope')).toEqual({
      exitCode: 1,
      out: '',
      err: 'thaw: nothing at /v1/templates/nope/goldens?limit=200\n      List them.',
    });
    const wrongKey = { ...env, THAW_API_KEY: 'another-key-of-sixteen' };
    expect((await runCommandLine(wrongKey, 'pools')).err).toBe('thaw: this key is not known\n      Set THAW_API_KEY to a valid key.');
  });

  test('a service that is not there is named, with what to do', async () => {
    const { exitCode, err } = await runCommandLine({ THAW_URL: 'http://127.0.0.1:1' }, 'pools');
    expect(exitCode).toBe(1);
    expect(err).toMatch(/Thaw does not answer at http:\/\/127\.0\.0\.1:1\/.*\n +Start it by `thaw up`/);
  });
});
