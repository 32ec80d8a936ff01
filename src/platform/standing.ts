import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * How a process stands against the others of this machine when processors or memory are short.
 * `first`: every claim passes through it (Redis, API, agent), so it runs before a refill and is ended last.
 * `after`: what it does can wait a moment (the worker); it is ended like any other process.
 * `instance`: does not inherit the worker's modesty.
 */
export type Standing = 'first' | 'after' | 'instance';

const standings = {
  first: { nice: -10, oomScoreAdj: -900 },
  after: { nice: 5, oomScoreAdj: 0 },
  instance: { nice: 0, oomScoreAdj: 0 },
} as const;

/** Favours need CAP_SYS_NICE and CAP_SYS_RESOURCE: where they are missing the process keeps what it has. Never a condition. */
export function setStanding(pid: number, standing: Standing): void {
  const { nice, oomScoreAdj } = standings[standing];
  const attempts = [
    () => setPriority(pid, nice),
    () => writeFileSync(`/proc/${pid}/autogroup`, String(nice)), // with autogroups, nice alone counts only inside a session
    () => writeFileSync(`/proc/${pid}/oom_score_adj`, String(oomScoreAdj)), // -1000 ended never, 1000 first
  ];
  for (const attempt of attempts) ignoreRefusal(attempt);
}

function ignoreRefusal(attempt: () => void): void {
  try {
    attempt();
  } catch {
    // not allowed, not known to this kernel, or the process is gone
  }
}
