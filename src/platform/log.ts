import { pino } from 'pino';

export type Logger = Pick<import('pino').Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child'>;

/** JSON lines on stderr, so that stdout stays free for what a command answers. */
export function createLogger(level: string, process: string): Logger {
  return pino({ level, base: { process } }, pino.destination({ fd: 2, sync: false }));
}
