import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { InspectedProcess } from '#src/engine/criu/inspect/read-process.ts';
import { findWatchTroubles } from '#src/engine/criu/inspect/watch-findings.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const device = '0:99';

/** Of this test's own, that watches inodes of a directory as if that were mounted. */
function watching(mountPoint: string, label: string, inodes: readonly string[]): InspectedProcess {
  const watches = inodes.map((inode) => ({ inode, device }));
  const files = [{ fd: 3, link: 'anon_inode:inotify', stats: undefined, mountId: 1, watches }];
  return {
    ...{ pid: process.pid, label, ids: { uids: [0], gids: [0] }, tracer: 0, isStopped: false },
    ...{ files, mapped: [], mounts: [{ id: 1, device, mountPoint }] },
  };
}

it('what thousands of watches watch is looked for in one walk, and what is not there named, of each process', async () => {
  await using directory = await makeTempDir();
  const path = (name: string) => join(directory.path, name);
  const inodes = Array.from({ length: 3000 }, (_, at) => {
    writeFileSync(path(`file${at}`), '');
    return String(statSync(path(`file${at}`)).ino);
  });
  writeFileSync(path('find'), `#!/bin/sh\necho walk >> ${path('walks')}\nexec /usr/bin/find "$@"\n`);
  chmodSync(path('find'), 0o755);
  vi.stubEnv('PATH', `${directory.path}:${process.env.PATH}`);
  try {
    const gone = ['1', '2', '3', '4', '5', '6'];
    const processes = [watching(directory.path, 'one', inodes), watching(directory.path, 'two', [...gone, ...inodes])];
    const troubles = await findWatchTroubles(processes);
    expect(troubles.map(({ process, detail }) => [process, detail])).toEqual([
      ['two', expect.stringMatching(/it watches 6 files .*\(inode 1, inode 2, inode 3, inode 4, inode 5, …\)/)],
    ]);
    expect(readFileSync(path('walks'), 'utf8')).toBe('walk\n');
  } finally {
    vi.unstubAllEnvs();
  }
});
