import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '#src/platform/subprocess.ts';

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Long enough for what can be reached to answer on a busy machine; what is dropped takes all of it. */
const deadlineMs = 1200;

/** Run in the network namespace of that path, or in the host's. */
export type Place = string | undefined;

const enter = (place: Place) => (place === undefined ? [] : ['nsenter', `--net=${place}`]);

/** Asks `tcp:ADDRESS:PORT` and `udp:ADDRESS:PORT`, all at once. Answers, for each target that answered, whom it saw asking. */
export async function ask(place: Place, targets: readonly string[], from = '0.0.0.0'): Promise<Record<string, string>> {
  const [program, ...args] = [...enter(place), 'perl', script('net-client.pl'), String(deadlineMs), from, ...targets];
  const { stdout } = await run([program ?? 'perl', ...args], { timeoutMs: 20_000 });
  return Object.fromEntries(stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')])));
}

export interface Responder extends AsyncDisposable {
  /** `FROM PAYLOAD` of each datagram so far. */
  readonly datagrams: readonly string[];
}

/** Listens there on `tcp:ADDRESS:PORT` and `udp:ADDRESS:PORT`. */
export async function startResponder(place: Place, listen: readonly string[]): Promise<Responder> {
  const [program, ...args] = [...enter(place), 'perl', script('net-responder.pl'), ...listen];
  const child = spawn(program ?? 'perl', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const datagrams: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => line.startsWith('datagram ') && datagrams.push(line.slice('datagram '.length)));
  await Promise.race([once(lines, 'line'), ended.then(([code]) => Promise.reject(new Error(`the responder ended with ${code}`)))]);
  return {
    datagrams,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
