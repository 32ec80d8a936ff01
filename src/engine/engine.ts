import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import type { CheckpointReport } from './checkpoint-report.ts';
import type { Connection } from './connection.ts';
import type { GoldenPlace } from './golden-place.ts';
import type { NodeFingerprint } from './node-fingerprint.ts';
import type { ScanReport } from './scan-report.ts';
import type { Workload } from './workload.ts';

/**
 * The port to whatever runs containers. One contract suite (test/contract) holds every adapter to it.
 *
 * Every call can be repeated: the id is the caller's, and a second call finds or finishes the first. Failures are ThawErrors.
 */
export interface Engine {
  /** What this node can do, and why not. */
  probe(): Promise<EngineProbe>;
  /** Runs a container cold. Answers when its process runs, which is long before the app is ready. */
  start(workload: Workload, id: InstanceId, signal?: AbortSignal, options?: StartOptions): Promise<StartedInstance>;
  /**
   * Dumps a ready primer into a sealed golden directory and ends it. Repeating it after success answers the sealed golden.
   * Throws checkpoint_unsupported, checkpoint_failed or a capacity error.
   */
  checkpoint(id: InstanceId, golden: GoldenId, signal?: AbortSignal, options?: CheckpointOptions): Promise<Checkpoint>;
  /** What would stop a checkpoint of a running instance. Takes none; the instance stands still for a moment. Throws instance_not_found. */
  inspect(id: InstanceId): Promise<CheckpointReport>;
  /** Prepares a sandbox and a root filesystem that `restore` of the same ids then fills. */
  prime(golden: GoldenId, id: InstanceId): Promise<void>;
  /**
   * A clone of the golden, with a seed of its own in /run/thaw/identity.json; its process runs when this answers.
   * `digest`: that of the golden that is meant; golden_missing where another, however intact, lies in its place.
   * Throws golden_missing, golden_corrupt, restore_failed or a capacity error.
   */
  restore(golden: GoldenId, id: InstanceId, signal?: AbortSignal, digest?: string): Promise<RestoredInstance>;
  /**
   * Calls a hook that the workload has; none is no error. The one after a restore is told what stands in /run/thaw/identity.json. It is
   * called at each call: a job that runs twice calls it twice.
   * Throws hook_failed.
   */
  callHook(id: InstanceId, hook: 'beforeCheckpoint' | 'afterRestore', signal?: AbortSignal): Promise<void>;
  /**
   * Writes the binding where the instance reads it, opens the claimed egress and calls the bind hook. A second bind for another claim is
   * refused with bind_failed. One for the same claim brings the binding up to date, keeps its seed, and calls the hook only if that has not
   * succeeded yet; so a hook may be called twice when an engine dies in between. Throws bind_failed or hook_failed.
   */
  bind(id: InstanceId, binding: Binding): Promise<BoundInstance>;
  pause(id: InstanceId): Promise<void>;
  resume(id: InstanceId): Promise<void>;
  /** Ends the instance and removes all that belongs to it. Destroying what is gone is no error. */
  destroy(id: InstanceId): Promise<void>;
  stats(id: InstanceId): Promise<InstanceStats>;
  /** The newest `maxBytes` of stdout and stderr. Of a bound instance that was destroyed the last 64 KB, for 7 days. */
  logs(id: InstanceId, maxBytes: number): Promise<string>;
  exec(id: InstanceId, command: readonly string[], options: { timeoutMs: number; signal?: AbortSignal }): Promise<ExecResult>;
  hasGolden(golden: GoldenId): Promise<boolean>;
  /** Hashes every file of the golden against its manifest. Throws golden_missing or golden_corrupt with the file's name. */
  verifyGolden(golden: GoldenId): Promise<void>;
  /**
   * Looks for the canaries and for known shapes of keys and tokens in the memory of a golden and in the files that its app wrote.
   * Throws golden_missing or golden_corrupt.
   */
  scanGolden(golden: GoldenId, canaries: readonly string[], signal?: AbortSignal): Promise<ScanReport>;
  removeGolden(golden: GoldenId): Promise<void>;
  listGoldens(): Promise<GoldenId[]>;
  /** What the goldens of this node take of its disk; files that several share count once. */
  goldenDisk(): Promise<GoldenDisk>;
  /**
   * Brings a golden elsewhere, in the phases pack and push; whole or not at all. An encrypted one stays so unless plain
   * memory is asked for. Throws golden_missing, golden_corrupt, image_reference_invalid, image_not_found (no directory to write in), export_target_exists, image_push_failed or a capacity error.
   */
  exportGolden(golden: GoldenId, to: GoldenPlace, options: ExportOptions, phase: RunPhase): Promise<ExportedGolden>;
  /**
   * Makes a golden of what was brought elsewhere, in the phases fetch, unpack and seal. What comes from us comes back to the bit, with the
   * digest it had. The image of `workload` must be the one that the golden lies on: golden_incompatible otherwise. A golden that is there
   * already is answered as it is. Throws image_not_found, image_pull_failed, image_unusable, image_reference_invalid, archive_invalid,
   * archive_unsupported, archive_too_large, golden_corrupt, golden_untrusted or a capacity error.
   */
  importGolden(workload: Workload, golden: GoldenId, from: GoldenPlace, phase: RunPhase): Promise<ImportedGolden>;
  /** The ground truth: everything on this node that belongs to an instance, half-made ones included. */
  list(): Promise<EngineInstance[]>;
  /** Calls back once for each instance that ends by itself, within a second, until the returned function is called. */
  onExit(listener: (exit: InstanceExit) => void): () => void;
  /** Lets go of what this process holds; instances go on running. */
  close(): Promise<void>;
  /** Removes what the engine made on the node for itself (bridge, tables, cgroups, mounts). Instances must be destroyed before. */
  teardown(): Promise<void>;
}

