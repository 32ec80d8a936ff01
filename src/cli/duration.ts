import { UsageError } from './command.ts';

const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `30m`, `1h` or `7d` in ms. Throws UsageError that names the option. */
export function parseDurationMs(option: string, text: string): number {
  const [, count = '', unit = ''] = /^([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? [];
  const unitMs = unitsMs[unit];
  if (unitMs === undefined) throw new UsageError(`${option} can not be "${text}"`, 'It is a number and s, m, h or d, e.g. 90s or 7d.');
  return Number(count) * unitMs;
}
