import { mkdir, mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '#src/platform/config.ts';
import { run } from '#src/platform/subprocess.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';

export async function checkStorage(config: Pick<Config, 'paths' | 'diskReserveBytes'>): Promise<Finding[]> {
  const directory = await nearestDirectory(config.paths.dataDir);
  const space = await statfs(directory);
  return [
    judgeOverlay(config.paths.dataDir, await tryOverlay(directory)),
    judgeDisk(config.paths.dataDir, space.bavail * space.bsize, config.diskReserveBytes),
  ];
}

/** @param complaint what the trial said, undefined when it worked */
export function judgeOverlay(dataDir: string, complaint: string | undefined): Finding {
  const condition: Condition = {
    id: 'overlayfs',
    title: 'Overlayfs',
    cost: 'instances can not have a root file system of their own over a shared image',
    fix: `Load the module (modprobe overlay), and put THAW_DATA_DIR on ext4, xfs (ftype=1) or btrfs: not on an overlay, NFS or vfat. As root.`,
  };
  return complaint === undefined
    ? pass(condition, `works on ${dataDir}`)
    : fail(condition, `a trial mount on ${dataDir} failed: ${complaint}`);
}

const gigabyte = 1024 ** 3;
/** A golden of a middling JVM and an image: less than this above the reserve is used up by the first captures. */
const comfortableBytes = 5 * gigabyte;
/** Below this Redis itself can not write. At the reserve Thaw still starts: what runs must be served and can be released. */
const hopelessBytes = gigabyte / 16;

export function judgeDisk(dataDir: string, freeBytes: number, reserveBytes: number): Finding {
  const condition: Condition = {
    id: 'disk',
    title: 'Disk',
    cost: 'captures, image pulls and refills stop at the reserve (THAW_DISK_RESERVE_MB)',
    fix: `Free space on the file system of ${dataDir}, or set THAW_DATA_DIR to a larger one.`,
  };
  const found = `${gigabytes(freeBytes)} free on ${dataDir}, ${gigabytes(reserveBytes)} kept in reserve`;
  if (freeBytes < hopelessBytes) return fail(condition, found);
  return freeBytes < reserveBytes + comfortableBytes ? warn(condition, found) : pass(condition, found);
}

function gigabytes(bytes: number): string {
  return `${(bytes / gigabyte).toFixed(1)} GB`;
}

async function nearestDirectory(path: string): Promise<string> {
  const isDirectory = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isDirectory || path === '/' ? path : nearestDirectory(dirname(path));
}

/** Mounts, writes and deletes (a whiteout needs a device node) in a mount namespace of its own, which takes the mount with it. */
async function tryOverlay(directory: string): Promise<string | undefined> {
  let trial: string | undefined;
  try {
    trial = await mkdtemp(join(directory, '.thaw-doctor-'));
    for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(join(trial, name));
    await writeFile(join(trial, 'lower', 'deleted'), '');
    const script =
      'mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && echo x >merged/new && rm merged/deleted';
    await run(['unshare', '--mount', 'sh', '-c', script], { cwd: trial, timeoutMs: 5000 });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split(': ').slice(1).join(': ') || error.message : String(error);
  } finally {
    if (trial !== undefined) await rm(trial, { recursive: true, force: true });
  }
}
