# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Packets that somebody sends to a tunnel host without having its keys, and flows that a user of the
# tunnel makes. No foreign packet gets a DSCP that is not its own, and nothing grows.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

# bounded NODE [FLOWS]: none of our maps there holds more than it has room for
bounded()
{
	on "$1" "$TOOL" dump-map --json | jq -c '[.maps[] | {(.map): (.entries | length)}] | add' \
		>"$T/entries"
	cat "$T/entries"
	jq -e --argjson flows "${2:-65536}" '(.stamps // 0) <= $flows and
		(.notes // 0) <= 2 * 16384' "$T/entries" >/dev/null ||
		fail "too many: $(cat "$T/entries")"
}

# forged_by_each METHOD CONDITIONS: each packet arrives, and only those can be unmarked of which another
# one with the same number came by the uplink
forged_by_each()
{
	local i

	conditions eth0 "$2"
	for i in 4 6; do
		# Held packets come out behind a marker.
		unmarked_or_right 4 $i 1920 --lossy
		[ "$(jq -c '[.data, .missing]' <<<"$verdict")" = '[1920,[]]' ]
		[ "$1" = xdp ] || none_unmarked
	done
	conditions eth0
	echo "$1, $2: the wire did $impaired, $verdict"
}

# Somebody sees each packet on the wire, and sends another one of the same session and number, with
# another DSCP and all checksums right, right in front of it or behind it. WireGuard drops it.
test_forged()
{
	local method

	kind=wireguard
	wireguard_nodes impaired_wire
	bleached a
	for method in $(methods); do
		loads b "$method"
		forged_by_each "$method" 'forge 1'
		[ "$(jq -c '[.frames, .forged, .lost]' <<<"$impaired")" = '[3840,3840,[]]' ]
		forged_by_each "$method" 'forge 2 double 3 hold 5:17'
		[ "$(jq -c '[.frames, .forged, .doubled, .lost]' <<<"$impaired")" = \
			'[3840,1920,1280,[]]' ]
		bounded b
		# It is over at once.
		arrives_counted 4 640 4 6
		check on b "$TOOL" status
		check on b "$TOOL" unload --all
	done
}

# vxlan_message VNI: options of "wire send" for messages of that network; their content is no packet
vxlan_message()
{
	printf '%s --payload 08000000%06x00%s' "eth0 --proto udp --src 192.0.2.1 --dst 192.0.2.2 \
--sport 40000 --dport 4789 --dscp cycle --eth-dst $(mac b eth0)" "$1" \
		"$(printf '5a%.0s' {1..100})"
}

# Messages of a network that b does not have die behind the program at the uplink, more of them than
# there is room for notes. Then of one that it has: the content comes out, and dies.
test_forged_vxlan()
{
	local vni o

	kind=vxlan
	two_nodes
	bleached a
	for o in 4 6; do
		check on b "$TOOL" load vx$o --direction ingress
	done
	for vni in 99 44; do
		# shellcheck disable=SC2046 # several words
		check on a "$wire" send $(vxlan_message $vni) --count 40000 --rate 0
		# A genuine one comes behind all of them.
		arrives_counted 4 1280 4 6
		arrives_counted 6 1280 4 6
		bounded b
		check on b "$TOOL" status
	done
}

# One user of the tunnel makes a flow of each packet, of all DSCPs in turn, and so drives other users' stamps
# out of the map. Meanwhile there are packets of another user.
flows_of_one_user()
{
	local pid flows options count=12800

	! short_form || count=3200

	bleached a
	loads b tc
	for flows in 65536 256; do
		check on a "$TOOL" load "$(tunnel 4)" --flows $flows
		options=(--way udp --dev "$(tunnel 4)" --src 10.0.4.9 --dst 10.0.4.2 --flows)
		[ $kind = wireguard ] || options+=(--eth-dst "$(mac b "$(tunnel 4)")")
		background "$wire" through a b "${options[@]}" --at "$(tunnel 4)" --unmarked-ok \
			--count $count
		pid=$!
		through_where '.complete and .wrong == 0' a b --dst 10.0.4.2 --unmarked-ok --count 1280
		verdict=$(tail -n 1 <<<"$OUTPUT" | jq -c 'del(.length_dscp)')
		echo "$flows flows: $verdict"
		# A stamp is asked for as soon as it is made, but behind WireGuard's queue.
		[ $kind = wireguard ] || none_unmarked
		wait $pid || fail "the flows of one user"
		bounded a $flows
	done
	arrives_counted 4 640 4 6
}

test_flows_of_one_user()
{
	kind=vxlan
	two_nodes
	flows_of_one_user
}

test_flows_of_one_user_by_wireguard()
{
	kind=wireguard
	wireguard_nodes
	flows_of_one_user
}
