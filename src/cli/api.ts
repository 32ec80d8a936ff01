import { type Command, parseCommandArgs } from './command.ts';
import { processModules } from './process-modules.ts';
import { runApart } from './run-apart.ts';

export const apiCommand: Command = {
  name: 'api',
  summary: 'Run the API alone',
  help: `usage: thaw api

Runs the REST API in the foreground, against REDIS_URL or the embedded Redis of a \`thaw up\`.
It never touches containers: instances need a worker (\`thaw worker\`) on each node.`,
  async run(context, args) {
    parseCommandArgs(apiCommand, args, { options: {} });
    return runApart(context, { api: processModules.api });
  },
};
