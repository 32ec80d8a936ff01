/** The token of a link (`?thaw_token=…`), and the target without it; the other parameters stay as they were written. */
export function takeLinkToken(target: string): { readonly token: string | undefined; readonly target: string } {
  if (!target.includes('thaw_token=')) return { token: undefined, target };
  const at = target.indexOf('?');
  if (at < 0) return { token: undefined, target };
  let token: string | undefined;
  const rest = target
    .slice(at + 1)
    .split('&')
    .filter((pair) => {
      if (!pair.startsWith('thaw_token=')) return true;
      token = pair.slice('thaw_token='.length);
      return false;
    });
  return { token, target: target.slice(0, at) + (rest.length === 0 ? '' : `?${rest.join('&')}`) };
}
