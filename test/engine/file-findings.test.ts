import { type Stats, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findFileTroubles } from '#src/engine/criu/inspect/file-findings.ts';
import type { InspectedProcess, OpenFile } from '#src/engine/criu/inspect/read-process.ts';

/** As of a device: what no instance here can open. Major and minor number as the kernel packs them. */
function device(major: number, minor: number, isBlock = false): Stats {
  const stats = statSync('/dev/null');
  const changes = { rdev: (major << 8) | minor, isCharacterDevice: () => !isBlock, isBlockDevice: () => isBlock };
  return Object.assign(Object.create(stats) as Stats, changes);
}

function troublesOf(...opened: Partial<OpenFile>[]) {
  const files = opened.map((one, fd) => ({ fd, link: '', stats: undefined, mountId: 1, watches: [], ...one }));
  const process: InspectedProcess = {
    ...{ pid: 1, label: 'app (pid 1)', ids: { uids: [0], gids: [0] }, tracer: 0, isStopped: false },
    ...{ files, mapped: [], mounts: [{ id: 1, device: '0:1', mountPoint: '/' }] },
  };
  return findFileTroubles(process).map(({ kind, severity, detail }) => [severity, kind, detail]);
}

it('an io_uring, GPUs and other devices stop a checkpoint, and are named', () => {
  expect(
    troublesOf(
      { link: 'anon_inode:[io_uring]' },
      { link: 'anon_inode:[userfaultfd]' },
      { link: '/dev/nvidia0', stats: device(195, 0) },
      { link: '/dev/dri/card0', stats: device(226, 0) },
      { link: '/dev/kfd', stats: device(234, 0) },
      { link: '/dev/fuse', stats: device(10, 229) },
      { link: '/dev/vda', stats: device(254, 0, true) },
    ),
  ).toEqual([
    ['stops', 'io_uring', 'an io_uring is open'],
    ['stops', 'kernel_object', 'a kernel object is open that can not be dumped: userfaultfd'],
    ['stops', 'gpu', 'a GPU is in use: /dev/nvidia0'],
    ['stops', 'gpu', 'a GPU is in use: /dev/dri/card0'],
    ['stops', 'gpu', 'a GPU is in use: /dev/kfd'],
    ['stops', 'device', 'a device is open: /dev/fuse'],
    ['stops', 'device', 'a device is open: /dev/vda'],
  ]);
});

it('the devices that every container has, terminals and the usual kernel objects stop nothing', () => {
  const objects = ['[eventfd]', '[eventpoll]', '[signalfd]', '[timerfd]', '[pidfd]', 'inotify'];
  expect(
    troublesOf(
      ...objects.map((name) => ({ link: `anon_inode:${name}` })),
      ...[3, 5, 7, 8, 9].map((minor) => ({ link: '/dev/null', stats: device(1, minor) })),
      { link: '/dev/ptmx', stats: device(5, 2) },
      { link: '/dev/pts/0', stats: device(136, 0) },
      { link: 'pipe:[7]' },
    ),
  ).toEqual([]);
});
