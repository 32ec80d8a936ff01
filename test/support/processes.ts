import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ProcessMessage } from '#src/platform/parent-process.ts';

/** A process of ours as `thaw up` starts it. */
export interface OwnProcess {
  /** Where it listens, if it does. */
  readonly url: string;
  /** SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

const modules = {
  api: fileURLToPath(import.meta.resolve('#src/api/main.ts')),
  worker: fileURLToPath(import.meta.resolve('#workers/main.ts')),
};

/** Answers once it told that it is ready. What it logs is shown only when it fails to. */
export async function startProcess(name: keyof typeof modules, env: Readonly<Record<string, string>>): Promise<OwnProcess> {
  const child = spawn(process.execPath, [modules[name]], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const exited = once(child, 'exit');
  const told = once(child, 'message').then(([message]) => ProcessMessage.parse(message));
  const first = await Promise.race([told, exited]);
  if (Array.isArray(first)) throw new Error(`the ${name} process ended before it was ready:\n${said}`);
  if ('failed' in first) throw new Error(first.failed.message);
  return {
    url: ('url' in first && first.url) || '',
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
    kill: () => killHard(child, exited),
  };
}

async function killHard(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}
