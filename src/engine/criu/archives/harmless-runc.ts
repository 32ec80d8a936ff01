import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { capabilities } from '#src/engine/criu/oci-spec.ts';
import { archiveInvalid } from './archive-problems.ts';
import { readDump } from './read-engine.ts';

/** As runc-state.ts leaves the names of an instance's files. */
const bundle = '{data}/instances/{instance}';
const Capabilities = z.array(z.enum(capabilities)).nullish();
/** configs.Errno of runc: what no rule allows is refused. */
const errno = 2;
const NoHooks = z.record(z.string(), z.array(z.never()).nullish()).nullish();

/** By its bundle runc enters a clone: with these rights, and running these hooks, on the host, as root. */
const BundleConfig = z.looseObject({
  Hooks: NoHooks,
  hooks: NoHooks,
  root: z.looseObject({ path: z.literal(`${bundle}/rootfs`) }),
  annotations: z.strictObject({ 'org.criu.config': z.literal('{data}/run/criu.conf') }),
  process: z.looseObject({
    noNewPrivileges: z.literal(true),
    capabilities: z.record(z.string(), Capabilities),
  }),
  linux: z.looseObject({
    cgroupsPath: z.literal('/{group}/{instance}'),
    seccomp: z.looseObject({ defaultAction: z.literal('SCMP_ACT_ERRNO') }),
    intelRdt: z.never().optional(),
  }),
});

const RuncState = z.looseObject({
  intel_rdt_path: z.literal('').nullish(),
  config: z.looseObject({
    Hooks: NoHooks,
    hooks: NoHooks,
    rootfs: z.literal(`${bundle}/rootfs`),
    labels: z.array(z.enum(['org.criu.config={data}/run/criu.conf', `bundle=${bundle}`])),
    cgroups: z.looseObject({ path: z.literal('/{group}/{instance}'), Systemd: z.literal(false).optional() }),
    capabilities: z.record(z.string(), Capabilities),
    seccomp: z.looseObject({ default_action: z.literal(errno) }),
    no_new_privileges: z.literal(true),
    intel_rdt: z.null().optional(),
  }),
});

/**
 * runc's files of an archive that says it is ours: they must name only what is a clone's own, and give no more rights than ours do. Throws
 * archive_invalid naming the file and the field.
 */
export function requireHarmlessRunc(files: { readonly config: string; readonly runcState: string }): void {
  requirePlainKeys(files.config, readDump(files.config, BundleConfig));
  requirePlainKeys(files.runcState, readDump(files.runcState, RuncState));
}

/** As runc 1.1 writes the names of what is looked at above. */
const lookedAt = [
  ...['hooks', 'Hooks', 'root', 'annotations', 'process', 'noNewPrivileges', 'no_new_privileges', 'capabilities', 'linux', 'cgroupsPath'],
  ...['seccomp', 'defaultAction', 'default_action', 'intelRdt', 'intel_rdt', 'intel_rdt_path'],
  ...['config', 'rootfs', 'labels', 'cgroups', 'Systemd'],
];
const foldedNames = new Set(lookedAt.map(fold));

/**
 * runc takes `hOOks` for `hooks`, as Go's JSON does, and of two of one name it puts both together, where JavaScript takes the last: what was
 * looked at must be all that runc finds.
 */
function requirePlainKeys(file: string, content: unknown): void {
  const keys = keysWithin(content);
  const odd = keys.find((key) => foldedNames.has(fold(key)) && !lookedAt.includes(key));
  if (odd !== undefined) throw archiveInvalid(basename(file), `spells ${JSON.stringify(odd)} as runc does not`);
  const strings = readFileSync(file, 'utf8').matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)/g);
  const written = [...strings].filter(([, colon]) => colon === ':').length;
  if (written !== keys.length) throw archiveInvalid(basename(file), 'names something twice');
}

/** Not by recursion: how deep it goes, the archive says. */
function keysWithin(content: unknown): string[] {
  const keys: string[] = [];
  const values = [content];
  for (const value of values) {
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) keys.push(key);
      values.push(inner);
    }
  }
  return keys;
}

/** As Go compares names: ſ is an s to it, and the Kelvin sign a k. */
function fold(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}
