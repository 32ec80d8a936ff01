import { chmodSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Checkpoint } from '#src/engine/engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { elapsedMs, systemClock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import type { CgroupHost } from './cgroup-host.ts';
import { readProcesses, readUsage } from './cgroups.ts';
import { explainDumpFailure, readLogTail } from './criu-failures.ts';
import { destroyInstance, endConmon } from './destroy-instance.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { sealGolden } from './golden-seal.ts';
import type { GoldenRecord, GoldenStore } from './golden-store.ts';
import { readOwner } from './host-facts.ts';
import { type GoldenLayout, instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord, writeInstanceRecord } from './instance-record.ts';
import { kdatPrefix } from './kdat.ts';
import { requireDisk } from './node-reserve.ts';
import { unmountRootfs } from './overlay.ts';
import { generalise } from './runc-state.ts';

const dumpTimeoutMs = 300_000;
const syncTimeoutMs = 300_000;
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
  id: InstanceId,
  golden: GoldenId,
  signal: AbortSignal,
): Promise<Checkpoint> {
  const done = goldens.peek(golden);
  if (done) {
    await destroyInstance(deps, id);
    return describeCheckpoint(done.record, done.seal);
  }
  const layout = instanceLayout(deps.paths, id);
  const primer = readInstanceRecord(layout);
  if (!isRunning(primer)) {
    throw new ThawError('instance_not_found', `${id} does not run on this node`, { fix: 'Start a primer first.' });
  }
  if (primer.golden !== undefined) {
    throw new ThawError('checkpoint_failed', `${id} is a clone of ${primer.golden}`, { fix: 'Only a cold start becomes a golden.' });
  }
  const startedAt = performance.now();
  const usage = readUsage(instanceCgroup(deps, id));
  requireDisk(`the checkpoint of ${id}`, deps.paths.goldens, usage.memoryBytes, deps.diskReserveBytes);
  const target = await goldens.begin(golden);
  try {
    const runcState = readFileSync(layout.runcState, 'utf8'); // gone once runc has dumped the container
    const checkpointedAtMs = systemClock.nowMs();
    await dump(deps, primer, target, signal);
    const dumpMs = elapsedMs(startedAt);
    await unmountRootfs(layout);
    renameSync(layout.upper, target.diff);
    const record = {
      ...describeGolden(deps, primer, golden, target),
      cpuMs: usage.cpuMs,
      checkpointedAtMs,
      fingerprint,
      timingsMs: { dump: dumpMs },
    };
    const names = { id, tag: deps.tag, paths: deps.paths };
    writeFileSync(target.runcState, generalise(runcState, names));
    writeFileSync(target.config, generalise(readFileSync(layout.config, 'utf8'), names));
    writeFileSync(target.record, JSON.stringify(record));
    protect(target);
    const sealAt = performance.now();
    const seal = await sealGolden(target, golden);
    await run(['sync', '--file-system', target.directory], { timeoutMs: syncTimeoutMs }); // a rename may reach the disk before the files
    await goldens.adopt(golden, target);
    await destroyInstance(deps, id);
    const timingsMs = { dump: dumpMs, seal: elapsedMs(sealAt), total: elapsedMs(startedAt) };
    return { ...describeCheckpoint(record, seal), timingsMs };
  } catch (error) {
    await goldens.remove(golden);
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

/** Root only, read-only. The diff keeps its modes: they are the app's. */
function protect(target: GoldenLayout): void {
  for (const name of readdirSync(target.image)) chmodSync(join(target.image, name), 0o400);
  for (const file of [target.record, target.config, target.runcState]) chmodSync(file, 0o400);
  chmodSync(target.directory, 0o700);
}

function describeCheckpoint(record: GoldenRecord, seal: { digest: string; sizeBytes: number }): Checkpoint {
  const { pagesBytes, cpuMs, fingerprint, timingsMs } = record;
  return { sizeBytes: seal.sizeBytes, digest: seal.digest, pagesBytes, cpuMs, fingerprint, timingsMs };
}
