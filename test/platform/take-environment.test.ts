import { expect, it } from 'vitest';
import { run } from '#src/platform/subprocess.ts';
import { takeEnvironment } from '#src/platform/take-environment.ts';

it('secrets among the settings are taken out of the environment that programs inherit, and what they need of it stays', async () => {
  const before = { ...process.env };
  try {
    Object.assign(process.env, { THAW_ENCRYPTION_KEY: 'k'.repeat(43), THAW_API_KEY: 'admin-key', THAW_NODE: 'n1' });
    const taken = takeEnvironment(process.env);
    expect(taken).toMatchObject({ THAW_ENCRYPTION_KEY: 'k'.repeat(43), THAW_API_KEY: 'admin-key', THAW_NODE: 'n1' });
    const { stdout } = await run(['env'], { timeoutMs: 5000 });
    expect(stdout).toMatch(/^PATH=/m);
    expect(stdout).toContain('THAW_NODE=n1');
    expect(stdout).not.toMatch(/THAW_ENCRYPTION_KEY|THAW_API_KEY/);
  } finally {
    for (const name of ['THAW_ENCRYPTION_KEY', 'THAW_API_KEY', 'THAW_NODE']) delete process.env[name];
    Object.assign(process.env, before);
  }
});
