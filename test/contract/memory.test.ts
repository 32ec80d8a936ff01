import { createMemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { systemClock } from '#src/platform/clock.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { describeEngineContract } from './engine-contract.ts';

describeEngineContract('memory', async () => {
  const engine = createMemoryEngine({ clock: systemClock, timings: { startMs: 20, checkpointMs: 5, restoreMs: 5, bindMs: 1 } });
  return {
    engine,
    workload: (over) => testWorkload('simulated', over),
    corruptGolden: async (golden) => {
      engine.faults.corruptGolden(golden);
      return 'pages-1.img';
    },
    archivePlace: (name) => `archive:/${name}.tar`,
    close: () => engine.close(),
  };
});
