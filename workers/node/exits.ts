import type { Engine } from '#src/engine/engine.ts';
import { type ExitDeps, recordExit } from '#src/instances/record-exit.ts';
import type { Logger } from '#src/platform/log.ts';

/** Records every instance that ends by itself, until the returned function is called. What fails here, reconcile makes good. */
export function watchExits(deps: ExitDeps & { readonly engine: Pick<Engine, 'onExit'>; readonly log: Pick<Logger, 'error'> }): () => void {
  return deps.engine.onExit((exit) => {
    recordExit(deps, exit).catch((error: unknown) => deps.log.error({ err: error, instance: exit.id }, 'an exit could not be recorded'));
  });
}
