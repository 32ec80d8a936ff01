# DEADLINE_MS FROM TARGET…: asks every `tcp:ADDRESS:PORT` and `udp:ADDRESS:PORT` at once, from the address FROM (0.0.0.0: any), and
# prints `TARGET ANSWER` for each that answers. Ends when all have, or at the deadline.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my $rounds = shift(@ARGV) / 50; # ms; perl-base has no finer clock
my $from = shift @ARGV;
my ($asking, %target) = (IO::Select->new);
for my $target (@ARGV) {
  my ($protocol, $address, $port) = split /:/, $target;
  my @ends = (LocalAddr => $from, PeerAddr => $address, PeerPort => $port);
  my $socket = IO::Socket::INET->new(Proto => $protocol, @ends, Blocking => 0) or next;
  if ($protocol eq 'udp') { $socket->send("from $from") or next }
  $target{$socket} = $target;
  $asking->add($socket);
}
while ($asking->count and $rounds-- > 0) {
  for my $socket ($asking->can_read(0.05)) {
    my $answered = sysread $socket, my $answer, 512;
    print "$target{$socket} $answer" if $answered;
    $asking->remove($socket);
  }
}
