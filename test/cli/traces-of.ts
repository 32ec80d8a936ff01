import { spawnSync } from 'node:child_process';

/** What the system's own tools find of a Thaw: links, network namespaces, tables, cgroups, mounts, processes, files. */
export function tracesOf(tag: string, dataDir: string): string[] {
  const looks = [`ip -o link`, 'ip netns list', 'nft list tables', 'find /sys/fs/cgroup -maxdepth 2 -type d', 'mount', `ls -d ${dataDir}`];
  return [...looks, 'ps -eww -o args'].flatMap((command) => {
    const [program = '', ...args] = command.split(' ');
    const lines = spawnSync(program, args, { encoding: 'utf8' }).stdout.split('\n');
    return lines.filter((line) => line.includes(`thaw-${tag}`) || line.includes(`thaw_${tag}`) || line.includes(dataDir));
  });
}
