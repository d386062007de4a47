# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# VXLAN, outer to inner, on whatever kernel runs, over a wire that copies bytes. Only the method "tc"
# serves it.

. testing/tunnels.sh

kind=vxlan

# The harness itself: without the tool on b nothing of the DSCP gets inside.
test_without_ingress_all_is_unmarked()
{
	two_nodes
	bleached a
	through_where '.ok and .unmarked == 630 and .right == 10' a b --dst "$(inner 4 6 2)" \
		--unmarked-ok --ecn 0
	outside 4
	through_where '.ok and .data == 640 and (.outer_dscp | length == 64 and all(. == 10))' a b \
		--dst "$(inner 4 6 2)" --expect none "${outside[@]}"
	comes_out udp:640 6 4 --unmarked-ok --ecn 0 --l4
	stream_comes_out 6 6 46 --unmarked-ok
}

# The settings in force for a tunnel of b are those that were counted.
test_every_packet()
{
	local o i before

	two_nodes
	bleached a
	loads b tc
	for o in 4 6; do
		arrives_counted $o 6400 4 6
		for i in 4 6; do
			comes_out udp:640 $o $i --ecn 0 --l4
			comes_out ping $o $i --ecn 0
			comes_out esp $o $i --ecn 0
			comes_out frag $o $i --ecn 0
			stream_comes_out $o $i 46
			stream_comes_out $o $i 8
		done
	done
	ecn_is_not_ours
	# The program that takes the DSCP away does so in foreign packets too.
	check on a tc filter del dev eth0 egress prio 65535
	others_are_untouched
}

test_both_directions()
{
	two_nodes
	bleached a
	bleached b
	for o in 4 6; do
		check on a "$TOOL" load vx$o --direction both
		check on b "$TOOL" load vx$o --direction both
	done
	crossing
}

test_policy()
{
	two_nodes
	bleached a
	loads b tc --ingress-map '*=CS0,EF=EF'
	through_where '.ok and .dscp == {"0":630,"46":10}' a b --dst "$(inner 4 4 2)" --unmarked-ok
	loads b tc --ingress-map 'EF=AF41,CS7=keep'
	through_where '.wrong_dscp == 20 and .right == 620 and .dscp["34"] == 20 and
		.dscp["46"] == null and .dscp["56"] == null and .dscp["0"] == 20' a b \
		--dst "$(inner 6 4 2)"
	check on b "$TOOL" unload --all
	through_where '.ok and .unmarked == 630' a b --dst "$(inner 6 6 2)" --unmarked-ok
}

test_beside_shaping()
{
	local o i

	two_nodes long_wire
	bleached a
	loads b tc
	splitting_shaper
	for o in 4 6; do
		for i in 4 6; do
			split_stream $o $i 46
			split_stream $o $i 8
		done
		arrives_counted $o 640 4 6
	done
	ecn_is_not_ours
}

# Frames from c to the bridge of b go to vx4 by the shortcut between two VXLANs of one machine: they have no
# outer header, and in front of them are bytes that other packets have left in memory.
shortcut_from_c()
{
	node_add_netns c
	check ip link add pc netns b type veth peer name eth0 netns c
	on b sh -ec 'ip link add bridge0 type bridge
		ip link add vx8 type vxlan id 8 dstport 4789 local 192.0.2.2 nolearning
		for dev in bridge0 vx8 pc; do
			ip link set $dev multicast off addrgenmode none mtu 1400
		done
		ip link set vx8 master bridge0 up
		ip link set pc master bridge0 up
		ip link set bridge0 up'
	on c sh -ec 'ip link set eth0 addrgenmode none mtu 1400 up
		ip address add 10.0.4.3/24 dev eth0
		ip neighbour add 10.0.4.2 lladdr "$0" dev eth0' "$(mac b vx4)"
	on b sh -ec 'bridge fdb append "$0" dev vx8 dst 192.0.2.2 vni 44
		bridge fdb append "$1" dev vx4 dst 192.0.2.2 vni 8
		ip neighbour add 10.0.4.3 lladdr "$1" dev vx4' "$(mac b vx4)" "$(mac c eth0)"
}

test_shortcut_is_unknown()
{
	local before

	two_nodes long_wire
	bleached a
	loads b tc
	splitting_shaper
	shortcut_from_c
	for _ in 1 2 3 4; do
		split_stream 4 4 46
		before=$(counters vx4)
		through c b --way tcp --src 10.0.4.3 --dst 10.0.4.2 --dscp 0 --expect 0 --bytes 1000000 \
			--at vx4
		jq -ne --argjson was "$before" --argjson now "$(counters vx4)" \
			'$now.marked == $was.marked and $now.unknown.total - $was.unknown.total > 600' >/dev/null ||
			fail "counted: $before, then $(counters vx4)"
	done
}

# The packets of the stream die at ifb0, one after another, and leave note and header to packets that are
# made at that moment.
test_shortcut_beside_a_stream()
{
	local pid

	two_nodes long_wire
	bleached a
	loads b tc
	splitting_shaper
	shortcut_from_c
	background "$wire" through a b --way tcp --src "$(inner 4 4 1)" --dst "$(inner 4 4 2)" --dscp 46 \
		--expect 46 --dport 5002 --bytes 20000000 --at vx4 --unmarked-ok
	pid=$!
	for _ in 1 2 3 4; do
		through c b --way tcp --src 10.0.4.3 --dst 10.0.4.2 --dscp 0 --expect 0 --bytes 4000000 --at vx4
	done
	wait $pid || fail "the stream from a to b"
}

# A filter behind ingress_outer that accepts packets takes the stamp of their arrival away.
test_accepted_behind_the_program()
{
	local o

	two_nodes
	bleached a
	check on b tc qdisc add dev eth0 clsact
	check on b tc filter add dev eth0 ingress prio 50 bpf da obj testing/bpf/neighbour.bpf.o \
		sec tc/neighbour_pass
	loads b tc --attach clsact
	for o in 4 6; do
		arrives_counted $o 640 4 6
		stream_comes_out $o 4 46
	done
}
