# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# A loaded tunnel is changed while packets pass: none of them is without its DSCP.

. testing/tunnels.sh

kind=vxlan

# lone_node over a wire to b that copies bytes, and with two more uplinks
two_nodes_and_uplinks()
{
	lone_node
	node_add_netns b
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'ip link del eth0; for n in 1 2; do
			ip link add eth$n type veth peer name other$n; ip link set eth$n up
		done'
	wire_netns a b
	uplink a 1
	uplink b 2
	vxlan b 2 1
	check on a "$TOOL" load vx4
}

# At each point of each change: another size of the map of flows, which exchanges the programs;
# another uplink; another policy for one DSCP; another direction.
test_each_point()
{
	two_nodes_and_uplinks
	thin 4 32
	change_once same same load vx4 --flows 131072
	change_once same same load vx4 --uplink eth0 --uplink eth1
	change_once same 0=8 load vx4 --egress-map CS0=CS1
	change_once 0=8 0=46 load vx4 --egress-map CS0=EF
	change_once 0=46 same load vx4 --direction both
	change_once same same load vx4 --direction both --flows 65536
	change_once same same load vx4
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
}

reload_all()
{
	local n map last=100 marks=(CS1 EF keep) maps=(0=8 0=46 same)

	! short_form || last=24
	for n in $(seq $last); do
		map=same
		case $((n % 4)) in
		0) check on a "$TOOL" load vx4 --flows $((65536 << (n / 4 % 2))) ;;
		1) check on a "$TOOL" load vx4 --uplink eth0 --uplink "eth$((n / 4 % 2 + 1))" ;;
		2)
			check on a "$TOOL" load vx4 --egress-map "CS0=${marks[n / 4 % 3]}"
			map=${maps[n / 4 % 3]}
			;;
		3) check on a "$TOOL" load vx4 --direction both ;;
		esac
		probed 10.0.4.2 "$map"
	done
}

# The same changes 100 times, with all DSCPs in between
test_hundred_reloads()
{
	two_nodes_and_uplinks
	reload_all
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
}
