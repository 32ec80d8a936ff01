import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Connection } from '#src/engine/connection.ts';
import type { Checkpoint, CheckpointOptions } from '#src/engine/engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { elapsedMs, systemClock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import type { CgroupHost } from './cgroup-host.ts';
import { readProcesses, readUsage } from './cgroups.ts';
import { explainDumpFailure, readLogTail } from './criu-failures.ts';
import { destroyInstance, endConmon } from './destroy-instance.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import type { GoldenStore } from './golden-store.ts';
import { readOwner } from './host-facts.ts';
import { lookBriefly } from './inspect/inspect-instance.ts';
import { type GoldenLayout, instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord, writeInstanceRecord } from './instance-record.ts';
import { kdatPrefix } from './kdat.ts';
import { requireDisk } from './node-reserve.ts';
import type { OpenGolden } from './open-golden.ts';
import { unmountRootfs } from './overlay.ts';
import { generalise } from './runc-state.ts';

const dumpTimeoutMs = 300_000;
const Descriptors = z.array(z.string());
const Mounts = z.object({ mounts: z.array(z.object({ destination: z.string(), type: z.string() })) });

/**
 * Dumps a primer into a new golden directory, seals it and removes the primer. A golden that is there already is answered as it is;
 * a dump that a crash cut short is thrown away, and the primer with it.
 */
export async function checkpointInstance(
  deps: CriuDeps,
  goldens: GoldenStore,
  fingerprint: NodeFingerprint,
  { id, golden, connections: mode = 'close', replace = false }: CheckpointOptions & { readonly id: InstanceId; readonly golden: GoldenId },
  signal: AbortSignal,
): Promise<Checkpoint> {
  if (!replace && goldens.has(golden)) {
    await destroyInstance(deps, id);
    return describeCheckpoint(await goldens.open(golden));
  }
  const layout = instanceLayout(deps.paths, id);
  const primer = readInstanceRecord(layout);
  if (!isRunning(primer)) {
    throw new ThawError('instance_not_found', `${id} does not run on this node`, { fix: 'Start a primer first.' });
  }
  if (primer.golden !== undefined) {
    throw new ThawError('checkpoint_failed', `${id} is a clone of ${primer.golden}`, { fix: 'Only a cold start becomes a golden.' });
  }
  const { connections, stopped } = lookBriefly(deps, primer);
  if (stopped.length > 0) throw isStopped(id, stopped);
  if (mode === 'refuse' && connections.length > 0) throw stillConnected(id, connections);
  const startedAt = performance.now();
  const usage = readUsage(instanceCgroup(deps, id));
  requireDisk(`the checkpoint of ${id}`, deps.paths.goldens, usage.memoryBytes, deps.diskReserveBytes);
  const target = await goldens.begin(golden, primer.imageDigest, signal);
  try {
    const runcState = readFileSync(layout.runcState, 'utf8'); // gone once runc has dumped the container
    const checkpointedAtMs = systemClock.nowMs();
    const dumpPrimer = () => dump(deps, primer, target, signal);
    if (goldens.isEncrypting) await deps.memory.hold(`the checkpoint of ${id} in memory`, usage.memoryBytes, dumpPrimer);
    else await dumpPrimer();
    const dumpMs = elapsedMs(startedAt);
    await unmountRootfs(layout);
    renameSync(layout.upper, target.diff);
    const record = {
      ...describeGolden(deps, primer, golden, target),
      connections,
      cpuMs: usage.cpuMs,
      checkpointedAtMs,
      fingerprint,
      timingsMs: { dump: dumpMs },
    };
    const names = { id, tag: deps.tag, paths: deps.paths };
    writeFileSync(target.runcState, generalise(runcState, names));
    writeFileSync(target.config, generalise(readFileSync(layout.config, 'utf8'), names));
    writeFileSync(target.record, JSON.stringify(record));
    const sealed = await goldens.finish(golden, target, record.imageDigest, signal);
    await destroyInstance(deps, id);
    const timingsMs = { dump: dumpMs, ...sealed.timingsMs, total: elapsedMs(startedAt) };
    return { ...describeCheckpoint({ record, ...sealed }), timingsMs };
  } catch (error) {
    await (replace ? goldens.abandon(golden) : goldens.remove(golden));
    throw error;
  }
}

