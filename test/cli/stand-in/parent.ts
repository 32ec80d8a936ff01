import { fileURLToPath } from 'node:url';
import { startNodeProcess } from '#src/cli/node-process.ts';

// Runs one process as `thaw up` does. Tells its pid, and how it ended.
const spec = {
  ...{ name: 'api', module: fileURLToPath(new URL('./process.ts', import.meta.url)), env: process.env },
  ...{ stopDeadlineMs: 1000, silenceLimitMs: Number(process.env.SILENCE_LIMIT_MS) },
};
const started = await startNodeProcess({ ...spec, standing: 'after' }, new AbortController().signal);
process.stdout.write(`${started.pid}\n`);
process.once('SIGTERM', () => started.stop());
process.stdout.write(`${await started.waitForExit()}\n`);
