import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Checkpoint, Engine, RestoredInstance, StartedInstance } from '#src/engine/engine.ts';
import type { Workload } from '#src/engine/workload.ts';
import { type GoldenId, goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { destroyAll } from '#test/support/destroy-all.ts';
import { made } from '#test/support/made.ts';
import { type Placed, startReady } from '#test/support/start-ready.ts';
import { type AppState, askState } from './ask-app.ts';
import type { EngineHarness } from './engine-contract.ts';

/** A golden with what its primer answered last, which every clone must continue. */
interface TakenGolden {
  readonly id: GoldenId;
  readonly primer: AppState;
  readonly primerId: InstanceId;
  readonly checkpoint: Checkpoint;
}

/** What the tests of the suite share. Tests leave nothing to each other but the golden. */
export interface ContractRun {
  readonly harness: EngineHarness;
  readonly engine: Engine;
  /** Taken once, never changed. */
  readonly golden: TakenGolden;
  /** A cold instance that answers. */
  startReady(over?: Partial<Workload>): Promise<Placed<StartedInstance>>;
  /** A new golden from a new primer, for tests that spoil it or want another workload. */
  takeGolden(over?: Partial<Workload>): Promise<TakenGolden>;
  /** A clone of the shared golden, or of that one, fresh from the restore. */
  clone(golden?: TakenGolden): Promise<Placed<RestoredInstance>>;
}

/** Makes the engine and the shared golden before the first test, and destroys what each test leaves. */
export function useEngine(makeEngine: () => Promise<EngineHarness>): ContractRun {
  let harness: EngineHarness | undefined;
  let golden: TakenGolden | undefined;
  let goldens = 0;
  const run: ContractRun = {
    get harness() {
      return made(harness);
    },
    get engine() {
      return made(harness).engine;
    },
    get golden() {
      return made(golden);
    },
    async startReady(over) {
      return await startReady(run.engine, run.harness.workload(over));
    },
    async takeGolden(over) {
      const primer = await run.startReady(over);
      const state = await askState(primer);
      goldens += 1;
      const id = goldenId('contract', goldens);
      const checkpoint = await run.engine.checkpoint(primer.id, id);
      return { id, primer: state, primerId: primer.id, checkpoint };
    },
    async clone(golden = run.golden) {
      const id = newInstanceId();
      return { ...(await run.engine.restore(golden.id, id)), id };
    },
  };
  beforeAll(async () => {
    harness = await makeEngine();
    golden = await run.takeGolden();
    await destroyAll(run.engine);
  });
  afterEach(() => destroyAll(run.engine));
  afterAll(async () => {
    if (!harness) return;
    await destroyAll(harness.engine);
    await harness.close();
  });
  return run;
}
