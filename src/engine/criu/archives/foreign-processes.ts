import { archiveUnsupported } from './archive-problems.ts';
import { capabilityBits } from './capability-bits.ts';
import { bytesField, type Field, findField, numberOf, readFields, replaceFields, varintField, writeFields } from './protobuf.ts';

/** Of march in CRIU's core.proto. */
const architectures: Partial<Record<NodeJS.Architecture, number>> = { x64: 1, arm64: 3 };

/** Numbers in CRIU's core.proto and creds.proto. */
const architecture = 1;
const threadCore = 5;
const creds = 10;
const seccompMode = 11;
const filterMode = 2;
const capabilitySets = [9, 10, 11, 12, 19]; // inheritable, permitted, effective, bounding, ambient
const noNewPrivileges = 18;

/**
 * One thread with no more rights than our own instances have: their capabilities, no new privileges. An image says which rights CRIU, who is
 * root, gives to what it restores. Throws archive_unsupported where no seccomp filter was set, as our own always have one.
 */
export function limitThread(core: readonly Field[]): Field[] {
  if (numberOf(core, architecture) !== architectures[process.arch]) {
    throw archiveUnsupported('the checkpoint is of a processor of another kind', `Take it on one of this node's (${process.arch}).`);
  }
  const thread = readFields(findField(core, threadCore)?.bytes ?? Buffer.alloc(0));
  if (numberOf(thread, seccompMode) !== filterMode) {
    throw archiveUnsupported('the container runs without a seccomp filter', "Run it with its engine's default one (not --privileged).");
  }
  const limited = limitCredentials(readFields(findField(thread, creds)?.bytes ?? Buffer.alloc(0)));
  return replaceFields(
    core,
    [threadCore],
    [bytesField(threadCore, writeFields(replaceFields(thread, [creds], [bytesField(creds, writeFields(limited))])))],
  );
}

/** Whether a thread would have rights that `limitThread` takes away. */
export function exceedsRights(core: readonly Field[]): boolean {
  const credentialsOf = (fields: readonly Field[]) =>
    readFields(findField(readFields(findField(fields, threadCore)?.bytes ?? Buffer.alloc(0)), creds)?.bytes ?? Buffer.alloc(0));
  const [now, limited] = [credentialsOf(core), credentialsOf(limitThread(core))];
  const rights = (fields: readonly Field[]) =>
    [...capabilitySets, noNewPrivileges].map((set) => fields.filter(({ number }) => number === set).map((field) => numberOf([field], set)));
  return JSON.stringify(rights(now)) !== JSON.stringify(rights(limited));
}

function limitCredentials(credentials: readonly Field[]): Field[] {
  const words = capabilitySets.flatMap((set) =>
    credentials
      .filter(({ number }) => number === set)
      .map((field, index) => varintField(set, ((numberOf([field], set) ?? 0) & (capabilityBits[index] ?? 0)) >>> 0)),
  );
  return replaceFields(credentials, [...capabilitySets, noNewPrivileges], [...words, varintField(noNewPrivileges, 1)]);
}

/** Numbers of task_kobj_ids_entry in core.proto. */
const namespaces = { pid: 5, network: 6, ipc: 7, uts: 8, mount: 9, user: 10 };

/**
 * Where a process lives, beside where CRIU itself lived (`host`). Answers the number of its network namespace. Throws archive_unsupported
 * when it shares what a clone must have for itself.
 */
export function requireOwnNamespaces(process: readonly Field[], host: readonly Field[]): number {
  const shares = (which: number) => numberOf(process, which) === undefined || numberOf(process, which) === numberOf(host, which);
  for (const name of ['pid', 'ipc', 'uts', 'mount', 'network'] as const) {
    if (shares(namespaces[name])) throw sharing(`the container shares the ${name} namespace of its host`);
  }
  if (!shares(namespaces.user)) throw sharing('the container has a user namespace of its own, which clones here have not');
  return numberOf(process, namespaces.network) ?? 0;
}

function sharing(what: string) {
  return archiveUnsupported(what, 'Run it with namespaces of its own, as engines do by default, as root, and take the checkpoint again.');
}
