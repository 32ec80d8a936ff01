import { describe, expect, it, vi } from 'vitest';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { askState, tell, waitUntilReady } from './ask-app.ts';
import type { ContractRun } from './use-engine.ts';
import { watchExits } from './watch-exits.ts';

const nowhere = goldenId('nowhere', 1);

export function goldenContract(run: ContractRun): void {
  describe('goldens', () => {
    it('a checkpoint tells its sizes, its digest and what it cost', () => {
      const { checkpoint } = run.golden;
      expect(checkpoint.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(checkpoint.pagesBytes).toBeGreaterThan(0);
      expect(checkpoint.sizeBytes).toBeGreaterThan(checkpoint.pagesBytes);
      expect(checkpoint.cpuMs).toBeGreaterThanOrEqual(0);
      expect(checkpoint.timingsMs).toMatchObject({ dump: expect.any(Number), seal: expect.any(Number), total: expect.any(Number) });
    });

    it('a look at a primer tells whether a checkpoint would succeed, takes none, and can be repeated', async () => {
      const primer = await run.startReady();
      const report = await run.engine.inspect(primer.id);
      expect(report).toMatchObject({ wouldSucceed: true, findings: [], processes: 1, connections: [] });
      expect(report.memoryBytes).toBeGreaterThan(0);
      expect((await run.engine.inspect(primer.id)).wouldSucceed).toBe(true);
      await waitUntilReady(primer);
      await expect(run.engine.inspect(newInstanceId())).rejects.toMatchObject({ code: 'instance_not_found' });
    });

    it('a repeated checkpoint answers the sealed golden', async () => {
      const again = await run.engine.checkpoint(run.golden.primerId, run.golden.id);
      expect(again.digest).toBe(run.golden.checkpoint.digest);
      expect(again.sizeBytes).toBe(run.golden.checkpoint.sizeBytes);
    });

    it('a checkpoint ends its primer, which is no exit of its own', async () => {
      using exits = watchExits(run.engine);
      const { primerId } = await run.takeGolden();
      const running = (await run.engine.list()).filter(({ state }) => state === 'running');
      expect(running).toEqual([]);
      const other = await run.startReady();
      await tell(other, '/exit?code=1'); // once this one is reported, the primer would have been too
      await vi.waitFor(() => expect(exits.seen.map(({ id }) => id)).toContain(other.id), { timeout: 1000, interval: 10 });
      expect(exits.seen.map(({ id }) => id)).not.toContain(primerId);
    });

    it('a checkpoint that replaces takes the place of the files, and what runs on the old ones goes on', async () => {
      const golden = await run.takeGolden();
      const old = await run.clone(golden);
      await waitUntilReady(old);
      const primer = await run.startReady();
      const { token } = await askState(primer);
      const checkpoint = await run.engine.checkpoint(primer.id, golden.id, undefined, { replace: true });
      expect(checkpoint.digest).not.toBe(golden.checkpoint.digest);
      await run.engine.verifyGolden(golden.id);
      const clone = await run.clone(golden);
      await waitUntilReady(clone);
      expect([(await askState(clone)).token, (await askState(old)).token]).toEqual([token, golden.primer.token]);
    });

    it('a checkpoint that should replace and fails leaves the files as they are', async () => {
      const golden = await run.takeGolden();
      const replaced = run.engine.checkpoint(newInstanceId(), golden.id, undefined, { replace: true });
      await expect(replaced).rejects.toMatchObject({ code: 'instance_not_found' });
      await run.engine.verifyGolden(golden.id);
    });

    it('a checkpoint of what does not run is refused', async () => {
      await expect(run.engine.checkpoint(newInstanceId(), nowhere)).rejects.toMatchObject({ code: 'instance_not_found' });
      expect(await run.engine.hasGolden(nowhere)).toBe(false);
    });

    it('a removed golden is gone, and removing it again is no error', async () => {
      const { id } = await run.takeGolden();
      expect(await run.engine.hasGolden(id)).toBe(true);
      expect(await run.engine.listGoldens()).toEqual(expect.arrayContaining([run.golden.id, id]));
      await run.engine.removeGolden(id);
      await run.engine.removeGolden(id);
      expect(await run.engine.hasGolden(id)).toBe(false);
      expect(await run.engine.listGoldens()).not.toContain(id);
      await expect(run.engine.restore(id, newInstanceId())).rejects.toMatchObject({ code: 'golden_missing' });
    });

    it('an intact golden verifies, a missing one is told', async () => {
      await run.engine.verifyGolden(run.golden.id);
      await expect(run.engine.verifyGolden(nowhere)).rejects.toMatchObject({ code: 'golden_missing' });
    });

    it('a scan finds what the app holds in its memory, by its place in the list, and tells no value', async () => {
      const { token } = run.golden.primer;
      const { findings, scannedBytes } = await run.engine.scanGolden(run.golden.id, ['canary-of-nobody', token]);
      const kinds = findings.map(({ kind, where, count }) => [kind, where.endsWith('(pid 1)'), count > 0]);
      expect(kinds).toEqual([['canary 2', true, true]]);
      expect(JSON.stringify(findings)).not.toContain(token);
      expect(scannedBytes).toBeGreaterThan(0);
      await expect(run.engine.scanGolden(nowhere, [token])).rejects.toMatchObject({ code: 'golden_missing' });
    });

    it('the disk that goldens take is told, and what each shares with none', async () => {
      const { id, checkpoint } = run.golden;
      const { usedBytes, uniqueBytes } = await run.engine.goldenDisk();
      expect(uniqueBytes.get(id)).toBeGreaterThan(checkpoint.pagesBytes / 2);
      expect(usedBytes).toBeGreaterThanOrEqual(Math.max(checkpoint.sizeBytes, uniqueBytes.get(id) ?? 0));
    });

    it('a golden with a changed byte is named and never restored', async () => {
      const { id } = await run.takeGolden();
      const file = await run.harness.corruptGolden(id);
      const corrupt = { code: 'golden_corrupt', message: expect.stringContaining(file) };
      await expect(run.engine.restore(id, newInstanceId())).rejects.toMatchObject(corrupt);
      await expect(run.engine.verifyGolden(id)).rejects.toMatchObject(corrupt);
      expect((await run.engine.list()).filter(({ golden }) => golden === id)).toEqual([]);
    });
  });
}
