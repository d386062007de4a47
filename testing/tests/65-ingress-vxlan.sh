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
	record b eth0 "$T/outer.pcap" "udp or ip6 proto 17"
	listen b 5000 --min 640 --each 10 --unmarked-ok --ecn 0
	flow 4 6 640 2500
	heard 5000 '.ok and .unmarked == 630 and .right == 10'
	recorded
	"$wire" judge "$T/outer.pcap" --tunnel vxlan --from 192.0.2.1 --port 4789 --expect none \
		--json >"$T/outer.json"
	jq -e '.outer_dscp | length == 64 and add >= 640' "$T/outer.json"
	comes_out udp:640 6 4 --unmarked-ok --each 10 --ecn 0 --l4
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
			comes_out udp:640 $o $i --each 10 --ecn 0 --l4
			comes_out ping $o $i --each 10 --ecn 0
			comes_out esp $o $i --each 10 --ecn 0
			comes_out frag $o $i --each 20 --ecn 0
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
	listen b 5000 --min 640 --each 10 --unmarked-ok --count 640
	flow 4 4 640 2500
	heard 5000 '.ok and .dscp == {"0":630,"46":10}'
	loads b tc --ingress-map 'EF=AF41,CS7=keep'
	listen b 5000 --count 640
	flow 6 4 640 2500
	heard 5000 '.wrong_dscp == 20 and .right == 620 and .dscp["34"] == 20 and .dscp["46"] == null
		and .dscp["56"] == null and .dscp["0"] == 20'
	check on b "$TOOL" unload --all
	listen b 5000 --min 640 --each 10 --unmarked-ok --count 640
	flow 6 6 640 2500
	heard 5000 '.ok and .unmarked == 630'
}
