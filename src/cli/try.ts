import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs } from './command.ts';
import { readTrial, trialOptions } from './read-trial.ts';
import { refuseUnfitMachine } from './refuse-unfit-machine.ts';
import { stopOnSignals } from './stop-signals.ts';
import { makeTrialDir, removeDeadTrials, removeTrialDir, trialsDir } from './trial-dir.ts';

export const tryCommand: Command = {
  name: 'try',
  summary: 'Would my image survive a checkpoint? Starts, dumps and clones it, removes everything again',
  help: `usage: thaw try IMAGE [--port N] [--path /healthz] [--memory MB] [--user USER] [--env NAME=VALUE ...]
                [--timeout SECONDS] [-- COMMAND ...]

Starts the image, waits until it is ready, tells what a checkpoint would trip over, takes one, restores
two clones, asks both, and tells the times, or the reason why not. IMAGE is nginx:1.27, docker://…, oci:/path:tag, docker-archive:/file or
dir:/rootfs. Nothing of it is kept, and a running \`thaw up\` is not touched. Ctrl-C ends it early and
removes all of it too; what a killed one left goes with the next. Needs root.

  --port N       the port on which the app answers; without it the app counts as ready once it is idle
  --path PATH    an HTTP path that answers 200 to 399 when the app is ready (default: a connection is enough)
  --memory MB    memory limit of each instance (default 1024)
  --user USER    run as this user instead of the image's
  --env N=V      an environment variable; may be given several times
  --timeout S    seconds to become ready (default 300)
  -- COMMAND     replaces the image's own command`,
  async run(context, args) {
    const split = args.indexOf('--');
    const own = split < 0 ? args : args.slice(0, split);
    const { values, positionals } = parseCommandArgs(tryCommand, own, { options: trialOptions, positionals: ['IMAGE'] });
    const [image = ''] = positionals;
    const trial = readTrial(image, values, split < 0 ? [] : args.slice(split + 1));
    const configOf = (dataDir: string) => trialConfig(context.env, image, dataDir);
    await refuseUnfitMachine(configOf(trialsDir));
    await removeDeadTrials(context, configOf);
    const signal = stopOnSignals();
    const dataDir = makeTrialDir();
    try {
      const { tryWorkload } = await import('./try-workload.ts'); // loads the engine, which is heavy, and few commands need it
      const survives = await tryWorkload(configOf(dataDir), trial, context, signal);
      return survives ? exitCodes.ok : exitCodes.failed;
    } finally {
      removeTrialDir(context, dataDir);
    }
  },
};

/** A data directory of its own: names on the host derive from it, so that a running Thaw is not met. Paths given by root are allowed. */
function trialConfig(env: CommandContext['env'], image: string, dataDir: string): Config {
  const path = /^(?:dir|oci|docker-archive):(\/[^:]*)/.exec(image)?.[1];
  const roots = [env.THAW_IMAGE_ROOTS, path && dirname(realOr(path))].filter(Boolean).join(':');
  return parseConfig({
    ...env,
    THAW_DATA_DIR: dataDir,
    THAW_IMAGE_ROOTS: roots,
    THAW_ENGINE: 'criu',
    THAW_PORT: '0',
  });
}

function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
