import { findCriu } from '#src/engine/criu/find-criu.ts';
import { runDoctor } from '#src/nodes/doctor/doctor.ts';
import { type Finding, formatFindings } from '#src/nodes/doctor/finding.ts';
import { parseConfig } from '#src/platform/config.ts';
import { type Command, exitCodes, parseCommandArgs } from './command.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Check every condition this machine must meet, and how to mend it',
  help: `usage: thaw doctor [--engine criu|memory] [--json]

Judges what the engine needs of this machine: pass, warn (works, at a cost) or fail
(\`thaw up\` would refuse to start). Changes nothing. Exit code 1 when something fails.

  --engine NAME  judge for this engine (default: THAW_ENGINE, or criu)
  --json         one object: {"ok", "findings": [{id, title, status, found, cost, fix}]}`,
  async run({ env, print }, args) {
    const { values } = parseCommandArgs(doctorCommand, args, { options: { json: { type: 'boolean' }, engine: { type: 'string' } } });
    const config = parseConfig(values.engine === undefined ? env : { ...env, THAW_ENGINE: values.engine });
    const findings = await runDoctor({ config, findCriu });
    const ok = findings.every(({ status }) => status !== 'fail');
    if (values.json) print(JSON.stringify({ ok, findings }));
    else print(`${formatFindings(findings)}\n\n${summarize(findings)}`);
    return ok ? exitCodes.ok : exitCodes.failed;
  },
};

function summarize(findings: readonly Finding[]): string {
  const count = (status: Finding['status']) => findings.filter((finding) => finding.status === status).length;
  const verdict = count('fail') > 0 ? 'Thaw can not run here until what fails is mended.' : 'Thaw can run here.';
  return `${count('pass')} pass, ${count('warn')} warn, ${count('fail')} fail. ${verdict}`;
}
