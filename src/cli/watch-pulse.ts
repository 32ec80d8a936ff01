import type { ChildProcess } from 'node:child_process';

/**
 * Counted in looks of this process, not in time: while it is suspended (SIGSTOP, a sleeping machine) it does not look either, and on waking
 * reads what came meanwhile before it looks twice. So nobody is taken for silent who could not be heard.
 */
const looks = 15;

/** Calls `onSilent` once when the process has told nothing for `silenceLimitMs`. Answers what ends the watch. */
export function watchPulse(child: Pick<ChildProcess, 'on' | 'off'>, silenceLimitMs: number, onSilent: () => void): () => void {
  let silentLooks = 0;
  const onMessage = () => {
    silentLooks = 0;
  };
  const stop = () => {
    clearInterval(timer);
    child.off('message', onMessage);
  };
  const timer = setInterval(() => {
    if (++silentLooks <= looks) return;
    stop();
    onSilent();
  }, silenceLimitMs / looks);
  child.on('message', onMessage);
  return stop;
}
