import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, exitCodes, parseCommandArgs } from './command.ts';

const path = '/v1/templates/{template}/refresh';
const Operation = z.object({ id: z.string(), target: z.string(), state: z.string() });

export const refreshCommand: Command = {
  name: 'refresh',
  summary: "Take a template's next golden and promote it",
  help: `usage: thaw refresh TEMPLATE [--json]

Starts the capture of a template's next golden. Once it has proven itself, \`stable\` moves to it and the
pools change over, unless the template says that goldens are promoted by hand. Does not wait for it.

  --json  the answer of POST /v1/templates/TEMPLATE/refresh`,
  async run(context, args) {
    const syntax = { options: { json: { type: 'boolean' } }, positionals: ['TEMPLATE'] } as const;
    const { values, positionals } = parseCommandArgs(refreshCommand, args, syntax);
    const template = pathSegment(positionals[0] ?? '');
    const answer = await askFor(connectClient(parseConfig(context.env)).POST(path, { params: { path: { template } } }));
    if (values.json) {
      context.print(JSON.stringify(answer, null, 2));
      return exitCodes.ok;
    }
    const { id, target, state } = readAs(Operation, answer, path);
    context.print(`${target} is ${state}: ${id}`);
    context.note(`Follow it with \`thaw operations ${id}\`.`);
    return exitCodes.ok;
  },
};
