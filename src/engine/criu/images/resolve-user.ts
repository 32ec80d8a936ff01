import { ThawError } from '#src/platform/errors.ts';
import { readFileInRoot } from './read-in-root.ts';

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Without `gid`. None when the user text names a group, as docker does. */
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const maxFileBytes = 1024 * 1024;
const maxId = 2 ** 31 - 1;

/**
 * Who `name`, `uid`, `name:group` or `uid:gid` is by the image's own /etc/passwd and /etc/group; '' is root. Docker's rules: a number is
 * always an id, and need not be in the files. Throws image_unusable with the name that is unknown.
 */
export async function resolveUser(rootfs: string, user: string): Promise<ResolvedUser> {
  const [userPart = '', groupPart] = user.split(':');
  const passwd = (await readLines(rootfs, '/etc/passwd')).flatMap(parsePasswdLine);
  const groups = (await readLines(rootfs, '/etc/group')).flatMap(parseGroupLine);
  const entry = findUser(passwd, userPart || '0');
  if (groupPart) return { uid: entry.uid, gid: findGroup(groups, groupPart), additionalGids: [], home: entry.home };
  const memberships = groups.filter((group) => entry.name !== '' && group.members.includes(entry.name)).map((group) => group.gid);
  return { uid: entry.uid, gid: entry.gid, additionalGids: [...new Set(memberships)].filter((gid) => gid !== entry.gid), home: entry.home };
}

function findUser(passwd: readonly PasswdEntry[], text: string): PasswdEntry {
  const uid = parseId(text);
  const entry = passwd.find((candidate) => (uid === undefined ? candidate.name === text : candidate.uid === uid));
  if (entry) return entry;
  if (uid !== undefined) return { name: '', uid, gid: 0, home: '/' };
  throw unknownName('user', text, '/etc/passwd');
}

function findGroup(groups: readonly GroupEntry[], text: string): number {
  const gid = parseId(text) ?? groups.find((group) => group.name === text)?.gid;
  if (gid !== undefined) return gid;
  throw unknownName('group', text, '/etc/group');
}

async function readLines(rootfs: string, path: string): Promise<string[]> {
  try {
    return ((await readFileInRoot(rootfs, path, maxFileBytes)) ?? '').split('\n');
  } catch (error) {
    throw new ThawError('image_unusable', `the image's ${path} can not be read: ${error instanceof Error ? error.message : error}`, {
      fix: 'Make it an ordinary file of at most 1 MB in the image.',
      cause: error,
    });
  }
}

function parsePasswdLine(line: string): PasswdEntry[] {
  const [name = '', , uidText = '', gidText = '', , home = ''] = line.split(':');
  const [uid, gid] = [parseId(uidText), parseId(gidText)];
  if (name === '' || uid === undefined || gid === undefined) return [];
  return [{ name, uid, gid, home: home.startsWith('/') ? home : '/' }];
}

function parseGroupLine(line: string): GroupEntry[] {
  const [name = '', , gidText = '', members = ''] = line.split(':');
  const gid = parseId(gidText);
  return name === '' || gid === undefined ? [] : [{ name, gid, members: members.split(',') }];
}

/** Undefined for what is no number or out of the kernel's range: a name then. */
function parseId(text: string): number | undefined {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return id <= maxId ? id : undefined;
}

function unknownName(kind: 'user' | 'group', name: string, file: string): ThawError {
  return new ThawError('image_unusable', `${kind} ${JSON.stringify(name.slice(0, 100))} is not in the image's ${file}`, {
    fix: "Add it to the image, or set the template's user to numbers (uid:gid).",
  });
}
