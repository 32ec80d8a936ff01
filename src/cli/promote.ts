import { z } from 'zod';
import { parseConfig } from '#src/platform/config.ts';
import { AliasAnswer, describeAlias } from './alias-answer.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, exitCodes, parseCommandArgs, UsageError } from './command.ts';

export const promoteCommand: Command = {
  name: 'promote',
  summary: 'Point an alias to a golden; its pools change over',
  help: `usage: thaw promote TEMPLATE NUMBER [--alias NAME] [--json]

Points an alias of a template to one of its goldens that is ready. The pools that follow the alias
change over, new clones first; \`thaw pools\` shows how far they are. \`thaw rollback\` is the way back.

  --alias NAME  another alias than \`stable\`
  --json        the answer of PUT /v1/templates/TEMPLATE/aliases/NAME`,
  async run(context, args) {
    const options = { alias: { type: 'string', default: 'stable' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parseCommandArgs(promoteCommand, args, { options, positionals: ['TEMPLATE', 'NUMBER'] });
    const [template, alias] = [pathSegment(positionals[0] ?? ''), pathSegment(values.alias)];
    const golden = z.coerce.number().int().min(1).safeParse(positionals[1]).data;
    if (golden === undefined) throw new UsageError(`"${positionals[1]}" is no number of a golden`, `See \`thaw goldens ${template}\`.`);
    const thaw = connectClient(parseConfig(context.env));
    const path = '/v1/templates/{template}/aliases/{alias}';
    const answer = await askFor(thaw.PUT(path, { params: { path: { template, alias } }, body: { golden } }));
    if (values.json) context.print(JSON.stringify(answer, null, 2));
    else context.print(describeAlias(template, readAs(AliasAnswer, answer, path)));
    return exitCodes.ok;
  },
};
