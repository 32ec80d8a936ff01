import { mkdirSync } from 'node:fs';
import { run } from '#src/platform/subprocess.ts';
import { isMounted } from './overlay.ts';

/**
 * A tmpfs of root's own, made once. `options` as mount(8) takes them; of `wished` those that this kernel knows. Never swapped where it can
 * promise that (6.4): it holds secrets.
 */
export async function mountPrivateTmpfs(path: string, source: string, options: string, wished: readonly string[] = []): Promise<void> {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (isMounted(path)) return;
  const all = ['mode=0700,nosuid,nodev', options];
  for (const more of [['noswap', ...wished], ['noswap'], wished]) {
    try {
      return await mountTmpfs(path, source, [...all, ...more]);
    } catch {
      // With fewer wishes.
    }
  }
  await mountTmpfs(path, source, all);
}

async function mountTmpfs(path: string, source: string, options: readonly string[]): Promise<void> {
  await run(['mount', '-t', 'tmpfs', '-o', options.join(','), source, path], { timeoutMs: 10_000 });
}
