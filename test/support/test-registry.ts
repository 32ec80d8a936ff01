import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from './temp-dir.ts';

export interface TestRegistry {
  /** `127.0.0.1:port`, without TLS. */
  readonly host: string;
  /** Pushes an image of an OCI layout, all platforms of it; `name` is `repository:tag`. */
  push(layout: string, tag: string, name: string): Promise<void>;
  stop(): Promise<void>;
}

/** The one user of a registry that asks for a password. */
export const registryUser = 'thaw';
export const registryPassword = 'geheim';
const htpasswd = `${registryUser}:$2b$04$YUxam8/rzXfbz3akEMFDmOyqJVO2zGbiUX0mo2DOYSeiigKm4cWI2\n`;

/** A registry of its own on a free loopback port, its images in memory. */
export async function startTestRegistry(options: { auth: boolean }): Promise<TestRegistry> {
  const directory = await makeTempDir();
  const [config, passwords] = [join(directory.path, 'config.yml'), join(directory.path, 'htpasswd')];
  await writeFile(passwords, htpasswd);
  const auth = options.auth ? `auth: {htpasswd: {realm: test, path: ${passwords}}}\n` : '';
  await writeFile(config, `version: 0.1\nlog: {level: info}\nstorage: {inmemory: {}}\nhttp: {addr: "127.0.0.1:0"}\n${auth}`);

  const server = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'exit');
  const stop = async () => {
    server.kill('SIGKILL');
    await ended;
    await directory[Symbol.asyncDispose]();
  };
  const lines = createInterface({ input: server.stderr });
  const listening = new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (host) resolve(host);
    });
    lines.on('close', () => reject(new Error('docker-registry ended at its start')));
  });
  try {
    const host = await listening;
    return { host, stop, push: (layout, tag, name) => pushImage(layout, tag, `${host}/${name}`, options.auth) };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function pushImage(layout: string, tag: string, name: string, auth: boolean): Promise<void> {
  const credentials = auth ? ['--dest-creds', `${registryUser}:${registryPassword}`] : [];
  const access = ['--insecure-policy', 'copy', '--all', '--quiet', '--dest-tls-verify=false', ...credentials];
  await run(['skopeo', ...access, `oci:${layout}:${tag}`, `docker://${name}`], { timeoutMs: 30_000 });
}
