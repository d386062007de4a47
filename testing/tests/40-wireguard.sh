# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Real WireGuard between two nodes, joined by a wire that carries bytes and nothing else. Two
# tunnels: wg4 over IPv4, wg6 over IPv6; both loaded at once on the sender, node a.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

kind=wireguard

# Handshakes and keepalives of a loaded tunnel leave with the DS field that WireGuard gave them.
left_alone()
{
	local json

	record b eth0 "$T/quiet.pcap" udp
	on a sh -ec "ip link set wg4 down; ip link set wg4 up
		wg set wg4 peer '$(cat "$T/public2")' persistent-keepalive 1"
	sleep 3.5
	recorded
	json=$("$wire" judge "$T/quiet.pcap" --tunnel wireguard --from 192.0.2.1 --port 51824 \
		--expect inner --json) || true # no data, so no verdict
	echo "$json"
	jq -e '.handshake >= 1 and .keepalive >= 2 and .skipped_wrong == 0 and
		.bad_ip_checksums == 0' <<<"$json"
}

everything()
{
	wireguard_nodes
	every_packet 6400
	left_alone
}

test_every_packet() { everything; }

# Counters against an independent count of what was on the wire; then packets of others, some from
# the tunnels' ports and looking like WireGuard, of which none is touched.
test_others_and_counters()
{
	local o json

	wireguard_nodes
	record b eth0 "$T/all.pcap" "ip or ip6 or arp or vlan"
	for o in 4 6; do
		check on a "$TOOL" load "wg$o" --egress-map 'CS7=CS0,1-3=keep'
		through a b --dst "$(inner "$o" 4 2)" --no-marker
		# A handshake and a keepalive more: the tunnel goes down and up again.
		on a sh -c "ip link set wg$o down; ip link set wg$o up
			ip address add fd00:$o::1/64 dev wg$o nodad"
		through a b --dst "$(inner "$o" 6 2)" --no-marker
		on a "$TOOL" status "wg$o" --json >"$T/status$o"
	done
	others_pass 10000 eth0 --tunnel-port 51824
	for o in 4 6; do
		# Of the others none was marked.
		[ "$(counter a "wg$o" 'counters.egress|[.marked,.unchanged]|join(" ")')" = \
			"$(jq '.tunnels[0].counters.egress|[.marked,.unchanged]|join(" ")' "$T/status$o")" ]
	done
	recorded
	for o in 4 6; do
		json=$("$wire" judge "$T/all.pcap" --tunnel wireguard --from "$(outer "$o" 1)" \
			--port "5182$o" --expect inner --map "$(map_list)" --json)
		echo "$json"
		# What the wire harness counted, by what the tool counted.
		jq -e --argjson wire "$json" '.tunnels[0].counters.egress |
			$wire.data == 1280 and
			.seen == $wire.data and .skipped == $wire.skipped and .unknown == 0 and
			.seen == .marked + .unchanged + .unknown and .seen == ([.dscp[]] | add) and
			.dscp.EF == $wire.outer_dscp["46"] and .dscp.CS0 == $wire.outer_dscp["0"]' \
			"$T/status$o"
		[ "$(jq .skipped <<<"$json")" -ge 1 ]
	done
	check_grep '"hash"' on a "$TOOL" dump-map --json
	jq -e '.maps[0].entries | length >= 128' <<<"$(on a "$TOOL" dump-map --json)"
}

# CS7=CS0,1-3=keep as 64 numbers; the tunnel writes 0, so keep is 0.
map_list()
{
	seq -s, 0 63 | sed 's/^0,1,2,3,/0,0,0,0,/; s/,56,/,0,/'
}
