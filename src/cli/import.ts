import { parseConfig } from '#src/platform/config.ts';
import { awaitOperation } from './await-operation.ts';
import { askFor, connectClient, pathSegment } from './client.ts';
import { type Command, parseCommandArgs } from './command.ts';

export const importCommand: Command = {
  name: 'import',
  summary: 'Make a golden of an exported one, or of what podman or the kubelet checkpointed',
  help: `usage: thaw import TEMPLATE FROM [--no-promote] [--json]

Makes the next golden of a template from a checkpoint image or archive: it is fetched, unpacked,
sealed, proven with two clones and promoted, as a captured one is. FROM is one of

  docker://registry/goldens/api:7   with the credentials that images are pulled with
  oci:/path:tag · docker-archive:/file.tar:name:tag
  /file.tar                         an archive

Paths are those of the node, below THAW_IMAGE_ROOTS. The template's image must be the one that the
golden was taken from.

  --no-promote  leave the alias \`stable\` where it is
  --json        the operation at its end`,
  async run(context, args) {
    const syntax = {
      options: { 'no-promote': { type: 'boolean' }, json: { type: 'boolean' } },
      positionals: ['TEMPLATE', 'FROM'],
    } as const;
    const { values, positionals } = parseCommandArgs(importCommand, args, syntax);
    const [name = '', text = ''] = positionals;
    const template = pathSegment(name);
    const path = text.startsWith('archive:') ? text.slice('archive:'.length) : text;
    const from = path.startsWith('/') ? { archive: path } : { image: text };
    const thaw = connectClient(parseConfig(context.env));
    const body = { from, ...(values['no-promote'] === true ? { promote: false } : {}) };
    const answer = await askFor(thaw.POST('/v1/templates/{template}/goldens', { params: { path: { template } }, body }));
    const describe = ({ golden, promoted }: Record<string, unknown>) =>
      `${golden} is ready${promoted === true ? ', and `stable` points to it' : ''}`;
    return awaitOperation(context, thaw, answer, { asJson: values.json === true, describe });
  },
};
