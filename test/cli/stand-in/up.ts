import { fileURLToPath } from 'node:url';
import { runUp } from '#src/cli/run-up.ts';
import { stopOnSignals } from '#src/cli/stop-signals.ts';
import { systemClock } from '#src/platform/clock.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';

// `thaw up` as it is, with stand-ins for the API and the worker. Tells its parent where the API is.
const config = parseConfig(process.env);
const standIn = fileURLToPath(new URL('./process.ts', import.meta.url));
try {
  await runUp(
    {
      clock: systemClock,
      log: createLogger(config.logLevel, 'up'),
      config,
      env: process.env,
      modules: { agent: standIn, api: standIn, worker: standIn },
      checkConditions: async () => {},
      greet: (started) => process.stdout.write(`${JSON.stringify(started)}\n`),
    },
    stopOnSignals(),
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
