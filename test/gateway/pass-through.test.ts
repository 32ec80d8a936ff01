import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ask, askRaw, begin } from './ask.ts';
import { type House, type HouseOptions, openHouse } from './house.ts';

let house: House;
afterEach(() => house[Symbol.asyncDispose]());

async function open(app: (request: IncomingMessage, response: ServerResponse) => void, options: HouseOptions = {}): Promise<void> {
  house = await openHouse(app, options);
}

/** Answers what it was asked, as JSON. */
function mirror(request: IncomingMessage, response: ServerResponse): void {
  void text(request).then((body) => {
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(JSON.stringify({ method: request.method, url: request.url, raw: request.rawHeaders, headers: request.headers, body }));
  });
}

const withToken = () => ({ 'Thaw-Token': house.token });

describe('a request', () => {
  it('reaches the instance with path, query, method, body and the headers of the app; hop-by-hop headers end here', async () => {
    await open(mirror);
    const headers = { ...withToken(), 'X-App': 'yes', Authorization: 'Bearer of-the-app-itself-1', Cookie: 'theirs=1', TE: 'trailers' };
    const answer = await ask({
      ...{ port: house.port, path: `${house.path}/a%2Fb/../c?x=%20&y`, method: 'PUT', body: 'hello' },
      headers: { ...headers, Connection: 'close, X-Only-Here', 'X-Only-Here': '1', 'Proxy-Authorization': 'Basic eA==' },
    });
    const seen = JSON.parse(answer.text);
    expect(seen).toMatchObject({ method: 'PUT', url: '/a%2Fb/../c?x=%20&y', body: 'hello' });
    expect(seen.headers).toMatchObject({ 'x-app': 'yes', authorization: 'Bearer of-the-app-itself-1', cookie: 'theirs=1', te: 'trailers' });
    expect(Object.keys(seen.headers)).not.toEqual(expect.arrayContaining(['x-only-here']));
    expect(seen.headers).not.toHaveProperty('thaw-token');
    expect(seen.headers).not.toHaveProperty('proxy-authorization');
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  });

  it('names the client and the host as the client named it, whatever the client claims', async () => {
    await open(mirror, { domain: 'thaw.localhost' });
    const lies = { 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Host': 'evil', 'X-Real-IP': '6.6.6.6', Forwarded: 'for=6.6.6.6' };
    const { headers } = JSON.parse(
      (await ask({ port: house.port, path: '/', headers: { ...withToken(), ...lies, Host: house.host } })).text,
    );
    expect(headers).toMatchObject({
      host: house.host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': house.host,
    });
    expect(headers).not.toHaveProperty('x-real-ip');
    expect(headers).not.toHaveProperty('forwarded');
  });

  it('believes X-Forwarded headers of a trusted proxy', async () => {
    await open(mirror, { trustedProxies: ['127.0.0.0/8'], domain: 'thaw.localhost' });
    const said = { 'X-Forwarded-For': '6.6.6.6, 203.0.113.9', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': house.host };
    const { headers } = JSON.parse((await ask({ port: house.port, path: '/x', headers: { ...withToken(), ...said } })).text);
    expect(headers).toMatchObject({ host: house.host, 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 127.0.0.1', 'x-forwarded-proto': 'https' });
  });

  it('is told under which path the instance stands', async () => {
    await open(mirror);
    const { url, headers } = JSON.parse((await ask({ port: house.port, path: `/i/${house.claim}/web`, headers: withToken() })).text);
    expect(url).toBe('/');
    expect(headers['x-forwarded-prefix']).toBe(`/i/${house.claim}/web`);
  });

  it('that is not for an instance is answered by the API, an unusual upgrade too', async () => {
    await open(mirror, { domain: 'thaw.localhost' });
    for (const headers of [{}, { Host: 'thaw.localhost' }, { Host: 'a.thaw.localhost' }, { Connection: 'Upgrade', Upgrade: 'h2c' }]) {
      expect((await ask({ port: house.port, path: '/v1/pools', headers })).text).toBe('the API');
    }
    expect((await ask({ port: house.port, path: '/i', headers: {} })).text).toBe('the API');
  });

  it('of ambiguous length is refused before anybody sees it', async () => {
    await open(mirror);
    const head = `POST ${house.path}/ HTTP/1.1\r\nHost: x\r\nThaw-Token: ${house.token}\r\n`;
    expect(await askRaw(house.port, `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1.1 400/);
    expect(await askRaw(house.port, `${head}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`)).toMatch(/^HTTP\/1.1 400/);
    expect(await askRaw(house.port, `${head}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`)).not.toContain('identity');
    expect(house.sockets.size).toBeLessThanOrEqual(1);
  });

  it('waits for the body until the instance wants it', async () => {
    await open(mirror);
    const sending = request({
      ...{ host: '127.0.0.1', port: house.port, path: `${house.path}/`, method: 'POST' },
      headers: { ...withToken(), Expect: '100-continue', 'Content-Length': 4 },
    });
    sending.flushHeaders();
    await once(sending, 'continue');
    sending.end('body');
    const [answer] = await once(sending, 'response');
    expect(JSON.parse(await text(answer)).body).toBe('body');
  });

  it('and its answer keep their trailers', async () => {
    await open((request, response) => {
      request.resume().on('end', () => {
        response.write(JSON.stringify(request.trailers));
        response.addTrailers({ 'X-Sum': '42' });
        response.end();
      });
    });
    const sending = request({ host: '127.0.0.1', port: house.port, path: `${house.path}/`, method: 'POST', headers: withToken() });
    sending.write('x');
    sending.addTrailers({ 'X-Sent': '1' });
    sending.end();
    const answer: IncomingMessage = await new Promise((resolve) => sending.once('response', resolve));
    expect(JSON.parse(await text(answer))).toEqual({ 'x-sent': '1' });
    expect(answer.trailers).toEqual({ 'x-sum': '42' });
  });
});

describe('a stream', () => {
  it('arrives as it is sent, its headers before its first byte', async () => {
    let tell: ((line: string) => void) | undefined;
    await open((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      tell = (line) => response.write(line);
    });
    const answer = await begin({ port: house.port, path: `${house.path}/events`, headers: withToken() });
    expect(answer.headers['content-type']).toBe('text/event-stream');
    for (const line of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
      tell?.(line);
      const [chunk] = await once(answer, 'data');
      expect(String(chunk)).toBe(line);
    }
    answer.destroy();
  });

  it('of an upload reaches the instance as it is sent, and its early answer the client', async () => {
    await open((request, response) => {
      request.once('data', (chunk) => {
        response.write(`got ${chunk}`);
        request.once('data', (next) => response.end(`then ${next}`));
      });
    });
    const sending = request({ host: '127.0.0.1', port: house.port, path: `${house.path}/`, method: 'POST', headers: withToken() });
    sending.write('one');
    const answer: IncomingMessage = await new Promise((resolve) => sending.once('response', resolve));
    const [first] = await once(answer, 'data');
    expect(String(first)).toBe('got one');
    sending.end('two');
    expect(await text(answer)).toBe('then two');
  });

  it('waits for a slow reader', async () => {
    let sentBytes = 0;
    await open((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const more = () => {
        while (sentBytes < 64 * 2 ** 20) {
          sentBytes += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const answer = await begin({ port: house.port, path: `${house.path}/big`, headers: withToken() });
    answer.pause();
    await settled(() => sentBytes);
    expect(sentBytes).toBeLessThan(32 * 2 ** 20);
    expect((await buffer(answer)).length).toBe(64 * 2 ** 20);
  });

  it('that the client leaves ends at the instance', async () => {
    const ended = vi.fn();
    await open((_request, response) => {
      response.once('close', ended);
      response.write('first');
    });
    const answer = await begin({ port: house.port, path: `${house.path}/`, headers: withToken() });
    answer.destroy();
    await vi.waitFor(() => expect(ended).toHaveBeenCalled());
  });

  it('that the instance breaks off is not whole for the client either', async () => {
    await open((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('first', () => response.destroy());
    });
    const answer = await begin({ port: house.port, path: `${house.path}/`, headers: withToken() });
    await expect(text(answer)).rejects.toThrow('aborted');
  });
});

describe('an instance that does not answer', () => {
  it('by refusing connections is a 502 of the template', async () => {
    await open(mirror);
    const answer = await ask({ port: house.port, path: `/i/${house.claim}/shut/`, headers: withToken() });
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'app_refused', class: 'template', detail: expect.stringContaining('8081') });
  });

  it('by closing the connection is a 502 too', async () => {
    await open((request) => request.socket.destroy());
    const answer = await ask({ port: house.port, path: `${house.path}/`, headers: withToken() });
    expect({ status: answer.status, code: JSON.parse(answer.text).code }).toEqual({ status: 502, code: 'app_refused' });
  });

  it('because its claim has just ended is a 410 that says why', async () => {
    await open((request) => {
      house.endClaim('released');
      request.socket.destroy();
    });
    const answer = await ask({ port: house.port, path: `${house.path}/`, headers: withToken() });
    expect(answer.status).toBe(410);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'claim_gone', endReason: 'released' });
  });

  it('in time is a 504 that names the limit; an answer that has begun may rest', async () => {
    await open(
      (request, response) => {
        if (request.url === '/stream') response.write('first');
      },
      { silenceMs: 100 },
    );
    const answer = await ask({ port: house.port, path: `${house.path}/`, headers: withToken() });
    expect({ status: answer.status, ...JSON.parse(answer.text) }).toMatchObject({ status: 504, code: 'app_silent' });
    const stream = await begin({ port: house.port, path: `${house.path}/stream`, headers: withToken() });
    const over = vi.fn();
    stream.on('close', over).on('error', over);
    await delay(300); // three times the limit: nothing may happen in it
    expect(over).not.toHaveBeenCalled();
    stream.destroy();
  });

  it('on a connection that it has just closed is asked again on a new one', async () => {
    await open((_request, response) => void response.end('fine'));
    for (let times = 0; times < 30; times++) {
      expect((await ask({ port: house.port, path: `${house.path}/`, headers: withToken() })).text).toBe('fine');
      for (const socket of house.sockets) socket.resetAndDestroy();
    }
  });
});

/** Waits until a figure no longer changes; answers it. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1; ; ) {
    const now = read();
    if (now === last && now > 0) return now;
    last = now;
    await delay(200);
  }
}
