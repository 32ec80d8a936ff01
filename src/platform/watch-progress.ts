import { readFileSync } from 'node:fs';

/** Less in one window is no progress: runtimes write a few bytes to pipes of their own while they wait. */
const leastBytes = 4096;

/**
 * Calls `onStall` once a process has read and written next to nothing, files and sockets together, from one look to the next, a window
 * apart. Answers how to stop looking. Without a window, or where the kernel does not tell, nothing is watched.
 */
export function watchProgress(pid: number | undefined, windowMs: number | undefined, onStall: () => void): () => void {
  if (pid === undefined || windowMs === undefined) return () => {};
  let before = 0;
  const timer = setInterval(() => {
    const moved = readMovedBytes(pid);
    if (moved !== undefined && moved - before < leastBytes) onStall();
    before = moved ?? before;
  }, windowMs);
  return () => clearInterval(timer);
}

function readMovedBytes(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/io`, 'utf8');
    const bytes = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
    return bytes('rchar') + bytes('wchar');
  } catch {
    return undefined;
  }
}
