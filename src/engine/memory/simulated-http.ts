import { createHash } from 'node:crypto';
import { machineId, print, type SimulatedInstance, shownBinding } from './simulated-instance.ts';

export interface SimulatedAnswer {
  readonly status: number;
  readonly body: string;
  /** The app ends with this code once it has answered. */
  readonly exit?: { readonly code: number; readonly oomKilled: boolean };
}

const routes: Readonly<Record<string, (instance: SimulatedInstance, query: URLSearchParams) => SimulatedAnswer>> = {
  '/exit': exitApp,
  '/print': printText,
  '/alloc': allocate,
  '/hook': refuseHook,
  '/hooks': listHookCalls,
  '/id': answerId,
};

/** What the simulated app answers: its state as JSON on every path, except on the few that make it do something. The routes are those of the tests' real app. */
export function answerRequest(instance: SimulatedInstance, target: string): SimulatedAnswer {
  const [path = '', query] = target.split('?', 2);
  instance.app.cpuMs += 1;
  return (routes[path] ?? answerState)(instance, new URLSearchParams(query));
}

function answerState(instance: SimulatedInstance): SimulatedAnswer {
  const { app } = instance;
  app.counter += 1;
  const state = {
    token: app.token,
    counter: app.counter,
    instance: instance.id,
    hostname: instance.id,
    machineId: machineId(instance),
    pid: 1,
    binding: shownBinding(instance),
  };
  return { status: 200, body: `${JSON.stringify(state)}\n` };
}

/** Whoever comes over the network has no token: hooks are called by the engine (simulated-hooks.ts). */
function refuseHook(): SimulatedAnswer {
  return { status: 403, body: 'no token\n' };
}

function listHookCalls({ app }: SimulatedInstance): SimulatedAnswer {
  return { status: 200, body: `${JSON.stringify(app.hookCalls)}\n` };
}

/** For `unique`: differs between clones, unless `APP_SAME_ID=1` makes the app one that keeps what it made at its start until a hook with `?reseed=1`. */
function answerId({ app, identity }: SimulatedInstance): SimulatedAnswer {
  const id = app.workload.env.APP_SAME_ID === '1' ? (app.id ?? app.token) : (identity?.seed ?? app.token);
  return { status: 200, body: `${createHash('sha256').update(id).digest('hex')}\n` };
}

function exitApp(_instance: SimulatedInstance, query: URLSearchParams): SimulatedAnswer {
  return { status: 200, body: 'bye\n', exit: { code: Number(query.get('code')) || 0, oomKilled: false } };
}

function printText(instance: SimulatedInstance, query: URLSearchParams): SimulatedAnswer {
  const text = query.get('text') ?? '';
  print(instance, `stdout ${text}`);
  print(instance, `stderr ${text}`);
  return { status: 200, body: 'printed\n' };
}

function allocate(instance: SimulatedInstance, query: URLSearchParams): SimulatedAnswer {
  const { app } = instance;
  app.allocatedBytes += (Number(query.get('mb')) || 0) * 1024 * 1024;
  if (app.allocatedBytes <= app.workload.resources.memoryBytes) return { status: 200, body: 'allocated\n' };
  return { status: 200, body: '', exit: { code: 137, oomKilled: true } };
}
