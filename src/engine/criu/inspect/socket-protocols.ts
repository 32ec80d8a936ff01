import { run } from '#src/platform/subprocess.ts';
import type { InspectedProcess } from './read-process.ts';

/** getxattr(path, "system.sockprotoname"), which Node has no call for; perl-base is always there on Debian. Paths in, a name a line out. */
const script = `
my $getxattr = shift;
while (my $path = <STDIN>) {
  chomp $path;
  my ($name, $value) = ("system.sockprotoname", "\\0" x 64);
  my $length = syscall $getxattr, $path, $name, $value, 64;
  print $length > 0 ? unpack("Z*", substr $value, 0, $length) : "", "\\n";
}`;
/** Of asm/unistd.h. */
const getxattr = process.arch === 'arm64' ? 8 : 191;

/** By inode, the name of each socket's protocol as the kernel knows it: TCP, UDPv6, UNIX-STREAM, NETLINK, MPTCP, ALG, … */
export async function readSocketProtocols(processes: readonly InspectedProcess[]): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const { pid, files } of processes) {
    for (const { link, fd } of files) {
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode !== undefined) paths.set(inode, `/proc/${pid}/fd/${fd}`);
    }
  }
  if (paths.size === 0) return new Map();
  const { stdout } = await run(['perl', '-e', script, String(getxattr)], {
    timeoutMs: 10_000,
    input: `${[...paths.values()].join('\n')}\n`,
  });
  const names = stdout.split('\n');
  return new Map([...paths.keys()].map((inode, at) => [inode, names[at] ?? '']));
}
