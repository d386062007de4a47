# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# A loaded tunnel is changed while packets pass: none of them is without its mark.

. testing/tunnels.sh

kind=vxlan

reload_all()
{
	local n last=100 marks=(CS1 EF keep)

	! short_form || last=24
	for n in $(seq $last); do
		case $((n % 4)) in
		0) on a "$TOOL" load vx4 --flows $((65536 << (n / 4 % 2))) ;;
		1) on a "$TOOL" load vx4 --uplink eth0 --uplink "eth$((n / 4 % 2 + 1))" ;;
		2) on a "$TOOL" load vx4 --egress-map "CS0=${marks[n / 4 % 3]}" ;;
		3) on a "$TOOL" load vx4 --direction both ;;
		esac || return
	done
}

# 100 times: another size of the map of flows, which exchanges the programs; another uplink; another
# policy for a DSCP that is not sent; another direction.
test_hundred_reloads()
{
	local json

	lone_node
	node_add_netns b
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'ip link del eth0; for n in 1 2; do
			ip link add eth$n type veth peer name other$n; ip link set eth$n up
		done'
	wire_netns a b
	uplink a 1
	uplink b 2
	vxlan b 2 1
	check on a "$TOOL" load vx4
	record b eth0 "$T/flood.pcap" "udp port 4789"
	background on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 1000000 \
		--rate 4000 --seconds 60
	flood=$!
	check reload_all
	stop_background "$flood" INT
	recorded
	# What CS0 became was changed all the time.
	json=$("$wire" judge "$T/flood.pcap" --tunnel vxlan --from 192.0.2.1 --port 4789 \
		--expect inner --json 2>/dev/null) || true
	jq -e '.data > 5000 and ([.inner_dscp[] | select(.dscp > 0) | .wrong] | add) == 0' <<<"$json"
	[ "$(counter a vx4 counters.egress.unknown)" = 0 ]
}
