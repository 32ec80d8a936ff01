import { capabilities } from '#src/engine/criu/oci-spec.ts';

/** Of linux/capability.h, for what our instances may have. */
const bits: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
  CAP_SYS_CHROOT: 18,
  CAP_SETFCAP: 31,
};

/** The capabilities of our own instances as the two words of 32 bits in which the kernel and CRIU keep them. */
export const capabilityBits: readonly [number, number] = [capabilities.reduce((word, name) => (word | (1 << bitOf(name))) >>> 0, 0), 0];

function bitOf(name: string): number {
  const bit = bits[name];
  if (bit === undefined) throw new Error(`no bit is known for ${name}`);
  return bit;
}
