import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTempDir } from '#test/support/temp-dir.ts';
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
    items: [
      {
        ...{ id: 'search@7', state: 'ready', node: 'here', sizeBytes: 157_286_400, createdAt: time },
        nodes: [
          { node: 'here', compatible: true, has: true },
          { node: 'there', compatible: false, has: false, reasons: ['kernel 6.18 instead of 6.12', 'its files are not there'] },
        ],
      },
    ],
  },
  '/v1/templates/search/goldens/7': {
    ...{ id: 'search@7', state: 'ready', node: 'here', operation: 'op-1', sizeBytes: 157_286_400, createdAt: time, notes: 'after the fix' },
    evidence: {
      ...{ verifiedAt: time, node: 'here', unique: true, smoke: { tookMs: 12 } },
      clones: [130.4, 118.2].map((restoreMs) => ({ restoreMs, readyMs: 8, memoryBytes: 45_088_768 })),
      comparedWith: { golden: 'search@6', restoreMs: 121, memoryBytes: 44_040_192 },
    },
  },
  '/v1/templates/search/goldens/8': {
    ...{ id: 'search@8', state: 'failed', node: 'here', operation: 'op-2', createdAt: time },
    problem: { message: 'two clones are the same', fix: 'Renew it.' },
    evidence: {
      verifiedAt: time,
      node: 'here',
      clones: [],
      notCompared: 'search@6 is away',
      problem: { message: 'two clones\nare the same' },
    },
    nodes: [
      { node: 'here', compatible: true, has: true },
      {
        node: 'there',
        compatible: false,
        has: true,
        reasons: ['CRIU 4.2 instead of 4.3'],
        build: { state: 'building', operation: 'op-3' },
      },
    ],
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
  '/v1/claims/clm-1': {
    id: 'clm-1',
    state: 'lost',
    pool: 'search',
    tenant: 'acme',
    createdAt: time,
    expiresAt: time,
    instance: { id: 'ins-1', node: 'here', golden: 'search@7' },
    receipt: { path: 'restored', reason: 'nothing was warm', timingsMs: { total: 1204 } },
    endedAt: time,
    endReason: 'oom',
    endDetail: 'the instance used more than 268435456 bytes',
    exitCode: 137,
  },
  '/v1/claims/clm-2': {
    ...{ id: 'clm-2', state: 'lost', pool: 'search', tenant: 'acme', createdAt: time, expiresAt: time, endedAt: time, exitCode: 3 },
    endDetail: 'ended with exit code 3: \u001b[2Jbad\nIt is active.',
  },
  '/v1/claims/clm-2/timeline': {
    ...{ claim: 'clm-2', complete: true },
    steps: [{ type: 'claim.lost', at: time, sinceMs: 5, reason: 'it said \u001b[2J\nbad' }],
  },
  '/v1/operations/op-2': { id: 'op-2', kind: 'capture-golden', target: 'search@9', createdAt: time },
  '/v1/claims/clm-1/timeline': {
    claim: 'clm-1',
    complete: false,
    steps: [
      { type: 'golden.capturing', at: time, sinceMs: -93_784_000, golden: 'search@7', phasesMs: { coldStart: 5600 } },
      { type: 'claim.waiting', at: time, sinceMs: 0, tookMs: 1200 },
      { type: 'claim.reserved', at: time, sinceMs: 1200, tookMs: 3.84, phasesMs: { bind: 2.31, hook: 1.5 }, instance: 'ins-1' },
      { type: 'claim.active', at: time, sinceMs: 1204, tookMs: 7_384_000 },
      { type: 'claim.lost', at: time, sinceMs: 7_385_204, reason: 'out of memory' },
      { type: 'something.new', at: time, sinceMs: 7_385_300 },
    ],
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
    expect((await runCommandLine(env, 'goldens', 'search')).out).toContain('there: kernel 6.18 instead of 6.12, its files are not there');
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

  test('explain tells the story of a claim and shows its steps', async () => {
    expect((await runCommandLine(env, 'explain', 'clm-1')).out).toBe(
      [
        'Claim clm-1 of tenant acme on pool search, asked for at 2026-01-31 12:00:00Z, is lost.',
        'It held instance ins-1 on node here, a clone of golden search@7.',
        'It was restored, not hot: answered after 1.2 s; nothing was warm.',
        'It ended at 2026-01-31 12:00:00Z, held for 2 h 3 min: the instance used more than 268435456 bytes, exit code 137.',
        '',
        'SINCE       WHAT                              LASTED     DETAIL',
        '-1 d 2 h    the golden was captured           -          search@7 · coldStart 5.6 s',
        '+0 ms       the claim waited in line          1.2 s      -',
        '+1.2 s      the instance was reserved for it  3.8 ms     bind 2.3 ms, hook 1.5 ms',
        '+1.2 s      the tenant held it                2 h 3 min  -',
        '+2 h 3 min  the claim lost its instance       -          out of memory',
        '+2 h 3 min  something.new                     -          -',
        '',
        'Some events of its time are no longer kept; these steps come from the records.',
      ].join('\n'),
    );
    const { out } = await runCommandLine(env, 'explain', 'clm-1', '--json');
    expect(JSON.parse(out)).toEqual({ claim: answers['/v1/claims/clm-1'], timeline: answers['/v1/claims/clm-1/timeline'] });
    expect((await runCommandLine(env, 'explain')).exitCode).toBe(2);
  });

  test('what an app said can neither steer the terminal nor pass for a line of ours', async () => {
    expect((await runCommandLine(env, 'explain', 'clm-2')).out.split('\n').slice(1)).toEqual([
      'It ended at 2026-01-31 12:00:00Z: ended with exit code 3:  [2Jbad It is active..',
      '',
      'SINCE  WHAT                         LASTED  DETAIL',
      '+5 ms  the claim lost its instance  -       it said  [2J bad',
    ]);
  });

  test('a golden is shown with where it comes from and what its last verify measured', async () => {
    expect((await runCommandLine(env, 'goldens', 'search', '7')).out).toBe(
      [
        'search@7 is ready, on here.',
        '  captured      2026-01-31 12:00:00Z, see `thaw operations op-1`',
        '  size          150 MiB',
        '  notes         after the fix',
        '  verified      2026-01-31 12:00:00Z on here: passed',
        '  clones        ready in 130 ms, 43 MiB; ready in 118 ms, 43 MiB',
        '  compared with search@6: ready in 121 ms, 42 MiB',
        '  unique        the clones told themselves apart',
        '  smoke test    passed in 12 ms',
      ].join('\n'),
    );
    expect((await runCommandLine(env, 'goldens', 'search', '8')).out.split('\n').slice(2)).toEqual([
      '  verified      2026-01-31 12:00:00Z on here: failed, because two clones are the same',
      '  compared with nothing: search@6 is away',
      '  on here       clones can be made',
      '  on there      no clones: CRIU 4.2 instead of 4.3; its own build is being captured, see `thaw operations op-3`',
      '  problem       two clones are the same',
      '  fix           Renew it.',
    ]);
    expect(await runCommandLine(env, 'goldens', 'search', '0')).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('"0" is no number'),
    });
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

  test('an answer of another version is told in one line, and --json shows it', async () => {
    const { exitCode, err } = await runCommandLine(env, 'operations', 'op-2');
    expect({ exitCode, err }).toEqual({
      exitCode: 1,
      err: 'thaw: what answers /v1/operations/op-2 is not as this `thaw` knows it: state, steps\n      Use the command of the same version, or --json.',
    });
    expect((await runCommandLine(env, 'operations', 'op-2', '--json')).exitCode).toBe(0);
  });

  test('a key file that holds no key is named, and what it holds is not', async () => {
    await using dir = await makeTempDir();
    await writeFile(join(dir.path, 'admin.key'), 'some secret\nof two lines\n');
    const { exitCode, err } = await runCommandLine({ THAW_URL: env.THAW_URL, THAW_DATA_DIR: dir.path }, 'pools');
    expect(exitCode).toBe(1);
    expect(err).toBe(`thaw: ${dir.path}/admin.key holds no key: one is printable ASCII without blanks\n      Set THAW_API_KEY instead.`);
  });

  test('a service that is not there is named, with what to do', async () => {
    const { exitCode, err } = await runCommandLine({ THAW_URL: 'http://127.0.0.1:1' }, 'pools');
    expect(exitCode).toBe(1);
    expect(err).toMatch(/Thaw does not answer at http:\/\/127\.0\.0\.1:1\/.*\n +Start it by `thaw up`/);
  });
});
