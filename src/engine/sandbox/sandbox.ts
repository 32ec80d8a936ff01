import type { Egress } from '#src/engine/workload.ts';
import type { InstanceId } from '#src/platform/ids.ts';

/** What an instance lives in before it lives. Made by us (`local`) or borrowed from a Kubernetes pod. */
export interface Sandbox {
  readonly id: InstanceId;
  /** IPv4. */
  readonly address: string;
  /** A bind-mounted network namespace; a container is started on it, a clone inherits it as a descriptor. */
  readonly netnsPath: string;
  readonly hostname: string;
  /** On the host, each bind-mounted into the instance at its place, all in a tmpfs. */
  readonly files: SandboxFiles;
}

export interface SandboxFiles {
  /** Directory for /run/thaw. */
  readonly runThaw: string;
  readonly hostname: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly machineId: string;
}

/** Every call can be repeated. */
export interface SandboxProvider {
  /** Makes what all sandboxes share (bridge, firewall). Idempotent; safe under live instances. */
  setUp(): Promise<void>;
  /**
   * Puts back what isolates the sandboxes if someone removed it (`systemctl restart nftables` flushes everybody's tables), and makes who has
   * egress, and to where, what it should be now. For every few seconds: about 15 ms when all is there. Nothing before setUp.
   */
  repair(): Promise<void>;
  /** A sandbox without egress, or the one that exists under this id. Throws addresses_exhausted. */
  prepare(id: InstanceId): Promise<Sandbox>;
  setEgress(id: InstanceId, egress: Egress): Promise<void>;
  remove(id: InstanceId): Promise<void>;
  /** Ids of all sandboxes on this node, half-made ones included. */
  list(): Promise<InstanceId[]>;
  /** Removes what setUp made. */
  tearDown(): Promise<void>;
}
