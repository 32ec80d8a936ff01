import type { Engine } from '#src/engine/engine.ts';
import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { withinSpace } from '#src/platform/out-of-space.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { callHook } from './call-hook.ts';
import { detectCgroupHost } from './cgroup-host.ts';
import { killCgroup, setFrozen } from './cgroups.ts';
import { checkpointInstance } from './checkpoint-instance.ts';
import { destroyInstance } from './destroy-instance.ts';
import { guardDisk } from './disk-guard.ts';
import { forgetEndedLogs } from './ended-logs.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { execInInstance } from './exec-in-instance.ts';
import { GoldenStore } from './golden-store.ts';
import { hasSysResource, isTmpfs } from './host-facts.ts';
import type { ImageStore } from './images/image-store.ts';
import { notHere, openInstanceAccess, requireRunning } from './instance-access.ts';
import { instanceLayout } from './instance-layout.ts';
import { isRunning, readInstanceRecord } from './instance-record.ts';
import { keepLog } from './kept-logs.ts';
import { listInstances } from './list-instances.ts';
import { createMemoryHolds } from './memory-holds.ts';
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

export interface CriuEngineOptions {
  readonly paths: DataPaths;
  readonly tag: string;
  /** The CRIU binary; its directory comes first on runc's PATH. */
  readonly criu: string;
  readonly images: ImageStore;
  readonly sandboxes: SandboxProvider;
  readonly memoryReserveBytes: number;
  readonly diskReserveBytes: number;
}

/** The real engine: runc starts and dumps, CRIU restores, conmon watches. Prepares the node; needs root. */
export async function createCriuEngine(options: CriuEngineOptions): Promise<Engine> {
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
  const fingerprint = await readFingerprint(deps);
  await setUpNode(deps);
  const goldens = new GoldenStore(deps.paths);
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
    repairFirewall(deps),
    dropOldLogs(deps),
  ]);

  return {
    ...openInstanceAccess(deps, deps.cgroupHost),
    probe: async () => probeNode(deps, fingerprint),
    start: (workload, id, signal) =>
      mutex.run(id, () => cancellable(`the start of ${id}`, signal, (abort) => startInstance(deps, workload, id, abort))),
    checkpoint: (id, golden, signal) =>
      mutex.run(id, () =>
        cancellable(`the checkpoint of ${id}`, signal, (abort) => checkpointInstance(deps, goldens, fingerprint, id, golden, abort)),
      ),
    prime: (golden, id) =>
      mutex.run(id, async () => {
        const record = readInstanceRecord(instanceLayout(deps.paths, id));
        if (primed.has(id) || isRunning(record)) return;
        const open = await goldens.open(golden);
        primed.set(id, await withinSpace(`the sandbox of ${id}`, () => primeInstance(deps, open, id)));
      }),
    restore: (golden, id, signal) =>
      mutex.run(id, async () => {
        const ready = primed.get(id);
        primed.delete(id);
        return await cancellable(`the restore of ${id}`, signal, async (abort) =>
          restoreInstance(deps, await goldens.open(golden), id, ready, abort),
        );
      }),
    callHook: async (id, name, signal) => {
      const record = readInstanceRecord(instanceLayout(deps.paths, id));
      if (!isRunning(record)) throw notHere(id);
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
    removeGolden: async (golden) => {
      await goldens.remove(golden);
      await removeUnusedImages(deps, goldens);
    },
    listGoldens: async () => goldens.list(),
    list: () => listInstances(deps),
    onExit: (listener) => {
      const stop = watchExits(deps, { isExpected: (id) => ending.has(id), evictions }, listener);
      closers.add(stop);
      return () => {
        closers.delete(stop);
        stop();
      };
    },
    close: async () => {
      for (const stop of closers) stop();
      closers.clear();
    },
    teardown: async () => {
      for (const stop of closers) stop();
      closers.clear();
      await tearDownNode(deps);
    },
  };
}

async function freeze(deps: CriuDeps, id: InstanceId, frozen: boolean): Promise<void> {
  requireRunning(deps, id);
  await setFrozen(instanceCgroup(deps, id), frozen);
}

/** Somebody may flush the host's firewall (`systemctl restart nftables` does), and with it what keeps instances apart. */
function repairFirewall({ sandboxes }: CriuDeps): () => void {
  const timer = setInterval(() => void sandboxes.repair().catch(() => {}), repairEveryMs); // what failed is tried again
  return () => clearInterval(timer);
}

function dropOldLogs({ paths }: CriuDeps): () => void {
  const timer = setInterval(() => void forgetEndedLogs(paths).catch(() => {}), dropLogsEveryMs); // what failed is tried again
  return () => clearInterval(timer);
}

/** Whatever an abort made fail, the caller hears of the abort; what a full disk or tmpfs made fail is want of capacity. */
async function cancellable<T>(what: string, signal: AbortSignal | undefined, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await withinSpace(what, () => task(signal ?? new AbortController().signal));
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new ThawError('cancelled', `${what} was cancelled`, { fix: 'Ask again if it was not meant.', cause: error });
  }
}
