# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# dscp-tool monitor and WireGuard: events of a tunnel and of its uplink, by the bytes on
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

# leave DEV PORT OPTIONS of "wire through"...: 640 packets of all DSCPs, and each is right that b gets
# there
leave()
{
	through a b --dst 10.0.4.2 --at "$1" --tunnel wireguard --from "$(source_of "$1")" \
		--port "$2" --ecn 0 "${@:3}"
}

source_of() { if [ "$1" = eth0 ]; then echo 192.0.2.1; else echo 198.51.100.1; fi; }

# marked DEV [PORT]: all of them are, and nothing is broken
marked()
{
	leave "$1" "${2:-51824}"
	check on a "$TOOL" status
}

# changed ERE DEV PORT COMMAND...: after it packets leave by that device and port, and unmarked is the
# worst that they are: as long as nothing is repaired, and until monitor has said that it is. Then all
# are marked again.
changed()
{
	: >"$T/monitor"
	hold_lock a
	"${@:4}"
	leave "$2" "$3" --unmarked-ok
	meanwhile
	release_lock
	retry_until grep -E -e "$1" "$T/monitor"
	quiet "$3"
	marked "$2" "$3"
}

# meanwhile: packets of all DSCPs leave, until quiet. How many is not known: the kernel loses some while
# a qdisc is put on a device or taken off it (qdisc_graft()).
meanwhile()
{
	record b eth0 "$T/meanwhile.pcap" 'udp or (vlan and udp)'
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'while :; do
		"$0" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 64 --rate 200 || :
	done' "$wire"
	sending=$!
}

# quiet PORT
quiet()
{
	local dev

	stop_background "$sending"
	recorded
	for dev in eth0 eth1; do
		check "$wire" judge "$T/meanwhile.pcap" --tunnel wireguard --from "$(source_of $dev)" \
			--port "$1" --expect inner --unmarked-ok --min 0
	done
}

test_tunnel_changes()
{
	local public2

	watched
	public2=$(<"$T/public2")
	# wg-quick down, wg-quick up
	changed 'wg4: the device was made anew.*: loaded again' eth0 51824 wireguard_again
	# There is no event for the next change: the timer sees it.
	stop_background "$monitor"
	start_monitor a --interval 1
	changed 'wg4: port 51999: loaded again' eth0 51999 on a wg set wg4 listen-port 51999
	# The peer roams to where another device leads to.
	changed 'wg4: uplink eth1: loaded again' eth1 51999 \
		on a wg set wg4 peer "$public2" endpoint 198.51.100.2:51824
	# A second peer, by the other way: both are uplinks.
	changed 'wg4: uplink eth0 eth1: loaded again' eth1 51999 \
		on a wg set wg4 peer "$(wg genkey | wg pubkey)" endpoint 192.0.2.77:51824
	[ "$(on a "$TOOL" status --json |
		jq -c '[.tunnels[0].hooks[] | select(.program == "egress_outer").dev] | sort')" = \
		'["eth0","eth1"]' ]
	changed 'wg4: uplink eth0: loaded again' eth0 51999 \
		on a wg set wg4 peer "$public2" endpoint 192.0.2.2:51824
}

wireguard_again()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip link del wg4
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
	changed 'wg4: a program was taken away: loaded again' eth0 51824 \
		on a tc qdisc del dev eth0 clsact
	# Somebody's filter in place of our own, by the same command.
	changed 'wg4: a program was taken away: loaded again' eth0 51824 \
		on a sh -ec 'tc filter del dev wg4 egress
			tc filter add dev wg4 egress prio 1 handle 1 bpf da \
				obj testing/bpf/foreign.bpf.o sec tc/foreign'
	check_grep 'pref 1 .*foreign' on a tc filter show dev wg4 egress
	# A rule sends packets that WireGuard has marked by another table (wg-quick's own way).
	changed 'wg4: uplink eth1: loaded again' eth1 51824 \
		on a sh -ec 'ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1 table 7
			wg set wg4 fwmark 77
			ip rule add fwmark 77 table 7'
	changed 'wg4: uplink eth0: loaded again' eth0 51824 on a ip rule del fwmark 77 table 7
	# The more specific route wins, and it goes away again.
	changed 'wg4: uplink eth1: loaded again' eth1 51824 \
		on a ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1
	changed 'wg4: uplink eth0: loaded again' eth0 51824 on a ip route del 192.0.2.2/32
	on a "$TOOL" unload --all
	# Nothing is marked.
	leave eth0 51824 --count 64 --expect none
}
