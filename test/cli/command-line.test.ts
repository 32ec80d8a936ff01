import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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
    [['goldens', ''], 'was given an empty TEMPLATE'],
    [['goldens', '..'], '".." is no name'],
    [['operations', '.'], '"." is no name'],
    [['key', 'revoke', '..'], '".." is no name'],
    [['key', 'create', 'shop', '--role', 'backend', '--per-second', 'x', '--burst', '5'], '--per-second: a number above 0, not "x"'],
    [['key', 'create', 'shop', '--role', 'backend', '--expires-in', '99999999999d'], '--expires-in'],
    [['explain', '..'], '".." is no name'],
    [['try', 'x', '--env', 'FOO'], '--env: NAME=VALUE with a name of letters, digits and _, not "FOO"'],
    [['try', 'x', '--env', '1A=b'], '--env: NAME=VALUE with a name of letters, digits and _, not "1A=b"'],
    [['try', 'x', '--timeout', 'abc'], '--timeout: seconds from 1 to 3600, not "abc"'],
    [['try', 'x', '--timeout', '0'], '--timeout: seconds from 1 to 3600, not "0"'],
    [['try', 'x', '--port', '0x50'], '--port: a port from 1 to 65535, not "0x50"'],
    [['try', 'x', '--memory', '1e3'], '--memory: megabytes from 4 to 1000000, not "1e3"'],
    [['try', 'x', '--path', '/'], '--path needs --port'],
    [['try', 'x', '--port', '80', '--path', 'x'], '--path http path: a path that begins with /'],
    [['try', 'x', '--user', 'a b'], 'user: a name, a uid or uid:gid'],
  ])('%j is wrong usage: exit code 2 and a hint', async (args, hint) => {
    expect(await runCommandLine({}, ...args)).toMatchObject({ exitCode: 2, out: '', err: expect.stringContaining(hint) });
  });

  test('a name longer than any there is is not sent', async () => {
    expect(await runCommandLine({}, 'goldens', 'x'.repeat(20_000))).toMatchObject({
      exitCode: 2,
      err: 'thaw: "xxxxxxxxxxxxxxxxxxxx…" is no name: it has 20000 characters',
    });
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

  test('a reader who stops reading is no failure', async () => {
    const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
    const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.destroy();
    expect(await once(child, 'exit')).toEqual([0, null]);
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
