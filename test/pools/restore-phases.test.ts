import { afterAll, beforeAll, expect, test } from 'vitest';
import { countRestorePhases, renderRestorePhases } from '#src/pools/restore-phases.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());

test('the phases of restores add up to histograms that Prometheus reads', async () => {
  await countRestorePhases(server.redis, { criu: 45.5, total: 50 });
  await countRestorePhases(server.redis, { criu: 60, total: 31_000 });
  const lines = (await renderRestorePhases(server.redis)).split('\n');
  expect(lines[1]).toBe('# TYPE thaw_restore_phase_seconds histogram');
  expect(lines.filter((line) => line.includes('"criu"') && !line.endsWith(' 0'))).toEqual([
    'thaw_restore_phase_seconds_bucket{le="0.05",phase="criu"} 1',
    ...['0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '+Inf'].map(
      (le) => `thaw_restore_phase_seconds_bucket{le="${le}",phase="criu"} 2`,
    ),
    'thaw_restore_phase_seconds_sum{phase="criu"} 0.1055',
    'thaw_restore_phase_seconds_count{phase="criu"} 2',
  ]);
  expect(lines).toContain('thaw_restore_phase_seconds_bucket{le="30",phase="total"} 1');
  expect(lines).toContain('thaw_restore_phase_seconds_bucket{le="+Inf",phase="total"} 2');
});
