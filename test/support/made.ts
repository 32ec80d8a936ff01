/** What a hook of the suite makes, for those who read it in tests and later hooks. */
export function made<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('used before the suite has made it');
  return value;
}
