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

# A tunnel of a that is down sends nothing, and its counters stay.
goes_down() { on a ip link set "wg$1" down; }
comes_up()
{
	on a sh -ec "ip link set wg$1 up; ip address replace fd00:$1::1/64 dev wg$1 nodad"
}

# skipped O: packets that the tool has seen leave, without marking them
skipped() { counter a "wg$1" counters.egress.skipped; }
has_skipped() { [ "$(skipped "$1")" -ge "$2" ]; }

# keepalives O N: WireGuard sends one as soon as it has to send them from now on
keepalives()
{
	local n want
	want=$(skipped "$1")

	for ((n = 0; n < $2; n++)); do
		want=$((want + 1))
		on a sh -ec "wg set wg$1 peer '$(cat "$T/public2")' persistent-keepalive 3600
			wg set wg$1 peer '$(cat "$T/public2")' persistent-keepalive 0"
		retry_until has_skipped "$1" $want
	done
}

# Ends the recording behind all that a has sent, when its tunnels are down: bytes cross in order.
recorded_to_the_end()
{
	check on a ping -c 1 -W 60 192.0.2.2
	stop_background "$recording"
	check_grep '"dropped":0' cat "$report"
}

# Handshakes and keepalives of a loaded tunnel leave with the DS field that WireGuard gave them, and
# the tool has counted each.
left_alone()
{
	local before json

	goes_down 4
	before=$(skipped 4)
	record b eth0 "$T/quiet.pcap" udp
	comes_up 4
	keepalives 4 3
	goes_down 4
	recorded_to_the_end
	json=$("$wire" judge "$T/quiet.pcap" --tunnel wireguard --from 192.0.2.1 --port 51824 \
		--expect inner --json) || true # no data, so no verdict
	echo "$json"
	jq -e --argjson skipped $(($(skipped 4) - before)) '.handshake >= 1 and .keepalive >= 2 and
		.skipped == $skipped and .skipped_wrong == 0 and .bad_ip_checksums == 0' <<<"$json" ||
		fail "not as the tool counted, $(skipped 4) - $before: $json"
}

# The TOS of each handshake and keepalive from wg4 of a.
control()
{
	tcpdump -nnvr "$1" 'src port 51824 and (udp[8:4] != 0x04000000 or udp[4:2] = 40)' |
		sed -n 's/.*(tos \(0x[0-9a-f]*\),.*/\1/p'
}

test_handshakes_with_another_dscp()
{
	local before n

	wireguard_nodes
	check on a "$TOOL" load wg4 --handshake-dscp CS6 --egress-map '*=CS0'
	goes_down 4
	before=$(skipped 4)
	record b eth0 "$T/control.pcap" udp
	comes_up 4
	keepalives 4 3
	cycles 4 4 "$(yes 0 | head -n 64 | paste -sd,)"
	goes_down 4
	recorded_to_the_end
	n=$(($(skipped 4) - before))
	[ "$n" -ge 4 ]
	[ "$(control "$T/control.pcap" | sort | uniq -c | xargs)" = "$n 0xc0" ] ||
		fail "of $n: $(control "$T/control.pcap" | sort | uniq -c)"
}

# How many packets have not come through to a and to b.
dropped()
{
	local node

	for node in a b; do
		on $node nft -j list counter inet path dropped | jq '.nftables[1].counter.packets'
	done
}

# dropped_at_b N
dropped_at_b() { [ "$(dropped | tail -n 1)" -ge "$1" ]; }

# Some networks drop AF41. Two handshakes of each tunnel do not come through, nor does anything else.
test_path_without_af41()
{
	local o before pids=()

	command -v nft >/dev/null || skip "there is no nft here"
	wireguard_nodes
	for o in 4 6; do
		goes_down $o
	done
	both 'nft -f - <<-RULES
		table inet path {
			counter dropped { }
			chain in {
				type filter hook prerouting priority raw
				ip dscp af41 counter name dropped drop
				ip6 dscp af41 counter name dropped drop
			}
		}
	RULES'
	for o in 4 6; do
		comes_up $o
		background on a sh -c 'exec ping "$0" >"$1"' "$(inner $o 4 2)" "$T/ping$o"
		pids+=($!)
	done
	retry_until dropped_at_b 4
	for o in "${pids[@]}"; do
		stop_background "$o"
	done
	check_exit 1 grep 'bytes from' "$T/ping4" "$T/ping6"
	for o in 4 6; do
		goes_down $o
		check on a "$TOOL" load wg$o --handshake-dscp CS0
		check on b "$TOOL" load wg$o --handshake-dscp CS0
	done
	before=$(dropped)
	comes_up 4
	comes_up 6
	tunnels_work
	[ "$(dropped)" = "$before" ] || fail "dropped: before $before, then $(dropped)"
}

everything()
{
	wireguard_nodes
	every_packet 6400
	left_alone
}

test_every_packet() { everything; }

# cycles O INNER [MAP]: 640 packets by that tunnel, each right outside
cycles() { pass udp:640 "$1" "$2" inner --map "${3-$(map_list)}"; }

# The counts of the wire harness, by the tool's counts.
as_counted()
{
	local json

	json=$("$wire" judge "$T/all.pcap" --tunnel wireguard --from "$(outer "$1" 1)" \
		--port "5182$1" --expect inner --map "$(map_list)" --json) || fail "not ok: $json"
	echo "$json"
	on a "$TOOL" status "wg$1" --json >"$T/status$1"
	jq -e --argjson wire "$json" '.tunnels[0].counters.egress |
		.seen == $wire.data + $wire.markers and .skipped == $wire.skipped and
		.unknown.total == 0 and .skipped >= 3 and
		.seen == .marked + .unchanged + .unknown.total and .seen == ([.dscp[]] | add) and
		.dscp.EF == $wire.outer_dscp["46"] and
		.dscp.CS0 == $wire.outer_dscp["0"] + $wire.markers' \
		"$T/status$1" || fail "not as the tool counted, $(cat "$T/status$1"): $json"
}

# marks: of a status, how many packets the tool has marked, and how many had that DSCP before
marks() { jq -c '.tunnels[0].counters.egress | [.marked, .unchanged]'; }

# Counters against an independent count of the packets on the wire; then foreign packets, some from
# the tunnels' ports and looking like WireGuard, of which none is touched.
test_others_and_counters()
{
	local o

	wireguard_nodes
	goes_down 4
	goes_down 6
	record b eth0 "$T/all.pcap" udp
	for o in 4 6; do
		check on a "$TOOL" load "wg$o" --egress-map 'CS7=CS0,1-3=keep'
		comes_up $o
		cycles $o 4
		# A handshake and keepalives more.
		goes_down $o
		comes_up $o
		keepalives $o 2
		cycles $o 6
	done
	goes_down 4
	goes_down 6
	recorded_to_the_end
	as_counted 4
	as_counted 6
	comes_up 4
	comes_up 6
	others_pass 10000 eth0 --eth-src "$(mac a eth0)" --tunnel-port 51824
	for o in 4 6; do
		[ "$(on a "$TOOL" status wg$o --json | marks)" = "$(marks <"$T/status$o")" ] ||
			fail "wg$o: packets of others were marked"
	done
	check_grep '"hash"' on a "$TOOL" dump-map --json
	jq -e '.maps[0].entries | length >= 128' <<<"$(on a "$TOOL" dump-map --json)"
}

# CS7=CS0,1-3=keep as 64 numbers; the tunnel writes 0, so keep is 0.
map_list()
{
	seq -s, 0 63 | sed 's/^0,1,2,3,/0,0,0,0,/; s/,56,/,0,/'
}
