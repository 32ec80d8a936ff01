import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { runCommandLine } from './run-command-line.ts';

const unitPath = 'etc/systemd/system/thaw.service';
const envPath = 'etc/thaw.env';
const wrapperPath = 'usr/local/bin/thaw';

describe('thaw install --root', () => {
  test('writes a unit that systemd accepts, a wrapper that runs, and settings for root alone', async () => {
    await using root = await makeTempDir();
    const env = { THAW_DATA_DIR: '/srv/thaw', THAW_API_KEY: 'a-key-of-$ixteen-"and-more"', HOME: '/root' };
    expect(await runCommandLine(env, 'install', '--root', root.path)).toMatchObject({ exitCode: 0 });
    expect(filesBelow(root.path)).toEqual([unitPath, envPath, wrapperPath]);

    const unit = readFileSync(join(root.path, unitPath), 'utf8');
    expect(unit).toContain('KillMode=process');
    expect(unit).toContain('\nRestart=on-failure\n'); // not after `thaw down --destroy`
    expect(unit).toContain('RequiresMountsFor=/srv/thaw');
    expect(unit).not.toMatch(/@[A-Z_]+@/);
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', join(root.path, unitPath)], { encoding: 'utf8' });
    if (verified.error === undefined) expect(verified).toMatchObject({ status: 0, stderr: '' });

    expect(statSync(join(root.path, envPath)).mode & 0o777).toBe(0o600);
    expect(parseEnv(readFileSync(join(root.path, envPath), 'utf8'))).toEqual({
      THAW_DATA_DIR: '/srv/thaw',
      THAW_API_KEY: env.THAW_API_KEY,
    });

    const help = spawnSync(join(root.path, wrapperPath), ['--help'], { encoding: 'utf8' });
    expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('usage: thaw COMMAND') });
  });

  test('again keeps the settings of the host and replaces the rest', async () => {
    await using root = await makeTempDir();
    await runCommandLine({}, 'install', '--root', root.path);
    writeFileSync(join(root.path, envPath), '# Written by `thaw install`\nTHAW_PORT=7777\n');
    chmodSync(join(root.path, wrapperPath), 0o600);
    await runCommandLine({ THAW_DATA_DIR: '/srv/other' }, 'install', '--root', root.path);
    expect(readFileSync(join(root.path, envPath), 'utf8')).toContain('THAW_PORT=7777');
    expect(readFileSync(join(root.path, unitPath), 'utf8')).toContain('/srv/other');
    expect(statSync(join(root.path, wrapperPath)).mode & 0o777).toBe(0o755);
  });

  test("neither replaces nor removes another program's file", async () => {
    await using root = await makeTempDir();
    const stranger = join(root.path, wrapperPath);
    mkdirSync(dirname(stranger), { recursive: true });
    writeFileSync(stranger, 'another thaw');
    expect(await runCommandLine({}, 'install', '--root', root.path)).toMatchObject({ exitCode: 1, err: expect.stringContaining('exists') });
    expect(await runCommandLine({}, 'uninstall', '--root', root.path)).toMatchObject({ exitCode: 0, err: expect.stringContaining('kept') });
    expect(filesBelow(root.path)).toEqual([wrapperPath]);
  });

  test('a path that can not stand in a unit is refused', async () => {
    await using root = await makeTempDir();
    const refused = await runCommandLine({ THAW_DATA_DIR: '/srv/my%data' }, 'install', '--root', root.path);
    expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('/srv/my%data') });
    expect(filesBelow(root.path)).toEqual([]);
  });

  test('uninstall --root leaves no file behind', async () => {
    await using root = await makeTempDir();
    await runCommandLine({}, 'install', '--root', root.path);
    expect(await runCommandLine({}, 'uninstall', '--root', root.path)).toMatchObject({ exitCode: 0 });
    expect(filesBelow(root.path)).toEqual([]);
  });
});

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}
