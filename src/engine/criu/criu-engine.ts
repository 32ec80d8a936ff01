import type { Engine } from '#src/engine/engine.ts';
import { openGoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { requireDigest } from '#src/engine/require-digest.ts';
import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import type { DataPaths } from '#src/platform/config.ts';
import type { GoldenKeySettings } from '#src/platform/golden-key-settings.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { withinSpace } from '#src/platform/out-of-space.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { callHook } from './call-hook.ts';
import { cancellable, cancellablePhases } from './cancellable.ts';
import { detectCgroupHost } from './cgroup-host.ts';
import { killCgroup, setFrozen } from './cgroups.ts';
import { checkpointInstance } from './checkpoint-instance.ts';
import { destroyInstance } from './destroy-instance.ts';
import { guardDisk } from './disk-guard.ts';
import { forgetEndedLogs } from './ended-logs.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { execInInstance } from './exec-in-instance.ts';
import { measureGoldens } from './golden-disk.ts';
import { GoldenStore } from './golden-store.ts';
import { hasSysResource, isTmpfs } from './host-facts.ts';
import type { ImageAccess } from './images/image-access.ts';
import type { ImageStore } from './images/image-store.ts';
import { inspectInstance } from './inspect/inspect-instance.ts';
import { openInstanceAccess, requireRunning } from './instance-access.ts';
import { goldenDirectory, instanceLayout } from './instance-layout.ts';
import { isRunning, readInstanceRecord } from './instance-record.ts';
import { keepLog } from './kept-logs.ts';
import { listInstances } from './list-instances.ts';
import { createMemoryHolds } from './memory-holds.ts';
import { scanGolden } from './memory-scan/scan-golden.ts';
import { exportGolden } from './move/export-golden.ts';
import { readExport, whileThere } from './move/exportable-golden.ts';
import { importGolden } from './move/import-golden.ts';
import { sweepWorkspaces } from './move/workspace.ts';
import { setUpNode, tearDownNode } from './node-setup.ts';
import { type PrimedInstance, primeInstance } from './prime-instance.ts';
import { probeNode, readFingerprint } from './probe-node.ts';
import { removeUnusedImages } from './remove-unused-images.ts';
import { restoreInstance } from './restore-instance.ts';
import { createRunc } from './runc.ts';
import { startInstance } from './start-instance.ts';
import { watchExits } from './watch-exits.ts';

const repairEveryMs = 10_000;
const dropLogsEveryMs = 600_000;
const dropIdleEveryMs = 60_000;
/** For how long the plain copy of an encrypted golden is kept for the next restore. */
const keepIdleMs = 600_000;

export interface CriuEngineOptions {
  readonly paths: DataPaths;
  readonly tag: string;
  /** The CRIU binary; its directory comes first on runc's PATH. */
  readonly criu: string;
  readonly images: ImageStore;
  readonly imageAccess: ImageAccess;
  readonly sandboxes: SandboxProvider;
  readonly memoryReserveBytes: number;
  readonly diskReserveBytes: number;
  readonly goldenKeys: GoldenKeySettings;
  /** What the node is taken for, where that is not what it is: tests change its kernel. */
  readonly fingerprint?: Partial<NodeFingerprint> | undefined;
}

/** The real engine: runc starts and dumps, CRIU restores, conmon watches. Prepares the node; needs root. Throws node_unfit for a key that can not be used. */
export async function createCriuEngine(options: CriuEngineOptions): Promise<Engine> {
  const keys = openGoldenKeys(options.goldenKeys);
  const deps: CriuDeps = {
    ...options,
    runc: createRunc(options.paths, options.criu),
    cgroupHost: detectCgroupHost(),
    bootId: readBootId(),
    memory: createMemoryHolds(options.memoryReserveBytes),
    hasSysResource: hasSysResource(),
    isRunTmpfs: isTmpfs('/run'),
    keepLog: (file, name) => keepLog(options.paths.logs, file, name),
  };
  const fingerprint = { ...(await readFingerprint(deps)), ...options.fingerprint };
  await setUpNode(deps);
  await sweepWorkspaces(deps.paths.moves);
  const goldens = new GoldenStore({ ...deps, keys });
  await goldens.dropReplaced();
  const primed = new Map<InstanceId, PrimedInstance>();
  const ending = new Set<InstanceId>();
  const evictions = new Map<InstanceId, string>();
  /** Calls for one instance run one after the other; a destroy during a restore waits for its end. */
  const mutex = new KeyedMutex();
  const closers = new Set<() => void>([
    guardDisk(deps, async (id, writtenBytes) => {
      evictions.set(id, `it had written ${Math.round(writtenBytes / 1024 / 1024)} MB and the disk reserve was being used up`);
      await killCgroup(instanceCgroup(deps, id));
    }),
    // Somebody may flush the host's firewall (`systemctl restart nftables` does), and with it what keeps instances apart.
    every(repairEveryMs, () => deps.sandboxes.repair()),
    every(dropLogsEveryMs, () => forgetEndedLogs(deps.paths)),
    every(dropIdleEveryMs, () => goldens.dropIdle(keepIdleMs)),
    every(repairEveryMs, () => goldens.dropReplaced()),
  ]);
  const close = async () => {
    for (const stop of closers) stop();
    closers.clear();
  };

  return {
    ...openInstanceAccess(deps, deps.cgroupHost),
    probe: async () => probeNode(deps, fingerprint),
    start: (workload, id, signal, startOptions) =>
      mutex.run(id, () => cancellable(`the start of ${id}`, signal, (abort) => startInstance(deps, workload, id, abort, startOptions))),
    checkpoint: (id, golden, signal, checkpointOptions) =>
      mutex.run(id, () =>
        cancellable(`the checkpoint of ${id}`, signal, (abort) =>
          checkpointInstance(deps, goldens, fingerprint, { id, golden, ...checkpointOptions }, abort),
        ),
      ),
    inspect: (id) => mutex.run(id, async () => inspectInstance(deps, requireRunning(deps, id))),
    prime: (golden, id) =>
      mutex.run(id, async () => {
        const record = readInstanceRecord(instanceLayout(deps.paths, id));
        if (primed.has(id) || isRunning(record)) return;
        const open = await goldens.open(golden);
        primed.set(id, await withinSpace(`the sandbox of ${id}`, () => primeInstance(deps, open, id)));
      }),
    restore: (golden, id, signal, digest) =>
      mutex.run(id, async () => {
        const ready = primed.get(id);
        primed.delete(id);
        return await cancellable(`the restore of ${id}`, signal, async (abort) => {
          const open = await goldens.open(golden);
          requireDigest(golden, open.seal.digest, digest);
          return await restoreInstance(deps, open, id, ready, abort);
        });
      }),
    callHook: async (id, name, signal) => {
      const record = requireRunning(deps, id);
      const hook = record.workload.hooks?.[name];
      if (hook) await cancellable(`the ${name} hook of ${id}`, signal, (abort) => callHook(deps, record, name, hook, abort));
    },
    pause: (id) => mutex.run(id, () => freeze(deps, id, true)),
    resume: (id) => mutex.run(id, () => freeze(deps, id, false)),
    destroy: (id) =>
      mutex.run(id, async () => {
        primed.delete(id);
        ending.add(id);
        await destroyInstance(deps, id).finally(() => ending.delete(id));
        evictions.delete(id);
      }),
    exec: async (id, command, execOptions) => {
      requireRunning(deps, id);
      return await execInInstance(deps, id, command, execOptions);
    },
    hasGolden: async (golden) => goldens.has(golden),
    verifyGolden: async (golden) => {
      await goldens.verify(golden);
    },
    scanGolden: (golden, canaries, signal) =>
      cancellable(`the scan of ${golden}`, signal, async (abort) => scanGolden((await goldens.open(golden)).layout, canaries, abort)),
    exportGolden: async (golden, to, exportOptions, phase) => {
      const exportable = await readExport(deps, goldens, golden, exportOptions);
      const phases = cancellablePhases(`the export of ${golden}`, phase);
      return await whileThere(goldens, golden, () => exportGolden(deps, exportable, to, exportOptions, phases));
    },
    importGolden: (workload, golden, from, phase) =>
      importGolden(deps, goldens, { golden, workload }, from, cancellablePhases(`the import of ${golden}`, phase)),
    removeGolden: async (golden) => {
      await goldens.remove(golden);
      await goldens.dropReplaced();
      await removeUnusedImages(deps, goldens);
    },
    listGoldens: async () => goldens.list(),
    goldenDisk: async () => measureGoldens(new Map(goldens.list().map((golden) => [golden, goldenDirectory(deps.paths, golden)]))),
    list: () => listInstances(deps),
    onExit: (listener) => {
      const stop = watchExits(deps, { isExpected: (id) => ending.has(id), evictions }, listener);
      closers.add(stop);
      return () => {
        closers.delete(stop);
        stop();
      };
    },
    close,
    teardown: async () => {
      await close();
      await tearDownNode(deps);
    },
  };
}

async function freeze(deps: CriuDeps, id: InstanceId, frozen: boolean): Promise<void> {
  requireRunning(deps, id);
  await setFrozen(instanceCgroup(deps, id), frozen);
}

/** Answers how to stop. */
function every(ms: number, task: () => Promise<void>): () => void {
  const timer = setInterval(() => void task().catch(() => {}), ms); // what failed is tried again
  return () => clearInterval(timer);
}
