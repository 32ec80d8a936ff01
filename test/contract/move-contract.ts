import { describe, expect, it } from 'vitest';
import type { RunPhase } from '#src/engine/engine.ts';
import { parseGoldenPlace } from '#src/engine/golden-place.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { askState } from './ask-app.ts';
import type { ContractRun } from './use-engine.ts';

const asked = { overwrite: false, plain: false };

export function moveContract(run: ContractRun): void {
  let count = 0;
  const another = () => goldenId('moved', ++count);
  const place = (name: string) => parseGoldenPlace(run.harness.archivePlace(name));

  describe('moves', () => {
    it('a golden that was exported comes back under another name as what it was, and its clones go on', async () => {
      const moved = another();
      const phases: string[] = [];
      const exported = await run.engine.exportGolden(run.golden.id, place('there'), asked, noting(phases));
      expect(exported).toEqual({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), sizeBytes: expect.any(Number) });
      const workload = run.harness.workload();
      const imported = await run.engine.importGolden(workload, moved, place('there'), noting(phases));
      expect(phases).toEqual(['pack', 'push', 'fetch', 'unpack', 'seal']);
      const { digest, sizeBytes, pagesBytes, fingerprint } = run.golden.checkpoint;
      const origin = { kind: 'archive', from: run.harness.archivePlace('there'), engine: 'thaw' };
      expect(imported).toMatchObject({ digest, sizeBytes, pagesBytes, fingerprint, origin });
      await run.engine.verifyGolden(moved);
      const id = newInstanceId();
      const clone = await run.engine.restore(moved, id);
      const { token, counter } = run.golden.primer;
      expect(await askState(clone)).toMatchObject({ token, counter: counter + 1 });
      expect((await run.engine.list()).find((instance) => instance.id === id)?.golden).toBe(moved);
    });

    it('an export replaces what is there only when that is asked for', async () => {
      await run.engine.exportGolden(run.golden.id, place('twice'), asked, noting());
      const again = run.engine.exportGolden(run.golden.id, place('twice'), asked, noting());
      await expect(again).rejects.toMatchObject({ code: 'export_target_exists' });
      await run.engine.exportGolden(run.golden.id, place('twice'), { ...asked, overwrite: true }, noting());
    });

    it('what is not there is neither exported nor imported', async () => {
      const moved = another();
      const nothing = run.engine.exportGolden(moved, place('nothing'), asked, noting());
      await expect(nothing).rejects.toMatchObject({ code: 'golden_missing' });
      const nowhere = run.engine.importGolden(run.harness.workload(), moved, place('nothing'), noting());
      await expect(nowhere).rejects.toMatchObject({ code: 'image_not_found' });
      expect(await run.engine.hasGolden(moved)).toBe(false);
    });

    it.each(['pack', 'push'])('an export that is cancelled in its phase %s leaves nothing there', async (name) => {
      const cut = run.engine.exportGolden(run.golden.id, place(`cut-${name}`), asked, cancelledIn(name));
      await expect(cut).rejects.toMatchObject({ code: 'cancelled' });
      const nothing = run.engine.importGolden(run.harness.workload(), another(), place(`cut-${name}`), noting());
      await expect(nothing).rejects.toMatchObject({ code: 'image_not_found' });
    });

    it.each(['fetch', 'unpack', 'seal'])('an import that is cancelled in its phase %s leaves no golden', async (name) => {
      const moved = another();
      await run.engine.exportGolden(run.golden.id, place('whole'), { ...asked, overwrite: true }, noting());
      const cut = run.engine.importGolden(run.harness.workload(), moved, place('whole'), cancelledIn(name));
      await expect(cut).rejects.toMatchObject({ code: 'cancelled' });
      expect(await run.engine.hasGolden(moved)).toBe(false);
      expect(await run.engine.listGoldens()).not.toContain(moved);
    });
  });
}

function noting(phases: string[] = []): RunPhase {
  return (name, work) => {
    phases.push(name);
    return work(new AbortController().signal);
  };
}

function cancelledIn(phase: string): RunPhase {
  return (name, work) => work(name === phase ? AbortSignal.abort() : new AbortController().signal);
}
