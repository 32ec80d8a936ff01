# Makes the network namespace of one instance and its way to the bridge. One script, because it is on the restore path: starting a program
# from Node costs three times what it costs from here.
# Arguments: NAMESPACE PORT BRIDGE ADDRESS PREFIX_BITS MAC GATEWAY
set -eu
namespace=$1 port=$2 bridge=$3 address=$4 bits=$5 mac=$6 gateway=$7

# A port talks to the bridge alone (isolated), gets no packet that is meant for others (no flooding) and can not take another's place: the
# bridge learns no hardware address from it, and the host asks for none. Both are told. (Should an admin take the bridge down, the host
# forgets, and asks by broadcast after all: the firewall lets only the right one answer.)
ip -batch - <<END
netns add $namespace
link add $port type veth peer name eth0 address $mac netns $namespace
link set $port master $bridge
link set $port up type bridge_slave isolated on learning off flood off mcast_flood off
neigh replace $address lladdr $mac dev $bridge nud permanent
END
if [ -e /proc/sys/net/ipv6/conf ]; then echo 1 >"/proc/sys/net/ipv6/conf/$port/disable_ipv6"; fi

bridge fdb replace "$mac" dev "$port" master static &
told=$!

# Low ports are free inside, as under Docker: an image's unprivileged user may listen on 80, and a clone may do so again after its restore.
nsenter --net="/run/netns/$namespace" sh -eu <<END
cd /proc/sys/net
if [ -e ipv6/conf ]; then echo 1 >ipv6/conf/all/disable_ipv6; fi
echo 0 >ipv4/ip_unprivileged_port_start
exec ip -batch - <<END_OF_BATCH
link set lo up
addr add $address/$bits dev eth0
link set eth0 up
route add default via $gateway
END_OF_BATCH
END
wait "$told"
