import { beat, type HeartbeatDeps } from '#src/nodes/heartbeat.ts';
import type { Clock } from '#src/platform/clock.ts';
import type { Logger } from '#src/platform/log.ts';

/** A fifth of the silence after which a node counts as suspected. */
const everyMs = 2000;

/** Beats until the signal ends it. A beat that fails is made up by the next: the node counts as silent meanwhile. */
export async function keepBeating(
  deps: HeartbeatDeps & { readonly clock: Clock; readonly log: Pick<Logger, 'error'> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await beat(deps).catch((error: unknown) => deps.log.error({ err: error }, 'a heartbeat failed'));
    await deps.clock.sleep(everyMs, signal).catch(() => {}); // ended by the signal
  }
}
