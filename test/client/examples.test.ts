import { once } from 'node:events';
import { createServer, type Server, request as sendRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createThawClient } from '#src/client/client.ts';
import { run } from '#src/platform/subprocess.ts';
import { fillPool, keyOf, startService, type TestService } from '#test/support/service.ts';

/** What becomes of a claim on its way, one after the other; then all goes well. */
type Trouble = 'refused' | 'lost';
const troubles: Trouble[] = [];
let service: TestService;
let network: Server;
let url: string;

beforeAll(async () => {
  service = await startService();
  const api = await service.listen();
  await fillPool(service, { ready: 2, max: 8 });
  network = createTroubledNetwork(api);
  await once(network.listen(0, '127.0.0.1'), 'listening');
  const address = network.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterAll(async () => {
  network.close();
  await service.close();
});
beforeEach(() => {
  troubles.length = 0;
});

/** Between a client and the API: refuses claims for now, or loses the answer to one that was made. */
function createTroubledNetwork(api: string): Server {
  return createServer((request, response) => {
    const trouble = request.method === 'POST' && request.url?.endsWith('/claims') ? troubles.shift() : undefined;
    if (trouble === 'refused') {
      const body = { code: 'rate_limited', detail: 'too many requests', fix: 'Wait.' };
      response.writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '1' }).end(JSON.stringify(body));
      return;
    }
    const forward = sendRequest(`${api}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
      if (trouble === 'lost') {
        answer.resume().on('end', () => response.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forward);
  });
}

const examples: [string, string][] = [
  ['python3', 'claim.py'],
  ['sh', 'claim.sh'],
];

describe.each(examples)('the example for %s', (program, file) => {
  const path = fileURLToPath(new URL(`../../deploy/examples/${file}`, import.meta.url));
  const runExample = (...args: string[]) =>
    run([program, path, ...args], { timeoutMs: 60_000, env: { PATH: process.env.PATH ?? '', THAW_URL: url, THAW_KEY: keyOf('backend') } });

  it('claims, asks, releases; a refusal and a lost answer on the way make no second claim', async () => {
    troubles.push('refused', 'lost', 'lost');
    const tenant = `tenant-of-${program}`;
    const { stdout } = await runExample('web', tenant);
    expect(troubles).toEqual([]);
    const { data } = await createThawClient({ url, key: keyOf('backend') }).GET('/v1/claims', { params: { query: { tenant } } });
    const claims = data?.items ?? [];
    expect(claims.map(({ state }) => state)).toEqual(['released']);
    expect(stdout).toContain(claims[0]?.id);
    expect(stdout).toContain('200');
    expect(stdout).toContain('released');
  });

  it('says what Thaw said when it is refused for good', async () => {
    await expect(runExample('nope', 'acme')).rejects.toThrow('pool_not_found');
  });
});
