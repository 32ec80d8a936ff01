import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newClaimId } from '#src/platform/ids.ts';
import { ask, openSocket } from './ask.ts';
import { apiKey, domain, type House, openHouse } from './house.ts';

function mirror(request: IncomingMessage, response: ServerResponse): void {
  response.end(JSON.stringify({ url: request.url, headers: request.headers }));
}

let byPath: House;
let byHost: House;
beforeAll(async () => {
  byPath = await openHouse(mirror, {
    onUpgrade: (socket) => socket.end('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  });
  byHost = await openHouse(mirror, {
    domain,
    onUpgrade: (socket) => socket.end('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  });
});
afterAll(async () => {
  await byPath[Symbol.asyncDispose]();
  await byHost[Symbol.asyncDispose]();
});

/** Opens a link as a browser does; answers the cookie it got. */
async function openLink(): Promise<string> {
  const token = await byHost.tokens.mint(byHost.claim, 'once', 60_000);
  const answer = await ask({ port: byHost.port, path: `/?thaw_token=${token}`, headers: { Host: byHost.host } });
  return answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

const code = (text: string) => JSON.parse(text).code;

describe('without a token', () => {
  it('nothing reaches the instance', async () => {
    const answer = await ask({ port: byPath.port, path: `${byPath.path}/` });
    expect({ status: answer.status, code: code(answer.text) }).toEqual({ status: 401, code: 'token_required' });
    for (const headers of [
      { 'Thaw-Token': `thawt_${'A'.repeat(43)}` },
      { 'Thaw-Token': '' },
      { Authorization: `Bearer thawo_${'A'.repeat(43)}` },
      { Authorization: `Bearer ${apiKey}` },
      { Cookie: `thaw_session=${'A'.repeat(43)}` },
      { Cookie: `thaw_session=${byPath.token}` },
    ]) {
      expect((await ask({ port: byPath.port, path: `${byPath.path}/`, headers })).status).toBe(401);
    }
  });

  it('nor with the token of another claim', async () => {
    const token = await byPath.tokens.mint(newClaimId(), 'reusable', 60_000);
    expect((await ask({ port: byPath.port, path: `${byPath.path}/`, headers: { 'Thaw-Token': token } })).status).toBe(401);
  });

  it('a WebSocket is refused', async () => {
    const { status, socket } = await openSocket({ port: byPath.port, path: `${byPath.path}/` });
    socket.destroy();
    expect(status).toBe(401);
  });
});

describe('a header token', () => {
  it('opens the instance as a bearer token, and is not shown to it', async () => {
    const answer = await ask({ port: byPath.port, path: `${byPath.path}/`, headers: { Authorization: `Bearer ${byPath.token}` } });
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain(byPath.token);
  });

  it('that is good once is good once', async () => {
    const headers = { 'Thaw-Token': await byPath.tokens.mint(byPath.claim, 'once', 60_000) };
    const [a, b] = await Promise.all([1, 2].map(() => ask({ port: byPath.port, path: `${byPath.path}/`, headers })));
    expect([a?.status, b?.status].toSorted()).toEqual([200, 401]);
  });

  it('expires', async () => {
    const headers = { 'Thaw-Token': await byPath.tokens.mint(byPath.claim, 'reusable', 1) };
    await expect.poll(async () => (await ask({ port: byPath.port, path: `${byPath.path}/`, headers })).status).toBe(401);
  });
});

describe('a link', () => {
  it('becomes a cookie for this host alone, and its token leaves the address', async () => {
    const token = await byHost.tokens.mint(byHost.claim, 'once', 60_000);
    const open = () => ask({ port: byHost.port, path: `/a?x=1&thaw_token=${token}&y=2`, headers: { Host: byHost.host } });
    const answer = await open();
    expect(answer).toMatchObject({
      status: 303,
      headers: { location: '/a?x=1&y=2', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' },
    });
    const cookie = answer.headers['set-cookie']?.[0] ?? '';
    expect(cookie).toMatch(/^thaw_session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    const session = cookie.split(';')[0] ?? '';
    const page = await ask({ port: byHost.port, path: '/a', headers: { Host: byHost.host, Cookie: `mine=1; ${session}; other=2` } });
    expect(JSON.parse(page.text).headers.cookie).toBe('mine=1; other=2');
    expect(page.text).not.toContain(session);
    expect((await open()).status).toBe(401);
    const again = { Host: byHost.host, Cookie: session };
    expect(await ask({ port: byHost.port, path: `/a?thaw_token=${token}`, headers: again })).toMatchObject({
      status: 303,
      headers: { location: '/a' },
    });
  });

  it('below a path is a cookie for that path alone', async () => {
    const token = await byPath.tokens.mint(byPath.claim, 'once', 60_000);
    const answer = await ask({ port: byPath.port, path: `${byPath.path}?thaw_token=${token}` });
    expect(answer).toMatchObject({ status: 303, headers: { location: `${byPath.path}/` } });
    expect(answer.headers['set-cookie']?.[0]).toContain(`Path=${byPath.path}/;`);
  });

  it('is Secure where the client speaks TLS', async () => {
    await using behind = await openHouse(mirror, { trustedProxies: ['127.0.0.1'] });
    const token = await behind.tokens.mint(behind.claim, 'once', 60_000);
    const answer = await ask({ port: behind.port, path: `${behind.path}/?thaw_token=${token}`, headers: { 'X-Forwarded-Proto': 'https' } });
    expect(answer.headers['set-cookie']?.[0]).toMatch(/; Secure$/);
  });

  it('does not lead elsewhere', async () => {
    const token = await byHost.tokens.mint(byHost.claim, 'once', 60_000);
    const answer = await ask({ port: byHost.port, path: `//evil.example/?thaw_token=${token}`, headers: { Host: byHost.host } });
    expect(new URL(answer.headers.location ?? '', `http://${byHost.host}`).host).toBe(byHost.host);
  });

  it("is for an instance's own host where there is one: no app's page runs on the API's", async () => {
    const token = await byHost.tokens.mint(byHost.claim, 'once', 60_000);
    expect((await ask({ port: byHost.port, path: `${byHost.path}/?thaw_token=${token}` })).status).toBe(401);
    expect((await ask({ port: byHost.port, path: `${byHost.path}/`, headers: { Cookie: await openLink() } })).status).toBe(401);
  });
});

describe('a cookie', () => {
  const send = (method: string, headers: Record<string, string>) =>
    ask({ port: byHost.port, path: '/', method, headers: { Host: byHost.host, ...headers } });

  it('is good for a WebSocket of its own page, not for one of another', async () => {
    const Cookie = await openLink();
    const connect = async (origin: string) => {
      const { status, socket } = await openSocket({ port: byHost.port, path: '/', headers: { Host: byHost.host, Cookie, Origin: origin } });
      socket.destroy();
      return status;
    };
    expect(await connect(`http://${byHost.host}`)).toBe(101);
    expect(await connect('http://evil.example')).toBe(403);
    expect(await connect(`http://8080--${newClaimId()}.${domain}`)).toBe(403);
    expect(await connect('null')).toBe(403);
  });

  it('changes nothing for another page', async () => {
    const Cookie = await openLink();
    expect((await send('POST', { Cookie, Origin: `http://${byHost.host}` })).status).toBe(200);
    expect((await send('POST', { Cookie })).status).toBe(200);
    expect(code((await send('POST', { Cookie, Origin: 'http://evil.example' })).text)).toBe('cross_origin_refused');
    expect((await send('DELETE', { Cookie, 'Sec-Fetch-Site': 'same-site' })).status).toBe(403);
  });

  it('that somebody else set beside ours locks nobody out', async () => {
    expect((await send('GET', { Cookie: `thaw_session=forged; ${await openLink()}` })).status).toBe(200);
  });
});

describe('an API key', () => {
  it('never reaches an instance, in whatever scheme', async () => {
    const Cookie = await openLink();
    const basic = Buffer.from(`x:${apiKey}`).toString('base64');
    for (const Authorization of [`Bearer ${apiKey}`, `bearer  ${apiKey}`, `Basic ${basic}`, apiKey]) {
      for (const how of [{ Cookie }, { 'Thaw-Token': byHost.token }]) {
        const answer = await ask({ port: byHost.port, path: '/', headers: { Host: byHost.host, ...how, Authorization } });
        expect({ status: answer.status, code: code(answer.text) }).toEqual({ status: 403, code: 'api_key_refused' });
      }
    }
  });
});

describe('what a template does not offer', () => {
  const reach = (target: string) => ask({ port: byPath.port, path: target, headers: { 'Thaw-Token': byPath.token } });

  it('is no port of the gateway', async () => {
    for (const port of ['9090', 'db', '5432', 'constructor', '%38080', '']) {
      const answer = await reach(`/i/${byPath.claim}/${port}/`);
      expect({ port, status: answer.status, code: code(answer.text) }).toEqual({ port, status: 404, code: 'port_not_found' });
    }
  });

  it('hooks are not reached, however their path is written', async () => {
    for (const path of [
      '/internal/unique',
      '/internal%2Funique?x',
      '//internal/./unique/',
      '/a/../INTERNAL/unique',
      '/internal/unique;v=1',
    ]) {
      const answer = await reach(`${byPath.path}${path}`);
      expect({ path, status: answer.status, code: code(answer.text) }).toEqual({ path, status: 403, code: 'hook_unreachable' });
    }
    expect((await reach(`${byPath.path}/internal`)).status).toBe(200);
    expect((await reach(`${byPath.path}/internal/unique#x`)).status).toBe(400);
  });

  it("a path that climbs out of the claim stays the instance's", async () => {
    expect(JSON.parse((await reach(`${byPath.path}/../../v1/keys`)).text).url).toBe('/../../v1/keys');
    expect(byPath.askedOfApi).toEqual([]);
  });

  it('claims there are not, and what is no claim', async () => {
    for (const claim of [newClaimId(), 'clm-x', '..', '%2e%2e', "<script>'"]) {
      expect((await reach(`/i/${encodeURI(claim)}/8080/`)).status).toBe(404);
    }
  });

  it('an absolute target, which names another host than the one that was checked', async () => {
    const answer = await ask({
      port: byHost.port,
      path: 'http://other.example/',
      headers: { Host: byHost.host, 'Thaw-Token': byHost.token },
    });
    expect({ status: answer.status, code: code(answer.text) }).toEqual({ status: 400, code: 'request_target_invalid' });
  });
});
