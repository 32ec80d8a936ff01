import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';

const nothing = async () => {};

/** Nobody is asked: for tests that do the work themselves, or none. */
export const noGoldenJobs: GoldenJobs = {
  capture: nothing,
  verify: nothing,
  export: nothing,
  build: nothing,
  dryRun: nothing,
  removeGolden: nothing,
};
