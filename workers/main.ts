import { composeWorker, openAgentAccess, openEngine } from '#src/compose.ts';
import { agentAddress, agentListen, serveAgent } from '#src/nodes/agent.ts';
import { keepNodeName } from '#src/nodes/keep-node-name.ts';
import { runProcess } from '#src/platform/parent-process.ts';
import { startWorker } from './start-worker.ts';

await runProcess('worker', async (config, log) => {
  await keepNodeName(config.paths.node, config.node);
  const deps = await composeWorker(config, log, await openEngine(config));
  const listen = agentListen(config);
  // Real instances have their agent in a process of its own (src/nodes/main.ts); simulated ones live in this one.
  const agent = openAgentAccess(config) ? undefined : await serveAgent(deps, listen);
  const worker = await startWorker(deps, agentAddress(listen));
  log.info({ node: config.node, engine: config.engine }, 'the worker runs');
  return {
    stop: async () => {
      await worker.stop();
      await agent?.close();
      await deps.close();
    },
  };
});
