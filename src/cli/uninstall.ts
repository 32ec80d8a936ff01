import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parseConfig } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { type Command, type CommandContext, CommandError, exitCodes, parseCommandArgs } from './command.ts';
import { takeDown } from './down.ts';
import { ownMark, servicePaths } from './service-files.ts';
import { isSystemdRunning, systemctl } from './systemctl.ts';

export const uninstallCommand: Command = {
  name: 'uninstall',
  summary: 'Undo `thaw install`: the service, its files and its instances',
  help: `usage: thaw uninstall [--purge] [--root DIR]

Stops and disables the service, ends its instances as \`thaw down --destroy\` does, and removes what
\`thaw install\` wrote, ${servicePaths.env} included. The data directory with templates, goldens and
images stays. What deploy/host/setup.sh installed goes by \`deploy/host/setup.sh --undo\`.

  --purge     remove the data directory too
  --root DIR  remove the files below DIR; nothing is stopped`,
  async run(context, args) {
    const options = { purge: { type: 'boolean' }, root: { type: 'string' } } as const;
    const { values } = parseCommandArgs(uninstallCommand, args, { options });
    const root = values.root ?? '/';
    if (values.root === undefined) await stopService(context, values.purge === true);
    for (const path of Object.values(servicePaths)) removeOwnFile(context, join(root, path));
    if (values.root === undefined) await systemctl('daemon-reload');
    return exitCodes.ok;
  },
};

async function stopService(context: CommandContext, purge: boolean): Promise<void> {
  if (!isSystemdRunning()) {
    throw new CommandError(
      `systemd does not run on this machine; nothing was changed. It would stop thaw.service, end its instances and remove ${Object.values(servicePaths).join(', ')}`,
      'Use `thaw down --destroy`, or --root DIR.',
    );
  }
  const unit = readIfThere(servicePaths.unit);
  if (unit?.includes(ownMark)) await systemctl('disable', '--now', 'thaw.service');
  const settings = parseEnv(readIfThere(servicePaths.env) ?? '');
  await takeDown(context, parseConfig({ ...context.env, ...settings }), { destroy: true, purge });
}

function removeOwnFile({ print, note }: CommandContext, path: string): void {
  const content = readIfThere(path);
  if (content === undefined) return;
  if (content.includes(ownMark)) {
    rmSync(path);
    print(`removed ${path}`);
  } else {
    note(`kept    ${path}: it was not written by \`thaw install\``);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
