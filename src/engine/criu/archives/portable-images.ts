import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readCriuImage, writeCriuImage } from './criu-image.ts';
import { type CriuMount, fileSystems, quietFlags, readMount, unusedDevice, writeMount } from './criu-mounts.ts';
import { bytesField, type Field, findField, numberOf, readFields, replaceFields, varintField, writeFields } from './protobuf.ts';
import { packTar, type SmallEntry } from './small-tar.ts';

const inventoryTcpClose = 10;
/** Of file_entry and inet_sk_entry in CRIU's fdinfo.proto and sk-inet.proto. */
const socketField = { inFile: 4, protocol: 5, state: 6, port: 7, peerPort: 8 };
const tcp = 6;
const tcpClosed = 7;
/** Mounts of ours, and what of the one tmpfs each shows. */
const shown: Readonly<Record<string, string>> = {
  '/run/thaw': '/',
  '/etc/machine-id': '/.host/machine-id',
  '/sys/fs/cgroup': '/.host/cgroup',
};

/**
 * The image files of a golden that must differ for an engine that is not ours, by name; the others go as they are.
 *
 * A golden expects /run/thaw, /etc/machine-id and views of its cgroups from its host. No other engine has them, and one named in the
 * archive's spec would have to lie at the same path on every machine. So they become one small tmpfs with contents of its own.
 */
export async function portableImages(imageDirectory: string, machineId: string): Promise<Map<string, Buffer>> {
  const read = (name: string) => readFileSync(join(imageDirectory, name));
  const changed = new Map<string, Buffer>([['inventory.img', withoutTcpClose(read('inventory.img'))]]);
  const files = existsSync(join(imageDirectory, 'files.img')) ? withoutConnections(read('files.img')) : undefined;
  if (files) changed.set('files.img', files);
  for (const name of readdirSync(imageDirectory).filter((file) => /^mountpoints-\d+\.img$/.test(file))) {
    const image = readCriuImage(read(name));
    const mounts = image.entries.map(readMount);
    const device = unusedDevice(mounts);
    const portable = mounts.flatMap((mount) => toPortable(mount, device));
    if (!portable.some((mount) => mount.device === device)) continue;
    changed.set(name, writeCriuImage({ ...image, entries: portable.map(writeMount) }));
    changed.set(`tmpfs-dev-${device}.tar.gz.img`, gzipSync(await packTar(runThawFiles(machineId))));
  }
  return changed;
}

/**
 * CRIU 4 refuses an image dumped with tcp-close unless told so again ("Need to set the --tcp-close options"), and podman 4 has no word for it.
 * Without connected sockets it makes no difference.
 */
function withoutTcpClose(inventory: Buffer): Buffer {
  const image = readCriuImage(inventory);
  const entries = image.entries.map((entry): Field[] => replaceFields(entry, [inventoryTcpClose], [varintField(inventoryTcpClose, 0)]));
  return writeCriuImage({ ...image, entries });
}

/** What tcp-close makes of a connection at a restore, written into the image: a socket that is bound and connected to nothing. */
function withoutConnections(files: Buffer): Buffer | undefined {
  const image = readCriuImage(files);
  let found = 0;
  const entries = image.entries.map((entry) => {
    const socket = readFields(findField(entry, socketField.inFile)?.bytes ?? Buffer.alloc(0));
    const isConnected = numberOf(socket, socketField.protocol) === tcp && (numberOf(socket, socketField.peerPort) ?? 0) !== 0;
    if (!isConnected) return entry;
    found++;
    const closed = [varintField(socketField.state, tcpClosed), varintField(socketField.port, 0), varintField(socketField.peerPort, 0)];
    const changed = replaceFields(socket, [socketField.state, socketField.port, socketField.peerPort], closed);
    return replaceFields(entry, [socketField.inFile], [bytesField(socketField.inFile, writeFields(changed))]);
  });
  return found === 0 ? undefined : writeCriuImage({ ...image, entries });
}

function toPortable(mount: CriuMount, device: number): CriuMount[] {
  if (mount.key?.startsWith('/sys/fs/cgroup/')) return []; // one of cgroup v1's, which lie in what is shown as /sys/fs/cgroup
  const root = mount.key === undefined ? undefined : shown[mount.key];
  if (root === undefined) return [mount]; // /etc/hosts, /etc/hostname, /etc/resolv.conf: every engine binds its own
  return [
    {
      ...mount,
      fstype: fileSystems.tmpfs,
      device,
      root,
      source: 'tmpfs',
      options: 'size=1024k,mode=755',
      flags: quietFlags,
      key: undefined,
    },
  ];
}

function runThawFiles(machineId: string): SmallEntry[] {
  const directory = (name: string) => ({ header: { name, type: 'directory', mode: 0o755 } as const });
  return [
    directory('./'),
    directory('./.host/'),
    directory('./.host/cgroup/'),
    { header: { name: './.host/machine-id', mode: 0o444 }, content: `${machineId}\n` },
  ];
}
