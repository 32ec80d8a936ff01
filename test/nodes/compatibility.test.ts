import { describe, expect, it } from 'vitest';
import { readCpuFlags, readLsm } from '#src/engine/criu/host-facts.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { canCaptureToo, nodeClass, reasonsAgainst } from '#src/nodes/compatibility.ts';

const golden: NodeFingerprint = {
  arch: 'x64',
  kernel: '6.18.1',
  engine: 'criu',
  criu: '4.2.1',
  runc: '1.1.5',
  cgroup: 'v2',
  cpuFlags: ['avx', 'avx2', 'fpu', 'pti', 'sse2'],
  lsm: 'capability,landlock,apparmor',
};

const cases: readonly [string, Partial<NodeFingerprint>, readonly string[]][] = [
  ['an equal node', {}, []],
  ['another engine', { engine: 'memory' }, ['engine memory instead of criu']],
  ['another architecture', { arch: 'arm64' }, ['architecture arm64 instead of x64']],
  ['another kernel', { kernel: '6.12.0' }, ['kernel 6.12.0 instead of 6.18.1']],
  ['a patch of the kernel', { kernel: '6.18.2' }, ['kernel 6.18.2 instead of 6.18.1']],
  ['another CRIU', { criu: '4.3' }, ['CRIU 4.3 instead of 4.2.1']],
  ['another runc', { runc: '1.3.6' }, []],
  ['the other cgroup version', { cgroup: 'v1' }, ['cgroup v1 instead of v2']],
  ['a lesser CPU', { cpuFlags: ['fpu', 'sse2'] }, ['the CPU lacks avx, avx2']],
  ['a better CPU', { cpuFlags: ['avx', 'avx2', 'avx512f', 'fpu', 'sse2'] }, []],
  ['a CPU without what only the kernel sees', { cpuFlags: ['avx', 'avx2', 'fpu', 'sse2'] }, []],
  ['a kernel without AppArmor', { lsm: 'capability,landlock' }, ['security module none instead of apparmor']],
  ['another module that labels nothing', { lsm: 'capability,yama,bpf,apparmor' }, []],
  ['several at once', { kernel: '6.1', criu: '3.19' }, ['kernel 6.1 instead of 6.18.1', 'CRIU 3.19 instead of 4.2.1']],
];

describe('what a golden needs of a node', () => {
  it.each(cases)('%s', (_name, changes, reasons) => {
    const node = { ...golden, ...changes };
    expect(reasonsAgainst(golden, node)).toEqual(reasons);
    if (nodeClass(golden) === nodeClass(node)) expect(reasonsAgainst(node, golden)).toEqual([]);
  });

  it('is not refused for what an older worker did not record', () => {
    const old: NodeFingerprint = { arch: 'x64', kernel: '6.18.1', engine: 'criu' };
    expect(reasonsAgainst(old, golden)).toEqual([]);
    expect(reasonsAgainst(golden, old)).toEqual([]);
  });

  it('names a few of many flags', () => {
    const cpuFlags = Array.from({ length: 12 }, (_, index) => `f${index}`);
    const [reason] = reasonsAgainst({ ...golden, cpuFlags }, { ...golden, cpuFlags: [] });
    expect(reason).toBe('the CPU lacks f0, f1, f2, f3, f4, f5, f6, f7 and 4 more');
  });

  it('can be captured there as well, unless architecture or engine differ', () => {
    expect(canCaptureToo(golden, { ...golden, kernel: '7.0', cgroup: 'v1', cpuFlags: [] })).toBe(true);
    expect(canCaptureToo(golden, { ...golden, arch: 'arm64' })).toBe(false);
    expect(canCaptureToo(golden, { ...golden, engine: 'memory' })).toBe(false);
  });
});

describe('a class of nodes', () => {
  it('is the same for what does not count, and another for what does', () => {
    const { runc: _runc, ...rest } = golden;
    expect(nodeClass(rest)).toBe(nodeClass(golden));
    expect(nodeClass({ ...golden, cpuFlags: ['sse2', 'ibpb', 'avx2', 'avx', 'fpu'] })).toBe(nodeClass(golden));
    const others = cases.filter(([, , reasons]) => reasons.length > 0).map(([, changes]) => nodeClass({ ...golden, ...changes }));
    expect(others).not.toContain(nodeClass(golden));
    expect(nodeClass(golden)).toMatch(/^[0-9a-f]{12}$/);
  });
});

describe('what a machine tells of itself', () => {
  it('is its CPU by the names of its architecture, sorted', () => {
    expect(readCpuFlags('processor\t: 0\nflags\t\t: sse2 fpu avx\nbugs\t: x\n\nflags\t: other\n')).toEqual(['avx', 'fpu', 'sse2']);
    expect(readCpuFlags('processor : 0\nFeatures\t: fp asimd aes\n')).toEqual(['aes', 'asimd', 'fp']);
    expect(readCpuFlags('processor : 0\n')).toEqual([]);
    expect(readCpuFlags().length).toBeGreaterThan(0);
  });

  it('is `none` where the kernel lists no security modules', () => {
    expect(readLsm('/nowhere/lsm')).toBe('none');
    expect(readLsm()).toMatch(/^[a-z,_0-9]+$/);
  });
});
