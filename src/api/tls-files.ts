import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { isErrnoError } from '#src/platform/errno.ts';
import { messageOf, ThawError } from '#src/platform/errors.ts';
import type { Logger } from '#src/platform/log.ts';

export interface TlsPaths {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Throws node_unfit when the files can not be read, or are no certificate with its key. */
export async function readTlsPair(paths: TlsPaths): Promise<TlsPair> {
  const [cert, key] = await Promise.all([readPem('THAW_TLS_CERT', paths.certPath), readPem('THAW_TLS_KEY', paths.keyPath)]);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new ThawError('node_unfit', `${paths.certPath} and ${paths.keyPath} are no certificate with its key: ${messageOf(error)}`, {
      fix: 'THAW_TLS_CERT is a PEM file of the certificate and those between it and the root; THAW_TLS_KEY one of its private key.',
      cause: error,
    });
  }
  return { cert, key };
}

async function readPem(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isErrnoError(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new ThawError('node_unfit', `${setting} ${path} can not be read: ${error.code}`, { fix: `Correct ${setting}.`, cause: error });
  }
}

const lookEveryMs = 2000;

/**
 * Serves a renewed pair to new connections, without a restart. Looks at what the files hold, not when they were written: links that are
 * exchanged count too. A pair that can not be used (one of the two was written first) is logged, and the one before stays.
 */
export function followTlsFiles(server: Server, paths: TlsPaths, first: TlsPair, log: Pick<Logger, 'info' | 'error'>): () => void {
  let last = `${first.cert}${first.key}`;
  let lastProblem = '';
  const look = async () => {
    try {
      const pair = await readTlsPair(paths);
      lastProblem = '';
      if (last === `${pair.cert}${pair.key}`) return;
      server.setSecureContext({ ...pair });
      last = `${pair.cert}${pair.key}`;
      log.info({ ...paths }, 'TLS: the renewed certificate is served');
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== lastProblem)
        log.error({ err: error }, 'TLS: the changed files can not be used; the certificate before is still served');
      lastProblem = problem;
    }
  };
  const timer = setInterval(() => void look(), lookEveryMs).unref();
  return () => clearInterval(timer);
}
