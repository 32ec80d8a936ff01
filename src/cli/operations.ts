import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs } from './command.ts';
import { printList } from './print-list.ts';
import { formatTable, formatTime } from './table.ts';

const Operation = z.object({
  id: z.string(),
  kind: z.string(),
  target: z.string(),
  state: z.string(),
  steps: z.array(z.object({ name: z.string(), state: z.string(), tookMs: z.number().optional() })),
  problem: z.object({ message: z.string(), fix: z.string().optional() }).optional(),
  createdAt: z.string(),
});

export const operationsCommand: Command = {
  name: 'operations',
  summary: 'List the operations, or show one with its steps',
  help: `usage: thaw operations [ID] [--json]

Lists the long-running requests, newest first. With an ID: the steps of that one, how long each took,
and what went wrong.

  --json  the answer of GET /v1/operations, or of GET /v1/operations/ID`,
  async run(context, args) {
    const syntax = { options: { json: { type: 'boolean' } }, positionals: ['ID?'] } as const;
    const { values, positionals } = parseCommandArgs(operationsCommand, args, syntax);
    const [id] = positionals;
    if (id !== undefined) return printOperation(context, id, values.json === true);
    return printList(
      context,
      {
        path: '/v1/operations',
        list: (thaw, query) => thaw.GET('/v1/operations', { params: { query } }),
        item: Operation,
        columns: {
          operation: ({ id }) => id,
          kind: ({ kind }) => kind,
          target: ({ target }) => target,
          state: ({ state }) => state,
          step: ({ steps }) => steps.at(-1)?.name ?? '',
          'created at': ({ createdAt }) => formatTime(createdAt),
          problem: ({ problem }) => problem?.message ?? '',
        },
      },
      values.json === true,
    );
  },
};

async function printOperation({ env, print }: CommandContext, id: string, asJson: boolean): Promise<number> {
  const path = `/v1/operations/${id}`;
  const params = { path: { operation: pathSegment(id) } };
  const answer = await askFor(connectClient(parseConfig(env)).GET('/v1/operations/{operation}', { params }));
  if (asJson) {
    print(JSON.stringify(answer, null, 2));
    return exitCodes.ok;
  }
  const { kind, target, state, steps, problem } = readAs(Operation, answer, path);
  print(`${kind} ${target}: ${state}`);
  const rows = steps.map((step) => [step.name, step.state, step.tookMs === undefined ? '' : `${Math.round(step.tookMs)} ms`]);
  if (rows.length > 0) print(formatTable(['step', 'state', 'took'], rows));
  if (problem) print([problem.message, problem.fix].filter((line) => line !== undefined).join('\n'));
  return exitCodes.ok;
}
