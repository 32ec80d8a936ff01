import { existsSync } from 'node:fs';
import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { type Command, type CommandContext, exitCodes, parseCommandArgs, UsageError } from './command.ts';
import { destroyInstances } from './destroy-everything.ts';
import { purgeData } from './purge-data.ts';
import { stopUp } from './stop-up.ts';

export const downCommand: Command = {
  name: 'down',
  summary: 'Stop the `thaw up` of this data directory; --destroy ends its instances too',
  help: `usage: thaw down [--destroy [--purge] [--engine criu|memory]]

Stops the \`thaw up\` that runs on THAW_DATA_DIR, or what is left of one that was killed. Its instances
go on running, and the next \`thaw up\` finds them.

  --destroy      ends all instances and removes what Thaw made on this machine: links, mounts, network
                 namespaces, cgroups, firewall tables, processes. Their claims are lost. Templates,
                 goldens, images and keys stay.
  --purge        with --destroy: removes them too, and the data directory
  --engine NAME  with --destroy: the engine that \`thaw up\` ran with (default: THAW_ENGINE, or criu)`,
  async run(context, args) {
    const options = { destroy: { type: 'boolean' }, purge: { type: 'boolean' }, engine: { type: 'string' } } as const;
    const { values } = parseCommandArgs(downCommand, args, { options });
    if (values.purge && !values.destroy) throw new UsageError('--purge removes what instances live on', 'Say --destroy --purge.');
    const config = parseConfig(values.engine === undefined ? context.env : { ...context.env, THAW_ENGINE: values.engine });
    await takeDown(context, config, { destroy: values.destroy === true, purge: values.purge === true });
    return exitCodes.ok;
  },
};

export async function takeDown({ print }: CommandContext, config: Config, how: { destroy: boolean; purge: boolean }): Promise<void> {
  const { dataDir } = config.paths;
  if (!existsSync(dataDir)) return print(`Nothing to stop: there is no ${dataDir}.`);
  const { lock, ran } = await stopUp(systemClock, config.paths);
  try {
    print(ran ? `Thaw on ${dataDir} is stopped.` : `No \`thaw up\` ran on ${dataDir}.`);
    if (how.destroy) {
      const count = await destroyInstances(config);
      print(`${count === 1 ? '1 instance was' : `${count} instances were`} destroyed; nothing of Thaw is left on the host.`);
    }
    if (!how.purge) return;
    print(purgeData(config.paths) ? `${dataDir} is removed.` : `${dataDir} is emptied; the directory itself, a mount point, stays.`);
  } finally {
    lock.release();
  }
}
