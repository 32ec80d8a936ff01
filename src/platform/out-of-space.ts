import { isErrnoError } from './errno.ts';
import { isThawError, ThawError } from './errors.ts';

/** Whether something failed because a disk or a tmpfs is full, here or in a program that was run and said so. */
export function isOutOfSpace(error: unknown): error is Error {
  if (isErrnoError(error, 'ENOSPC', 'EDQUOT')) return true;
  return error instanceof Error && !isThawError(error) && /no space left on device|disk quota exceeded/i.test(error.message);
}

export function outOfSpace(what: string, cause: Error): ThawError {
  return new ThawError('disk_reserve', `${what}: no space is left (${cause.message.slice(0, 300)})`, {
    fix: 'Release claims or make pools smaller, delete goldens and images that are not in use, or free disk space.',
    cause,
  });
}

/** Runs `task`; that it ran out of space is want of capacity, never the fault of a golden or a template. */
export async function withinSpace<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    const full = isThawError(error, 'disk_reserve') ? undefined : causesOf(error).find(isOutOfSpace);
    throw full ? outOfSpace(what, full) : error;
  }
}

/** The error, what it was caused by, and so on. */
function causesOf(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [error];
}
