import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { request, Server } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openGateway } from '#src/api/gateway/gateway.ts';
import { openGatewayTokens } from '#src/api/gateway/tokens.ts';
import { type ApiServer, openServer } from '#src/api/open-server.ts';
import { claimNotFound } from '#src/claims/store.ts';
import { createClientReader } from '#src/platform/http/read-client.ts';
import { newRouter } from '#src/platform/http/router.ts';
import { createLogger } from '#src/platform/log.ts';
import { connectImpatientRedis } from '#src/platform/redis.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let dir: Awaited<ReturnType<typeof makeTempDir>>;
let opened: ApiServer | undefined;
beforeEach(async () => {
  dir = await makeTempDir();
});
afterEach(async () => {
  await opened?.close(1000);
  opened = undefined;
  await dir[Symbol.asyncDispose]();
});

const paths = () => ({ certPath: join(dir.path, 'cert.pem'), keyPath: join(dir.path, 'key.pem') });

/** A certificate of that name signed by itself, put in place of the one before. */
async function issue(name: string): Promise<void> {
  const fresh = join(dir.path, name);
  await mkdir(fresh);
  const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`];
  await run(['openssl', 'req', ...options, '-keyout', join(fresh, 'key.pem'), '-out', join(fresh, 'cert.pem')], { timeoutMs: 20_000 });
  await rename(join(fresh, 'cert.pem'), paths().certPath);
  await rename(join(fresh, 'key.pem'), paths().keyPath);
}

const errors: unknown[] = [];
const log = { info: () => {}, error: (problem: unknown) => errors.push(problem) };

async function open(): Promise<number> {
  const gateway = openGateway({
    ...{ log, domain: undefined, clientOf: createClientReader([]), tokens: openGatewayTokens(connectImpatientRedis('unix:///nowhere')) },
    read: async (id) => {
      throw claimNotFound(id);
    },
    readLeases: async () => new Map(),
    touchClaim: async () => {},
    isApiKey: async () => false,
  });
  const app = newRouter();
  app.all('*', (c) => c.text('the API'));
  opened = await openServer({ app, gateway, log: createLogger('silent', 'test') }, paths());
  opened.server.listen(0, '127.0.0.1');
  await once(opened.server, 'listening');
  expect(opened.server).toBeInstanceOf(Server);
  const address = opened.server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** Whose certificate a new connection is shown. */
async function servedName(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

async function get(port: number, path: string): Promise<number | undefined> {
  const sending = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false });
  sending.end();
  const [answer] = await once(sending, 'response');
  answer.resume();
  return answer.statusCode;
}

describe('TLS', () => {
  it('serves the API and the gateway, and a renewed certificate without a restart', async () => {
    await issue('first');
    const port = await open();
    expect([await servedName(port), await get(port, '/healthz'), await get(port, '/i/clm-x/web/')]).toEqual(['first', 200, 404]);
    await issue('second');
    await expect.poll(() => servedName(port), { timeout: 10_000 }).toBe('second');
  });

  it('keeps the certificate it has when the new files are broken', async () => {
    await issue('first');
    const port = await open();
    await writeFile(paths().certPath, 'no certificate');
    await issue('second');
    await expect.poll(() => servedName(port), { timeout: 10_000 }).toBe('second');
    await writeFile(paths().keyPath, 'no key');
    expect(await servedName(port)).toBe('second');
  });

  it('refuses files at the start that are no certificate with its key, by their names', async () => {
    await expect(open()).rejects.toThrow(/THAW_TLS_CERT .*cert\.pem can not be read: ENOENT/);
    await writeFile(paths().certPath, 'x');
    await writeFile(paths().keyPath, 'y');
    await expect(open()).rejects.toThrow('are no certificate with its key');
  });
});
