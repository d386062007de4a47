# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# VXLAN, outer to inner, on whatever kernel runs, over a wire that copies bytes. Only the way "tc"
# serves it.

. testing/tunnels.sh

kind=vxlan

# The harness itself: without the tool on b nothing of the mark gets inside.
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

# What is in force for a tunnel of b is what was counted.
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

# A shaper on an ifb behind the program at the uplink, as of sqm-scripts. Like CAKE, tbf splits what is
# longer than its burst, and then each segment has an skb that the program has not seen.
splitting_shaper()
{
	on b sh -ec 'modprobe -q ifb numifbs=0 || true
		ip link add ifb0 type ifb
		ip link set ifb0 addrgenmode none up
		tc qdisc add dev ifb0 root tbf rate 1gbit burst 1600 limit 40m
		tc qdisc show dev eth0 | grep -q clsact || tc qdisc add dev eth0 clsact
		tc filter add dev eth0 ingress prio 40000 protocol all u32 match u32 0 0 \
			action mirred egress redirect dev ifb0'
}

# What ifb0 has passed on.
shaped() { on b ip -s -j link show dev ifb0 | jq '.[0].stats64.tx.packets'; }

# split_stream OUTER INNER DSCP: TCP of 4 MB, in segments of at most 1500 bytes, and all of them known
split_stream()
{
	local before packets least=$((4000000 / 1500))

	before=$(counters "vx$1") packets=$(shaped)
	stream_comes_out "$@"
	[ $(($(shaped) - packets)) -ge $least ] || fail "ifb0 has not split anything"
	jq -ne --argjson was "$before" --argjson now "$(counters "vx$1")" --argjson least $least \
		'$now.unknown == $was.unknown and $now.marked - $was.marked >= $least' >/dev/null ||
		fail "counted: $before, then $(counters "vx$1")"
}

# On a veth a packet of TCP stays as long as it was sent.
long_wire()
{
	check ip link add eth0 netns "$1" type veth peer name eth0 netns "$2"
	on "$1" ip link set eth0 addrgenmode none up
	on "$2" ip link set eth0 addrgenmode none up
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
