import type { ScanReport } from '#src/engine/scan-report.ts';

/** An app may have a secret in each of a million files: the most frequent are told one by one. */
const listedMax = 100;
const placeCharactersMax = 200;

/** Counts what a scan finds. It never sees a value. */
export class SecretTally {
  readonly #counts = new Map<string, { readonly kind: string; readonly where: string; count: number }>();
  #bytes = 0;

  add(kind: string, where: string): void {
    const place = printable(where);
    const key = `${kind}\0${place}`;
    const known = this.#counts.get(key) ?? this.#begin(key, kind, place);
    known.count += 1;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  report(): Omit<ScanReport, 'tookMs'> {
    const findings = [...this.#counts.values()].sort((a, b) => b.count - a.count || (a.kind < b.kind ? -1 : 1));
    return { findings, scannedBytes: this.#bytes };
  }

  /** What can not be listed any more is counted by its kind alone. */
  #begin(key: string, kind: string, where: string) {
    const isFull = this.#counts.size >= listedMax;
    const elsewhere = `${kind}\0`;
    const known = isFull ? this.#counts.get(elsewhere) : undefined;
    if (known) return known;
    const entry = { kind, where: isFull ? 'elsewhere' : where, count: 0 };
    this.#counts.set(isFull ? elsewhere : key, entry);
    return entry;
  }
}

/** A path is the app's own choice. */
function printable(where: string): string {
  const text = where.replace(/\p{Cc}/gu, '?');
  return text.length <= placeCharactersMax ? text : `${text.slice(0, placeCharactersMax)}…`;
}
