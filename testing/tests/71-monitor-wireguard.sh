# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# dscp-tool monitor and WireGuard: what can happen to a tunnel and to its uplink, by the bytes on
# the wire before it, while it happens, and after it. In virtual machines; the kernel that runs here
# may have no WireGuard.

. testing/tunnels.sh

# Two nodes and two ways between them, eth0 and the VLAN eth1; wg4 goes by eth0, and has ingress
# too. A monitor, which sees events only, writes to $T/monitor.
watched()
{
	local node n

	needs_wireguard
	node_add_netns a
	node_add_netns b
	wire_netns a b
	wireguard_keys
	n=1
	for node in a b; do
		uplink $node $n
		on $node sh -ec '
			ip link add link eth0 name eth1 type vlan id 34
			ip link set eth1 up
			ip address add 198.51.100.'$n'/24 dev eth1'
		n=$((n + 1))
	done
	wireguard a 1 2
	wireguard b 2 1
	check on a "$TOOL" load wg4 --direction both "$@"
	start_monitor a --interval 3600
	retry_until on a ping -c 1 -W 2 10.0.4.2
	marked eth0
}

said() { retry_until grep -qE -e "$1" "$T/monitor"; }

# marked DEV [PORT]: all 64 values, on every packet that b gets there; and nothing is broken
marked()
{
	record b "$1" "$T/marked.pcap" udp
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 640 --rate 2000
	recorded
	check "$wire" judge "$T/marked.pcap" --tunnel wireguard --from "$(source_of "$1")" \
		--port "${2:-51824}" --expect inner --ecn 0 --each 9
	check on a "$TOOL" status
}

source_of() { if [ "$1" = eth0 ]; then echo 192.0.2.1; else echo 198.51.100.1; fi; }

# meanwhile: packets of all marks leave, whatever happens, until quiet. Then what b got has been
# looked at: unmarked is the worst that may be.
meanwhile()
{
	record b eth0 "$T/meanwhile.pcap" 'udp or (vlan and udp)'
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'while :; do
		"$0" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 64 --rate 200 || sleep 0.2
	done' "$wire"
	sending=$!
}

# quiet [PORT]
quiet()
{
	local dev

	stop_background "$sending"
	recorded
	for dev in eth0 eth1; do
		check "$wire" judge "$T/meanwhile.pcap" --tunnel wireguard --from "$(source_of $dev)" \
			--port "${1:-51824}" --expect inner --unmarked-ok --min 0
	done
}

test_tunnel_changes()
{
	watched
	# wg-quick down, wg-quick up
	meanwhile
	on a ip link del wg4
	wireguard_again
	said 'wg4: the device was made anew.*: loaded again'
	quiet
	marked eth0
	# There is no event for what follows: the timer sees it.
	stop_background "$monitor"
	start_monitor a --interval 1
	meanwhile
	on a wg set wg4 listen-port 51999
	said 'wg4: port 51999: loaded again'
	quiet
	marked eth0 51999
	# The peer roams to where another device leads to.
	meanwhile
	on a wg set wg4 peer "$(<"$T/public2")" endpoint 198.51.100.2:51824
	said 'wg4: uplink eth1: loaded again'
	quiet 51999
	marked eth1 51999
	# A second peer, by the other way: both are uplinks.
	on a wg set wg4 peer "$(wg genkey | wg pubkey)" endpoint 192.0.2.77:51824
	said 'wg4: uplink eth0 eth1: loaded again'
	marked eth1 51999
	[ "$(on a "$TOOL" status --json |
		jq -c '[.tunnels[0].hooks[] | select(.program == "egress_outer").dev] | sort')" = \
		'["eth0","eth1"]' ]
	on a wg set wg4 peer "$(<"$T/public2")" endpoint 192.0.2.2:51824
	said 'wg4: uplink eth0: loaded again'
	marked eth0 51999
}

wireguard_again()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip link add wg4 type wireguard
		wg set wg4 listen-port 51824 private-key "$0/key1" \
			peer "$(cat "$0/public2")" allowed-ips 10.0.4.0/24,fd00:4::/64 \
			endpoint 192.0.2.2:51824
		ip address add 10.0.4.1/24 dev wg4
		ip link set wg4 up' "$T"
}

test_uplink_changes()
{
	watched --attach clsact
	meanwhile
	on a tc qdisc del dev eth0 clsact
	said 'wg4: a program was taken away: loaded again'
	quiet
	marked eth0
	# Somebody's own filter in place of ours, by the same command. With the lock no repair comes in
	# between.
	meanwhile
	: >"$T/monitor"
	on a flock /run/dscp-tool.lock sh -ec 'tc filter del dev wg4 egress
		tc filter add dev wg4 egress prio 1 handle 1 bpf da obj testing/bpf/foreign.bpf.o \
			sec tc/foreign'
	said 'wg4: a program was taken away: loaded again'
	quiet
	marked eth0
	check_grep 'pref 1 .*foreign' on a tc filter show dev wg4 egress
	# A rule sends what WireGuard has marked by another table (wg-quick's own way).
	meanwhile
	on a sh -ec 'ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1 table 7
		wg set wg4 fwmark 77'
	on a ip rule add fwmark 77 table 7
	said 'wg4: uplink eth1: loaded again'
	quiet
	marked eth1
	on a ip rule del fwmark 77 table 7
	said 'wg4: uplink eth0: loaded again'
	# The more specific route wins, and it goes away again.
	meanwhile
	: >"$T/monitor"
	on a ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1
	said 'wg4: uplink eth1: loaded again'
	quiet
	marked eth1
	on a ip route del 192.0.2.2/32
	said 'wg4: uplink eth0: loaded again'
	marked eth0
	on a "$TOOL" unload --all
	nothing_is_marked
}

nothing_is_marked()
{
	record b eth0 "$T/after.pcap" udp
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 64 --rate 1000
	recorded
	check "$wire" judge "$T/after.pcap" --tunnel wireguard --from 192.0.2.1 --port 51824 \
		--expect none --min 60
}
