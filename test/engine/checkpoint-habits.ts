/**
 * What an app can do that a checkpoint has to do with, as Perl that runs before the test app serves. System calls by their numbers on x86_64
 * (asm/unistd_64.h); what is opened stays open.
 */
const unixListener =
  'use Socket; socket our $ul, 1, 1, 0; bind $ul, pack_sockaddr_un("/tmp/u") or die; listen $ul, 5; socket our $uc, 1, 1, 0; connect $uc, pack_sockaddr_un("/tmp/u") or die;';
const udpTo = (host: string) => `socket our $udp, 2, 2, 17; connect $udp, pack("SnC4x8", 2, 9, ${host}) or die "connect: $!"`;
const watch = (path: string) =>
  `{ my $path = "${path}"; our @watchers; push @watchers, syscall 253; syscall(254, $watchers[-1], $path, 0xfff) >= 0 or die "inotify: $!" }`;
const lock = (command: number) =>
  `{ our %locks; open $locks{${command}}, ">", "/tmp/lock${command}" or die; my $lock = pack "ssx4qqlx4", 1, 0, 0, 0, 0; fcntl $locks{${command}}, ${command}, $lock or die "fcntl: $!" }`;

export interface Habit {
  /** Of the finding that stops a checkpoint, or the restore after it. */
  readonly kind: string;
  readonly perl: string;
  /** The dump itself works; no clone of it would. */
  readonly failsAt?: 'restore';
}

/** Each stops a checkpoint by itself. */
export const stopping: Readonly<Record<string, Habit>> = {
  'a Landlock rule set': {
    kind: 'kernel_object',
    perl: 'my $rules = pack "Q", 1; our $fd = syscall 444, $rules, 8, 0; $fd >= 0 or die "landlock: $!"',
  },
  'an MPTCP socket': { kind: 'socket', perl: 'socket our $mptcp, 2, 1, 262 or die "mptcp: $!"' },
  'netlink answers that are not read': {
    kind: 'socket',
    perl: 'socket our $nl, 16, 3, 0; send $nl, pack("LSSLLCCSLLL", 20, 18, 0x301, 1, 0, 0), 0 or die; select my $r = "", undef, undef, 0.2',
  },
  'a corked UDP socket': {
    kind: 'socket',
    perl: `${udpTo('127, 0, 0, 1')}; setsockopt $udp, 17, 1, pack "i", 1 or die; send $udp, "x", 0 or die`,
  },
  'a UDP socket connected to the outside': { kind: 'address', perl: udpTo('8, 8, 8, 8'), failsAt: 'restore' },
  'a socket that listens on its own address only': {
    kind: 'address',
    perl: `${udpTo('8, 8, 8, 8')}; my (undef, undef, @me) = unpack "SnC4", getsockname $udp; close $udp; socket our $tcp, 2, 1, 6; bind $tcp, pack("SnC4x8", 2, 9000, @me) or die; listen $tcp, 5`,
    failsAt: 'restore',
  },
  'a deleted file of 70 MB': {
    kind: 'deleted_file',
    perl: 'open our $file, "+>", "/tmp/big" or die; syscall(285, fileno $file, 0, 0, 70 << 20) == 0 or die "fallocate: $!"; unlink "/tmp/big"',
  },
  'a file whose name is gone while another is left': {
    kind: 'deleted_file',
    perl: 'open our $file, "+>", "/tmp/one" or die; link "/tmp/one", "/tmp/other" or die; unlink "/tmp/one"',
  },
  'a message queue': { kind: 'file', perl: 'my $name = "q"; our $fd = syscall 240, $name, 0102, 0600, 0; $fd >= 0 or die "mq_open: $!"' },
  'a process that is traced': {
    kind: 'tracer',
    perl: 'our $child = fork; if (!$child) { syscall 101, 0, 0, 0, 0; kill 19, $$; sleep 1000; exit } waitpid $child, 3',
  },
  'a unix connection that is closed before it was accepted': { kind: 'socket', perl: `${unixListener} close $uc` },
  'a unix connection that holds data and was not accepted': { kind: 'socket', perl: `${unixListener} syswrite $uc, "x"` },
  'a watch on a file that is mounted by itself': { kind: 'watch', perl: watch('/etc/hosts') },
};

/** Stop a checkpoint where CRIU may not read the limits of other users' processes. */
export const stoppingWithoutSysResource: Readonly<Record<string, Habit>> = {
  'processes of two users': { kind: 'user', perl: 'if (!fork) { $) = "1000 1000"; $( = 1000; ($<, $>) = (1000, 1000); sleep 1000; exit }' },
  'a process that acts as another user for a while': { kind: 'user', perl: '$> = 1000' },
};

/** CRIU would wait for it in vain there. */
export const stoppingOnCgroupV1: Readonly<Record<string, Habit>> = {
  'a process that is stopped': {
    kind: 'stopped',
    perl: 'our $child = fork; if (!$child) { sleep 1000; exit } kill 19, $child; waitpid $child, 2',
  },
};

/** Both ends of a connection. */
export const loopback =
  'our $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:9000", Listen => 5); our $c = IO::Socket::INET->new("127.0.0.1:9000"); our $a = $l->accept or die';

/** Hinder nothing, all at once. */
export const harmless = [
  'open our $flock, ">", "/tmp/flock"; flock $flock, 2 or die',
  lock(6),
  lock(37),
  'open my $new, ">", "/tmp/lease"; close $new; open our $lease, "<", "/tmp/lease"; fcntl $lease, 1024, 0 or die',
  'open our $ghost, "+>", "/tmp/ghost"; print $ghost "x" x 100_000; unlink "/tmp/ghost"',
  'open our $sparse, "+>", "/tmp/sparse"; truncate $sparse, 100 << 20; unlink "/tmp/sparse"',
  '{ my $name = "m"; our $memfd = syscall 319, $name, 0; $memfd >= 0 or die }',
  ...['/etc', '/dev/shm', '/srv', '/srv/test-app.pl', '/tmp'].map(watch),
  loopback,
  'our $waiting = IO::Socket::INET->new("127.0.0.1:9000") or die',
  udpTo('127, 0, 0, 1'),
  'socket our $netlink, 16, 3, 0; bind $netlink, pack "SSLL", 16, 0, 0, 1 or die',
  unixListener,
  'socketpair our $left, our $right, 1, 1, 0; close $right',
  'if (!fork) { exit }',
  'open our $pty, "+<", "/dev/ptmx" or die',
  'open our $random, "<", "/dev/urandom"; open our $null, ">", "/dev/null"',
  'our $child = fork; if (!$child) { exit } our $pidfd = syscall 434, $child, 0; waitpid $child, 0',
  '{ my $context = pack "Q", 0; syscall(206, 10, $context) == 0 or die }',
];

/** The command of a test app that does some of it first. */
export function commandAfter(...perl: string[]): string[] {
  const serve = 'my $app = do { local (@ARGV, $/) = "/srv/test-app.pl"; <> }; eval $app; die $@ if $@';
  return ['/usr/bin/perl', '-e', ['use IO::Socket::INET', '$^F = 1000', ...perl, serve].join(';\n')];
}
