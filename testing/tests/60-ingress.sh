# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Outer to inner, in each of the three methods, through real WireGuard between two nodes: a marks
# outside and bleaches inside, b puts the DSCPs back. Nothing but bytes crosses between them.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

kind=wireguard

# third NODE N PEER [ENDPOINT]: wg1, with 10.1.0.N inside
third()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		ip link add wg1 type wireguard
		wg set wg1 listen-port 51821 private-key "$0/key$1" peer "$(cat "$0/public$2")" \
			allowed-ips 10.1.0.0/24 ${3:+endpoint "$3:51821"}
		ip address add 10.1.0.$1/24 dev wg1
		ip link set wg1 mtu 1320 up' "$T" "$2" "$3" "${4-}"
}

# Nothing that could touch other people's packets.
no_program_at_uplink()
{
	! on b bpftool net show dev eth0 | grep -E 'id [0-9]' || fail "a program at eth0"
	[ -z "$(on b tc filter show dev eth0 ingress 2>/dev/null)" ] || fail "a filter at eth0"
	[[ $(on b ip link show dev eth0) != *xdp* ]] || fail "XDP at eth0"
}

# by_method METHOD: everything that can be sent, through both tunnels
by_method()
{
	local method=$1 o i before

	loads b "$method"
	check_grep "$method" on b "$TOOL" status
	[ "$method" != peek ] || no_program_at_uplink
	for o in 4 6; do
		arrives_counted $o 6400 4 6
	done
	each_protocol_comes_out
	ecn_is_not_ours
	others_are_untouched
	check on b "$TOOL" unload --all
}

by_all_methods()
{
	local method

	wireguard_nodes
	bleached a
	through_where '.ok and .right == 10 and .unmarked == 630' a b --dst 10.0.4.2 --unmarked-ok
	for method in $(methods); do
		by_method "$method"
	done
}

test_every_packet() { by_all_methods; }

#
# The faults to exclude: no packet ever gets a DSCP that its own outer packet did not carry. A
# packet without one is allowed, and counted.
#

# An address of b that a can reach by both, and wg1, which goes there.
second_wire()
{
	on a ip address add 198.51.100.1/24 dev eth1
	on b sh -ec 'ip address add 198.51.100.2/24 dev eth1
		ip address add 203.0.113.2/32 dev lo'
	by_wire eth0
	third a 1 2 203.0.113.2
	# b only ever answers, so that its address stays this one.
	third b 2 1
	retry_until on a ping -c 1 -W 2 10.1.0.2
}

# by_wire DEV: the device by which a sends packets for that address, from its own there. Answers
# have to come back the same way: WireGuard would give them another source, and a would send to that
# from then on.
by_wire()
{
	local via=198.51.100.2

	[ "$1" = eth1 ] || via=192.0.2.2
	check on a ip route replace 203.0.113.2/32 via $via dev "$1"
}

# in_weather INNER CONDITIONS: 1920 packets by wg4, of which those are missing of which the wire has
# damaged each copy, and no others
in_weather()
{
	conditions eth0 "$2"
	unmarked_or_right 4 "$1" 1920 --lossy
	conditions eth0
	jq -e --argjson wire "$impaired" '.missing == $wire.lost and $wire.frames == 1920 and
		.data == 1920 - ($wire.lost | length)' <<<"$verdict" ||
		fail "the wire did $impaired, but $verdict"
}

# in_pieces METHOD INNER COUNT: wg4, with outer packets of 156 bytes and 16 for each DSCP; tc does not know
# packets of more than 600, with the DSCPs from 28 on
in_pieces()
{
	local unmarked=0

	[ "$1" != tc ] || unmarked=$(($3 * 36 / 64))
	unmarked_or_right 4 "$2" "$3"
	jq -e ".unmarked == $unmarked" <<<"$verdict" || fail "not $unmarked unmarked: $verdict"
}

# The outer packets of wg4 in pieces of 600 bytes, and wg6's in pieces of 1280.
in_fragments()
{
	on a sh -ec 'ip route replace 192.0.2.2/32 dev eth0 mtu 600
		ip -6 route replace 2001:db8::2/128 dev eth0 mtu 1280'
	in_pieces "$1" 4 1920
	in_pieces "$1" 6 640
	bytes=500000 stream_comes_out 6 4 46 --unmarked-ok
	bytes=500000 stream_comes_out 6 6 8 --unmarked-ok
	on a sh -ec 'ip route delete 192.0.2.2/32 dev eth0; ip -6 route delete 2001:db8::2/128 dev eth0'
}

