import { parseArgs } from 'node:util';
import { buildSampleImage, sampleImageDirectory } from './build-sample-image.ts';
import { playMainJob, type Stage } from './main-job.ts';
import { formatReport, keptPromises, type Report } from './report.ts';
import { bad, createScreen, dim, heading, type Screen } from './screen.ts';
import { type Service, startService } from './service.ts';

/** `npm run demo -- [--json] [--keep]`: the main job on this machine, with real containers, over REST and endpoints only. */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } });
  const screen = createScreen(process.stdout);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupt.abort(new Error(`stopped by ${name}`)));

  screen.line(heading('Image: a search server that builds its index at start'));
  const image = await buildSampleImage(sampleImageDirectory);
  screen.line(`  ${image}`);
  const service = await startService(sampleImageDirectory);
  const report = await tryMainJob({ screen, service, image, signal: interrupt.signal });
  let isWell = report !== undefined && keptPromises(report);
  if (report && values.keep) explainKept(screen, service);
  else if (!(await removeAll(screen, service))) isWell = false;
  if (report && values.json) screen.line(JSON.stringify(report));
  return isWell ? 0 : 1;
}

/** Undefined when it failed or was stopped, which is told then. */
async function tryMainJob(stage: Stage): Promise<Report | undefined> {
  const { screen, service, signal } = stage;
  try {
    const report = await playMainJob(stage);
    screen.line(heading('\nResult'));
    for (const row of formatReport(report)) screen.line(row);
    return report;
  } catch (error) {
    screen.keep();
    screen.line(bad(`\n${messageOf(signal.aborted ? signal.reason : error)}`));
    if (!signal.aborted) screen.line(dim(`The end of Thaw's log:\n${await service.logTail()}`));
    return undefined;
  }
}

async function removeAll(screen: Screen, service: Service): Promise<boolean> {
  screen.line(dim('\nRemoving everything (thaw down --destroy --purge)'));
  try {
    await service.destroy();
    return true;
  } catch (error) {
    screen.line(bad(messageOf(error)));
    screen.line(`Something may be left. To try again: ${endCommand(service)}`);
    return false;
  }
}

function endCommand({ dataDir }: Service): string {
  return `THAW_DATA_DIR=${dataDir} npm run thaw -- down --destroy --purge`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function explainKept(screen: Screen, service: Service): void {
  const { url, key } = service;
  service.leaveRunning();
  screen.line(heading('\nStill running'));
  screen.line(`  ${url}, docs at ${url}/docs, key ${key}\n`);
  screen.line(`  export THAW=${url} KEY=${key}`);
  screen.line(
    `  curl -s -X POST $THAW/v1/pools/search/claims -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' -d '{"tenant":"me"}'`,
  );
  screen.line('  ENDPOINT=http://HOST:PORT                     # both under endpoints in the answer');
  screen.line('  curl -s $ENDPOINT/whoami');
  screen.line('  curl -s "$ENDPOINT/search?q=harbour+light"');
  screen.line('  curl -s -X DELETE $THAW/v1/claims/$CLAIM -H "Authorization: Bearer $KEY"');
  screen.line('  curl -s $THAW/v1/pools/search -H "Authorization: Bearer $KEY"\n');
  screen.line(`  To end it: ${endCommand(service)}`);
}

process.exitCode = await main();
