import { openAgentAccess } from '#src/compose.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { tellReady, waitForStop } from '#src/platform/parent-process.ts';
import { agentListen, serveAgent } from './agent.ts';

// The node agent as a process of its own. It ends at once when told to: a claim under way asks again.
const config = parseConfig(process.env);
const log = createLogger(config.logLevel, 'agent');
makeDataDir(config.paths.dataDir);
const access = openAgentAccess(config);
const agent = access && (await serveAgent({ engine: access, log }, agentListen(config)));
log.info({ node: config.node, address: agent?.address ?? 'in the worker' }, 'the node agent runs');
tellReady();

const why = await waitForStop();
log.info({ why }, 'the node agent ends');
await agent?.close();