# few_unmarked METHOD: XDP tells packets by WireGuard's session and number, and a damaged one can have the
# number of one that is still to come, with a DSCP that is worth nothing then. The other two methods lose
# none.
few_unmarked()
{
	local most=0

	[ "$1" != xdp ] || most=$(jq .damaged <<<"$impaired")
	jq -e ".unmarked <= $most" <<<"$verdict" || fail "unmarked by $impaired: $verdict"
}

# Over IPv4 only, where a checksum protects the DSCP on the wire.
in_bad_weather()
{
	in_weather 6 'double 3'
	none_unmarked
	[ "$(jq -c '[.doubled, .lost]' <<<"$impaired")" = '[640,[]]' ]
	in_weather 4 'damage 20'
	few_unmarked "$1"
	[ "$(jq '.lost | length' <<<"$impaired")" = 96 ]
	# In 210 copies each of the first and second ones of a doubled packet is damaged, and is held.
	in_weather 6 'damage 7 double 5 hold 5:17'
	few_unmarked "$1"
	jq -e '[.damaged, .doubled, .held] == [329, 384, 460] and (.lost | length) == 220' \
		<<<"$impaired" || fail "not so many: $impaired"
}

# Packet sockets hold and clone passing packets.
while_listened_to()
{
	local dev pids=()

	for dev in eth0 wg4 wg6; do
		background on b tcpdump -Z root -U -n -i $dev -w "$T/heard.$dev.pcap"
		pids+=($!)
	done
	for dev in eth0 wg4 wg6; do
		retry_until test -s "$T/heard.$dev.pcap"
	done
	arrives_counted 4 1920 4
	arrives_counted 6 1920 6
	for dev in "${pids[@]}"; do
		stop_background "$dev"
	done
}

# by_uplink DEV METHOD: wg1 goes that way, and its packets are right where that way can know
by_uplink()
{
	by_wire "$1"
	if [ "$1" = eth0 ] || [ "$2" = peek ]; then
		through a b --dst 10.1.0.2 --dport 5006
		marked=$((marked + 630))
	else
		through_where '.wrong == 0 and .right == 10 and .unmarked == 630' a b \
			--dst 10.1.0.2 --dport 5006 --unmarked-ok
	fi
	seen=$((seen + 641))
}

# wg4 comes by eth0, which b has loaded; at the same time wg1 comes by eth1, which it has not, and
# then by one and the other in turn. A packet that is there twice dies in decryption, so that there
# are notes of packets that never come out, and their memory is used again.
by_another_uplink()
{
	local pid before4 before1 dev seen=0 marked=0

	before4=$(counters wg4)
	before1=$(counters wg1)
	conditions eth0 'double 2'
	conditions eth1 'double 2'
	background "$wire" through a b --dst 10.0.4.2 --dport 5001 --count 6400
	pid=$!
	for dev in eth1 eth0 eth1 eth0 eth1 eth0 eth1 eth0; do
		by_uplink $dev "$1"
	done
	wait $pid || fail "the flow by wg4"
	counted 4 "$before4" 6401 6300
	counted 1 "$before1" $seen $marked
	conditions eth0
	[ "$(jq .frames <<<"$impaired")" = $((6400 + 4 * 640)) ]
	conditions eth1
	[ "$(jq .doubled <<<"$impaired")" = $((4 * 320)) ]
}

test_hostile()
{
	local method

	wireguard_nodes impaired_wire
	impaired_wire a b eth1
	second_wire
	bleached a
	check on a "$TOOL" load wg1 --uplink eth0 --uplink eth1
	behind a wg1 bleach_l3
	for method in $(methods); do
		loads b "$method"
		check on b "$TOOL" load wg1 --direction ingress --ingress-method "$method" --uplink eth0
		in_fragments "$method"
		while_listened_to
		by_another_uplink "$method"
		# Last: it leaves notes under numbers that are still to come.
		in_bad_weather "$method"
		check on b "$TOOL" unload --all
	done
}

#
# Both ends, both directions, and one tunnel in another
#

# in_tunnel METHOD METHOD_INSIDE: wg1 and wg4 of b by these, loaded in both orders
in_tunnel()
{
	local order

	for order in "wg4 $1 eth0 wg1 $2 wg4" "wg1 $2 wg4 wg4 $1 eth0"; do
		# shellcheck disable=SC2086 # six words
		load_two $order
		through a b --dst 10.1.0.2 --count 1280
		check on b "$TOOL" unload --all
	done
}

