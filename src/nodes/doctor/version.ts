/** The first `major.minor` in a text as one number that compares: `6.18.44-fc` and `v6.18` are 6018. Undefined without one. */
export function parseVersion(text: string): number | undefined {
  const match = /(\d+)\.(\d+)/.exec(text);
  return match ? Number(match[1]) * 1000 + Number(match[2]) : undefined;
}
