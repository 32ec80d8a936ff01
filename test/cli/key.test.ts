import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCommandLine } from './run-command-line.ts';

const id = 'key-0123456789abcdef';
const view = { id, name: 'shop', role: 'tenant', scope: { tenant: 'acme', pools: ['web', 'db'] }, createdAt: '2026-01-31T12:00:00.000Z' };

let server: Server;
let env: { THAW_URL: string; THAW_API_KEY: string };
const asked: { request: string; body: unknown }[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = await text(request);
    asked.push({ request: `${request.method} ${request.url}`, body: body === '' ? undefined : JSON.parse(body) });
    if (request.method === 'DELETE') response.writeHead(204).end();
    else response.end(JSON.stringify(request.method === 'GET' ? { items: [view] } : { ...view, secret: 'thaw_s3cret' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  env = { THAW_URL: `http://127.0.0.1:${port}/`, THAW_API_KEY: 'a-key-of-sixteen' };
});
afterAll(() => {
  server.close();
});
beforeEach(() => {
  asked.length = 0;
});

test('a key is made with its scope, limit and expiry; only the secret is printed', async () => {
  const options = [
    '--role',
    'tenant',
    '--tenant',
    'acme',
    '--pool',
    'web',
    '--pool',
    'db',
    '--expires-in',
    '1d',
    '--per-second',
    '5',
    '--burst',
    '10',
  ];
  const { exitCode, out, err } = await runCommandLine(env, 'key', 'create', 'shop', ...options);
  expect({ exitCode, out, err }).toEqual({
    exitCode: 0,
    out: 'thaw_s3cret',
    err: `This is the only time that the secret of ${id} is shown.`,
  });
  expect(asked).toEqual([
    {
      request: 'POST /v1/keys',
      body: {
        ...{ name: 'shop', role: 'tenant', scope: { tenant: 'acme', pools: ['web', 'db'] }, rateLimit: { perSecond: 5, burst: 10 } },
        expiresAt: expect.stringMatching(/Z$/),
      },
    },
  ]);
});

test('a key without a scope asks for none', async () => {
  await runCommandLine(env, 'key', 'create', 'shop', '--role', 'backend');
  expect(asked[0]?.body).toEqual({ name: 'shop', role: 'backend', scope: {} });
});

test('keys are listed with their scope', async () => {
  expect((await runCommandLine(env, 'key', 'list')).out).toBe(
    [
      'KEY                   NAME  ROLE    TENANT  POOLS   CREATED AT            EXPIRES AT',
      `${id}  shop  tenant  acme    web db  2026-01-31 12:00:00Z  -`,
    ].join('\n'),
  );
});

test('a key is rotated, with a grace or without, and revoked', async () => {
  expect((await runCommandLine(env, 'key', 'rotate', id, '--grace', '90s')).out).toBe('thaw_s3cret');
  await runCommandLine(env, 'key', 'rotate', id);
  expect((await runCommandLine(env, 'key', 'revoke', id)).out).toBe(`revoked ${id}`);
  expect(asked).toEqual([
    { request: `POST /v1/keys/${id}/rotate`, body: { graceMs: 90_000 } },
    { request: `POST /v1/keys/${id}/rotate`, body: { graceMs: 0 } },
    { request: `DELETE /v1/keys/${id}`, body: undefined },
  ]);
});

test.each([
  [['create', 'shop'], '`thaw key create` needs --role'],
  [['create', 'shop', '--role', 'root'], '--role can not be "root"'],
  [['create', 'shop', '--role', 'backend', '--burst', '3'], '--per-second and --burst go together'],
  [['create', 'shop', '--role', 'backend', '--expires-in', 'soon'], '--expires-in can not be "soon"'],
  [['rotate', id, '--grace', '0x10s'], '--grace can not be "0x10s"'],
  [['rotate'], '`thaw key` needs ID'],
  [['delete', id], '`thaw key` needs create, list, rotate or revoke'],
])('%j makes no sense', async (args, message) => {
  const { exitCode, err } = await runCommandLine(env, 'key', ...args);
  expect([exitCode, err.split('\n')[0]]).toEqual([2, `thaw: ${message}`]);
  expect(asked).toEqual([]);
});
