const name = 'thaw_session';

/** For this host alone, and not for scripts; where claims share a host, for the paths of this one alone. It ends with the browser, or the claim. */
export function sessionCookie(session: string, { prefix, isSecure }: { readonly prefix: string; readonly isSecure: boolean }): string {
  return `${name}=${session}; Path=${prefix}/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
}

/** More than one where another host of the domain set a cookie of that name too: it may not lock anybody out. */
const mostSessions = 4;

/** What the gateway set, and the header as the app may see it (undefined: nothing is left). */
export function splitCookies(header: string | undefined): { readonly sessions: string[]; readonly rest: string | undefined } {
  if (header === undefined || !header.includes(name)) return { sessions: [], rest: header };
  const sessions: string[] = [];
  const rest = header.split(';').filter((pair) => {
    const [key = '', value = ''] = pair.split('=', 2);
    if (key.trim() !== name) return true;
    sessions.push(value.trim());
    return false;
  });
  return { sessions: sessions.slice(0, mostSessions), rest: rest.join(';').trim() || undefined };
}
