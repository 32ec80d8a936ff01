import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { waitUntil } from './wait-until.ts';

const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));

/** The command as users run it, with the memory engine: the real API and worker, nothing of the host. */
describe('thaw, run from its file', () => {
  const thaw = (env: Record<string, string>, ...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env: { PATH: process.env.PATH, THAW_ENGINE: 'memory', ...env } });

  test('up serves what the other commands read, until down ends it', async () => {
    await using dir = await makeTempDir();
    const env = { THAW_DATA_DIR: `${dir.path}/data`, THAW_PORT: '0', LOG_LEVEL: 'warn' };
    const up = spawn(process.execPath, [main, 'up', '--engine', 'memory'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(up, 'exit');
    let said = '';
    for (const stream of [up.stdout, up.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      const url = await waitUntil('the address', () => /answers at (http:\/\/127\.0\.0\.1:[1-9]\d*) /.exec(said)?.[1]);
      await waitUntil('the admin key', () => /The admin key is thaw_\S+; it is shown this once/.exec(said)?.[0]);
      expect(thaw({ ...env, THAW_URL: url }, 'pools')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^POOL/) });

      const secret = thaw({ ...env, THAW_URL: url }, 'key', 'create', 'shop', '--role', 'backend').stdout.trim();
      expect(thaw({ ...env, THAW_URL: url, THAW_API_KEY: secret }, 'claims')).toMatchObject({ status: 0, stderr: '' });
      expect(thaw({ ...env, THAW_URL: url, THAW_API_KEY: secret }, 'key', 'list')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("this key's role is backend"),
      });

      expect(thaw(env, 'down')).toMatchObject({ status: 0, stdout: `Thaw on ${env.THAW_DATA_DIR} is stopped.\n` });
      expect(await exited).toEqual([0, null]);
    } finally {
      up.kill('SIGTERM');
      await exited;
    }
    expect(thaw(env, 'down', '--destroy', '--purge')).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(env.THAW_DATA_DIR)).toBe(false);
  });

  test('up refuses a machine that misses a hard condition, in the words of doctor', async () => {
    await using dir = await makeTempDir();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const env = { THAW_DATA_DIR: dir.path, THAW_PORT: String(typeof address === 'object' && address ? address.port : 0) };
    const refused = thaw(env, 'up');
    const diagnosed = thaw(env, 'doctor');
    taken.close();
    expect(refused).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('this machine can not run Thaw:\nFAIL') });
    const [fix] = /fix: .*/.exec(refused.stderr) ?? [];
    expect(fix).toBeDefined();
    expect(diagnosed.stdout).toContain(fix);
    expect(existsSync(`${dir.path}/redis`)).toBe(false);
  });
});
