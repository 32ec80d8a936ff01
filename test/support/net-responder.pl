# Listens on every `tcp:ADDRESS:PORT` and `udp:ADDRESS:PORT` given, prints "ready", and tells whoever comes the address it comes from.
# Each datagram is printed too: `datagram FROM PAYLOAD`.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

$| = 1;
my $select = IO::Select->new;
for (@ARGV) {
  my ($protocol, $address, $port) = split /:/;
  my @listen = $protocol eq 'tcp' ? (Listen => 64, ReuseAddr => 1) : ();
  my $socket = IO::Socket::INET->new(Proto => $protocol, LocalAddr => $address, LocalPort => $port, @listen) or die "$_: $@";
  $select->add($socket);
}
print "ready\n";

while (my @ready = $select->can_read) {
  for my $socket (@ready) {
    if ($socket->socktype == SOCK_STREAM) {
      my $peer = $socket->accept or next;
      print $peer $peer->peerhost, "\n";
      close $peer;
    } else {
      defined $socket->recv(my $payload, 512) or next;
      my $from = $socket->peerhost;
      print "datagram $from $payload\n";
      $socket->send("$from\n");
    }
  }
}
