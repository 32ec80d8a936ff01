import { CheckpointReport } from '#src/engine/checkpoint-report.ts';
import { parseConfig } from '#src/platform/config.ts';
import { awaitOperation } from './await-operation.ts';
import { askFor, connectClient, pathSegment, readAs } from './client.ts';
import { type Command, parseCommandArgs } from './command.ts';
import { tellCheckpointReport } from './tell-checkpoint-report.ts';

const path = '/v1/templates/{template}/goldens';

export const captureCommand: Command = {
  name: 'capture',
  summary: "Take a template's next golden, or see what would stop it",
  help: `usage: thaw capture TEMPLATE [--dry-run | --notes TEXT --no-promote] [--json]

Takes a template's next golden: starts its app, makes it ready, takes the checkpoint, proves it with two
clones and promotes it. Follows it to its end; Ctrl-C ends the watching, not the capture.

  --dry-run     take none: start the app, make it ready, and tell what would stop a checkpoint of it
                (exit code 1 when something would)
  --notes TEXT  kept with the golden
  --no-promote  leave the alias \`stable\` where it is
  --json        the operation at its end`,
  async run(context, args) {
    const flag = { type: 'boolean' } as const;
    const options = { 'dry-run': flag, notes: { type: 'string' }, 'no-promote': flag, json: flag } as const;
    const { values, positionals } = parseCommandArgs(captureCommand, args, { options, positionals: ['TEMPLATE'] });
    const template = pathSegment(positionals[0] ?? '');
    const thaw = connectClient(parseConfig(context.env));
    const isDryRun = values['dry-run'] === true;
    const body = {
      ...(isDryRun ? { dryRun: true } : {}),
      ...(values.notes === undefined ? {} : { notes: values.notes }),
      ...(values['no-promote'] === true ? { promote: false } : {}),
    };
    const answer = await askFor(thaw.POST(path, { params: { path: { template } }, body }));
    const report = (result: Record<string, unknown>) => readAs(CheckpointReport, result, path);
    return awaitOperation(context, thaw, answer, {
      asJson: values.json === true,
      describe: (result) => (isDryRun ? tellCheckpointReport(report(result)).join('\n') : tellCapture(result)),
      isGood: (result) => !isDryRun || report(result).wouldSucceed,
    });
  },
};

function tellCapture({ golden, promoted }: Record<string, unknown>): string {
  return `${golden} is ready${promoted === true ? ', and `stable` points to it' : ''}`;
}
