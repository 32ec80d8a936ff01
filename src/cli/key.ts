import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { connectClient } from './client.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs, UsageError } from './command.ts';
import { printList } from './print-list.ts';
import { formatTime } from './table.ts';

const Key = z.object({ id: z.string(), name: z.string(), role: z.string(), createdAt: z.string() });
const NewKey = Key.extend({ secret: z.string() });

export const keyCommand: Command = {
  name: 'key',
  summary: 'Make, list and delete API keys',
  help: `usage: thaw key create NAME --role admin|backend [--json]
       thaw key list [--json]
       thaw key delete ID

A key made here is shown this once. A deleted one is refused within a second.

  --role ROLE  backend: claims for any tenant; admin: everything
  --json       the answer of the REST API`,
  async run(context, args) {
    const [action, ...rest] = args;
    if (action === 'create') return createKey(context, rest);
    if (action === 'list') return listKeys(context, rest);
    if (action === 'delete') return deleteKey(context, rest);
    throw new UsageError('`thaw key` needs create, list or delete', 'See `thaw key --help`.');
  },
};

async function createKey({ env, print, note }: CommandContext, args: readonly string[]): Promise<number> {
  const options = { role: { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseCommandArgs(keyCommand, args, { options, positionals: ['NAME'] });
  if (values.role === undefined) throw new UsageError('`thaw key create` needs --role', 'One of admin and backend.');
  const answer = await connectClient(parseConfig(env)).post('/v1/keys', { name: positionals[0], role: values.role });
  const { id, secret } = NewKey.parse(answer);
  print(values.json ? JSON.stringify(answer, null, 2) : secret);
  note(`This is the only time that ${id} is shown.`);
  return exitCodes.ok;
}

async function listKeys(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values } = parseCommandArgs(keyCommand, args, { options: { json: { type: 'boolean' } } });
  return printList(
    context,
    {
      path: '/v1/keys',
      item: Key,
      columns: {
        key: ({ id }) => id,
        name: ({ name }) => name,
        role: ({ role }) => role,
        'created at': ({ createdAt }) => formatTime(createdAt),
      },
    },
    values.json === true,
  );
}

async function deleteKey({ env, print }: CommandContext, args: readonly string[]): Promise<number> {
  const { positionals } = parseCommandArgs(keyCommand, args, { options: {}, positionals: ['ID'] });
  await connectClient(parseConfig(env)).delete(`/v1/keys/${encodeURIComponent(positionals[0] ?? '')}`);
  print(`deleted ${positionals[0]}`);
  return exitCodes.ok;
}
