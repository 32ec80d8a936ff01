/** Settings that are secrets themselves, not the place of one. */
const secretSettings = ['THAW_ENCRYPTION_KEY', 'THAW_API_KEY', 'THAW_AGENT_TOKEN'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A copy of this process's environment, whose secrets are then gone from it: what is started without an environment of its own (Redis, skopeo,
 * mount, the command of a KMS) does not inherit them. To be called once, before anything is started.
 */
export function takeEnvironment(environment: NodeJS.ProcessEnv): Environment {
  const taken = { ...environment };
  for (const name of secretSettings) delete environment[name];
  return taken;
}
