# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# VXLAN over IPv4 and IPv6 between two namespaces, on whatever kernel runs, over a wire that copies
# bytes.

. testing/tunnels.sh

kind=vxlan

test_every_packet()
{
	two_nodes
	every_packet 6400
}

# Counters, and packets of others, VXLAN ones of another VNI among them.
test_others_and_counters()
{
	two_nodes
	on a sh -ec 'ip link add vxother type vxlan id 45 remote 192.0.2.2 dstport 4789
		ip link set vxother multicast off addrgenmode none; ip link set vxother up'
	check on a "$TOOL" load vx4
	pass udp:640 4 4 inner
	others_pass 10000 eth0
	outside 4
	through a b --way udp --dev vxother --src 10.1.0.1 --dst 10.1.0.2 --dscp 46 --count 100 \
		--eth-dst 02:00:00:00:00:01 "${outside[@]}" --expect 0
	# The 640 and the marker behind them.
	[ "$(counter a vx4 counters.egress.seen)" = 641 ]
	[ "$(counter a vx4 'counters.egress|.seen-.marked-.unchanged-.unknown.total')" = 0 ]
	[ "$(counter a vx4 'counters.egress|.seen-([.dscp[]]|add)')" = 0 ]
	[ "$(counter a vx4 counters.egress.dscp.EF)" = 10 ]
}

test_policy_on_the_wire()
{
	local map

	two_nodes
	# Privacy: only EF shows.
	check on a "$TOOL" load vx4 --egress-map '*=CS0,EF=EF'
	map=$(for d in $(seq 0 63); do [ "$d" = 46 ] && echo 46 || echo 0; done | paste -sd,)
	pass udp:640 4 4 inner --map "$map"
	check on a "$TOOL" load vx4 --egress-map 'EF=AF41,32-63=keep,NQB=1'
	map=$(for d in $(seq 0 63); do
		case $d in
		45) echo 1 ;; # said last
		*) if [ "$d" -ge 32 ]; then echo 0; else echo "$d"; fi ;;
		esac
	done | paste -sd,)
	pass udp:640 4 4 inner --map "$map"
	check on a "$TOOL" load vx4 --outer-dscp AF21
	pass udp:640:1 4 4 18 --ecn 1
	pass ping 4 6 18 --ecn 0
	check on a "$TOOL" unload vx4
	pass udp:640 4 4 none --ecn 0
}
