import { z } from 'zod';
import { type Command, parseCommandArgs } from './command.ts';
import { printList } from './print-list.ts';
import { formatTime } from './table.ts';

const Claim = z.object({
  id: z.string(),
  state: z.string(),
  pool: z.string(),
  tenant: z.string(),
  expiresAt: z.string(),
  instance: z.object({ id: z.string(), golden: z.string().optional() }).optional(),
});

export const claimsCommand: Command = {
  name: 'claims',
  summary: 'List the claims',
  help: `usage: thaw claims [--json]

Lists the claims: whose they are, which instance they hold, until when.

  --json  the answer of GET /v1/claims`,
  async run(context, args) {
    const { values } = parseCommandArgs(claimsCommand, args, { options: { json: { type: 'boolean' } } });
    return printList(
      context,
      {
        path: '/v1/claims',
        list: (thaw, query) => thaw.GET('/v1/claims', { params: { query } }),
        item: Claim,
        columns: {
          claim: ({ id }) => id,
          state: ({ state }) => state,
          tenant: ({ tenant }) => tenant,
          pool: ({ pool }) => pool,
          golden: ({ instance }) => instance?.golden ?? '',
          instance: ({ instance }) => instance?.id ?? '',
          'expires at': ({ expiresAt }) => formatTime(expiresAt),
        },
      },
      values.json === true,
    );
  },
};
