/** One condition, judged. */
export interface Finding {
  readonly id: string;
  readonly title: string;
  /** `fail`: nothing works without it, and `thaw up` refuses to start. `warn`: works, at a cost. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** What this machine has. */
  readonly found: string;
  /** What it costs where it is not passed. */
  readonly cost: string;
  /** What to do about it. */
  readonly fix: string;
}

/** A condition before it is judged: what stays the same whatever is found. */
export type Condition = Pick<Finding, 'id' | 'title' | 'cost' | 'fix'>;

export function pass(condition: Condition, found: string): Finding {
  return { ...condition, status: 'pass', found };
}

export function warn(condition: Condition, found: string): Finding {
  return { ...condition, status: 'warn', found };
}

export function fail(condition: Condition, found: string): Finding {
  return { ...condition, status: 'fail', found };
}

const marks = { pass: 'pass', warn: 'WARN', fail: 'FAIL' } as const;

/** Findings as lines for a reader: one for what is well; what it costs and the fix below what is not. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ title }) => title.length));
  return findings
    .flatMap(({ status, title, found, cost, fix }) => [
      `${marks[status]}  ${title.padEnd(width)}  ${found}`,
      ...(status === 'pass' ? [] : [`      costs: ${cost}`, `      fix:   ${fix}`]),
    ])
    .join('\n');
}
