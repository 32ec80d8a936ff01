import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs, UsageError } from './command.ts';
import { ExplainedGolden, explainGolden } from './explain-golden.ts';
import { canRestore, GoldenNodes, tellReasons } from './golden-nodes.ts';
import { printList } from './print-list.ts';
import { formatBytes, formatTime } from './table.ts';

const Golden = z.object({
  id: z.string(),
  state: z.string(),
  node: z.string().optional(),
  sizeBytes: z.number().optional(),
  createdAt: z.string(),
  nodes: GoldenNodes,
  scan: z.object({ findings: z.array(z.unknown()) }).optional(),
  problem: z.object({ message: z.string() }).optional(),
});

export const goldensCommand: Command = {
  name: 'goldens',
  summary: 'List the goldens of a template, or show one with its evidence',
  help: `usage: thaw goldens TEMPLATE [NUMBER] [--json]

Lists the goldens of a template: their state, size, on which nodes clones can be made and why not on
others, and what went wrong. With a NUMBER: where that one comes from, what its last verify measured,
and what looks like secrets in it.

  --json  the answer of GET /v1/templates/TEMPLATE/goldens, or of …/goldens/NUMBER`,
  async run(context, args) {
    const syntax = { options: { json: { type: 'boolean' } }, positionals: ['TEMPLATE', 'NUMBER?'] } as const;
    const { values, positionals } = parseCommandArgs(goldensCommand, args, syntax);
    const template = pathSegment(positionals[0] ?? '');
    const [, number] = positionals;
    if (number !== undefined) return printGolden(context, template, number, values.json === true);
    return printList(
      context,
      {
        path: `/v1/templates/${template}/goldens`,
        list: (thaw, query) => thaw.GET('/v1/templates/{template}/goldens', { params: { path: { template }, query } }),
        item: Golden,
        columns: {
          golden: ({ id }) => id,
          state: ({ state }) => state,
          size: ({ sizeBytes }) => (sizeBytes === undefined ? '' : formatBytes(sizeBytes)),
          node: ({ node, nodes }) =>
            nodes
              ?.filter(canRestore)
              .map((on) => on.node)
              .join(', ') ||
            node ||
            '',
          'created at': ({ createdAt }) => formatTime(createdAt),
          'not on': ({ nodes = [] }) =>
            nodes
              .filter((on) => !canRestore(on))
              .map((on) => `${on.node}: ${tellReasons(on)}`)
              .join('; '),
          secrets: ({ scan }) => (scan && scan.findings.length > 0 ? `${scan.findings.length} found` : ''),
          problem: ({ problem }) => problem?.message ?? '',
        },
      },
      values.json === true,
    );
  },
};

async function printGolden({ env, print }: CommandContext, template: string, number: string, asJson: boolean): Promise<number> {
  if (!/^[1-9]\d{0,8}$/.test(number)) throw new UsageError(`"${number}" is no number of a golden`, 'See `thaw goldens TEMPLATE`.');
  const path = `/v1/templates/${template}/goldens/${number}`;
  const params = { path: { template, number: Number(number) } };
  const answer = await askFor(connectClient(parseConfig(env)).GET('/v1/templates/{template}/goldens/{number}', { params }));
  print(asJson ? JSON.stringify(answer, null, 2) : explainGolden(readAs(ExplainedGolden, answer, path)));
  return exitCodes.ok;
}
