import { createHash } from 'node:crypto';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';

/**
 * Why clones of what was captured on one node can not run on another, in words that follow "can not restore it:"; none when they can. What an
 * older worker did not record is not compared.
 *
 * - Architecture and engine: never.
 * - Kernel and CRIU: any other release counts. What the images hold of the vDSO, of timers and of sockets is in the terms of both, and where
 *   they do not fit it shows in a clone's life and not at its restore. A capture costs one cold start.
 * - cgroup version: the images name the hierarchies that the processes were in.
 * - CPU: programs and libraries choose their code by what they find at their start, so every feature they could see must be there. More does
 *   no harm.
 * - Security module: CRIU refuses images that hold labels of another one. Those that label nothing (landlock, yama, …) do not count.
 * - runc: does not count. It starts and dumps; restores go straight through CRIU.
 */
export function reasonsAgainst(golden: NodeFingerprint, node: NodeFingerprint): string[] {
  return [
    differs('engine', golden.engine, node.engine),
    differs('architecture', golden.arch, node.arch),
    differs('kernel', golden.kernel, node.kernel),
    differs('CRIU', golden.criu, node.criu),
    differs('cgroup', golden.cgroup, node.cgroup),
    lacksFlags(golden.cpuFlags, node.cpuFlags),
    differs('security module', labellingModule(golden.lsm), labellingModule(node.lsm)),
  ].filter((reason) => reason !== undefined);
}

/** Whether the golden's image can be started and captured there as well: that gives a build of its own, whatever else differs. */
export function canCaptureToo(golden: NodeFingerprint, node: NodeFingerprint): boolean {
  return golden.arch === node.arch && golden.engine === node.engine;
}

/** A short name for all nodes between which nothing differs that counts. */
export function nodeClass({ arch, engine, kernel, criu, cgroup, cpuFlags, lsm }: NodeFingerprint): string {
  const counted = [arch, engine, kernel, criu, cgroup, cpuFlags?.filter(isSeenByApps).toSorted(), labellingModule(lsm)];
  return createHash('sha256').update(JSON.stringify(counted)).digest('hex').slice(0, 12);
}

function differs(what: string, wanted: string | undefined, found: string | undefined): string | undefined {
  if (wanted === undefined || found === undefined || wanted === found) return undefined;
  return `${what} ${found} instead of ${wanted}`;
}

const shownFlags = 8;

function lacksFlags(wanted: readonly string[] | undefined, found: readonly string[] | undefined): string | undefined {
  if (wanted === undefined || found === undefined) return undefined;
  const there = new Set(found);
  const missing = wanted.filter((flag) => isSeenByApps(flag) && !there.has(flag));
  if (missing.length === 0) return undefined;
  const more = missing.length > shownFlags ? ` and ${missing.length - shownFlags} more` : '';
  return `the CPU lacks ${missing.slice(0, shownFlags).join(', ')}${more}`;
}

/**
 * Of x86: what the kernel makes up itself (its mitigations and clocks, words 3, 7, 8, 11 and 21 of cpufeatures.h) or uses alone (virtualisation,
 * power, faults, monitoring). It changes with a microcode, a boot option or a hypervisor, and no app can tell.
 */
const kernelsOwn = new Set(
  `acpi amd_ibpb amd_lbr_v2 amd_ppin amd_stibp apic aperfmperf arat arch_capabilities arch_lbr arch_perfmon art auto_ibrs avic bts cat_l2
  cat_l3 cdp_l2 cdp_l3 constant_tsc cpb cpuid cpuid_fault cqm cqm_llc cqm_mbm_local cqm_mbm_total cqm_occup_llc cr8_legacy dca de debug_swap
  decodeassists ds_cpl dtes64 dtherm dts ept ept_ad epb est extapic extd_apicid flexpriority flush_l1d flushbyasid hfi hw_pstate hwp
  hwp_act_window hwp_epp hwp_notify hwp_pkg_req hypervisor ibpb ibpb_exit_to_user ibrs ibrs_enhanced ibs ida intel_ppin intel_pt invpcid_single
  irperf lbrv mba mca mce md_clear mtrr nonstop_tsc nonstop_tsc_s3 nopl npt nrip_save osvw pae pat pbe pdcm pebs perfctr_core perfctr_llc
  perfctr_nb perfmon_v2 pge pln proc_feedback pse pse36 ptsc pti pts rdt_a rep_good rrsba_ctrl sdbg sep sev sev_es skinit smap smca smep sme
  sev_snp split_lock_detect ss ssbd stibp stibp_always_on succor svm svm_lock tce tm tm2 topoext tpr_shadow tsc_adjust tsc_deadline_timer
  tsc_known_freq tsc_reliable tsc_scale v_spec_ctrl v_vmsave_vmload vgif virt_ssbd vmcb_clean vme vmmcall vmx vnmi vpid wdt
  x2apic x2avic xtopology xtpr`.split(/\s+/),
);

function isSeenByApps(flag: string): boolean {
  return !kernelsOwn.has(flag);
}

/** The one of a kernel's security modules that gives processes a label, which is what CRIU dumps. */
function labellingModule(lsm: string | undefined): string | undefined {
  if (lsm === undefined) return undefined;
  return lsm.split(',').find((name) => name === 'apparmor' || name === 'selinux' || name === 'smack') ?? 'none';
}