async function dump(deps: CriuDeps, primer: InstanceRecord, target: GoldenLayout, signal: AbortSignal): Promise<void> {
  const layout = instanceLayout(deps.paths, primer.id);
  const workDirectory = join(layout.criu, 'dump');
  const prefix = [...cgroupPrefix(deps.cgroupHost, primer), ...identityPrefix(deps, primer)];
  writeInstanceRecord(layout, { ...primer, dumped: true });
  const checkpoint = async () => {
    await deps.runc.runPrefixed(prefix, ['checkpoint', '--image-path', target.image, '--work-path', workDirectory, primer.id], {
      timeoutMs: dumpTimeoutMs,
      signal,
    });
  };
  try {
    await endConmon(layout, checkpoint);
  } catch (error) {
    if (isRunning(primer)) writeInstanceRecord(layout, primer); // CRIU leaves a process running that it failed to dump
    if (signal.aborted) throw error;
    const log = deps.keepLog(join(workDirectory, 'dump.log'), `dump-${primer.id}.log`);
    const failure = explainDumpFailure(readLogTail(join(workDirectory, 'dump.log')));
    throw new ThawError(
      failure.code,
      `the checkpoint of ${primer.id} (${primer.workload.image}) failed: ${failure.cause}; its log: ${log}`,
      { fix: failure.fix, cause: error },
    );
  }
}

/**
 * On cgroup v1 the dump sees the cgroups as the app does. Seen from the host, CRIU 4.2 notes a cgroup of its own for each thread of a child
 * process, and the restore fails at moving them there ("The message from cgroupd is truncated"). On v2 the host's view restores well, and the
 * app's forbids the dump: under nsdelegate (systemd's mount option) nobody inside a cgroup namespace may write its root's cgroup.freeze.
 */
export function cgroupPrefix({ version }: Pick<CgroupHost, 'version'>, { process }: Pick<InstanceRecord, 'process'>): string[] {
  return version === 'v1' && process ? ['nsenter', `--cgroup=/proc/${process.pid}/ns/cgroup`] : [];
}

/**
 * Without CAP_SYS_RESOURCE CRIU may read the limits of a process only when real uid and gid are the same (FACTS), so it takes on
 * the app's. That serves one uid and gid a tree; a mixed tree is refused before it is touched.
 */
function identityPrefix(deps: CriuDeps, primer: InstanceRecord): string[] {
  if (deps.hasSysResource) return [];
  const owners = readProcesses(instanceCgroup(deps, primer.id)).flatMap((pid) => readOwner(pid) ?? []);
  const [first] = owners;
  if (!first || owners.every(({ uid, gid }) => uid === 0 && gid === 0)) return [];
  if (owners.some(({ uid, gid }) => uid !== first.uid || gid !== first.gid)) {
    const users = [...new Set(owners.map(({ uid, gid }) => `${uid}:${gid}`))].join(', ');
    throw new ThawError(
      'checkpoint_unsupported',
      `the app in ${primer.id} runs processes of several users (${users}) and this node lacks CAP_SYS_RESOURCE`,
      {
        fix: "Run all processes as one user (the template's `user`), or give the node CAP_SYS_RESOURCE.",
      },
    );
  }
  return [...kdatPrefix(deps), 'setpriv', '--ruid', String(first.uid), '--rgid', String(first.gid), '--clear-groups'];
}

function describeGolden(deps: CriuDeps, primer: InstanceRecord, golden: GoldenId, target: GoldenLayout) {
  const { mounts } = Mounts.parse(JSON.parse(readFileSync(instanceLayout(deps.paths, primer.id).config, 'utf8')));
  return {
    golden,
    workload: primer.workload,
    imageDigest: primer.imageDigest,
    uid: primer.uid,
    gid: primer.gid,
    descriptors: Descriptors.parse(JSON.parse(readFileSync(join(target.image, 'descriptors.json'), 'utf8'))),
    externalMounts: mounts.filter(({ type }) => type === 'bind').map(({ destination }) => destination),
    pagesBytes: readdirSync(target.image)
      .filter((name) => name.startsWith('pages-'))
      .reduce((sum, name) => sum + statSync(join(target.image, name)).size, 0),
  };
}

export function describeCheckpoint({ record, seal, signedBy, encryptedWith }: Omit<OpenGolden, 'layout' | 'files'>): Checkpoint {
  const { pagesBytes, cpuMs, fingerprint, imageDigest, connections, timingsMs } = record;
  const keys = { ...(signedBy === undefined ? {} : { signedBy }), ...(encryptedWith === undefined ? {} : { encryptedWith }) };
  const { sizeBytes, digest } = seal;
  return { sizeBytes, digest, pagesBytes, cpuMs, fingerprint, imageDigest, connections, timingsMs, ...keys };
}

function isStopped(id: InstanceId, stopped: readonly { readonly label: string }[]): ThawError {
  const named = stopped.map(({ label }) => label).join(', ');
  return new ThawError('checkpoint_unsupported', `${id} has processes that are stopped (SIGSTOP): ${named}`, {
    fix: 'Let them go on before the checkpoint.',
  });
}

function stillConnected(id: InstanceId, connections: readonly Connection[]): ThawError {
  const named = connections.map(({ process, local, peer }) => `${process} ${local} to ${peer}`).join(', ');
  return new ThawError('checkpoint_unsupported', `${id} holds TCP connections that its template refuses to have closed: ${named}`, {
    fix: 'Close them in hooks.beforeCheckpoint, or set `capture.connections` of the template to close.',
  });
}
