import { createNeedleSearch } from './needle-search.ts';
import { leastEntropy, longestReach, type SecretShape, secretShapes, usualReach } from './secret-shapes.ts';

/** How far before its beginning, and from it on, a match is judged by what stands there. In bytes. */
export const behindBytes = 2;
export const reachBytes = 2 * longestReach;

/** Of what lies together in memory, or in one file; a match never goes beyond. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

export interface SecretSearch {
  /** Calls back with the kind of each secret that begins from `from` to before `to`. `extentAt`: the extent that a place is in. */
  search(bytes: Buffer, from: number, to: number, extentAt: (at: number) => Extent, found: (kind: string) => void): void;
}

/** What begins a match, and how it is judged. */
interface Needle {
  readonly content: Buffer;
  readonly kind: string;
  /** Undefined: the needle is the whole of it. */
  readonly shape: SecretShape | undefined;
  readonly encoding: Encoding;
}

/** As most programs keep text that is ASCII; and as .NET, JavaScript and others do at times. */
type Encoding = 'latin1' | 'utf16le';
const encodings: readonly Encoding[] = ['latin1', 'utf16le'];

/** Looks for the canaries, told as `canary 1`, `canary 2`, …, and for every known shape of a secret. */
export function createSecretSearch(canaries: readonly string[]): SecretSearch {
  const needles = [...canaries.flatMap(canaryNeedles), ...secretShapes.flatMap(shapeNeedles)];
  const findNeedles = createNeedleSearch(needles.map(({ content }) => content));
  return {
    search(bytes, from, to, extentAt, found) {
      findNeedles(bytes, from, to, (at, index) => {
        const needle = needles[index];
        if (needle && isSecret(needle, bytes, at, extentAt(at))) found(needle.kind);
      });
    },
  };
}

function canaryNeedles(canary: string, index: number): Needle[] {
  const common = { kind: `canary ${index + 1}`, shape: undefined };
  return [
    { ...common, encoding: 'latin1', content: Buffer.from(canary, 'utf8') },
    { ...common, encoding: 'utf16le', content: Buffer.from(canary, 'utf16le') },
  ];
}

function shapeNeedles(shape: SecretShape): Needle[] {
  return shape.beginnings.flatMap((beginning) =>
    encodings.map((encoding) => ({ kind: shape.kind, shape, encoding, content: Buffer.from(beginning, encoding) })),
  );
}

function isSecret({ content, shape, encoding }: Needle, bytes: Buffer, at: number, extent: Extent): boolean {
  if (at + content.length > extent.end || at < extent.start) return false;
  if (shape === undefined) return true;
  const unit = encoding === 'latin1' ? 1 : 2;
  const start = at - unit >= extent.start ? at - unit : at;
  const text = bytes.toString(encoding, start, Math.min(extent.end, at + (shape.reach ?? usualReach) * unit));
  shape.pattern.lastIndex = (at - start) / unit;
  const match = shape.pattern.exec(text)?.[0];
  return match !== undefined && !shape.except?.test(match) && entropyOf(match) >= leastEntropy;
}

/** By Shannon, in bits for each character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
}
