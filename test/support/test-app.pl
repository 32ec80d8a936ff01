# The app that tests run in real containers: one process, HTTP on 0.0.0.0:8080, only perl-base. src/engine/memory simulates the same routes.
#
# Environment: APP_START_MS (how long it initialises), APP_EXIT_CODE (end then, instead of serving).
#   /             {token, counter, hostname, machineId, binding, pid}: the token is made at start, the counter grows with each such answer
#   /exit?code=N  answers, then ends        /print?text=T  writes a line to stdout and one to stderr
#   /alloc?mb=N   keeps N MB of random bytes, of which no two pages are equal
#   /status       /proc/self/status and /proc/self/cgroup
#   /hook         as a hook: keeps what it was sent and whether the token was right; ?status=N answers that, with the body; ?sleepMs=N first
#   /hooks        the hook calls, as JSON   /id            differs between clones; with APP_SAME_ID=1 it is kept from the start, until /hook?reseed=1
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 0 };    # as pid 1 it would ignore them

my $token = join '', map { sprintf '%08x', int rand 2**32 } 1 .. 2;
my ($counter, $id, @heap, @hooks) = (0, $token);

print "token $token\n";
select undef, undef, undef, ($ENV{APP_START_MS} || 0) / 1000;
exit $ENV{APP_EXIT_CODE} if defined $ENV{APP_EXIT_CODE};

my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => 8080, Listen => 128, ReuseAddr => 1)
    or die "can not listen on port 8080: $!";
print "listening\n";

while (1) {
    my $client = $server->accept or next;
    setsockopt $client, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 1, 0);    # a peer that says nothing holds nobody up
    my $line = <$client>;
    my %header;
    while (defined(my $header = <$client>)) {
        last if $header =~ /^\r?\n/;
        $header{lc $1} = $2 if $header =~ /^([^:]+):\s*(.*?)\r?\n/;
    }
    read $client, my $sent = '', $header{'content-length'} // 0;
    my ($path, $query) = ($line // '') =~ m{^\S+ ([^ ?]*)\??(\S*)} or next;
    my %query = map { decode($_) } map { my ($k, $v) = split /=/, $_, 2; ($k, $v // '') } split /&/, $query;
    my ($status, $body) = $path eq '/hook' ? hook($sent, \%header, \%query) : (200, answer($path, \%query));
    print $client "HTTP/1.1 $status Status\r\nContent-Type: application/json\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
    close $client;
    exit($query{code} // 0) if $path eq '/exit';
}

sub answer {
    my ($path, $query) = @_;
    return "bye\n" if $path eq '/exit';
    return slurp('/proc/self/status') . slurp('/proc/self/cgroup') if $path eq '/status';
    if ($path eq '/print') {
        print "stdout $query->{text}\n";
        print STDERR "stderr $query->{text}\n";
        return "printed\n";
    }
    if ($path eq '/alloc') {
        open my $random, '<:raw', '/dev/urandom' or die "no random bytes: $!";
        for (1 .. $query->{mb}) { sysread $random, my $megabyte, 1 << 20; push @heap, $megabyte }
        return "allocated\n";
    }
    return '[' . join(',', @hooks) . "]\n" if $path eq '/hooks';
    return ($ENV{APP_SAME_ID} ? $id : slurp('/run/thaw/identity.json') || $token) . "\n" if $path eq '/id';
    $counter++;
    my ($hostname, $machine_id) = map { s/\s+$//r } slurp('/proc/sys/kernel/hostname'), slurp('/etc/machine-id');
    return qq({"token":"$token","counter":$counter,"hostname":"$hostname","machineId":"$machine_id","pid":$$,"binding":) . binding() . "}\n";
}

# An app that trusts nobody but the engine: a wrong token is refused.
sub hook {
    my ($sent, $header, $query) = @_;
    my $right = ($header->{'thaw-hook-token'} // '') eq (slurp('/run/thaw/hook-token') || 'none');
    push @hooks, qq({"path":"/hook","isTokenRight":) . ($right ? 'true' : 'false') . qq(,"body":) . hide_secrets($sent || 'null') . '}';
    select undef, undef, undef, ($query->{sleepMs} || 0) / 1000;
    return (403, "no token\n") unless $right;
    $id = $1 if $query->{reseed} && $sent =~ /"seed":"([0-9a-f]+)"/;
    return ($query->{status} // 200, $sent);
}

sub binding { return hide_secrets(slurp('/run/thaw/binding.json') || 'null') }

# The binding as it was written, but with the secrets by name only.
sub hide_secrets {
    my ($json) = @_;
    my $string = qr/"(?:[^"\\]|\\.)*"/;
    $json =~ s/("secrets"\s*:\s*)\{((?:\s*$string\s*:\s*$string\s*,?)*)\s*\}/$1 . '[' . names($2, $string) . ']'/e;
    return $json;
}

sub names {
    my ($pairs, $string) = @_;
    my @names;
    push @names, $1 while $pairs =~ /($string)\s*:\s*$string/g;
    return join ',', @names;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return <$file> // '';
}

sub decode {
    my ($text) = @_;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
    return $text;
}
