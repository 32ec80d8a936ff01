import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { Role } from '#src/platform/http/access.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs, UsageError } from './command.ts';
import { parseDurationMs } from './duration.ts';
import { printList } from './print-list.ts';
import { formatTime } from './table.ts';

const Key = z.object({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  scope: z.object({ tenant: z.string().optional(), pools: z.array(z.string()).optional() }),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
});
const NewKey = Key.extend({ secret: z.string() });

export const keyCommand: Command = {
  name: 'key',
  summary: 'Make, list, rotate and revoke API keys',
  help: `usage: thaw key create NAME --role admin|backend|tenant [--tenant TENANT] [--pool POOL]… [--expires-in TIME]
                       [--per-second N --burst N] [--json]
       thaw key list [--json]
       thaw key rotate ID [--grace TIME] [--json]
       thaw key revoke ID

A secret is shown once, when it is made. A revoked key is refused within a second, with all tenant tokens that it minted.

  --role ROLE        tenant: claims of one tenant; backend: claims for any tenant; admin: everything
  --tenant TENANT    the only tenant it acts for; the role tenant needs one
  --pool POOL        a pool that it may claim from; all when none is named
  --expires-in TIME  refused from then on, e.g. 90d
  --per-second N     requests it may send; with --burst, as many at once
  --grace TIME       how long the old secret still works, e.g. 1h; not at all when absent
  --json             the answer of the REST API

TIME is a number and s, m, h or d.`,
  async run(context, args) {
    const [action, ...rest] = args;
    if (action === 'create') return createKey(context, rest);
    if (action === 'list') return listKeys(context, rest);
    if (action === 'rotate') return rotateKey(context, rest);
    if (action === 'revoke') return revokeKey(context, rest);
    throw new UsageError('`thaw key` needs create, list, rotate or revoke', 'See `thaw key --help`.');
  },
};

const createOptions = {
  role: { type: 'string' },
  tenant: { type: 'string' },
  pool: { type: 'string', multiple: true },
  'expires-in': { type: 'string' },
  'per-second': { type: 'string' },
  burst: { type: 'string' },
  json: { type: 'boolean' },
} as const;

async function createKey(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = parseCommandArgs(keyCommand, args, { options: createOptions, positionals: ['NAME'] });
  const { role, tenant, pool: pools, 'expires-in': expiresIn, 'per-second': perSecond, burst } = values;
  if (role === undefined) throw new UsageError('`thaw key create` needs --role', 'One of admin, backend and tenant.');
  if (!isRole(role)) throw new UsageError(`--role can not be ${JSON.stringify(role)}`, 'One of admin, backend and tenant.');
  if ((perSecond === undefined) !== (burst === undefined)) {
    throw new UsageError('--per-second and --burst go together', 'Say both, or neither for no limit.');
  }
  const body = {
    ...{ name: positionals[0] ?? '', role, scope: { ...(tenant && { tenant }), ...(pools && { pools }) } },
    ...(expiresIn === undefined ? {} : { expiresAt: new Date(Date.now() + parseDurationMs('--expires-in', expiresIn)).toISOString() }),
    ...(perSecond === undefined
      ? {}
      : { rateLimit: { perSecond: readRate('--per-second', perSecond), burst: readRate('--burst', burst) } }),
  };
  const answer = await askFor(connectClient(parseConfig(context.env)).POST('/v1/keys', { body }));
  return showSecret(context, answer, values.json === true);
}

async function listKeys(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values } = parseCommandArgs(keyCommand, args, { options: { json: { type: 'boolean' } } });
  return printList(
    context,
    {
      path: '/v1/keys',
      list: (thaw, query) => thaw.GET('/v1/keys', { params: { query } }),
      item: Key,
      columns: {
        key: ({ id }) => id,
        name: ({ name }) => name,
        role: ({ role }) => role,
        tenant: ({ scope }) => scope.tenant ?? '',
        pools: ({ scope }) => scope.pools?.join(' ') ?? '',
        'created at': ({ createdAt }) => formatTime(createdAt),
        'expires at': ({ expiresAt }) => (expiresAt === undefined ? '' : formatTime(expiresAt)),
      },
    },
    values.json === true,
  );
}

async function rotateKey(context: CommandContext, args: readonly string[]): Promise<number> {
  const options = { grace: { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandArgs(keyCommand, args, { options, positionals: ['ID'] });
  const graceMs = values.grace === undefined ? 0 : parseDurationMs('--grace', values.grace);
  const params = { path: { key: pathSegment(positionals[0] ?? '') } };
  const answer = await askFor(connectClient(parseConfig(context.env)).POST('/v1/keys/{key}/rotate', { params, body: { graceMs } }));
  showSecret(context, answer, values.json === true);
  context.note('Put it where the old one is kept; for the first admin key that is admin.key in the data directory, or THAW_API_KEY.');
  return exitCodes.ok;
}

async function revokeKey({ env, print }: CommandContext, args: readonly string[]): Promise<number> {
  const { positionals } = parseCommandArgs(keyCommand, args, { options: {}, positionals: ['ID'] });
  const params = { path: { key: pathSegment(positionals[0] ?? '') } };
  await askFor(connectClient(parseConfig(env)).DELETE('/v1/keys/{key}', { params }));
  print(`revoked ${positionals[0]}`);
  return exitCodes.ok;
}

function showSecret({ print, note }: CommandContext, answer: unknown, asJson: boolean): number {
  const { id, secret } = readAs(NewKey, answer, '/v1/keys');
  print(asJson ? JSON.stringify(answer, null, 2) : secret);
  note(`This is the only time that the secret of ${id} is shown.`);
  return exitCodes.ok;
}

function isRole(text: string): text is Role {
  return Role.safeParse(text).success;
}

/** The service knows the bounds; here it must be a number at all. */
function readRate(option: string, text = ''): number {
  if (/^\d{1,9}(?:\.\d{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`${option}: a number above 0, not ${JSON.stringify(text)}`, 'See `thaw key --help`.');
}
