import { z } from 'zod';
import { pathSegment } from './client.ts';
import { type Command, parseCommandArgs } from './command.ts';
import { printList } from './print-list.ts';
import { formatBytes, formatTime } from './table.ts';

const Golden = z.object({
  id: z.string(),
  state: z.string(),
  node: z.string().optional(),
  sizeBytes: z.number().optional(),
  createdAt: z.string(),
  problem: z.object({ message: z.string() }).optional(),
});

export const goldensCommand: Command = {
  name: 'goldens',
  summary: 'List the goldens of a template',
  help: `usage: thaw goldens TEMPLATE [--json]

Lists the goldens of a template: their state, size and what went wrong.

  --json  the answer of GET /v1/templates/TEMPLATE/goldens`,
  async run(context, args) {
    const syntax = { options: { json: { type: 'boolean' } }, positionals: ['TEMPLATE'] } as const;
    const { values, positionals } = parseCommandArgs(goldensCommand, args, syntax);
    const template = pathSegment(positionals[0] ?? '');
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
          node: ({ node }) => node ?? '',
          'created at': ({ createdAt }) => formatTime(createdAt),
          problem: ({ problem }) => problem?.message ?? '',
        },
      },
      values.json === true,
    );
  },
};
