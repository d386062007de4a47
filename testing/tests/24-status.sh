# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# What status says of the surroundings of our programs.

. testing/tunnels.sh

kind=vxlan

ahead() { on a "$TOOL" status vx4 --json | jq -c ".tunnels[0].hooks[] | select(.program == \"$1\") | .ahead"; }

# Of one priority the newest filter runs first (cls_bpf_change()).
test_who_is_in_front()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both --attach clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	[ "$(ahead ingress_inner)" = '[]' ]
	jq -e 'length == 1 and .[0].name == "foreign" and .[0].attach == "clsact" and
		.[0].priority == 1 and .[0].prog_id > 0' <<<"$(ahead egress_outer)"
	check_grep 'before it +foreign, clsact, priority 1, id [0-9]+ ' on a "$TOOL" status vx4
	# Of those behind it nothing is said.
	check on a tc filter del dev eth0 egress pref 1 handle 7 bpf
	check on a tc filter add dev eth0 egress pref 9 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	[ "$(ahead egress_outer)" = '[]' ]
}

# The order in which TCX, and clsact after it, run them.
test_tcx_goes_first()
{
	lone_node
	on a "$TOOL" features --json | jq -e .features.tcx || skip "no TCX in this kernel"
	check on a tc qdisc add dev eth0 clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	check on a "$TOOL" load vx4
	[ "$(ahead egress_outer)" = '[]' ]
}

test_qdisc_of_the_uplink()
{
	lone_node
	check on a tc qdisc replace dev eth0 root pfifo
	check on a "$TOOL" load vx4
	check_grep 'eth0 egress: egress_outer, .* ok, then qdisc pfifo$' on a "$TOOL" status
	[ "$(on a "$TOOL" status --json | jq -r '.tunnels[0].hooks[] | select(.qdisc) | .qdisc')" = \
		pfifo ]
}

# All hooks are alive, but the packets have gone elsewhere.
test_route_moved()
{
	lone_node
	check on a "$TOOL" load vx4
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		ip link set peer1 up; ip route add 192.0.2.2/32 dev eth1'
	check_exit 4 on a "$TOOL" status vx4
	grep 'packets of vx4 now leave by eth1: reload it' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" load vx4
	check on a "$TOOL" status vx4
	# Who has named it knows better.
	check on a "$TOOL" load vx4 --uplink eth0
	check on a "$TOOL" status vx4
	# Without a route nothing leaves.
	check on a "$TOOL" load vx4
	on a sh -ec 'ip route del 192.0.2.2/32 dev eth1; ip address flush dev eth0'
	check on a "$TOOL" status vx4
}
