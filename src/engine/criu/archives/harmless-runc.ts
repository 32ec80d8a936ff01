import { z } from 'zod';
import { capabilities } from '#src/engine/criu/oci-spec.ts';
import { readDump } from './read-engine.ts';

/** As runc-state.ts leaves the names of an instance's files. */
const bundle = '{data}/instances/{instance}';
const Capabilities = z.array(z.enum(capabilities)).nullish();
const NoHooks = z.record(z.string(), z.array(z.never()).nullish()).nullish();

/** By its bundle runc enters a clone: with these rights, and running these hooks, on the host, as root. */
const BundleConfig = z.looseObject({
  hooks: NoHooks,
  root: z.looseObject({ path: z.literal(`${bundle}/rootfs`) }),
  annotations: z.strictObject({ 'org.criu.config': z.literal('{data}/run/criu.conf') }),
  process: z.looseObject({
    noNewPrivileges: z.literal(true),
    capabilities: z.record(z.string(), Capabilities),
  }),
  linux: z.looseObject({ cgroupsPath: z.literal('/{group}/{instance}'), seccomp: z.looseObject({}), intelRdt: z.never().optional() }),
});

const RuncState = z.looseObject({
  intel_rdt_path: z.literal('').nullish(),
  config: z.looseObject({
    Hooks: NoHooks,
    hooks: NoHooks,
    rootfs: z.literal(`${bundle}/rootfs`),
    labels: z.array(z.enum(['org.criu.config={data}/run/criu.conf', `bundle=${bundle}`])),
    cgroups: z.looseObject({ path: z.literal('/{group}/{instance}') }),
    capabilities: z.record(z.string(), Capabilities),
    no_new_privileges: z.literal(true),
    intel_rdt: z.null().optional(),
  }),
});

/**
 * runc's files of an archive that says it is ours: they must name only what is a clone's own, and give no more rights than ours do. Throws
 * archive_invalid naming the file and the field.
 */
export function requireHarmlessRunc(files: { readonly config: string; readonly runcState: string }): void {
  readDump(files.config, BundleConfig);
  readDump(files.runcState, RuncState);
}
