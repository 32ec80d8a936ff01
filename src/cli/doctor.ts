import { findCriu } from '#src/engine/criu/find-criu.ts';
import { runDoctor } from '#src/nodes/doctor/doctor.ts';
import { type Finding, formatFindings } from '#src/nodes/doctor/finding.ts';
import { parseConfig } from '#src/platform/config.ts';
import { type Command, exitCodes, parseCommandArgs } from './command.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Check every condition this machine must meet, and how to mend it',
  help: `usage: thaw doctor [--upgrade] [--engine criu|memory] [--json]

Judges what the engine needs of this machine: pass, warn (works, at a cost) or fail
(\`thaw up\` would refuse to start). Changes nothing. Exit code 1 when something fails.

  --upgrade      restore a clone of every golden that an alias points to, on this machine as it is now: after
                 a new kernel, CRIU or runc, before \`thaw up\` fills the pools. It may run or not; nothing of
                 it is touched, and nothing of the trial is left. Needs root
  --engine NAME  judge for this engine (default: THAW_ENGINE, or criu)
  --json         one object: {"ok", "findings": [{id, title, status, found, cost, fix}]}, and for --upgrade
                 {"ok", "goldens": [{golden, aliases, status: pass|fail|skip, node, restoreMs, problem, incompatible}]}`,
  async run(context, args) {
    const { env, print } = context;
    const options = { json: { type: 'boolean' }, upgrade: { type: 'boolean' }, engine: { type: 'string' } } as const;
    const { values } = parseCommandArgs(doctorCommand, args, { options });
    const config = parseConfig(values.engine === undefined ? env : { ...env, THAW_ENGINE: values.engine });
    if (values.upgrade) {
      const { tryPromotedGoldens } = await import('./doctor-upgrade.ts'); // loads the engine, which is heavy
      return tryPromotedGoldens(context, config, values.json === true);
    }
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
