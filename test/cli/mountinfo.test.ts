import { expect, test } from 'vitest';
import { readMounts } from '#src/platform/mountinfo.ts';

test('a mount is read with or without optional fields, its escapes undone', () => {
  const text = [
    String.raw`36 35 98:0 /a /var/lib/my\040data rw,noatime shared:1 master:2 - overlay thaw rw,lowerdir=/a\134b,upperdir=/c`,
    '22 1 0:20 / /proc rw - proc proc rw',
    '',
  ].join('\n');
  expect(readMounts(text)).toEqual([
    { mountPoint: '/var/lib/my data', type: 'overlay', source: 'thaw', options: ['rw', String.raw`lowerdir=/a\b`, 'upperdir=/c'] },
    { mountPoint: '/proc', type: 'proc', source: 'proc', options: ['rw'] },
  ]);
});

test('the mounts of this process are read', () => {
  expect(readMounts()).toContainEqual(expect.objectContaining({ mountPoint: '/proc', type: 'proc' }));
});
