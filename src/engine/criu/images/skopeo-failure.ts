import { type ProblemCode, ThawError } from '#src/platform/errors.ts';
import type { SubprocessError } from '#src/platform/subprocess.ts';
import type { ImageSource } from './image-source.ts';

interface Explanation {
  readonly pattern: RegExp;
  readonly code: ProblemCode;
  readonly fix: string;
}

const credentialsFix =
  'Name a file with valid credentials, or one that names a credential helper, in THAW_REGISTRY_AUTH_FILE (made by `skopeo login --authfile FILE REGISTRY`); it is read afresh each time.';

/** The first that fits what skopeo (tried with 1.9) says on stderr. Order matters: Docker Hub answers `denied` for what does not exist, too. */
const explanations: readonly Explanation[] = [
  {
    pattern: /getting username and password|getting credentials|docker-credential-/i,
    code: 'image_pull_failed',
    fix: 'Repair the auth file (THAW_REGISTRY_AUTH_FILE) or the credential helper it names (`echo REGISTRY | docker-credential-NAME get` must answer).',
  },
  {
    pattern: /unauthorized|authentication required|invalid username|access .* is denied|\bdenied\b|forbidden/i,
    code: 'image_pull_failed',
    fix: credentialsFix,
  },
  {
    pattern: /toomanyrequests|too many requests/i,
    code: 'image_pull_failed',
    fix: `The registry limits how often one may pull. ${credentialsFix}`,
  },
  {
    pattern: /manifest unknown|name unknown|repository name not known|not found|no descriptor found|no such file|does not exist/i,
    code: 'image_not_found',
    fix: 'Correct the name or the tag in the template, or push the image.',
  },
  {
    pattern: /more than one image|multiple images|choose an image/i,
    code: 'image_reference_invalid',
    fix: 'There are several images in it: add the name of one, as in oci:/path:tag or docker-archive:/file.tar:name:tag.',
  },
  {
    pattern: /HTTP response to HTTPS client|x509|certificate|tls:/i,
    code: 'image_pull_failed',
    fix: 'Put its CA certificate into /etc/containers/certs.d/HOST:PORT/ca.crt, or list a registry without TLS in THAW_INSECURE_REGISTRIES.',
  },
  {
    pattern:
      /connection refused|no such host|i\/o timeout|network is unreachable|no route to host|connection reset|server misbehaving|deadline exceeded|\bEOF\b/i,
    code: 'image_pull_failed',
    fix: 'Check that the registry runs and that this node reaches it (name, port, proxy), then try again.',
  },
  {
    pattern: /no image found|unsupported manifest|invalid tar header|invalid character|gzip: invalid|digest did not match|does not match/i,
    code: 'image_unusable',
    fix: 'Build or push the image again.',
  },
];

const otherwise = { code: 'image_pull_failed', fix: 'Try `skopeo inspect` with the same reference on this node.' } as const;
const unreadablePath = {
  code: 'image_unusable',
  fix: 'Write it again: an OCI layout by skopeo or buildah, an archive by docker save.',
} as const;

/** Says what skopeo stumbled over in words of ours. The program's output is not attached as a cause: a helper's may hold a secret. */
export function skopeoFailure(error: SubprocessError, source: ImageSource, authFile: string | undefined): ThawError {
  if (error.timedOut) {
    const how = /moved no data for \d+ ms/.exec(error.message)?.[0] ?? 'did not finish in time';
    return new ThawError('image_pull_failed', `image ${source.text}: ${source.registry ?? 'skopeo'} ${how}`, {
      fix: 'Check the network to the registry, then try again.',
    });
  }
  if (/SIGXFSZ|file too large/.test(error.stderr)) {
    return new ThawError('image_unusable', `image ${source.text}: what was sent is larger than its manifest says`, {
      fix: 'Push the image again; if this stays, do not trust the registry.',
    });
  }
  const said = fatalMessage(error.stderr);
  const found = explanations.find(({ pattern }) => pattern.test(said)) ?? otherwise;
  const { code, fix } = source.registry === undefined && found.code === 'image_pull_failed' ? unreadablePath : found;
  const refused = fix === credentialsFix && source.registry !== undefined;
  const access = refused
    ? ` (asked with ${authFile === undefined ? "the machine's default credentials, if any" : `those in ${authFile}`})`
    : '';
  return new ThawError(code, `image ${source.text}: ${said}${access}`, { fix });
}

/** The same when an image is brought to `target`. */
export function skopeoPushFailure(error: SubprocessError, target: ImageSource, authFile: string | undefined): ThawError {
  const { code, message, fix } = skopeoFailure(error, target, authFile);
  const elsewhere = code === 'image_not_found' || code === 'image_reference_invalid';
  const about = { fix: elsewhere ? 'Correct the name; some registries want the repository to be made first.' : (fix ?? '') };
  return new ThawError('image_push_failed', message.replace(/^image /, 'the export to '), about);
}

/** skopeo speaks logfmt: `time="…" level=fatal msg="…"`. What a credential helper printed is left out. */
function fatalMessage(stderr: string): string {
  const quoted = /level=fatal msg="((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1];
  const message = quoted?.replace(/(?:\\[nt])+/g, ' ').replace(/\\(["\\])/g, '$1') ?? stderr.trim().split('\n').at(-1) ?? '';
  const withoutName = message.replace(/^(?:Error )?parsing image name "[^"]*": /i, '');
  return (
    withoutName
      .replace(/out: `[^`]*`?/g, 'out: (left out)')
      .trim()
      .slice(0, 600) || 'skopeo said nothing'
  );
}
