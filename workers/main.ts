import { mkdir } from 'node:fs/promises';
import { composeWorker, openEngine } from '#src/compose.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { tellReady, waitForStop } from '#src/platform/parent-process.ts';
import { startWorker } from './start-worker.ts';

const config = parseConfig(process.env);
const log = createLogger(config.logLevel, 'worker');
await mkdir(config.paths.dataDir, { recursive: true });
const deps = await composeWorker(config, log, await openEngine(config));
const worker = await startWorker(deps, config.agentListen ?? { socket: config.paths.agentSocket });
log.info({ node: config.node, engine: config.engine }, 'the worker runs');
tellReady();

const why = await waitForStop();
log.info({ why }, 'the worker ends');
await worker.stop();
await deps.close();
