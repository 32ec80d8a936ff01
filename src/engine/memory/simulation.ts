import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import type { Clock } from '#src/platform/clock.ts';
import type { MemoryFaults } from './faults.ts';
import type { SimulatedGoldens } from './simulated-goldens.ts';
import type { SimulatedNode } from './simulated-node.ts';

export interface MemoryTimings {
  /** From the start of a cold instance until its app answers; `start` itself answers at once. */
  startMs: number;
  checkpointMs: number;
  restoreMs: number;
  bindMs: number;
  /** Of each phase of an export or import. Default 0. */
  moveMs?: number;
}

/** What the calls of a memory engine work on. */
export interface Simulation {
  readonly clock: Clock;
  readonly faults: MemoryFaults;
  readonly node: SimulatedNode;
  readonly goldens: SimulatedGoldens;
  readonly timings: Readonly<MemoryTimings>;
  readonly fingerprint: NodeFingerprint;
}
