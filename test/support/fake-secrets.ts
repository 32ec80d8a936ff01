import { randomInt } from 'node:crypto';

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** What has the shape of an issuer's token and opens nothing. Made anew each time, so that no file of ours holds one. */
export function fakeToken(beginning: string, length: number, alphabet = alphanumeric): string {
  const order = [...alphabet].sort(() => randomInt(2) - 0.5); // few repeats: never taken for a placeholder
  return beginning + Array.from({ length }, (_, index) => order[index % order.length]).join('');
}

export function fakeJwt(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'nobody', iat: randomInt(2 ** 31) })}.${fakeToken('', 43)}`;
}
