import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '#src/platform/config.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

describe('a number', () => {
  it.each(['abc', '0x10', '1e3', ' 80', '80 ', '+80', '-1', '1.5', '080', '٣', '65536', '99999999999999999999'])('is not %j', (port) => {
    expect(() => parseConfig({ THAW_PORT: port })).toThrow(`THAW_PORT: a port from 0 to 65535, not ${JSON.stringify(port)}`);
  });

  it('is told by its bounds wherever it stands', () => {
    expect(() => parseConfig({ THAW_DISK_RESERVE_MB: '2 GB' })).toThrow('THAW_DISK_RESERVE_MB: megabytes from 0 to 1000000000, not "2 GB"');
    expect(() => parseConfig({ THAW_HOST_PORTS: '53, 0x35' })).toThrow('THAW_HOST_PORTS: a port from 1 to 65535, not "0x35"');
    const agent = { THAW_AGENT_TOKEN: 'a-token-of-sixteen', THAW_AGENT_LISTEN: '127.0.0.1:70000' };
    expect(() => parseConfig(agent)).toThrow('THAW_AGENT_LISTEN: a port from 1 to 65535, not "70000"');
  });

  it('is taken as it stands', () => {
    const env = { THAW_PORT: '0', THAW_MEMORY_RESERVE_MB: '512', THAW_HOST_PORTS: '53, 8080' };
    expect(parseConfig(env)).toMatchObject({ port: 0, memoryReserveBytes: 512 * 1024 * 1024, hostPorts: [53, 8080] });
    expect(parseConfig({})).toMatchObject({ port: 7070, hostPorts: [] });
  });
});

describe('a data directory', () => {
  it.each(['/srv/my data', '/srv/a:b', '/srv/a,b', '/srv/a"b', "/srv/a'b", '/srv/a\\b', '/srv/a#b', '/srv/a?b', '/srv/ü', '/srv/a\nb'])(
    'is not %j: the characters are named',
    (path) => {
      expect(() => parseConfig({ THAW_DATA_DIR: path })).toThrow(
        `THAW_DATA_DIR: a path of letters, digits and / . _ - + = @ % ~ only: ${path} holds`,
      );
    },
  );

  it('may hold what the engine, Redis and conmon take as it is', () => {
    expect(parseConfig({ THAW_DATA_DIR: '/srv/A_z.0-+=@%41~' }).paths.dataDir).toBe('/srv/A_z.0-+=@%41~');
  });

  it('has at most 90 bytes, for the unix sockets below it', () => {
    const longest = `/${'x'.repeat(89)}`;
    const { paths } = parseConfig({ THAW_DATA_DIR: longest });
    expect(`${paths.redis}/redis.sock`).toHaveLength(107);
    expect(() => parseConfig({ THAW_DATA_DIR: `${longest}x` })).toThrow('a path of at most 90 bytes, because a unix socket takes 107');
  });

  it('is judged by where its links lead', async () => {
    await using dir = await makeTempDir();
    await mkdir(join(dir.path, 'with blank'));
    await symlink(join(dir.path, 'with blank'), join(dir.path, 'link'));
    expect(() => parseConfig({ THAW_DATA_DIR: join(dir.path, 'link/data') })).toThrow('holds " "');
  });
});
