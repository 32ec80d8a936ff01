import { openCriuNode } from '#test/support/criu-node.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { describeEngineContract } from './engine-contract.ts';

describeEngineContract('criu', async () => {
  const node = await openCriuNode();
  return {
    get engine() {
      return node.engine;
    },
    workload: (over) => testWorkload(node.image, over),
    corruptGolden: (golden) => node.corruptGolden(golden),
    archivePlace: (name) => `archive:${node.config.imageRoots[0]}/${name}.tar`,
    reopen: () => node.reopen(),
    close: () => node.close(),
  };
});
