import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { findProgram } from './find-program.ts';
import { run } from './subprocess.ts';

/** A process that listens on a TCP port of this host. */
export interface PortHolder {
  /** Of its program, e.g. `nginx`; of Thaw's own processes `another Thaw`. */
  readonly name: string;
  readonly pid: number;
  readonly isThaw: boolean;
}

/** Undefined when nobody listens there, or a process of another user that is not ours to look at. */
export async function findPortHolder(port: number): Promise<PortHolder | undefined> {
  const ss = findProgram('ss');
  if (ss === undefined) return undefined;
  const listening = [ss, '--no-header', '--listening', '--tcp', '--numeric', '--processes', `sport = :${port}`] as const;
  const answer = await run(listening, { timeoutMs: 2000 }).catch(() => undefined); // it only adds to a message
  const pid = Number(/pid=(\d+)/.exec(answer?.stdout ?? '')?.[1]);
  return Number.isNaN(pid) ? undefined : describeProcess(pid);
}

function describeProcess(pid: number): PortHolder | undefined {
  try {
    const isThaw = /\/src\/(?:api|nodes)\/main\.ts\0|\/workers\/main\.ts\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    return { name: isThaw ? 'another Thaw' : basename(readlinkSync(`/proc/${pid}/exe`)), pid, isThaw };
  } catch {
    return undefined; // it has just ended
  }
}
