import { connect } from 'node:net';
import type { Engine, PortMap } from '#src/engine/engine.ts';
import type { ReadyProbe } from '#src/engine/workload.ts';
import { messageOf } from '#src/platform/errors.ts';
import { requestOnce } from '#src/platform/http/request-once.ts';
import type { InstanceId } from '#src/platform/ids.ts';

/** Where an instance is reached from the host. */
export interface InstanceEndpoint {
  readonly id: InstanceId;
  readonly address: string;
  /** Where the engine maps ports. */
  readonly ports?: PortMap | undefined;
}

/** Asks once whether the app is ready. Answers undefined when it is, else why not. Never throws; an abort is a failure too. */
export async function tryProbe(
  engine: Pick<Engine, 'exec'>,
  target: InstanceEndpoint,
  probe: ReadyProbe,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<string | undefined> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    if (probe.http) await getOnce(target, probe.http.port, probe.http.path, signal);
    else if (probe.tcp) await connectOnce(target, probe.tcp.port, signal);
    else if (probe.exec) await runOnce(engine, target.id, probe.exec.command, { timeoutMs: options.timeoutMs, signal });
    return undefined;
  } catch (error) {
    if (signal.aborted && !options.signal.aborted) return `no answer within ${options.timeoutMs} ms`;
    return messageOf(error);
  }
}

/** The probe in words, for messages. */
export function describeProbe({ http, tcp, exec }: ReadyProbe): string {
  if (http) return `GET :${http.port}${http.path}`;
  return tcp ? `a connection to port ${tcp.port}` : `\`${exec?.command.join(' ')}\``;
}

export function reachedAt({ ports }: InstanceEndpoint, port: number): number {
  return ports?.[port] ?? port;
}

const drainMs = 100;

function getOnce(target: InstanceEndpoint, port: number, path: string, signal: AbortSignal): Promise<void> {
  return requestOnce({ host: target.address, port: reachedAt(target, port), path, signal }, async (response) => {
    const status = response.statusCode ?? 0;
    const cut = setTimeout(() => response.destroy(), drainMs); // a stream that never ends is ready all the same
    await new Promise((resolve) => response.resume().once('close', resolve));
    clearTimeout(cut);
    if (status < 200 || status >= 400) throw new Error(`it answered ${status}`);
  });
}

function connectOnce(target: InstanceEndpoint, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.address, port: reachedAt(target, port), signal });
    socket.once('error', reject).once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

async function runOnce(
  engine: Pick<Engine, 'exec'>,
  id: InstanceId,
  command: readonly string[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const { exitCode, stderr } = await engine.exec(id, command, options);
  if (exitCode !== 0) throw new Error(`it ended with ${exitCode}: ${stderr.trim().slice(-200)}`);
}
