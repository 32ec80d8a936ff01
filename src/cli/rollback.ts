import { parseConfig } from '#src/platform/config.ts';
import { AliasAnswer, describeAlias } from './alias-answer.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, CommandError, exitCodes, parseCommandArgs } from './command.ts';

const path = '/v1/templates/{template}/aliases/{alias}';

export const rollbackCommand: Command = {
  name: 'rollback',
  summary: 'Point an alias back to the golden before; its pools change over',
  help: `usage: thaw rollback TEMPLATE [--alias NAME] [--json]

Points an alias back to where it pointed before its last move, unless it is moved meanwhile. Once more
is forward again. The pools that follow it change over as for a promotion.

  --alias NAME  another alias than \`stable\`
  --json        the answer of PUT /v1/templates/TEMPLATE/aliases/NAME`,
  async run(context, args) {
    const options = { alias: { type: 'string', default: 'stable' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parseCommandArgs(rollbackCommand, args, { options, positionals: ['TEMPLATE'] });
    const [template, alias] = [pathSegment(positionals[0] ?? ''), pathSegment(values.alias)];
    const thaw = connectClient(parseConfig(context.env));
    const params = { path: { template, alias } };
    const now = readAs(AliasAnswer, await askFor(thaw.GET(path, { params })), path);
    if (now.previous === undefined) throw new CommandError(`${alias} of ${template} has pointed to ${template}@${now.golden} only`);
    const headers = { 'if-match': `"${now.etag}"` };
    const answer = await askFor(thaw.PUT(path, { params, headers, body: { golden: now.previous } }));
    context.print(values.json ? JSON.stringify(answer, null, 2) : describeAlias(template, readAs(AliasAnswer, answer, path)));
    return exitCodes.ok;
  },
};
