import type { z } from 'zod';
import { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { wholeNumber } from '#src/platform/whole-number.ts';
import { type parseCommandArgs, UsageError } from './command.ts';
import type { Trial } from './try-workload.ts';

export const trialOptions = {
  port: { type: 'string' },
  path: { type: 'string' },
  memory: { type: 'string' },
  user: { type: 'string' },
  env: { type: 'string', multiple: true },
  timeout: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseCommandArgs<typeof trialOptions>>['values'];

const Port = wholeNumber('a port from 1 to 65535', 1, 65535);
const Megabytes = wholeNumber('megabytes from 4 to 1000000', 4, 1_000_000);
const Seconds = wholeNumber('seconds from 1 to 3600', 1, 3600);

/** What to try, from the command line. Throws UsageError that names the option. */
export function readTrial(image: string, values: Values, command: readonly string[]): Trial {
  const port = values.port === undefined ? undefined : parse(Port, values.port, '--port');
  if (port === undefined && values.path !== undefined) throw usage('--path needs --port');
  const timeoutMs = parse(Seconds, values.timeout ?? '300', '--timeout') * 1000;
  const memoryBytes = parse(Megabytes, values.memory ?? '1024', '--memory') * 1024 * 1024;
  const workload = parse(
    Workload,
    {
      ...{ image, env: Object.fromEntries((values.env ?? []).map(readVariable)), resources: { memoryBytes } },
      ...(command.length === 0 ? {} : { command }),
      ...(values.user === undefined ? {} : { user: values.user }),
      ports: port === undefined ? [] : [{ name: 'app', port }],
    },
    '',
  );
  if (port === undefined) return { workload, ready: undefined, idleTimeoutMs: timeoutMs };
  const target = values.path === undefined ? { tcp: { port } } : { http: { port, path: values.path } };
  return { workload, ready: parse(ReadyProbe, { ...target, timeoutMs }, '--path'), idleTimeoutMs: timeoutMs };
}

function readVariable(pair: string): [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(pair) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw usage(`--env: NAME=VALUE with a name of letters, digits and _, not ${JSON.stringify(pair)}`);
}

function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw usage(parsed.error.issues.map(({ path, message }) => `${[what, ...path].filter(Boolean).join(' ')}: ${message}`).join('; '));
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `thaw try --help`.');
}
