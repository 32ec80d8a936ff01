import { access, readdir, statfs } from 'node:fs/promises';
import { isErrnoError } from '#src/platform/errno.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { instanceOfNamespace, type NetworkNames, namespacePath, namespacesDir } from './network-names.ts';
import { networkTool } from './network-tool.ts';

/** Type of a filesystem in statfs(2): what a namespace is bind-mounted from. */
const nsfsMagic = 0x6e736673;

/** Instances that have an entry in /run/netns. */
export async function listNamespaces(names: NetworkNames): Promise<InstanceId[]> {
  return (await namespaceEntries()).flatMap((entry) => instanceOfNamespace(names, entry) ?? []);
}

/** False for a mere file, which is what is left of a namespace after a reboot where /run is on a disk. */
export async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === nsfsMagic;
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return false;
    throw error;
  }
}

/** True for such a leftover file too. */
export async function namespaceEntryExists(names: NetworkNames, id: InstanceId): Promise<boolean> {
  try {
    await access(namespacePath(names, id));
    return true;
  } catch {
    return false;
  }
}

/** `ip netns add` mounts /run/netns on itself the first time that anyone on a host uses it. */
export function isNamespacesDirMounted(): boolean {
  return readMounts().some(({ mountPoint }) => mountPoint === namespacesDir);
}

/** Undoes that mount, unless others have namespaces in it. The empty directory stays: its removal would end mounts on it elsewhere. */
export async function unmountNamespacesDir(): Promise<void> {
  if ((await namespaceEntries()).length > 0 || !isNamespacesDirMounted()) return;
  await networkTool(`unmounting ${namespacesDir}`, ['umount', namespacesDir]);
}

async function namespaceEntries(): Promise<string[]> {
  try {
    return await readdir(namespacesDir);
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return [];
    throw error;
  }
}
