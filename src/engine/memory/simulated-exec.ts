import type { ExecResult } from '#src/engine/engine.ts';
import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import { simulateDelay } from './simulated-delay.ts';
import { bindingFile, machineId, type SimulatedInstance } from './simulated-instance.ts';

/**
 * A handful of programs, enough to look inside: cat, echo, false, hostname, sleep, stat, true. Any other command is taken for the app's own
 * tool: it succeeds silently once the app is ready and fails before, so that exec probes and hooks of any template work.
 */
export async function runSimulated(
  clock: Clock,
  instance: SimulatedInstance,
  command: readonly string[],
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<ExecResult> {
  const [program = '', ...args] = command;
  const sleepMs = program.endsWith('sleep') ? Number(args[0]) * 1000 : 0;
  await simulateDelay(clock, Math.min(sleepMs, options.timeoutMs), `\`${command.join(' ')}\` in ${instance.id}`, options.signal);
  if (sleepMs <= options.timeoutMs) return programs[program.split('/').at(-1) ?? '']?.(instance, args) ?? ownTool(instance);
  throw new ThawError('subprocess_failed', `\`${command.join(' ')}\` in ${instance.id} exceeded ${options.timeoutMs} ms and was ended`, {
    fix: 'Give the command more time, or make it quicker.',
  });
}

const programs: Readonly<Record<string, (instance: SimulatedInstance, args: readonly string[]) => ExecResult>> = {
  true: () => said(''),
  false: () => failed(''),
  sleep: () => said(''),
  echo: (_, args) => said(`${args.join(' ')}\n`),
  hostname: (instance) => said(`${instance.id}\n`),
  cat: (instance, [path = '']) => withFile(instance, path, (text) => text),
  // the one form that tells a mode: stat -c %a FILE
  stat: (instance, args) => withFile(instance, args.at(-1) ?? '', (_, mode) => `${mode}\n`),
};

function withFile(instance: SimulatedInstance, path: string, say: (text: string, mode: string) => string): ExecResult {
  const file = fileOf(instance, path);
  return file ? said(say(file.text, file.mode)) : failed(`${path}: No such file or directory\n`);
}

function fileOf(instance: SimulatedInstance, path: string): { text: string; mode: string } | undefined {
  const binding = bindingFile(instance);
  if (path === '/run/thaw/binding.json' && binding !== undefined) return { text: binding, mode: '400' };
  if (path === '/run/thaw/identity.json' && instance.identity) return { text: JSON.stringify(instance.identity), mode: '400' };
  if (path === '/etc/hostname') return { text: `${instance.id}\n`, mode: '644' };
  if (path === '/etc/machine-id') return { text: `${machineId(instance)}\n`, mode: '444' };
  return undefined;
}

function ownTool(instance: SimulatedInstance): ExecResult {
  return instance.ready ? said('') : failed('the simulated app is not ready\n');
}

function said(stdout: string): ExecResult {
  return { exitCode: 0, stdout, stderr: '' };
}

function failed(stderr: string): ExecResult {
  return { exitCode: 1, stdout: '', stderr };
}
