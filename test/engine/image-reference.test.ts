import { describe, expect, it } from 'vitest';
import { resolveImagePath } from '#src/engine/criu/images/image-path.ts';
import { parseImageReference } from '#src/engine/image-reference.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

function parse(text: string) {
  return parseImageReference(text);
}

async function resolvePath(imageRoots: readonly string[], text: string): Promise<string> {
  const reference = parse(text);
  if (reference.kind === 'registry') throw new Error(`${text} is no path`);
  return await resolveImagePath(imageRoots, reference);
}

describe('a name without a transport is read as docker reads it', () => {
  it.each([
    ['nginx', 'docker.io', 'library/nginx', { tag: 'latest' }],
    ['nginx:1.27', 'docker.io', 'library/nginx', { tag: '1.27' }],
    ['grafana/grafana', 'docker.io', 'grafana/grafana', { tag: 'latest' }],
    ['docker.io/nginx', 'docker.io', 'library/nginx', { tag: 'latest' }],
    ['index.docker.io/nginx', 'docker.io', 'library/nginx', { tag: 'latest' }],
    ['ghcr.io/a/b_c/d-e.f:v1', 'ghcr.io', 'a/b_c/d-e.f', { tag: 'v1' }],
    ['localhost/x', 'localhost', 'x', { tag: 'latest' }],
    ['localhost:5000', 'docker.io', 'library/localhost', { tag: '5000' }],
    ['host:5000/x/y', 'host:5000', 'x/y', { tag: 'latest' }],
    ['[::1]:5000/x', '[::1]:5000', 'x', { tag: 'latest' }],
    ['docker:27-dind', 'docker.io', 'library/docker', { tag: '27-dind' }],
    ['docker://quay.io/x:1', 'quay.io', 'x', { tag: '1' }],
    [`host:5000/x/y@${digest}`, 'host:5000', 'x/y', { digest }],
    [`nginx:1.27@${digest}`, 'docker.io', 'library/nginx', { digest }],
  ])('%s', (text, registry, repository, held) => {
    expect(parse(text)).toEqual({ kind: 'registry', text, registry, repository, ...held });
  });
});

describe('a path image names its path and, where there are several, the image in it', () => {
  it.each([
    ['oci:/srv/images/app', { kind: 'oci', path: '/srv/images/app' }],
    ['oci:/srv/images/app:v1', { kind: 'oci', path: '/srv/images/app', name: 'v1' }],
    ['docker-archive:/opt/more/app.tar', { kind: 'docker-archive', path: '/opt/more/app.tar' }],
    ['docker-archive:/opt/more/app.tar:host:5000/app:1', { kind: 'docker-archive', path: '/opt/more/app.tar', name: 'host:5000/app:1' }],
    ['dir:/srv/images/root fs', { kind: 'dir', path: '/srv/images/root fs' }],
  ])('%s', (text, expected) => {
    expect(parse(text)).toEqual({ text, ...expected });
  });
});

describe('what can not be used is refused with what to write instead', () => {
  it.each([
    ['', /is no repository/],
    ['Nginx', /is no repository/],
    ['nginx:', /is no tag/],
    ['-v', /is no repository/],
    ['docker://--authfile=/etc/shadow', /is no repository/],
    ['nginx:--help', /is no tag/],
    ['-host/x', /is no repository/],
    ['user:password@host/x', /a digest is written/],
    ['nginx@sha256:12', /a digest is written/],
    [`nginx@${digest}@${digest}`, /a digest is written/],
    ['host.:5000/x', /is no registry/],
    ['a b', /is no repository/],
    [`a/${'b'.repeat(255)}`, /255 in all/],
    ['https://host/x', /can not be had from https:/],
    ['docker-daemon:nginx:1', /can not be had from docker-daemon:/],
    ['oci:relative', /must be absolute/],
    ['oci:-v', /must be absolute/],
    ['dir:', /must be absolute/],
    ['dir:/srv/images/../../etc', /must be normalised/],
    ['dir:/srv/images/x/', /must be normalised/],
    ['dir:/srv/images/a\nb', /control characters/],
    ['oci:/srv/images/app:--x', /is no image name/],
  ])('%j', (text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'image_reference_invalid', message: expect.stringMatching(message), fix: expect.any(String) }),
    );
  });

  it.each(['dir:/etc', 'dir:/srv/images', 'dir:/srv/images-of-others/x'])('%s lies in no configured root', async (text) => {
    const message = expect.stringContaining('must lie below /srv/images or /opt/more');
    await expect(resolvePath(['/srv/images', '/opt/more'], text)).rejects.toMatchObject({ code: 'image_reference_invalid', message });
  });

  it('a path image without configured roots is told of THAW_IMAGE_ROOTS', async () => {
    const fix = expect.stringContaining('THAW_IMAGE_ROOTS');
    await expect(resolvePath([], 'dir:/srv/images/x')).rejects.toMatchObject({ code: 'image_reference_invalid', fix });
  });

  it('a path that is not normalised is told its normal form', () => {
    expect(() => parse('dir:/srv/images/./x//y/')).toThrow(expect.objectContaining({ fix: 'Write /srv/images/x/y.' }));
  });
});
