import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs } from './command.ts';
import { processModules } from './process-modules.ts';
import { refuseUnfitMachine } from './refuse-unfit-machine.ts';
import { runUp, type UpDeps } from './run-up.ts';
import { stopOnSignals } from './stop-signals.ts';

export const upCommand: Command = {
  name: 'up',
  summary: 'Run Thaw on this machine: Redis, API, node agent and worker',
  help: `usage: thaw up [--engine criu|memory]

Runs in the foreground: an embedded Redis (unless REDIS_URL is set), the API, the node agent and the
worker, each a process of its own that is started again when it dies. Their logs are JSON lines on
stderr. Ctrl-C or SIGTERM stops them within 10 s; instances go on running and are found again by the
next \`thaw up\`.

  --engine NAME  criu: real containers, needs root (default); memory: a simulation, needs nothing`,
  async run(context, args) {
    const { values } = parseCommandArgs(upCommand, args, { options: { engine: { type: 'string' } } });
    const config = parseConfig(values.engine === undefined ? context.env : { ...context.env, THAW_ENGINE: values.engine });
    const deps: UpDeps = {
      clock: systemClock,
      log: createLogger(config.logLevel, 'up'),
      config,
      env: context.env,
      modules: processModules,
      checkConditions: () => refuseUnfitMachine(config),
      greet: (started) => greet(context, config, started),
    };
    await runUp(deps, stopOnSignals());
    return exitCodes.ok;
  },
};

function greet({ print }: CommandContext, config: Config, { url, adminKey }: Parameters<UpDeps['greet']>[0]): void {
  print(`Thaw answers at ${url} (engine ${config.engine}, data in ${config.paths.dataDir}); ${url}/docs describes it.`);
  if (!adminKey.isNew) return;
  const curl = `curl -H "Authorization: Bearer $(cat ${config.paths.adminKey})"`;
  print(`The admin key is ${adminKey.key}; it is shown this once and lies in ${config.paths.adminKey}. Try:`);
  print(`  ${curl} ${url}/v1/nodes`);
  print(`  ${curl} ${url}/v1/pools`);
}
