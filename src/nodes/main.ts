import { openAgentAccess } from '#src/compose.ts';
import { runProcess } from '#src/platform/parent-process.ts';
import { agentListen, serveAgent } from './agent.ts';

// The node agent as a process of its own. It ends at once when told to: a claim under way asks again.
await runProcess('agent', async (config, log) => {
  const access = openAgentAccess(config);
  const agent = access && (await serveAgent({ engine: access, log }, agentListen(config)));
  log.info({ node: config.node, address: agent?.address ?? 'in the worker' }, 'the node agent runs');
  return { stop: async () => agent?.close() };
});
