import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(() => redis.stop());

test('a data directory has one worker: a second `thaw worker` and a `thaw up` are refused and told who is there', async () => {
  await using dir = await makeTempDir();
  const env = {
    ...{ PATH: process.env.PATH, THAW_ENGINE: 'memory', THAW_DATA_DIR: `${dir.path}/data`, REDIS_URL: redis.url },
    ...{ THAW_PORT: '0', LOG_LEVEL: 'fatal' },
  };
  const first = spawn(process.execPath, [main, 'worker'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(first, 'exit');
  try {
    for await (const line of createInterface({ input: first.stdout })) if (line.startsWith('The worker runs')) break;
    for (const command of ['worker', 'up']) {
      const second = spawnSync(process.execPath, [main, command], { encoding: 'utf8', env, timeout: 30_000 });
      expect(second).toMatchObject({ status: 1, stdout: '' });
      expect(second.stderr).toContain(`\`thaw worker\` already runs on ${dir.path}/data (pid ${first.pid})`);
      expect(second.stderr).toContain(`Stop it by \`kill ${first.pid}\``);
    }
  } finally {
    first.kill('SIGTERM');
    await exited;
  }
});
