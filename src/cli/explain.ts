import { parseConfig } from '#src/platform/config.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, exitCodes, parseCommandArgs } from './command.ts';
import { ExplainedClaim, ExplainedTimeline, explainClaim } from './explain-claim.ts';

export const explainCommand: Command = {
  name: 'explain',
  summary: 'Tell what happened to a claim, and why',
  help: `usage: thaw explain CLAIM [--json]

Tells the story of a claim: who held which instance, from which golden, how long that had been warm,
what each step took, why the claim was not hot, why it ended.

  --json  the answers of GET /v1/claims/CLAIM and GET /v1/claims/CLAIM/timeline`,
  async run({ env, print }, args) {
    const { values, positionals } = parseCommandArgs(explainCommand, args, {
      options: { json: { type: 'boolean' } },
      positionals: ['CLAIM'],
    });
    const id = pathSegment(positionals[0] ?? '');
    const [path, params] = [`/v1/claims/${id}`, { path: { claim: id } }];
    const thaw = connectClient(parseConfig(env));
    const claim = await askFor(thaw.GET('/v1/claims/{claim}', { params }));
    const timeline = await askFor(thaw.GET('/v1/claims/{claim}/timeline', { params }));
    if (values.json) print(JSON.stringify({ claim, timeline }, null, 2));
    else print(explainClaim(readAs(ExplainedClaim, claim, path), readAs(ExplainedTimeline, timeline, `${path}/timeline`)));
    return exitCodes.ok;
  },
};
