import { z } from 'zod';
import { type Command, parseCommandArgs } from './command.ts';
import { printList } from './print-list.ts';

const Pool = z.object({
  name: z.string(),
  template: z.string(),
  golden: z.union([z.string(), z.number()]),
  size: z.object({ ready: z.union([z.number(), z.string()]), max: z.number() }),
  status: z.object({
    warm: z.number(),
    restoring: z.number(),
    claimed: z.number(),
    golden: z.string().optional(),
    reason: z.string().optional(),
    rollout: z.object({ to: z.string(), state: z.string(), reason: z.string().optional() }).optional(),
  }),
});

/** Why a pool is not as wanted, or not of the golden that it was to change to. */
function tellReason({ reason, rollout }: z.infer<typeof Pool>['status']): string {
  if (reason !== undefined) return reason;
  if (rollout === undefined || rollout.state === 'complete') return '';
  return rollout.reason ?? `the change to ${rollout.to} is ${rollout.state}`;
}

export const poolsCommand: Command = {
  name: 'pools',
  summary: 'List the pools and how full they are',
  help: `usage: thaw pools [--json]

Lists the pools: what they are filled from, how many instances are warm and claimed, and why a pool
is not as wanted.

  --json  the answer of GET /v1/pools`,
  async run(context, args) {
    const { values } = parseCommandArgs(poolsCommand, args, { options: { json: { type: 'boolean' } } });
    return printList(
      context,
      {
        path: '/v1/pools',
        list: (thaw, query) => thaw.GET('/v1/pools', { params: { query } }),
        item: Pool,
        columns: {
          pool: ({ name }) => name,
          golden: ({ template, golden, status }) => status.golden ?? `${template}@${golden}`,
          warm: ({ status, size }) => `${status.warm}/${size.ready}`,
          restoring: ({ status }) => String(status.restoring),
          claimed: ({ status }) => String(status.claimed),
          max: ({ size }) => String(size.max),
          reason: ({ status }) => tellReason(status),
        },
      },
      values.json === true,
    );
  },
};
