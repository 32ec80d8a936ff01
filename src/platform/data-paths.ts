import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';

/** sun_path of a unix socket, less its closing zero. */
const maxSocketPathBytes = 107;
/** The longest below the data directory, but for what the engine binds by a relative path. */
const longestSocket = '/redis/redis.sock';
const maxDataDirBytes = maxSocketPathBytes - longestSocket.length;

/** Where things lie below the data directory. `run` is a tmpfs: what must never touch a disk, and what ends with the boot. */
export function dataPaths(dataDir: string) {
  return {
    dataDir,
    lock: join(dataDir, 'thaw.lock'),
    adminKey: join(dataDir, 'admin.key'),
    node: join(dataDir, 'node'),
    fingerprintKey: join(dataDir, 'fingerprint.key'),
    tokenKey: join(dataDir, 'token.key'),
    redis: join(dataDir, 'redis'),
    images: join(dataDir, 'images'),
    goldens: join(dataDir, 'goldens'),
    instances: join(dataDir, 'instances'),
    logs: join(dataDir, 'logs'),
    moves: join(dataDir, 'moves'),
    run: join(dataDir, 'run'),
    agentSocket: join(dataDir, 'agent.sock'),
  };
}

/**
 * The path of a data directory, with links resolved as far as it exists: the kernel names mounts by their real paths, and the names of ours
 * on the host derive from it. It becomes part of overlay options (where `:` `,` and `\` separate), of Redis's URL (`?` `#`), of command lines
 * that conmon and Redis read their own way (blanks, quotes, what is not ASCII), and of unix sockets.
 */
export const DataDir = z
  .string()
  .startsWith('/', 'an absolute path')
  .transform((path) => realPath(resolve(path)))
  .superRefine((path, { addIssue }) => {
    const [odd] = /[^\w/.+=@%~-]/u.exec(path) ?? [];
    if (odd !== undefined) addIssue(`a path of letters, digits and / . _ - + = @ % ~ only: ${path} holds ${JSON.stringify(odd)}`);
    const bytes = Buffer.byteLength(path);
    if (bytes > maxDataDirBytes) {
      addIssue(`a path of at most ${maxDataDirBytes} bytes, because a unix socket takes ${maxSocketPathBytes}: ${path} has ${bytes}`);
    }
  });

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
