const suffix = '.enc';

/** What the app changed in its root filesystem, as one stream. */
export const packedDiff = `diff.tar${suffix}`;

/** The names of all others: without one of them a golden is not whole. */
export const fileList = `files.json${suffix}`;

export function sealedPath(plain: string): string {
  return plain + suffix;
}

export function plainPath(sealed: string): string {
  return sealed.slice(0, -suffix.length);
}
