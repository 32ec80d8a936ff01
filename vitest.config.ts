import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env.THAW_TEST_APPS ? [] : ['test/apps/**'],
    // Two cores, and real containers in most suites: files run one after the other so that no suite starves another.
    fileParallelism: false,
    pool: 'forks',
    setupFiles: ['test/support/clear-settings.ts'],
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
