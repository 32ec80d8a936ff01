import { type Command, parseCommandArgs } from './command.ts';
import { processModules } from './process-modules.ts';
import { runApart } from './run-apart.ts';

export const workerCommand: Command = {
  name: 'worker',
  summary: 'Run the worker of this node alone',
  help: `usage: thaw worker

Runs this node's agent and its worker in the foreground, against REDIS_URL, on a data directory that no
\`thaw up\` or other worker uses. When it ends, its instances go on running; the next one adopts them.`,
  async run(context, args) {
    parseCommandArgs(workerCommand, args, { options: {} });
    return runApart(context, { agent: processModules.agent, worker: processModules.worker });
  },
};
