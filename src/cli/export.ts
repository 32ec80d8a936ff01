import { parseConfig } from '#src/platform/config.ts';
import { GoldenId, splitGoldenId } from '#src/platform/ids.ts';
import { awaitOperation } from './await-operation.ts';
import { askFor, connectClient } from './client.ts';
import { type Command, parseCommandArgs, UsageError } from './command.ts';
import { formatBytes } from './table.ts';

export const exportCommand: Command = {
  name: 'export',
  summary: 'Bring a golden to a registry or into a file',
  help: `usage: thaw export GOLDEN TO [--overwrite] [--plain] [--json]

Exports a golden (api@7) as an OCI checkpoint image or as an archive, waits until it is there and
tells its digest. TO is one of

  docker://registry/goldens/api:7   with the credentials that images are pulled with
  oci:/path:tag                     a new OCI layout
  docker-archive:/file.tar:name:tag
  archive:/file.tar                 what \`podman container restore --import\` takes

Paths are those of the node that has the golden, below THAW_IMAGE_ROOTS. What is written holds the
memory of the app, and whatever secrets are in it.

  --overwrite  replace a file that is there
  --plain      export an encrypted golden as plain memory; it stays encrypted otherwise
  --json       the operation at its end`,
  async run(context, args) {
    const syntax = {
      options: { overwrite: { type: 'boolean' }, plain: { type: 'boolean' }, json: { type: 'boolean' } },
      positionals: ['GOLDEN', 'TO'],
    } as const;
    const { values, positionals } = parseCommandArgs(exportCommand, args, syntax);
    const [name = '', to = ''] = positionals;
    const golden = GoldenId.safeParse(name);
    if (!golden.success)
      throw new UsageError(`"${name}" is no golden`, 'Name a template and a number: api@7. See `thaw goldens TEMPLATE`.');
    const thaw = connectClient(parseConfig(context.env));
    const body = { to, overwrite: values.overwrite === true, plain: values.plain === true };
    const params = { path: splitGoldenId(golden.data) };
    const answer = await askFor(thaw.POST('/v1/templates/{template}/goldens/{number}/export', { params, body }));
    const describe = ({ digest, sizeBytes }: Record<string, unknown>) =>
      `${golden.data} is at ${to}: ${digest}, ${formatBytes(Number(sizeBytes))}`;
    return awaitOperation(context, thaw, answer, { asJson: values.json === true, describe });
  },
};
