import { archiveUnsupported } from './archive-problems.ts';
import { capabilityBits } from './capability-bits.ts';
import { bytesField, type Field, findField, messageOf, numberOf, replaceFields, varintField, writeFields } from './protobuf.ts';

/** Of march in CRIU's core.proto. */
const architectures: Partial<Record<NodeJS.Architecture, number>> = { x64: 1, arm64: 3 };

/** Numbers in CRIU's core.proto and creds.proto. */
const architecture = 1;
const taskCore = 3;
const threadCore = 5;
const taskState = 1;
const oomScore = 14;
const scheduling = { nice: 3, policy: 4, priority: 5 };
const creds = 10;
const seccompMode = 11;
const filterMode = 2;
const capabilitySets = [9, 10, 11, 12, 19]; // inheritable, permitted, effective, bounding, ambient
const noNewPrivileges = 18;
const dead = 2;
/** SCHED_OTHER, SCHED_BATCH and SCHED_IDLE: what needs no right. */
const commonPolicies = [0, 3, 5];
/** Below 0 the kernel spares a process when memory is short; as a varint that is a huge number. */
const oomScoreMax = 1000;

/**
 * One thread with no more rights than our own instances have: their capabilities, no new privileges, no precedence over others. An image says
 * which rights CRIU, who is root, gives to what it restores. Throws archive_unsupported where no seccomp filter was set, as our own always have one.
 */
export function limitThread(core: readonly Field[]): Field[] {
  if (numberOf(core, architecture) !== architectures[process.arch]) {
    throw archiveUnsupported('the checkpoint is of a processor of another kind', `Take it on one of this node's (${process.arch}).`);
  }
  if (isZombie(core)) return [...core];
  const thread = messageOf(core, threadCore);
  if (numberOf(thread, seccompMode) !== filterMode) {
    throw archiveUnsupported('the container runs without a seccomp filter', "Run it with its engine's default one (not --privileged).");
  }
  const limited = limitCredentials(messageOf(thread, creds));
  const common = takesPrecedence(thread) ? replaceFields(thread, Object.values(scheduling), []) : thread;
  const changed = replaceFields(common, [creds], [bytesField(creds, writeFields(limited))]);
  return replaceFields(limitTask(core), [threadCore], [bytesField(threadCore, writeFields(changed))]);
}

/** Whether a thread would have rights that `limitThread` takes away. */
export function exceedsRights(core: readonly Field[]): boolean {
  return JSON.stringify(rightsOf(core)) !== JSON.stringify(rightsOf(limitThread(core)));
}

function rightsOf(core: readonly Field[]): unknown {
  const thread = messageOf(core, threadCore);
  const credentials = messageOf(thread, creds);
  const valuesOf = (fields: readonly Field[], numbers: readonly number[]) =>
    numbers.map((which) => fields.filter(({ number }) => number === which).map((field) => numberOf([field], which)));
  return [
    valuesOf(credentials, [...capabilitySets, noNewPrivileges]),
    valuesOf(thread, Object.values(scheduling)),
    valuesOf(messageOf(core, taskCore), [oomScore]),
  ];
}

/** One that ended and was not waited for: CRIU makes it end again, and runs nothing of it. */
function isZombie(core: readonly Field[]): boolean {
  return findField(core, threadCore) === undefined && numberOf(messageOf(core, taskCore), taskState) === dead;
}

function takesPrecedence(thread: readonly Field[]): boolean {
  const isCommon = commonPolicies.includes(numberOf(thread, scheduling.policy) ?? 0);
  return !isCommon || (numberOf(thread, scheduling.nice) ?? 0) % 2 !== 0; // zigzag: odd is negative
}

/** Threads but the first have no part of a task's. */
function limitTask(core: readonly Field[]): readonly Field[] {
  const task = messageOf(core, taskCore);
  if ((numberOf(task, oomScore) ?? 0) <= oomScoreMax) return core;
  return replaceFields(core, [taskCore], [bytesField(taskCore, writeFields(replaceFields(task, [oomScore], [])))]);
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
