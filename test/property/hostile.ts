import type { Random } from './random.ts';

/** Texts that have broken programs before. */
export const hostileTexts: readonly string[] = [
  ...[
    '',
    ' ',
    '.',
    '..',
    '../../etc/passwd',
    '/',
    '//',
    '%',
    '%00',
    '*',
    '?',
    '#',
    ':',
    '-',
    '--help',
    '$(id)',
    '`id`',
    "' OR 1=1 --",
    '{{7*7}}',
  ],
  ...['\0', 'a\0b', '\n', '\r\nX-Injected: 1', '\u202egnp.exe', '\u{1f4a5}', '\ud800', 'é'.repeat(63), 'ﬀ', 'İ', '\ufeff', 'Z̷̧a̸l̶g̵o'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'null', 'undefined', 'NaN', 'true', '[object Object]'],
  ...[
    '0',
    '-1',
    '1e3',
    '0x10',
    '007',
    '9007199254740993',
    '1e999',
    '١٢',
    '-0',
    '1.5',
    '25%',
    '1000%',
    'search@0',
    'web@1',
    'web@999999999',
    '@',
  ],
  ...['stable', 'web', 'acme', '{thaw}', 'wrongtype', 'a'.repeat(64), 'a'.repeat(10_000)],
];

const hostileNumbers = [-1, 0, -0, 0.5, 1e-9, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e21, 1e308, -1e308];

function hostileValue(random: Random): unknown {
  const kind = random.below(8);
  if (kind <= 2) return random.pick(hostileTexts);
  if (kind <= 4) return random.pick(hostileNumbers);
  if (kind === 5) return random.pick([null, true, false, [], {}, [null], [[]], { '': '' }]);
  if (kind === 6) return Array.from({ length: random.pick([65, 300, 3000]) }, () => random.pick(['a', 1, {}]));
  return nested(random.pick([20, 500]));
}

function nested(depth: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** The same value with one place in it made wrong, or one field taken away, added or renamed. */
export function spoil(value: unknown, random: Random): unknown {
  if (random.chance(0.3) || typeof value !== 'object' || value === null) return hostileValue(random);
  if (Array.isArray(value)) {
    if (value.length === 0) return [hostileValue(random)];
    const at = random.below(value.length);
    return random.chance(0.2) ? [...value, ...value] : value.map((item, index) => (index === at ? spoil(item, random) : item));
  }
  const entries = Object.entries(value);
  const change = random.below(5);
  if (change === 0 || entries.length === 0) return { ...value, [random.pick(hostileTexts)]: hostileValue(random) };
  const at = random.below(entries.length);
  if (change === 1) return Object.fromEntries(entries.filter((_, index) => index !== at));
  return Object.fromEntries(entries.map(([name, field], index) => [name, index === at ? spoil(field, random) : field]));
}

/** The text of a body with something wrong that no value can show. */
export function spoilText(json: string, random: Random): string {
  const deep = 20_000;
  return random.pick([
    () => json.slice(0, -1),
    () => `\ufeff${json}`,
    () => `${json}${json}`,
    () => json.replace('{', '{"tenant":"evil","template":"evil",'), // a field twice, the second counts
    () => json.replace('{', '{"__proto__":{"role":"admin","tenant":"evil"},'),
    () => json.replaceAll(/:\s*\d+/g, ':1e999'),
    () => '['.repeat(deep),
    () => `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`,
    () => `{"env":{"A":"${'x'.repeat(1_100_000)}"}}`,
    () => 'NaN',
    () => '',
    () => '"\\ud800"',
    () => '\0',
  ])();
}