/**
 * What a claim and its owner ask of one instance. It keeps no state in memory, so that the node agent can offer it from a process of its
 * own: no restore delays a bind, and claims go on while the worker is restarted.
 */
export type InstanceAccess = Pick<Engine, 'bind' | 'logs' | 'stats'>;

export interface EngineProbe {
  readonly ok: boolean;
  /** What hinders, in words; empty when ok. */
  readonly problems: readonly string[];
  readonly fingerprint: NodeFingerprint;
  readonly capacity: NodeCapacity;
}

interface NodeCapacity {
  readonly memoryBytes: number;
  /** Free for new instances right now: what is available less the reserve; never negative. */
  readonly memoryFreeBytes: number;
  readonly diskFreeBytes: number;
  readonly cpus: number;
}

/** Container port → port at `address`. Absent where an instance has an address of its own and its ports are reached under their own numbers. */
export type PortMap = Readonly<Record<number, number>>;

export interface StartOptions {
  /** `sha256:…`: this image and no other, whatever the workload's reference stands for by now. Throws golden_incompatible when it can not be had. */
  readonly imageDigest?: string | undefined;
}

export interface StartedInstance {
  readonly address: string;
  readonly ports?: PortMap;
  readonly timingsMs: Readonly<Record<string, number>>;
}

export interface RestoredInstance {
  readonly address: string;
  readonly ports?: PortMap;
  /** By phase: sandbox, rootfs, criu, total. */
  readonly timingsMs: Readonly<Record<string, number>>;
}

export interface CheckpointOptions {
  /** `refuse`: established TCP connections of the app are a reason not to take it. They are closed otherwise. */
  readonly connections?: 'close' | 'refuse';
  /**
   * Takes the place of the files that the golden has here, once its own are sealed. What runs on those goes on, on files that are kept for as long.
   */
  readonly replace?: boolean;
}

export interface Checkpoint {
  /** All files of the golden. */
  readonly sizeBytes: number;
  /** The memory pages alone. */
  readonly pagesBytes: number;
  /** `sha256:…` of the manifest, which names the sha256 of every file. */
  readonly digest: string;
  /** Id of the key that signed the manifest; absent: not signed. */
  readonly signedBy?: string;
  /** Id of the key that wraps the golden's data key; absent: not encrypted. */
  readonly encryptedWith?: string;
  /** CPU time that the primer had used when it was dumped. */
  readonly cpuMs: number;
  readonly fingerprint: NodeFingerprint;
  /** `sha256:…` of the image that the primer was started from; absent where there is none. */
  readonly imageDigest?: string;
  /** Established when it was taken, and closed by it. */
  readonly connections: readonly Connection[];
  /** By phase: dump, seal, total. */
  readonly timingsMs: Readonly<Record<string, number>>;
}

/** Runs one named part of a long call, so that its caller can tell how far it is. `signal` ends the part. */
export type RunPhase = <T>(name: string, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export interface ExportOptions {
  /** Whether a file that is there may be replaced. */
  readonly overwrite: boolean;
  /** Whether what is encrypted here may be exported as plain memory. */
  readonly plain: boolean;
}

export interface ExportedGolden {
  /** `sha256:…` of the image's manifest, or of the file where it is one. */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface ImportedGolden extends Checkpoint {
  readonly origin: { readonly kind: 'archive' | 'image'; readonly from: string; readonly engine?: string };
}

export interface GoldenDisk {
  readonly usedBytes: number;
  /** What each shares with no other: deleting it alone frees that much. */
  readonly uniqueBytes: ReadonlyMap<GoldenId, number>;
}

/** What an instance is told at claim. `secrets` exist in this object and in the instance's tmpfs, nowhere else (law 8). */
export interface Binding {
  readonly claim: string;
  readonly tenant: string;
  /** RFC 3339. */
  readonly expiresAt: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Who an instance is for its tenant: in /run/thaw/binding.json and what the bind hook is sent, beside the binding itself. */
export interface BoundIdentity {
  readonly instance: InstanceId;
  readonly tenant: string;
  /** 256 bits as hex digits, made at the bind: no other claim has them, whatever the clones of a golden have in common. */
  readonly seed: string;
}

/** /run/thaw/identity.json, which is also what the afterRestore hook is sent. Nobody is bound yet. */
export interface CloneIdentity {
  readonly instance: InstanceId;
  /** 256 bits as hex digits, made at the restore. */
  readonly seed: string;
  /** RFC 3339. */
  readonly restoredAt: string;
  readonly checkpointedAt: string;
  /** How far the wall clock went while nothing ran: timers and sessions that the app keeps are older by this than it thinks. */
  readonly clockJumpMs: number;
}

export interface BoundInstance {
  /** `hook`: 0 where there is none, or it had succeeded before. */
  readonly timingsMs: { readonly bind: number; readonly hook: number };
}

export interface InstanceStats {
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly pids: number;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface EngineInstance {
  readonly id: InstanceId;
  /** `partial`: half-made or half-removed; only destroy makes sense. */
  readonly state: 'running' | 'paused' | 'exited' | 'partial';
  readonly golden?: GoldenId;
  readonly address?: string;
  readonly ports?: PortMap;
  /** The claim that was bound, from the instance's own record: it wins over a Redis that came back older. */
  readonly boundTo?: { readonly claim: string; readonly tenant: string; readonly expiresAt: string };
}

export interface InstanceExit {
  readonly id: InstanceId;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the engine ended it, in words: it did not end by itself. */
  readonly evicted?: string;
}
