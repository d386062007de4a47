# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Uplinks are found as the kernel finds its way: VXLANs between two nodes that two wires join, and
# routes that depend on more than the destination. Each packet is judged on the wire by which it leaves.
# Other kinds have the same look-ups: testing/unit/test_uplinks.c.

. testing/tunnels.sh

kind=vxlan

# Two providers: node a has an address of each, eth0 and eth1, and behind both of b there is the peer,
# 203.0.113.9 and 2001:db8:9::1. Nothing is on the wires but the test's packets.
two_providers()
{
	required
	node_add_netns a
	node_add_netns b
	wire_netns a b
	wire_netns a b eth1
	provider eth0 192.0.2 2001:db8
	provider eth1 198.51.100 2001:db8:2
}

# provider DEV NET4 NET6
provider()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'ip link set "$0" addrgenmode none
		ip address add "$1.1/24" dev "$0"; ip address add "$2::1/64" dev "$0" nodad
		ip neighbour add "$1.2" lladdr "$3" dev "$0"; ip neighbour add "$2::2" lladdr "$3" dev "$0"' \
		"$1" "$2" "$3" "$(mac b "$1")"
}

# vxlan_of OPTIONS: vx4 on a; the one of b is not there, and need not be
vxlan_of()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'ip link add vx4 address 02:00:00:00:04:01 type vxlan id 44 dstport 4789 "$@"
		ip link set vx4 multicast off addrgenmode none mtu 1400 up
		ip address add 10.0.4.1/24 dev vx4
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4' sh "$@"
}

# leaves_by DEV SOURCE [EXPECT]: every packet leaves by that device from that address, and is marked
leaves_by()
{
	through a b --dst 10.0.4.2 --at "$1" --tunnel vxlan --from "$2" --port 4789 --count 64 \
		--expect "${3:-inner}"
}

# picked DEV...: these are the uplinks, and all is well
picked()
{
	on a "$TOOL" status vx4 --json | jq -e --arg devs "$*" '.tunnels[0] | .healthy and
		([.hooks[] | select(.program == "egress_outer") | .dev] | sort | join(" ")) == $devs'
}

# A rule for the address of the second provider, which is the tunnel's.
test_rule_by_source()
{
	two_providers
	on a sh -ec 'ip route add default via 192.0.2.2
		ip route add default via 198.51.100.2 table 100; ip rule add from 198.51.100.1 lookup 100'
	vxlan_of local 198.51.100.1 remote 203.0.113.9
	leaves_by eth1 198.51.100.1 0
	check on a "$TOOL" load vx4
	picked eth1
	leaves_by eth1 198.51.100.1
	on a ip rule del from 198.51.100.1 lookup 100
	check_exit 4 on a "$TOOL" status vx4
	grep 'packets of vx4 now leave by eth0: reload it' <<<"$OUTPUT"
	check on a "$TOOL" reload
	picked eth0
	leaves_by eth0 198.51.100.1
	on a ip address del 198.51.100.1/24 dev eth1
	check_exit 2 on a "$TOOL" load vx4
	grep 'vx4: no uplink found: no device has its local address (say --uplink' \
		<<<"$OUTPUT"
}

# The protocol and the port, too.
test_rule_by_port()
{
	two_providers
	on a sh -ec 'ip route add default via 192.0.2.2
		ip route add default via 198.51.100.2 table 100
		ip rule add ipproto 17 dport 4789 lookup 100'
	vxlan_of remote 203.0.113.9
	check on a "$TOOL" load vx4
	picked eth1
	leaves_by eth1 198.51.100.1
}

# IPv6 as routers have it: a default route is for the addresses of its provider. The socket has none yet.
test_route_for_one_source()
{
	two_providers
	on a ip -6 route add default from 2001:db8:2::/48 via 2001:db8:2::2 dev eth1 ||
		skip "no routes for a source (CONFIG_IPV6_SUBTREES)"
	on a ip -6 address del 2001:db8::1/64 dev eth0
	vxlan_of remote 2001:db8:9::1
	leaves_by eth1 2001:db8:2::1 0
	check on a "$TOOL" load vx4
	picked eth1
	leaves_by eth1 2001:db8:2::1
	# As monitor does it.
	check on a "$TOOL" reload
	check on a "$TOOL" unload vx4
	# With the address as its own.
	on a ip link del vx4
	vxlan_of local 2001:db8:2::1 remote 2001:db8:9::1
	check on a "$TOOL" load vx4
	leaves_by eth1 2001:db8:2::1
}

# Peers that are in the forwarding database only, and entries that come to be there.
test_peers_in_the_fdb()
{
	two_providers
	on a ip route add default via 198.51.100.2
	vxlan_of nolearning
	on a bridge fdb append 02:00:00:00:04:02 dev vx4 dst 192.0.2.2
	leaves_by eth0 192.0.2.1 0
	check on a "$TOOL" load vx4
	picked eth0
	leaves_by eth0 192.0.2.1
	on a bridge fdb replace 02:00:00:00:04:02 dev vx4 dst 203.0.113.9
	check_exit 4 on a "$TOOL" status vx4
	grep 'packets of vx4 now leave by eth1: reload it' <<<"$OUTPUT"
	start_monitor a --interval 1
	retry_until picked eth1
	leaves_by eth1 198.51.100.1
	on a bridge fdb append 02:00:00:00:04:03 dev vx4 dst 192.0.2.2
	retry_until picked eth0 eth1
	leaves_by eth1 198.51.100.1
	stop_background "$monitor"
}

# Each packet has its way, and when one is gone the others take it.
test_several_next_hops()
{
	two_providers
	on a ip route add 203.0.113.9 nexthop via 192.0.2.2 nexthop via 198.51.100.2 ||
		skip "this kernel has no multipath routes"
	vxlan_of local 192.0.2.1 remote 203.0.113.9
	check on a "$TOOL" load vx4
	picked eth0 eth1
	on a ip route replace 203.0.113.9 via 198.51.100.2
	leaves_by eth1 192.0.2.1
	on a ip route replace 203.0.113.9 via 192.0.2.2
	leaves_by eth0 192.0.2.1
	check on a "$TOOL" status vx4
}

# Nobody to send to yet: default routes, but not in tables for other traffic.
test_no_peer_yet()
{
	two_providers
	on a ip route add default via 198.51.100.2 table 100
	vxlan_of nolearning
	check_exit 2 on a "$TOOL" load vx4
	grep 'vx4: no uplink found: it has no peer.s address, and there is no default route' <<<"$OUTPUT"
	on a ip route add default via 192.0.2.2
	check on a "$TOOL" load vx4
	picked eth0
	on a ip rule add fwmark 7 lookup 100
	check on a "$TOOL" reload
	picked eth0
	on a bridge fdb append 02:00:00:00:04:02 dev vx4 dst 203.0.113.9
	leaves_by eth0 192.0.2.1
	check on a "$TOOL" unload vx4
	on a ip link del vx4
	# By the device that has its address.
	vxlan_of nolearning local 198.51.100.1
	check on a "$TOOL" load vx4
	picked eth1
}

# A peer without a route has its name, and one that is this machine too.
test_ways_to_nowhere()
{
	two_providers
	vxlan_of remote 203.0.113.9
	check_exit 2 on a "$TOOL" load vx4
	grep 'vx4: no uplink found: no way to 203.0.113.9: Network is unreachable (say --uplink DEV)' <<<"$OUTPUT"
	on a ip link del vx4
	vxlan_of remote 192.0.2.1
	check_grep 'warning: vx4: the route to 192.0.2.1 leads to this machine itself \(lo\)' \
		on a "$TOOL" load vx4
}
