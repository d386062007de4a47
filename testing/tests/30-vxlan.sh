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
	local json

	two_nodes
	on a ip link add vxother type vxlan id 45 remote 192.0.2.2 dstport 4789
	on a ip link set vxother up
	record b eth0 "$T/all.pcap" "ip or ip6 or arp or vlan"
	check on a "$TOOL" load vx4
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 640 --rate 2000
	check on a "$wire" others eth0 --eth-src "$(mac a eth0)" --eth-dst "$(mac b eth0)" \
		--count 10000 --rate 5000 --record "$T/others.pcap"
	check on a "$wire" send vxother --proto udp --src 10.1.0.1 --dst 10.1.0.2 --dscp 46 \
		--count 100 --eth-src "$(mac a vxother)" --eth-dst 02:00:00:00:00:01
	recorded
	check "$wire" same "$T/others.pcap" "$T/all.pcap" --ignore-order
	tcpdump -r "$T/all.pcap" -w "$T/other.pcap" 'udp[12:4] = 0x2d00'
	check_grep '"right":100|100' "$wire" judge "$T/other.pcap" --tunnel vxlan --from 192.0.2.1 \
		--port 4789 --expect 0 --min 100
	tcpdump -r "$T/all.pcap" -w "$T/ours.pcap" 'udp[12:4] = 0x2c00'
	json=$("$wire" judge "$T/ours.pcap" --tunnel vxlan --from 192.0.2.1 --port 4789 \
		--expect inner --json)
	echo "$json"
	# The capture began first: the kernel may have sent a packet of its own between the two.
	jq -e --argjson seen "$(counter a vx4 counters.egress.seen)" '.data - $seen | . >= 0 and . <= 2' \
		<<<"$json"
	[ "$(counter a vx4 'counters.egress|.seen-.marked-.unchanged-.unknown')" = 0 ]
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
	pass udp:640 4 4 inner --map "$map" --each 10
	check on a "$TOOL" load vx4 --egress-map 'EF=AF41,32-63=keep,NQB=1'
	map=$(for d in $(seq 0 63); do
		case $d in
		45) echo 1 ;; # said last
		*) if [ "$d" -ge 32 ]; then echo 0; else echo "$d"; fi ;;
		esac
	done | paste -sd,)
	pass udp:640 4 4 inner --map "$map" --each 10
	check on a "$TOOL" load vx4 --outer-dscp AF21
	pass udp:640:1 4 4 18 --ecn 1 --each 10
	pass ping 4 6 18 --ecn 0 --each 10
	check on a "$TOOL" unload vx4
	pass udp:640 4 4 none --ecn 0 --each 10
}
