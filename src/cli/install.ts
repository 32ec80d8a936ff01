import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseConfig, settingNames } from '#src/platform/config.ts';
import { type Command, type CommandContext, CommandError, exitCodes, parseCommandArgs } from './command.ts';
import { ownMark, type ServiceFile, serviceFiles, servicePaths } from './service-files.ts';
import { isSystemdRunning, systemctl } from './systemctl.ts';

export const installCommand: Command = {
  name: 'install',
  summary: 'Make Thaw a systemd service of this machine',
  help: `usage: thaw install [--root DIR]

Writes ${servicePaths.unit}, ${servicePaths.wrapper} and ${servicePaths.env}
(mode 0600, with the settings of this environment; kept as it is when it exists), then enables and
starts the service. It runs from this checkout. \`thaw uninstall\` undoes all of it.

  --root DIR  write below DIR, for an image that boots later; nothing is started`,
  async run(context, args) {
    const { values } = parseCommandArgs(installCommand, args, { options: { root: { type: 'string' } } });
    const files = serviceFiles(parseConfig(context.env), settingsOf(context.env));
    const root = values.root ?? '/';
    if (values.root === undefined) refuseWithoutSystemd(files);
    for (const file of files) refuseStranger(root, file);
    for (const file of files) context.print(writeServiceFile(root, file));
    if (values.root === undefined) await startService(context);
    else context.print(`enable it by: systemctl --root=${values.root} enable thaw.service`);
    return exitCodes.ok;
  },
};

/** Only what is set: a default that changes with a later version must not be frozen here. */
function settingsOf(env: CommandContext['env']): Record<string, string> {
  return Object.fromEntries(settingNames.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function refuseWithoutSystemd(files: readonly ServiceFile[]): void {
  if (isSystemdRunning()) return;
  const steps = [...files.map(({ path }) => `  write ${path}`), '  systemctl daemon-reload', '  systemctl enable --now thaw.service'];
  throw new CommandError(
    `systemd does not run on this machine; nothing was changed. It would:\n${steps.join('\n')}`,
    'Run `thaw up` by the service manager of this machine, or use --root DIR.',
  );
}

function refuseStranger(root: string, { path }: ServiceFile): void {
  const target = join(root, path);
  if (!existsSync(target) || path === servicePaths.env || readFileSync(target, 'utf8').includes(ownMark)) return;
  throw new CommandError(`${target} exists and was not written by \`thaw install\``, 'Move it away, then run it again.');
}

/** Answers what was done, in words. */
function writeServiceFile(root: string, { path, mode, content, keep }: ServiceFile): string {
  const target = join(root, path);
  if (keep && existsSync(target)) return `kept    ${target}`;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content, { mode });
  chmodSync(target, mode); // also of a file that was there
  return `wrote   ${target}`;
}

async function startService({ print }: CommandContext): Promise<void> {
  await systemctl('daemon-reload');
  await systemctl('enable', 'thaw.service');
  await systemctl('restart', 'thaw.service');
  print('started thaw.service; `journalctl -u thaw` shows its log, `thaw pools` its state');
}
