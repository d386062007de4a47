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
		obj dscp-tool/dscp_egress.bpf.o sec "tc/$3"
}

test_tc_loads_the_object()
{
	required
	node_add_netns a
	node_add_netns b
	wire_netns a b
	uplink a 1
	uplink b 2
	vxlan a 1 2
	vxlan b 2 1
	retry_until 20 on a ping -c 1 -W 2 10.0.4.2
	plain_tc vx4 2 egress_inner
	plain_tc eth0 1 egress_outer
	pass udp:6400 4 4 inner --ecn 0 --each 100
	pass ping 4 6 inner --ecn 0 --each 10
	pass udp:640:3 4 6 inner --ecn 2 --each 10
	# The other tunnel has no program of ours.
	pass udp:640 6 4 none --ecn 0 --each 10
	check on a ls /sys/fs/bpf/tc/globals/flows /sys/fs/bpf/tc/globals/recent
	# The tool beside it.
	check_grep 'no tunnel is loaded' on a "$TOOL" status
}
