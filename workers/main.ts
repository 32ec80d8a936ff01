import { composeWorker, openAgentAccess, openEngine } from '#src/compose.ts';
import { agentAddress, agentListen, serveAgent } from '#src/nodes/agent.ts';
import { keepNodeName } from '#src/nodes/keep-node-name.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { tellReady, waitForStop } from '#src/platform/parent-process.ts';
import { startWorker } from './start-worker.ts';

const config = parseConfig(process.env);
const log = createLogger(config.logLevel, 'worker');
makeDataDir(config.paths.dataDir);
await keepNodeName(config.paths.node, config.node);
const deps = await composeWorker(config, log, await openEngine(config));
const listen = agentListen(config);
// Real instances have their agent in a process of its own (src/nodes/main.ts); simulated ones live in this one.
const agent = openAgentAccess(config) ? undefined : await serveAgent(deps, listen);
const worker = await startWorker(deps, agentAddress(listen));
log.info({ node: config.node, engine: config.engine }, 'the worker runs');
tellReady();

const why = await waitForStop();
log.info({ why }, 'the worker ends');
await worker.stop();
await agent?.close();
await deps.close();
