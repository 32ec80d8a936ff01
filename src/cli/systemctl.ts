import { existsSync } from 'node:fs';
import { run, SubprocessError } from '#src/platform/subprocess.ts';
import { CommandError } from './command.ts';

/** As sd_booted(3) decides. */
export function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system');
}

export async function systemctl(...args: string[]): Promise<void> {
  try {
    await run(['systemctl', ...args], { timeoutMs: 60_000 });
  } catch (error) {
    if (!(error instanceof SubprocessError)) throw error;
    throw new CommandError(error.message, '`journalctl -u thaw` may say more.', error);
  }
}
