import { readFileSync } from 'node:fs';

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), in what Thaw asks of it. */
export interface Mount {
  readonly mountPoint: string;
  /** `overlay`, `tmpfs`, `cgroup2`, … */
  readonly type: string;
  /** What the file system was mounted from; any word for those without a device. */
  readonly source: string;
  /** Of the file system, not of this mount: `lowerdir=…` of an overlay, a version 1 hierarchy's controllers. */
  readonly options: readonly string[];
}

/** The mounts of this mount namespace, in the order they were made. */
export function readMounts(text = readFileSync('/proc/self/mountinfo', 'utf8')): Mount[] {
  return text.split('\n').flatMap((line) => {
    // Fields before the separator vary in number: optional ones end the first half.
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = before.split(' ')[4];
    const [type, source = '', options = ''] = after.split(' ');
    if (mountPoint === undefined || type === undefined || type === '') return [];
    return [{ mountPoint: unescapeOctal(mountPoint), type, source: unescapeOctal(source), options: options.split(',').map(unescapeOctal) }];
  });
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
