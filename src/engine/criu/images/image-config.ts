import { resolve } from 'node:path/posix';
import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { foreignPlatform, machine } from './manifest.ts';

/** What an image says about running it; a template's own fields come before these. */
export const ImageConfig = z.object({
  env: z.record(z.string(), z.string()),
  entrypoint: z.array(z.string()),
  cmd: z.array(z.string()),
  /** Absolute. */
  workdir: z.string(),
  /** As in the image, '' for root: see resolveUser. */
  user: z.string(),
});
export type ImageConfig = z.infer<typeof ImageConfig>;

/** Go writes absent lists as null. */
const Words = z
  .array(z.string())
  .nullish()
  .transform((words) => words ?? []);

const OciConfig = z.object({
  os: z.string(),
  architecture: z.string(),
  config: z
    .object({ Env: Words, Entrypoint: Words, Cmd: Words, WorkingDir: z.string().default(''), User: z.string().default('') })
    .prefault({}),
});

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A bare directory says nothing: the template must give the command. */
export const emptyConfig: ImageConfig = { env: { PATH: defaultPath }, entrypoint: [], cmd: [], workdir: '/', user: '' };

/** From the JSON of an OCI image configuration. Throws image_unusable when it does not parse or is for another platform. */
export function parseImageConfig(image: string, json: string): ImageConfig {
  const parsed = OciConfig.safeParse(JSON.parse(json));
  if (!parsed.success) {
    throw new ThawError('image_unusable', `image ${image}: its configuration does not parse (${z.prettifyError(parsed.error)})`, {
      fix: 'Build the image again.',
    });
  }
  const { os, architecture, config } = parsed.data;
  if (os !== machine.os || architecture !== machine.architecture) throw foreignPlatform(image, `${os}/${architecture}`);
  return {
    env: { PATH: defaultPath, ...parseEnv(config.Env) },
    entrypoint: config.Entrypoint,
    cmd: config.Cmd,
    workdir: resolve('/', config.WorkingDir),
    user: config.User,
  };
}

function parseEnv(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const equals = entry.indexOf('=');
      return equals > 0 ? [[entry.slice(0, equals), entry.slice(equals + 1)]] : [];
    }),
  );
}
