import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Everything the API tells Prometheus. Labels are of low cardinality: never an id, a tenant or a message. */
export interface Metrics {
  /** Seconds, by how the instance was had (`none` when it was not) and the outcome (`ok` or the problem's code). */
  readonly claimSeconds: Histogram<'path' | 'outcome'>;
  /** Seconds of each phase of a claim that was had: wait, restore, bind, hook. What a claim did not need is not counted. */
  readonly claimPhaseSeconds: Histogram<'path' | 'phase'>;
  readonly poolInstances: Gauge<'pool' | 'state'>;
  /** Clones that became warm and restores that failed, since Redis was first used. */
  readonly restores: Counter<'outcome'>;
  /** The text of /metrics. */
  render(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    claimSeconds: new Histogram({
      name: 'thaw_claim_seconds',
      help: 'Time from a claim request to its answer',
      labelNames: ['path', 'outcome'],
      buckets: [0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    claimPhaseSeconds: new Histogram({
      name: 'thaw_claim_phase_seconds',
      help: 'Time that each phase of a claim took, by how the instance was had',
      labelNames: ['path', 'phase'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    poolInstances: new Gauge({
      name: 'thaw_pool_instances',
      help: 'Instances by pool and state',
      labelNames: ['pool', 'state'],
      registers,
    }),
    restores: new Counter({
      name: 'thaw_restores_total',
      help: 'Restores of clones for pools by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
