import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '#src/platform/config.ts';
import { CommandError } from './command.ts';

/** What `thaw install` puts on a host. */
export interface ServiceFile {
  readonly path: string;
  readonly mode: number;
  readonly content: string;
  /** The host's own changes to it are kept when it is there already. */
  readonly keep: boolean;
}

/** Stands in every file of ours, so that `install` replaces and `uninstall` removes nothing else. */
export const ownMark = 'Written by `thaw install`';

/** Below a root other than / the files are the same: they are for the system that will boot from there. */
export const servicePaths = {
  unit: '/etc/systemd/system/thaw.service',
  env: '/etc/thaw.env',
  wrapper: '/usr/local/bin/thaw',
} as const;

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** `set`: the settings to write into a new /etc/thaw.env. Throws CommandError for a path that systemd can not take. */
export function serviceFiles(config: Config, set: Readonly<Record<string, string>>, node: string = process.execPath): ServiceFile[] {
  const places = { CHECKOUT: checkout, NODE: node, DATA_DIR: config.paths.dataDir };
  for (const path of Object.values(places)) refuseOddPath(path);
  const template = readFileSync(join(checkout, 'deploy/host/thaw.service'), 'utf8');
  const unit = Object.entries(places).reduce((text, [name, path]) => text.replaceAll(`@${name}@`, path), template);
  return [
    { path: servicePaths.unit, mode: 0o644, content: unit, keep: false },
    { path: servicePaths.env, mode: 0o600, content: envFile({ THAW_DATA_DIR: config.paths.dataDir, ...set }), keep: true },
    { path: servicePaths.wrapper, mode: 0o755, content: wrapper(node), keep: false },
  ];
}

function envFile(set: Readonly<Record<string, string>>): string {
  const lines = Object.entries(set).map(([name, value]) => `${name}=${quote(name, value)}`);
  return `# ${ownMark} once, then yours: the settings of the service (README, Settings). Readable by root alone.\n${lines.join('\n')}\n`;
}

/** systemd and Node read this file, and agree on the meaning of single quotes only. */
function quote(name: string, value: string): string {
  if (!/['\n]/.test(value)) return `'${value}'`;
  throw new CommandError(`${name} holds a quote or a line break, which can not stand in ${servicePaths.env}`, 'Choose a value without.');
}

/** The command finds the settings of the service; what the caller's environment says goes first. */
function wrapper(node: string): string {
  return `#!/bin/sh
# ${ownMark}.
if [ -r ${servicePaths.env} ]; then set -- --env-file=${servicePaths.env} ${checkout}/src/cli/main.ts "$@"; else set -- ${checkout}/src/cli/main.ts "$@"; fi
exec ${node} "$@"
`;
}

/** Blanks and the like would need a different quoting in each of the three files. */
function refuseOddPath(path: string): void {
  if (/^[\w./@+-]+$/.test(path)) return;
  throw new CommandError(`"${path}" can not stand in a systemd unit as it is`, 'Use a path of letters, digits and . _ @ + - only.');
}
