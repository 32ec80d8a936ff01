import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { startService, type TestService, waitUntil } from '#test/support/service.ts';

/** Who may do what. Nothing else is in the API, and nobody else gets in. */
const table = `
GET    /healthz                                          anybody
GET    /readyz                                           anybody
GET    /metrics                                          anybody
PUT    /v1/templates/{template}                          admin
GET    /v1/templates/{template}                          admin
DELETE /v1/templates/{template}                          admin
GET    /v1/templates                                     admin
POST   /v1/templates/{template}/goldens                  admin
GET    /v1/templates/{template}/goldens                  admin
GET    /v1/templates/{template}/goldens/{number}         admin
PATCH  /v1/templates/{template}/goldens/{number}         admin
DELETE /v1/templates/{template}/goldens/{number}         admin
POST   /v1/templates/{template}/goldens/{number}/verify  admin
POST   /v1/templates/{template}/goldens/{number}/export  admin
POST   /v1/templates/{template}/refresh                  admin
PUT    /v1/templates/{template}/aliases/{alias}          admin
GET    /v1/templates/{template}/aliases/{alias}          admin
GET    /v1/templates/{template}/aliases                  admin
PUT    /v1/pools/{pool}                                  admin
GET    /v1/pools/{pool}                                  admin backend
GET    /v1/pools/{pool}/advice                           admin backend
DELETE /v1/pools/{pool}                                  admin
GET    /v1/pools                                         admin backend
POST   /v1/pools/{pool}/claims                           admin backend tenant
POST   /v1/claims                                        admin backend tenant
POST   /v1/claims/batch                                  admin backend tenant
GET    /v1/claims                                        admin backend tenant
GET    /v1/claims/{claim}                                admin backend tenant
DELETE /v1/claims/{claim}                                admin backend tenant
POST   /v1/claims/{claim}/renew                          admin backend tenant
POST   /v1/claims/{claim}/ack                            admin backend tenant
POST   /v1/claims/{claim}/tokens                         admin backend tenant
GET    /v1/claims/{claim}/logs                           admin backend tenant
GET    /v1/claims/{claim}/timeline                       admin backend tenant
GET    /v1/tenants                                       admin backend
PUT    /v1/tenants/{tenant}                              admin
GET    /v1/tenants/{tenant}                              admin backend tenant
GET    /v1/tenants/{tenant}/usage                        admin backend tenant
POST   /v1/tenants/{tenant}/tokens                       admin backend
GET    /v1/instances                                     admin backend
GET    /v1/instances/{instance}                          admin backend
GET    /v1/nodes                                         admin
GET    /v1/nodes/{node}                                  admin
POST   /v1/nodes/{node}/cordon                           admin
POST   /v1/nodes/{node}/uncordon                         admin
GET    /v1/operations                                    admin backend
GET    /v1/operations/{operation}                        admin backend
POST   /v1/operations/{operation}/cancel                 admin
GET    /v1/events                                        admin backend tenant
POST   /v1/keys                                          admin
GET    /v1/keys                                          admin
POST   /v1/keys/{key}/rotate                             admin
DELETE /v1/keys/{key}                                    admin
GET    /v1/audit                                         admin
`;

const rows = table
  .trim()
  .split('\n')
  .map((line) => {
    const [method = '', path = '', ...roles] = line.split(/ +/);
    return { method, path, roles };
  });

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const everyRole = ['admin', 'backend', 'tenant'] as const;

async function makeKey(body: object): Promise<string> {
  return z.object({ secret: z.string() }).parse((await service.request('POST', '/v1/keys', body)).body).secret;
}

const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}`, accept: 'application/json' } });

describe('the table of roles', () => {
  it('is what openapi.yaml says, operation by operation', async () => {
    const Operation = z.object({ 'x-thaw-roles': z.array(z.string()).default(['anybody']) });
    const Paths = z.record(z.string(), z.record(z.string(), Operation));
    const { paths } = z.object({ paths: Paths }).parse(parse((await service.request('GET', '/openapi.yaml')).text));
    const said = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, one]) => `${method.toUpperCase()} ${path} ${one['x-thaw-roles'].join(' ')}`),
    );
    expect(said.toSorted()).toEqual(rows.map(({ method, path, roles }) => `${method} ${path} ${roles.join(' ')}`).toSorted());
  });

  it('is what happens: every role, no key, a wrong one and an expired one, at every operation', async () => {
    const expiring = await makeKey({ name: 'expired', role: 'admin', expiresAt: new Date(Date.now() + 1000).toISOString() });
    await waitUntil(async () => expect((await service.request('GET', '/v1/pools', undefined, bearer(expiring))).status).toBe(401));
    const strangers = [{ authorization: '' }, { authorization: 'Bearer wrong' }, { authorization: 'Basic eDp5' }, bearer(expiring).headers];
    for (const { method, path, roles } of rows) {
      const target = path.replace('{tenant}', 'acme').replaceAll(/\{\w+\}/g, 'nothing');
      const body = method === 'GET' ? undefined : {};
      const isPublic = roles.includes('anybody');
      for (const headers of strangers) {
        const { status } = await service.request(method, target, body, { headers });
        expect(status === 401, `${method} ${path} of a stranger: ${status}`).toBe(!isPublic);
      }
      for (const as of everyRole) {
        const { status, body: said } = await service.request(method, target, body, { as, headers: { accept: 'application/json' } });
        const isIn = isPublic || roles.includes(as); // the tenant key is acme's
        expect(status < 500, `${method} ${path} of ${as}: ${status}`).toBe(true);
        expect(status === 403, `${method} ${path} of ${as}: ${status} ${JSON.stringify(said)}`).toBe(!isIn);
      }
    }
  });
});
