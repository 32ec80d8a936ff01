import { z } from 'zod';
import { type HistogramSeries, renderHistogram, type SharedHistogram } from '#src/platform/metrics-histogram.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';

/** hash, `<phase> <bucket>` → how many, `<phase> us` → microseconds in all. In Redis, because workers restore and the API is what Prometheus asks. */
const phasesKey = `${keyPrefix}restore-phases`;

const histogram: SharedHistogram = {
  name: 'thaw_restore_phase_seconds',
  help: 'Time that each phase of a restore of a clone took, of those that worked',
  label: 'phase',
  bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
};

/** Phases are what the engine names them: queue, sandbox, rootfs, criu, ready, total. */
export async function countRestorePhases(redis: Redis, timingsMs: Readonly<Record<string, number>>): Promise<void> {
  const pipeline = redis.pipeline();
  for (const [phase, ms] of Object.entries(timingsMs)) {
    const bucket = histogram.bounds.findIndex((bound) => ms / 1000 <= bound);
    pipeline.hincrby(phasesKey, `${phase} ${bucket < 0 ? histogram.bounds.length : bucket}`, 1);
    pipeline.hincrby(phasesKey, `${phase} us`, Math.round(ms * 1000));
  }
  await pipeline.exec();
}

/** The text of Prometheus. */
export async function renderRestorePhases(redis: Redis): Promise<string> {
  const fields = z.record(z.string(), z.coerce.number()).parse(await redis.hgetall(phasesKey));
  const phases = new Set(Object.keys(fields).map((field) => field.split(' ')[0] ?? ''));
  const series = new Map<string, HistogramSeries>();
  for (const phase of [...phases].sort()) {
    const counts = [...histogram.bounds.keys(), histogram.bounds.length].map((bucket) => fields[`${phase} ${bucket}`] ?? 0);
    series.set(phase, { counts, sum: (fields[`${phase} us`] ?? 0) / 1_000_000 });
  }
  return renderHistogram(histogram, series);
}