load_two()
{
	check on b "$TOOL" load "$1" --direction ingress --ingress-method "$2" --uplink "$3"
	check on b "$TOOL" load "$4" --direction ingress --ingress-method "$5" --uplink "$6"
}

test_both_directions()
{
	local method o node

	wireguard_nodes
	bleached a
	bleached b
	for method in $(methods); do
		for o in 4 6; do
			for node in a b; do
				check on $node "$TOOL" load wg$o --direction both --ingress-method "$method" \
					--uplink eth0
			done
		done
		crossing
	done
}

# wg1 over wg4.
test_tunnel_in_tunnel()
{
	wireguard_nodes
	bleached a
	third a 1 2 10.0.4.2
	third b 2 1 10.0.4.1
	retry_until on a ping -c 1 -W 2 10.1.0.2
	# The DSCP is bleached in wg1, and the DSCP of wg1's own packets in wg4.
	check on a "$TOOL" load wg1 --uplink wg4
	behind a wg1 bleach_l3
	in_tunnel tc tc
	! can co_re || in_tunnel peek peek
	! can co_re || ! can libxdp || in_tunnel xdp peek
}

#
# Beside download shaping as sqm-scripts does it: all that arrives goes through ifb0 first
#

# The set-up of sqm-scripts, with a time (rtt) so long that a busy machine is no congestion: CAKE drops none.
shaping_starts()
{
	on b sh -ec 'modprobe ifb numifbs=0
		ip link add ifb0 type ifb
		tc qdisc replace dev ifb0 root cake bandwidth 500mbit rtt 1000s besteffort
		ip link set ifb0 up
		tc qdisc add dev eth0 handle ffff: ingress
		tc filter add dev eth0 parent ffff: protocol all prio 10 u32 match u32 0 0 \
			flowid 1:1 action mirred egress redirect dev ifb0'
}
shaping_ends() { on b sh -c 'tc qdisc del dev eth0 ingress; ip link del ifb0'; }

# Every packet of a flow is seen by ifb0, and marked at the socket.
shaped_and_marked()
{
	local before
	before=$(shaped)

	arrived=0
	arrives 4 4 1280
	arrives 6 6 1280
	[ $(($(shaped) - before)) -ge $arrived ] || fail "ifb0 has not seen all"
}

# Shaping is there first, and still there afterwards.
shaping_first()
{
	shaping_starts
	loads b "$1"
	shaped_and_marked
	check on b "$TOOL" unload --all
	check_grep 'qdisc ingress' on b tc qdisc show dev eth0
	check_grep 'mirred.*ifb0' on b tc filter show dev eth0 ingress
	shaping_ends
}

# Without TCX the tool has made clsact, and an ingress qdisc cannot be added beside it: sqm-scripts
# fails to start, and its filter has to go into clsact.
shaping_second()
{
	loads b "$1"
	if [ "$1" = tc ] && ! can tcx b; then
		! shaping_starts || fail "an ingress qdisc beside clsact"
		check on b tc filter add dev eth0 ingress protocol all prio 10 u32 match u32 0 0 \
			action mirred egress redirect dev ifb0
		shaped_and_marked
		check on b tc filter del dev eth0 ingress prio 10
	else
		shaping_starts
		shaped_and_marked
	fi
	shaping_ends
	check on b "$TOOL" unload --all
}

test_beside_shaping()
{
	local method

	wireguard_nodes
	bleached a
	for method in $(methods); do
		shaping_first "$method"
		shaping_second "$method"
	done
}

#
# A kernel that does not tell its types
#

test_without_btf()
{
	can co_re || skip "the BPF compiler lacks CO-RE: BTF makes no difference"
	wireguard_nodes
	bleached a
	on b mount -t tmpfs none /sys/kernel/btf
	check_exit 2 on b "$TOOL" load wg4 --direction ingress --ingress-method peek
	grep -q BTF <<<"$OUTPUT"
	check on b "$TOOL" load wg4 --direction ingress
	grep -q BTF <<<"$OUTPUT" || fail "nothing said of BTF: $OUTPUT"
	check on b "$TOOL" load wg6 --direction ingress
	check_grep BTF on b "$TOOL" status
	jq -e '[.tunnels[].ingress_method.method] == ["tc", "tc"]' <<<"$(on b "$TOOL" status --json)"
	arrives 4 6 640
	arrives 6 4 640
}
