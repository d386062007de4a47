# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The object loaded by tc, without the tool and with nothing configured.

. testing/tunnels.sh

kind=vxlan

# plain_tc DEV PRIORITY PROGRAM
plain_tc()
{
	check on a tc qdisc add dev "$1" clsact
	check on a tc filter add dev "$1" egress prio "$2" bpf da \
		obj dscp-tool/bpf/dscp_egress.bpf.o sec "tc/$3"
}

test_tc_loads_the_object()
{
	two_nodes
	plain_tc vx4 2 egress_inner
	plain_tc eth0 1 egress_outer
	pass udp:6400 4 4 inner --ecn 0
	pass ping 4 6 inner --ecn 0
	pass udp:640:3 4 6 inner --ecn 2
	# The other tunnel has none of our programs.
	pass udp:640 6 4 none --ecn 0
	check on a ls /sys/fs/bpf/tc/globals/stamps /sys/fs/bpf/tc/globals/stamp_cache
	# The tool beside it.
	check_grep 'no tunnel is loaded' on a "$TOOL" status
}

#
# Outer to inner: a marks outside and bleaches inside, b has nothing but two filters, or one
#

# two_ends: with tunnels of that kind; packets that a sends are marked outside only
two_ends()
{
	two_nodes
	bleached a
}

# plain_in DEV OBJECT PROGRAM: at ingress of b
plain_in()
{
	check on b tc qdisc add dev "$1" clsact
	check on b tc filter add dev "$1" ingress bpf da \
		obj "dscp-tool/bpf/dscp_$2.bpf.o" sec "tc/$3"
}

# Without a policy CS0 is kept, and all else copied.
marked_inside()
{
	arrives 4 4 1280
	arrives 4 6 1280 2
	comes_out ping 4 4 --ecn 0
	stream_comes_out 4 6 46
}

test_ingress_by_tc()
{
	two_ends
	plain_in eth0 ingress ingress_outer
	plain_in vx4 ingress ingress_inner
	plain_in vx6 ingress ingress_inner
	marked_inside
	# Not VXLAN's port: nobody has told the programs of it.
	through_where '.ok and .right == 10 and .unmarked == 630' a b --dst "$(inner 6 4 2)" \
		--unmarked-ok
	check on b ls /sys/fs/bpf/tc/globals/notes
	check_grep 'no tunnel is loaded' on b "$TOOL" status
}

# wireguard_ends: the same, where the kernel has it
wireguard_ends()
{
	kind=wireguard
	node_add_netns probe
	on probe ip link add wg0 type wireguard || skip "this kernel has no WireGuard"
	wireguard_keys
	two_ends
}

test_ingress_of_wireguard_by_tc()
{
	wireguard_ends
	plain_in eth0 ingress ingress_outer
	plain_in wg4 ingress ingress_inner
	marked_inside
}

test_ingress_of_wireguard_by_peek()
{
	can co_re || skip "the BPF compiler lacks CO-RE"
	wireguard_ends
	plain_in wg4 ingress_peek ingress_inner
	marked_inside
	[ -z "$(on b tc filter show dev eth0 ingress 2>/dev/null)" ]
}
