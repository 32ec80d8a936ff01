import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { instanceMemoryBytes } from '#src/engine/memory/simulated-instance.ts';
import { systemClock } from '#src/platform/clock.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { testWorkload } from '#test/support/test-image.ts';

const golden = goldenId('api', 1);
const quick = { startMs: 0, checkpointMs: 0, restoreMs: 0, bindMs: 0 };
const opened: MemoryEngine[] = [];

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

describe('the memory engine', () => {
  it('fails as it is told, as often as it is told, and then works', async () => {
    const engine = await engineWithGolden();
    engine.faults.failNext('restore', 'restore_failed');
    engine.faults.failNext('restore', 'memory_reserve');
    const id = newInstanceId();
    await expect(engine.restore(golden, id)).rejects.toMatchObject({ code: 'restore_failed' });
    await expect(engine.restore(golden, id)).rejects.toMatchObject({ code: 'memory_reserve' });
    expect(await engine.list()).toEqual([]);
    await engine.restore(golden, id);
    expect(await engine.list()).toMatchObject([{ id, state: 'running' }]);
  });

  it('takes new times while it runs', async () => {
    const engine = await engineWithGolden();
    engine.timings.restoreMs = 60_000;
    const slow = engine.restore(golden, newInstanceId(), AbortSignal.timeout(5));
    await expect(slow).rejects.toMatchObject({ code: 'cancelled' });
    engine.timings.restoreMs = 0;
    await engine.restore(golden, newInstanceId());
  });

  it('reports a killed instance once', async () => {
    const engine = await engineWithGolden();
    const id = newInstanceId();
    await engine.restore(golden, id);
    const exits: unknown[] = [];
    engine.onExit((exit) => exits.push(exit));
    engine.kill(id, 137, { oomKilled: true });
    engine.kill(id, 1);
    expect(exits).toEqual([{ id, exitCode: 137, oomKilled: true }]);
  });

  it('refuses what its node has no memory for, until an instance is destroyed', async () => {
    const engine = await engineWithGolden({ memoryBytes: 2 * instanceMemoryBytes });
    const [first, second, third] = [newInstanceId(), newInstanceId(), newInstanceId()];
    await Promise.all([engine.restore(golden, first), engine.restore(golden, second)]);
    expect((await engine.probe()).capacity.memoryFreeBytes).toBe(0);
    await expect(engine.restore(golden, third)).rejects.toMatchObject({ code: 'memory_reserve' });
    await engine.destroy(first);
    await engine.restore(golden, third);
  });

  it('goes on initialising in a clone of a primer that was not ready', async () => {
    const engine = openEngine();
    engine.timings.startMs = 60_000;
    const primer = newInstanceId();
    await engine.start(testWorkload('simulated'), primer);
    await engine.checkpoint(primer, golden);
    const clone = newInstanceId();
    await engine.restore(golden, clone);
    expect(await engine.exec(clone, ['/app/is-ready'], { timeoutMs: 100 })).toMatchObject({ exitCode: 1 });
  });

  it('holds 100,000 instances without a socket', async () => {
    const engine = await engineWithGolden({ listen: false });
    const ids = Array.from({ length: 100_000 }, newInstanceId);
    await Promise.all(ids.map((id) => engine.restore(golden, id)));
    const listed = await engine.list();
    expect(listed).toHaveLength(100_000);
    expect(listed.at(-1)).toMatchObject({ id: ids.at(-1), state: 'running', golden });
  });
});

function openEngine(options: { listen?: boolean; memoryBytes?: number } = {}): MemoryEngine {
  const engine = createMemoryEngine({ clock: systemClock, timings: quick, ...options });
  opened.push(engine);
  return engine;
}

async function engineWithGolden(options: { listen?: boolean; memoryBytes?: number } = {}): Promise<MemoryEngine> {
  const engine = openEngine(options);
  const primer = newInstanceId();
  await engine.start(testWorkload('simulated'), primer);
  await engine.checkpoint(primer, golden);
  return engine;
}
