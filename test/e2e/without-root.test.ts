import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createThawClient } from '#src/client/client.ts';
import { orThrow } from '#src/client/problem.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const nobody = 65_534;
const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));

const asNobody = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--bounding-set=-all'];
/** A checkout below /root is nobody's to read. */
const isReadable = [main, process.execPath].every((file) => spawnSync('setpriv', [...asNobody, 'test', '-r', file]).status === 0);

/** `thaw up --engine memory` as the user nobody, without any capability. Answers its admin key and URL once it greets. */
async function startUp(directory: string) {
  const env = { PATH: process.env.PATH, HOME: directory, THAW_DATA_DIR: join(directory, 'data'), THAW_PORT: '0', LOG_LEVEL: 'warn' };
  const up = spawn('setpriv', [...asNobody, process.execPath, main, 'up', '--engine', 'memory'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  up.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  const exited = once(up, 'exit');
  const greeting: string[] = [];
  for await (const line of createInterface({ input: up.stdout })) {
    greeting.push(line);
    if (greeting.length === 2) break;
  }
  const [, url] = /answers at (\S+)/.exec(greeting.join('\n')) ?? [];
  const [, key] = /admin key is ([^;]+);/.exec(greeting.join('\n')) ?? [];
  if (url === undefined || key === undefined) throw new Error(`it did not greet: ${greeting.join('\n')}${said}`);
  return {
    ...{ url, key },
    [Symbol.asyncDispose]: async () => {
      up.kill('SIGTERM');
      await exited;
    },
  };
}

it.skipIf(!isReadable)(
  `with the memory engine a user without any right does the whole job, and the endpoints answer${isReadable ? '' : ' (skipped: this checkout is not readable for others)'}`,
  async () => {
    await using directory = await makeTempDir();
    await chown(directory.path, nobody, nobody);
    await using up = await startUp(directory.path);
    const thaw = createThawClient(up);
    const spec = { image: 'nginx:1.27', ports: [{ name: 'web', port: 8080 }], ready: { http: { port: 8080, path: '/' } } };
    orThrow(await thaw.PUT('/v1/templates/{template}', { params: { path: { template: 'web' } }, body: spec }));
    orThrow(await thaw.POST('/v1/templates/{template}/goldens', { params: { path: { template: 'web' } }, body: {} }));
    orThrow(
      await thaw.PUT('/v1/pools/{pool}', { params: { path: { pool: 'web' } }, body: { template: 'web', size: { ready: 2, max: 4 } } }),
    );
    await using held = await thaw.claim('web', { tenant: 'acme', waitMs: 20_000 });
    const params = { path: { claim: held.id } };
    const { token } = orThrow(await thaw.POST('/v1/claims/{claim}/tokens', { params, body: { singleUse: false } }));
    const [endpoint] = held.claim.instance?.endpoints ?? [];
    expect((await fetch(`http://${endpoint?.host}:${endpoint?.port}/`)).status).toBe(200);
    expect((await fetch(`${endpoint?.url}/`, { headers: { 'Thaw-Token': token } })).status).toBe(200);
    for (const path of ['/healthz', '/readyz', '/metrics', '/docs', '/openapi.yaml']) {
      expect((await fetch(`${up.url}${path}`)).status, path).toBe(200);
    }
  },
);
