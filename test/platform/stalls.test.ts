import { describe, expect, it } from 'vitest';
import { skopeoFailure } from '#src/engine/criu/images/skopeo-failure.ts';
import { run, SubprocessError } from '#src/platform/subprocess.ts';

const timeoutMs = 20_000;

describe('a program that is to make progress', () => {
  it('is ended when it moves no data for too long', async () => {
    const stalled = run(['sleep', '60'], { timeoutMs, stallTimeoutMs: 100 });
    await expect(stalled).rejects.toMatchObject({ timedOut: true, message: expect.stringContaining('moved no data for 100 ms') });
  });

  it('may take its time while it moves data', async () => {
    const script = 'open F, "/dev/zero"; for (1 .. 50) { sysread F, $_, 65536; select undef, undef, undef, 0.02 } print "moved\\n"';
    const { stdout } = await run(['perl', '-e', script], { timeoutMs, stallTimeoutMs: 300 });
    expect(stdout).toBe('moved\n');
  });

  it('that stalls at a registry is told as such', () => {
    const error = new SubprocessError(['skopeo'], 'moved no data for 180000 ms', { timedOut: true });
    const source = { text: 'docker://host/api:7', name: 'docker://host/api:7', registry: 'host' };
    expect(skopeoFailure(error, source, undefined)).toMatchObject({
      code: 'image_pull_failed',
      message: 'image docker://host/api:7: host moved no data for 180000 ms',
    });
  });
});
