import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { commands } from '#src/cli/commands.ts';
import { runCommandLine } from './run-command-line.ts';

describe('the command line', () => {
  test('thaw --help names every command and the exit codes', async () => {
    const { exitCode, out } = await runCommandLine({}, '--help');
    expect(exitCode).toBe(0);
    for (const { name, summary } of commands) expect(out).toMatch(new RegExp(`^  ${name} +${summary.slice(0, 10)}`, 'm'));
    expect(out).toContain('Exit codes: 0 done, 1 could not be done, 2 wrong usage or setting.');
  });

  test.each(commands.map(({ name }) => name))('thaw %s --help begins with its usage', async (name) => {
    const asked = await runCommandLine({}, name, '--help');
    expect(asked).toMatchObject({ exitCode: 0, err: '', out: expect.stringMatching(new RegExp(`^usage: thaw ${name}`)) });
    expect(await runCommandLine({}, 'help', name)).toEqual(asked);
  });

  test.each([
    [[], 'no command given'],
    [['operation'], 'Did you mean `thaw operations`?'],
    [['pools', '--frobnicate'], "Unknown option '--frobnicate'"],
    [['pools', 'extra'], 'does not take "extra"'],
    [['goldens'], 'needs TEMPLATE'],
    [['down', '--purge'], 'Say --destroy --purge.'],
  ])('%j is wrong usage: exit code 2 and a hint', async (args, hint) => {
    expect(await runCommandLine({}, ...args)).toMatchObject({ exitCode: 2, out: '', err: expect.stringContaining(hint) });
  });

  test('a wrong setting is named, with exit code 2', async () => {
    const { exitCode, err } = await runCommandLine({ THAW_PORT: 'http' }, 'pools');
    expect(exitCode).toBe(2);
    expect(err).toMatch(/^thaw: .*\n +THAW_PORT: /);
  });

  test('an error has no stack unless LOG_LEVEL is debug', async () => {
    const unreachable = { THAW_URL: 'http://127.0.0.1:1' };
    expect((await runCommandLine(unreachable, 'pools')).err).not.toContain('    at ');
    expect((await runCommandLine({ ...unreachable, LOG_LEVEL: 'debug' }, 'pools')).err).toContain('    at ');
  });

  test('the program runs from its file', () => {
    const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
    expect(spawnSync(process.execPath, [main, 'frobnicate'], { encoding: 'utf8' })).toMatchObject({
      status: 2,
      stdout: '',
      stderr: 'thaw: there is no command "frobnicate"\n      `thaw --help` lists them.\n',
    });
  });
});
