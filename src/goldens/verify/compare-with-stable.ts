import type { Engine } from '#src/engine/engine.ts';
import { promotedAlias } from '#src/goldens/aliases.ts';
import { requireRestorable } from '#src/goldens/builds/require-restorable.ts';
import type { Evidence } from '#src/goldens/evidence.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { resolveGolden } from '#src/goldens/store.ts';
import { workingInstances } from '#src/goldens/working-instances.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { OperationId } from '#src/platform/ids.ts';
import { type MeasureDeps, measureClone } from './measure-clone.ts';
import { bestOf } from './require-no-regression.ts';

export interface CompareDeps extends MeasureDeps {
  readonly engine: MeasureDeps['engine'] & Pick<Engine, 'hasGolden'>;
}

type Comparison = Pick<Evidence, 'comparedWith' | 'notCompared'>;

/** Restores a clone of the golden in use beside those that are judged, measures it and destroys it. Answers the best that was measured so far. */
export type MeasureStable = (signal: AbortSignal) => Promise<Comparison>;

/**
 * What a golden under test is compared with: the one `stable` points to, measured now and on this node rather than by its evidence, for the
 * same machine is quick at one hour and busy at another. That it can not be restored (after an upgrade, or for want of memory) is told
 * and hinders nobody. Undefined when there is none.
 */
export async function prepareComparison(deps: CompareDeps, golden: Golden, operation: OperationId): Promise<MeasureStable | undefined> {
  const stable = await findStable(deps, golden);
  if (!stable || stable.id === golden.id) return undefined;
  const notCompared = await whyNotHere(deps, stable, golden.node);
  if (notCompared !== undefined) return async () => ({ notCompared });
  const { peer } = workingInstances(operation);
  let known: Comparison = {};
  return async (signal) => {
    if (known.notCompared !== undefined) return known;
    try {
      const { restoreMs, memoryBytes } = await measureClone(deps, { ...stable, node: golden.node }, peer, signal);
      const best = bestOf([{ restoreMs, memoryBytes }, ...(known.comparedWith ? [known.comparedWith] : [])]);
      known = { comparedWith: { golden: stable.id, ...best } };
    } catch (error) {
      signal.throwIfAborted();
      if (!isThawError(error)) throw error;
      if (!known.comparedWith) known = { notCompared: `a clone of ${stable.id} could not be restored beside: ${error.message}` };
    } finally {
      await destroyInstance(deps, peer);
    }
    return known;
  };
}

/** Of a node that was changed since: its files of before may be giving way to a build just now. */
async function whyNotHere({ redis, engine }: CompareDeps, stable: Golden, node: string): Promise<string | undefined> {
  if (!(await engine.hasGolden(stable.id))) return `the files of ${stable.id} are not on ${node}`;
  try {
    await requireRestorable(redis, stable, node);
  } catch (error) {
    if (isThawError(error, 'golden_incompatible')) return error.message;
    throw error;
  }
}

async function findStable({ redis }: Pick<CompareDeps, 'redis'>, { template }: Golden): Promise<Golden | undefined> {
  try {
    return await resolveGolden(redis, template, promotedAlias);
  } catch (error) {
    if (isThawError(error, 'alias_not_found', 'golden_not_found', 'golden_not_ready')) return undefined;
    throw error;
  }
}
