/** Columns padded to their longest cell, a header above; empty cells show as `-`. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header.map((title) => title.toUpperCase()), ...rows.map((row) => row.map((cell) => onOneLine(cell) || '-'))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Some texts come from apps and their users: what would steer a terminal or begin a line becomes a blank. */
export function onOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** `2026-01-31T12:00:00.000Z` as `2026-01-31 12:00:00Z`. */
export function formatTime(rfc3339: string): string {
  return rfc3339.replace('T', ' ').replace(/\.\d+/, '');
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024 ** 2) return `${Math.ceil(bytes / 1024)} KiB`;
  return bytes < 1024 ** 3 ? `${Math.round(bytes / 1024 ** 2)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/** With about two digits: `3.2 ms`, `840 ms`, `5.6 s`, `12 min 5 s`, `2 h 3 min`, `4 d 2 h`. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 3600) return withRest(seconds, 60, 'min', 1, 's');
  return seconds < 86_400 ? withRest(seconds, 3600, 'h', 60, 'min') : withRest(seconds, 86_400, 'd', 3600, 'h');
}

function withRest(seconds: number, unit: number, name: string, smaller: number, smallerName: string): string {
  const rest = Math.floor((seconds % unit) / smaller);
  return `${Math.floor(seconds / unit)} ${name}${rest === 0 ? '' : ` ${rest} ${smallerName}`}`;
}
