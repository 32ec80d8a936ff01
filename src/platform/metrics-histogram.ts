/** A histogram that several processes count, as it is kept in Redis: the upper bounds of its buckets in seconds, rising. */
export interface SharedHistogram {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly bounds: readonly number[];
}

export interface HistogramSeries {
  /** How many fell between the bound before and this one; the last is above all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** The text of Prometheus for it, by the value of its label. */
export function renderHistogram({ name, help, label, bounds }: SharedHistogram, series: ReadonlyMap<string, HistogramSeries>): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const [value, { counts, sum }] of series) {
    let total = 0;
    for (const [index, le] of [...bounds, '+Inf'].entries()) {
      total += counts[index] ?? 0;
      lines.push(`${name}_bucket{le="${le}",${label}="${value}"} ${total}`);
    }
    lines.push(`${name}_sum{${label}="${value}"} ${sum}`, `${name}_count{${label}="${value}"} ${total}`);
  }
  return `${lines.join('\n')}\n`;
}
