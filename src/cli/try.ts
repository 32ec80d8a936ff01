import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs, UsageError } from './command.ts';
import { refuseUnfitMachine } from './refuse-unfit-machine.ts';
import { stopOnSignals } from './stop-signals.ts';
import { type Trial, tryWorkload } from './try-workload.ts';

export const tryCommand: Command = {
  name: 'try',
  summary: 'Would my image survive a checkpoint? Starts, dumps and clones it, removes everything again',
  help: `usage: thaw try IMAGE [--port N] [--path /healthz] [--memory MB] [--user USER] [--env NAME=VALUE ...]
                [--timeout SECONDS] [-- COMMAND ...]

Starts the image, waits until it is ready, takes a checkpoint, restores two clones, asks both, and tells
the times, or the reason why not. IMAGE is nginx:1.27, docker://…, oci:/path:tag, docker-archive:/file or
dir:/rootfs. Nothing of it is kept, and a running \`thaw up\` is not touched. Needs root.

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
    const { values, positionals } = parseCommandArgs(tryCommand, own, { options, positionals: ['IMAGE'] });
    const [image = ''] = positionals;
    const command = split < 0 ? [] : args.slice(split + 1);
    const trial = readTrial(image, values, command);
    await refuseUnfitMachine(trialConfig(context.env, image, trialsDir));
    const dataDir = mkdtempSync(join(trialsDir, 'thaw-try-'));
    try {
      const survives = await tryWorkload(trialConfig(context.env, image, dataDir), trial, context, stopOnSignals());
      return survives ? exitCodes.ok : exitCodes.failed;
    } finally {
      removeUnlessMounted(context, dataDir);
    }
  },
};

const trialsDir = '/var/tmp';

const options = {
  port: { type: 'string' },
  path: { type: 'string' },
  memory: { type: 'string' },
  user: { type: 'string' },
  env: { type: 'string', multiple: true },
  timeout: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseCommandArgs<typeof options>>['values'];

function readTrial(image: string, values: Values, command: readonly string[]): Trial {
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port === undefined && values.path !== undefined) throw new UsageError('--path needs --port', 'See `thaw try --help`.');
  const seconds = Number(values.timeout ?? 300);
  const workload = Workload.safeParse({
    image,
    ...(command.length === 0 ? {} : { command }),
    env: Object.fromEntries((values.env ?? []).map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)])),
    ...(values.user === undefined ? {} : { user: values.user }),
    ports: port === undefined ? [] : [{ name: 'app', port }],
    resources: { memoryBytes: Number(values.memory ?? 1024) * 1024 * 1024 },
  });
  if (!workload.success) throw new UsageError(describeIssues(workload.error.issues), 'See `thaw try --help`.');
  if (port === undefined) return { workload: workload.data, ready: undefined, idleTimeoutMs: seconds * 1000 };
  const target = values.path === undefined ? { tcp: { port } } : { http: { port, path: values.path } };
  const ready = ReadyProbe.safeParse({ ...target, timeoutMs: seconds * 1000 });
  if (!ready.success) throw new UsageError(describeIssues(ready.error.issues), 'See `thaw try --help`.');
  return { workload: workload.data, ready: ready.data, idleTimeoutMs: seconds * 1000 };
}

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

/** What could not be unmounted, and was told, would be emptied with the directory. */
function removeUnlessMounted({ note }: CommandContext, dataDir: string): void {
  const mounts = readMounts().filter(({ mountPoint }) => mountPoint.startsWith(`${dataDir}/`));
  if (mounts.length === 0) rmSync(dataDir, { recursive: true, force: true });
  else note(`${dataDir} is left: ${mounts.map(({ mountPoint }) => mountPoint).join(', ')} is still mounted`);
}

function describeIssues(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}

function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
