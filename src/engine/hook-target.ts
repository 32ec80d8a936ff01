import type { Hooks, Unique } from './hooks.ts';

/** The part of a template that says what the engine alone may ask of its app. */
export interface HookTargets {
  readonly hooks?: Hooks | undefined;
  readonly unique?: Unique | undefined;
}

/**
 * Whether a request for `path` (as it came, with or without its query) on a container port would reach a hook or `unique`, in any
 * spelling that some web server takes for the same: tenants are refused there. Pure.
 */
export function isHookTarget({ hooks, unique }: HookTargets, port: number, path: string): boolean {
  const targets = [hooks?.beforeCheckpoint?.http, hooks?.afterRestore?.http, hooks?.bind?.http, unique?.http];
  return targets.some((target) => target?.port === port && canonical(target.path) === canonical(path));
}

const mostDecodings = 3;

/**
 * Absolute form, query, encoding (also doubled), backslashes, doubled slashes, dot segments and servlet parameters (`/a;x=1/b`) are
 * taken out, letters made small and a last slash dropped: Express ignores both, for one.
 */
function canonical(path: string): string {
  let text = path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '').replace(/[?#].*$/s, '');
  for (let times = 0; times < mostDecodings; times++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const segments: string[] = [];
  for (const written of text.toLowerCase().split(/[/\\]/)) {
    const segment = written.replace(/;.*$/s, '');
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}
