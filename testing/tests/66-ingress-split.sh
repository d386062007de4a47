# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Outer to inner in other tunnels than VXLAN, behind a shaper that splits merged packets: no
# segment has a note, and each has its outer header in front. VXLAN is in 65-ingress-vxlan.

. testing/tunnels.sh

# tunnel FAMILY: all of them have this name
tunnel() { echo t0; }

# split_stream finds the inner addresses by the first argument.
inner() { printf '%s%s\n' "$([ "$2" = 4 ] && echo 10.0.4. || echo fd00:4::)" "$3"; }

# split KIND-ARGUMENTS INNER-FAMILY...: a tunnel t0 of that kind
split()
{
	local i

	nothing_may_be_missing
	node_add_netns a
	node_add_netns b
	wired_uplinks long_wire
	make_tunnel "$1"
	check on a "$TOOL" load t0
	# Where egress_inner is not, the DSCP is taken away behind egress_outer.
	behind a eth0 bleach_inside
	check on b "$TOOL" load t0 --direction ingress --uplink eth0
	splitting_shaper
	for i in "${@:2}"; do
		split_stream 4 "$i" 46
		split_stream 4 "$i" 8
	done
}

ends4='local 192.0.2.%own remote 192.0.2.%peer' ends6='local 2001:db8::%own remote 2001:db8::%peer'

test_geneve_over_ipv4() { split "$mac_arg type geneve id 7 remote 192.0.2.%peer" 4 6; }
test_geneve_over_ipv6() { split "$mac_arg type geneve id 7 remote 2001:db8::%peer" 4 6; }
test_gre() { split "type gre $ends4" 4 6; }
test_gretap_key() { split "$mac_arg type gretap $ends4 key 99" 4 6; }
test_ip6gre() { split "type ip6gre $ends6 encaplimit none" 4 6; }
test_ip6gretap() { split "$mac_arg type ip6gretap $ends6 key 5 encaplimit none" 4 6; }
test_ipip() { split "type ipip $ends4" 4; }
test_sit() { split "type sit $ends4" 6; }
test_ip6tnl() { split "type ip6tnl mode any $ends6 encaplimit none" 4 6; }
