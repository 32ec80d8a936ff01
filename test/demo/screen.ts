import { stripVTControlCharacters, styleText } from 'node:util';

/** What the demo writes on. On a terminal `show` draws lines in place; elsewhere only finished lines are written. */
export interface Screen {
  readonly isLive: boolean;
  line(text?: string): void;
  /** Draws over what the last `show` drew. Drops everything where the output is no terminal. */
  show(lines: readonly string[]): void;
  /** Leaves what was drawn and goes on below it. */
  keep(): void;
}

export function createScreen(output: NodeJS.WriteStream): Screen {
  let drawn = 0;
  const clear = () => {
    if (drawn > 0) output.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  return {
    isLive: output.isTTY === true,
    line(text = '') {
      clear();
      output.write(`${text}\n`);
    },
    show(lines) {
      if (!output.isTTY) return;
      clear();
      output.write(lines.map((line) => `${fitInto(line, output.columns)}\n`).join(''));
      drawn = lines.length;
    },
    keep() {
      drawn = 0;
    },
  };
}

export function heading(text: string): string {
  return styleText('bold', text);
}

export function dim(text: string): string {
  return styleText('dim', text);
}

export function good(text: string): string {
  return styleText('green', text);
}

export function bad(text: string): string {
  return styleText('red', text);
}

/** Two significant places where it is short, tenths of a second where it is long. */
export function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}

/** A line that wraps would take two places and spoil the next drawing. */
function fitInto(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length < columns ? line : plain.slice(0, columns - 1);
}
