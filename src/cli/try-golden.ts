import type { Engine } from '#src/engine/engine.ts';
import { digestOn, judgeNode } from '#src/goldens/builds/build.ts';
import type { PromotedGolden } from '#src/goldens/promoted-goldens.ts';
import { notReady } from '#src/goldens/store.ts';
import { smokeTest } from '#src/goldens/verify/smoke-test.ts';
import { waitUntilReady } from '#src/instances/wait-until-ready.ts';
import { elapsedMs, systemClock } from '#src/platform/clock.ts';
import { describeFailure, isThawError } from '#src/platform/errors.ts';
import type { Failure } from '#src/platform/failure.ts';
import { newInstanceId } from '#src/platform/ids.ts';

/** How a golden fares on this node. */
export interface GoldenTrial {
  readonly golden: string;
  readonly aliases: readonly string[];
  /** `skip`: its files are on another node. */
  readonly status: 'pass' | 'fail' | 'skip';
  readonly node: string;
  /** Until a clone was ready, the check of the golden's files left out. */
  readonly restoreMs?: number;
  readonly problem?: Failure;
  /** Why Thaw makes no clones of these files here, also where that works: it does so of what was captured on a machine like this one. */
  readonly incompatible?: readonly string[];
}

export type TrialEngine = Pick<Engine, 'probe' | 'hasGolden' | 'restore' | 'callHook' | 'exec' | 'list' | 'logs' | 'onExit' | 'destroy'>;

/** Restores one clone, calls its hook, waits until it is ready, has it do the smoke test and destroys it. Nothing is recorded. */
export async function tryGolden(
  engine: TrialEngine,
  { golden, aliases, builds }: PromotedGolden,
  thisNode: string,
  signal: AbortSignal,
): Promise<GoldenTrial> {
  const { id, node, spec, state } = golden;
  const { fingerprint } = await engine.probe();
  const { compatible, reasons } = judgeNode(builds, { name: thisNode, fingerprint });
  const trial = { golden: id, aliases, node, ...(compatible ? {} : { incompatible: reasons }) };
  const clone = newInstanceId();
  try {
    if (state !== 'ready') throw notReady(golden);
    if (node !== thisNode && !(await engine.hasGolden(id))) return { golden: id, aliases, node, status: 'skip' };
    const { timingsMs, ...endpoint } = await engine.restore(id, clone, signal, digestOn(builds, thisNode));
    const startedAt = performance.now();
    await engine.callHook(clone, 'afterRestore', signal);
    await waitUntilReady({ engine, clock: systemClock }, { id: clone, ...endpoint }, spec.ready, { role: 'clone', signal });
    const restoreMs = Math.round((timingsMs.total ?? 0) + elapsedMs(startedAt));
    if (spec.verify?.smoke) await smokeTest(engine, { id: clone, ...endpoint }, spec.verify.smoke, signal);
    return { ...trial, status: 'pass', restoreMs };
  } catch (error) {
    signal.throwIfAborted();
    if (!isThawError(error)) throw error;
    return { ...trial, status: 'fail', problem: describeFailure(error) };
  } finally {
    await engine.destroy(clone);
  }
}
