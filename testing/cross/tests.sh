# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Both directions through real WireGuard, between two network namespaces joined by a wire that carries
# bytes and nothing else: the core of 40-wireguard and 60-ingress, short enough for a slow emulated
# machine, which may lose packets and may mark none wrongly. Kernels without BTF and TCX, of other byte
# orders and word sizes, run this.

# shellcheck disable=SC2034 # read by testing/run
timeout=240

. testing/tunnels.sh

kind=wireguard

two_ends()
{
	wireguard_keys
	two_nodes
}

# JIT is the machine's setting. The JIT of MIPS32 compiles no program that calls functions within itself, as
# all of our programs do today: those are interpreted in any case.
compiled_as_asked()
{
	check on a tc filter show dev wg4 egress
	[ "$JIT" = 1 ] || ! grep -q jited <<<"$OUTPUT" || fail "compiled by the JIT: $OUTPUT"
}

# Lists the tunnels' hooks, and all else that a node has. tc makes its own directories and links in a
# bpffs.
left()
{
	on "$1" sh -c 'tc qdisc show; for d in eth0 wg4 wg6; do tc filter show dev $d egress
		tc filter show dev $d ingress; done 2>&1
		find /sys/fs/bpf -mindepth 1 \( -type f -o -path "*dscp*" \)'
}

# The kernel's own view of the wire, and the tool's.
egress_counted()
{
	local json

	json=$("$wire" judge "$T/all.pcap" --tunnel wireguard --from "$(outer "$1" 1)" \
		--port "5182$1" --expect inner --min 600 --json) || fail "not ok: $json"
	jq -e --argjson wire "$json" '.tunnels[0].counters.egress |
		.seen == $wire.data + $wire.markers and .unknown.total == 0 and .seen == .marked + .unchanged and
		.seen == ([.dscp[]] | add) and .dscp.EF == $wire.outer_dscp["46"]' \
		<<<"$(on a "$TOOL" status "wg$1" --json)" || fail "the wire says $json"
}

test_egress()
{
	local o i before

	two_ends
	before=$(left a)
	pass udp:640 4 4 none --ecn 0 --each 8
	pass udp:640:3 6 6 none --ecn 2 --each 8
	record b eth0 "$T/all.pcap" udp
	pid=$recording
	for o in 4 6; do
		check on a "$TOOL" load "wg$o"
		check on a "$wire" udp --dst "$(inner $o $o 2)" --port 5000 --dscp cycle --count 640 \
			--rate 1500
	done
	recording=$pid
	recorded
	compiled_as_asked
	egress_counted 4
	egress_counted 6
	for o in 4 6; do
		for i in 4 6; do
			pass udp:640:$((o / 2 - 1)) $o $i inner --ecn $((o / 2 - 1)) --each 8
			pass ping $o $i inner --ecn 0 --each 8
		done
		pass esp $o $o inner --ecn 0 --each 8
		pass frag $o $((10 - o)) inner --ecn 0 --each 16
		tcp_bulk $o $((10 - o)) 46
	done
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
	[ "$(left a)" = "$before" ] || fail "left behind: $(diff <(echo "$before") <(left a))"
	pass udp:640 4 6 none --ecn 0 --each 8
}

# Foreign packets, some of which look like the tunnel's.
test_others()
{
	two_ends
	check on a "$TOOL" load wg4
	check on a "$TOOL" load wg6
	record b eth0 "$T/all.pcap" "ip or ip6 or arp or vlan"
	check on a "$wire" others eth0 --eth-src "$(mac a eth0)" --eth-dst "$(mac b eth0)" \
		--count 2000 --rate 1000 --tunnel-port 51824 --record "$T/others.pcap"
	recorded
	check "$wire" same "$T/others.pcap" "$T/all.pcap" --ignore-order
}

test_ingress()
{
	local o i before began

	two_ends
	bleached a
	began=$(left b)
	through_where '.ok and .right == 10 and .unmarked == 630' a b --dst 10.0.4.2 --unmarked-ok
	loads b tc
	for o in 4 6; do
		arrives_counted $o 640 4 6
		comes_out ping $o $((10 - o)) --each 8 --ecn 0
		comes_out esp $o $o --each 8 --ecn 0
		comes_out frag $o $((10 - o)) --each 16 --ecn 0
		bytes=1000000 stream_comes_out $o $o 46
	done
	ecn_is_not_ours
	check on b "$TOOL" unload --all
	[ "$(left b)" = "$began" ] || fail "left behind: $(diff <(echo "$began") <(left b))"
}

# This kernel does not tell its types, so the outer header cannot be found in memory.
test_no_peek()
{
	two_ends
	bleached a
	check_exit 2 on b "$TOOL" load wg4 --direction ingress --ingress-method peek
	grep -q BTF <<<"$OUTPUT" || fail "nothing said of BTF: $OUTPUT"
	check on b "$TOOL" load wg4 --direction both
	grep -q BTF <<<"$OUTPUT" || fail "nothing said of BTF: $OUTPUT"
	jq -e '[.tunnels[].ingress_method.method] == ["tc"]' <<<"$(on b "$TOOL" status --json)"
	arrives 4 6 640
	check on b "$TOOL" dump-map --json
}

# Router without the tool: two filters, and no policy.
test_plain_tc()
{
	local object=dscp-tool/bpf/dscp_egress.bpf.o

	two_ends
	check on a tc qdisc add dev wg4 clsact
	check on a tc qdisc add dev eth0 clsact
	check on a tc filter add dev wg4 egress prio 2 bpf da obj $object sec tc/egress_inner
	check on a tc filter add dev eth0 egress prio 1 bpf da obj $object sec tc/egress_outer
	compiled_as_asked
	pass udp:640 4 4 inner --ecn 0 --each 8
	pass udp:640:3 4 6 inner --ecn 2 --each 8
	pass ping 4 6 inner --ecn 0 --each 8
	pass udp:640 6 4 none --ecn 0 --each 8
}
