import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allKeys, registerKey, revokeKey } from '#src/api/key-store.ts';
import { registerAdminKey } from '#src/api/register-admin-key.ts';
import { hashSecret, keyIdOf } from '#src/api/secret.ts';
import { parseConfig } from '#src/platform/config.ts';
import { startProcess } from '#test/support/processes.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();

const given = 'given-by-the-environment';
const idOf = (secret: string) => keyIdOf(hashSecret(secret));
const known = async () => (await allKeys(server.redis)).map(({ id }) => id);

describe('the start of the API', () => {
  it('makes the data directory and an admin key that works', async () => {
    await using directory = await makeTempDir();
    const dataDir = join(directory.path, 'not/there/yet');
    const api = await startProcess('api', { THAW_DATA_DIR: dataDir, REDIS_URL: server.url, THAW_PORT: '0', LOG_LEVEL: 'warn' });
    try {
      expect((await stat(dataDir)).mode & 0o777).toBe(0o711);
      const key = (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim();
      expect((await fetch(`${api.url}/v1/keys`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    } finally {
      await api.kill();
    }
  });

  it('does not bring a revoked admin key back while there is another', async () => {
    await using directory = await makeTempDir();
    const config = parseConfig({ THAW_DATA_DIR: directory.path });
    await registerAdminKey(server.redis, config);
    const [made] = await known();
    const { id: other } = await registerKey(server.redis, 'another-admin-key', 'ops', 'admin');
    await revokeKey(server.redis, made ?? '');
    await registerAdminKey(server.redis, config);
    expect(await known()).toEqual([other]);
  });

  it('registers the key of the data directory again when Redis was emptied', async () => {
    await using directory = await makeTempDir();
    const config = parseConfig({ THAW_DATA_DIR: directory.path });
    await registerAdminKey(server.redis, config);
    const before = await known();
    await server.redis.flushall();
    await registerKey(server.redis, 'a-backend-key', 'shop', 'backend');
    await registerAdminKey(server.redis, config);
    expect(await known()).toEqual(expect.arrayContaining(before));
  });

  it('registers the key of THAW_API_KEY whatever there is', async () => {
    await registerKey(server.redis, 'another-admin-key', 'ops', 'admin');
    await registerAdminKey(server.redis, parseConfig({ THAW_API_KEY: given }));
    expect(await known()).toContain(idOf(given));
  });
});
