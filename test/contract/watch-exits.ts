import type { Engine, InstanceExit } from '#src/engine/engine.ts';

/** Everything the engine reports as ended, until the end of the scope: `using exits = watchExits(engine)`. */
export function watchExits(engine: Engine): Disposable & { readonly seen: readonly InstanceExit[] } {
  const seen: InstanceExit[] = [];
  const stop = engine.onExit((exit) => seen.push(exit));
  return { seen, [Symbol.dispose]: stop };
}
