/** Aborts at the first SIGTERM, SIGINT or SIGHUP. The second does what signals do: it ends this process at once. */
export function stopOnSignals(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stop.abort(signal));
  return stop.signal;
}
