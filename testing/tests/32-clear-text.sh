# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Tunnels in clear text: egress_outer reads the inner packet as it leaves, and takes nothing else for
# one. The socket of bash sends DSCP 0, so a map of CS0 shows the packets that are taken for a tunnel's.

. testing/tunnels.sh

kind=vxlan

# datagrams NODE ADDRESS COMMANDS: in bash, with a connected UDP socket to that address as descriptor 3;
# "send N" sends N datagrams of 2000 bytes, each in two fragments
datagrams()
{
	# shellcheck disable=SC2016 # for another shell
	check on "$1" bash -ec '
		exec 3<>"/dev/udp/$0/9"
		send() { for ((i = 0; i < $1; i++)); do printf %02000d 0 >&3; done; }
		'"$3" "$2"
}

# ds_fields FILTER: how many of the captured packets have which DS field, as "0x88:20 0x0:1"
ds_fields()
{
	tcpdump -nvr "$T/wire.pcap" "$1" 2>/dev/null | awk '
		match($0, /^[^ ].* IP \(tos 0x[0-9a-f]+/) { split(substr($0, RSTART), w, /\(tos |,/)
			n[w[2]]++ }
		/^[^ ].* IP6 \(/ { ds = "0x0"
			if (match($0, /class 0x[0-9a-f]+/)) ds = substr($0, RSTART + 6, RLENGTH - 6)
			n[ds]++ }
		END { for (ds in n) print ds ":" n[ds] }' | sort | paste -sd ' '
}

# are FILTER ERE: the DS fields
are()
{
	local all
	all=$(ds_fields "$1")

	grep -qxE -e "$2" <<<"$all" || fail "not $2 but $all: $1"
}

# A socket sends by a tunnel, and then, since its route has moved, by the uplink itself: its later
# fragments have no port, and are the tunnel's no longer.
test_fragments_of_others()
{
	two_nodes
	on a sh -ec 'ip route add 10.50.0.2 via 10.0.4.2; ip -6 route add fd50::2 via fd00:6::2
		ip link set eth0 mtu 1280'
	check on a "$TOOL" load vx4 --egress-map CS0=AF41
	check on a "$TOOL" load vx6 --egress-map CS0=AF42 --peer-map fd50::2:CS0=AF43
	record b eth0 "$T/wire.pcap"
	datagrams a 10.50.0.2 'send 3; ip route replace 10.50.0.2 via 192.0.2.2; send 20'
	datagrams a fd50::2 'send 3; ip -6 route replace fd50::2 via 2001:db8::2; send 20'
	recorded
	are 'dst host 10.50.0.2' 0x0:40
	are 'dst host fd50::2' 0x0:40
	# The first one through the tunnel, at least, was too long for the uplink.
	are 'dst host 192.0.2.2 and ip[6:2] & 0x3fff != 0' '0x88:[0-9]*[02468]'
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
	[ "$(counter a vx6 counters.egress.unknown.total)" = 0 ]
}

# vxin runs over vx4, so egress_outer is on vx4 as well, where the inner packets of vx4 are. These stay
# as they are, fragments too.
test_fragments_inside()
{
	two_nodes
	on a sh -ec 'ip link add vxin type vxlan id 77 remote 10.0.4.2 dstport 4791; ip link set vxin up
		ip neighbour add 10.0.4.9 lladdr 02:00:00:00:04:02 dev vx4'
	check on a "$TOOL" load vx4 --egress-map CS0=AF41 --peer-map 10.0.4.0/24:CS0=AF42
	check on a "$TOOL" load vxin --egress-map CS0=AF43
	record b vx4 "$T/wire.pcap"
	datagrams a 10.0.4.9 'send 20'
	recorded
	are 'src host 10.0.4.1 and ip[6:2] & 0x3fff != 0' 0x0:40
	[ "$(counter a vx4 counters.egress.dscp.AF42)" -ge 40 ]
}

# Long packets are fragmented outside, and each fragment has the DSCP, in every mode. (The kernel
# does not fragment VXLAN's packets over IPv6.)
test_outer_fragments()
{
	two_nodes
	on a ip link set eth0 mtu 600
	check on a "$TOOL" load vx4
	pass udp 4 4 inner
	pass udp 4 6 inner
	jq -e '.fragments_following > 100' <<<"$(tail -n 1 <<<"$OUTPUT")"
	check on a "$TOOL" load vx4 --outer-dscp CS3
	pass udp 4 4 24
	jq -e '.fragments_following > 100' <<<"$(tail -n 1 <<<"$OUTPUT")"
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
}

# Somebody else's filter at the device changes the inner DSCP, and the result is outside too,
# wherever the filter is; nothing leaks that it takes away.
test_filter_on_the_device()
{
	local o

	two_nodes
	for o in 4 6; do
		check on a "$TOOL" load vx$o
		behind a vx$o bleach_l2
		pass udp:640 $o 4 0
		pass udp:640 $o 6 0
		[ "$(counter a vx$o 'counters.egress.dscp|keys|join(" ")')" = '"CS0"' ]
		[ "$(counter a vx$o counters.egress.unknown.total)" = 0 ]
	done
}

# A program that writes VXLAN's header itself, in its own socket: not the tunnel's, as its packet cannot
# be inside, which is TCP.
test_message_of_a_program()
{
	local message

	two_nodes
	check on a "$TOOL" load vx4 --egress-map EF=AF41
	record b eth0 "$T/wire.pcap"
	# VNI 44, a frame, and an IPv4 header with EF, all in all 72 bytes.
	message='\x08\0\0\0\0\0\x2c\0\x02\0\0\0\x04\x02\x02\0\0\0\x04\x01\x08\0\x45\xb8\0\x32\0\0\0\0\x40\x06'
	message+="$(printf '\\0%.0s' {1..40})"
	# shellcheck disable=SC2016 # for another shell
	check on a bash -ec 'exec 3<>/dev/udp/192.0.2.2/4789
		for ((i = 0; i < 20; i++)); do printf "$0" >&3; done' "$message"
	[ "$(counter a vx4 counters.egress.seen)" = 0 ]
	recorded
	are 'udp dst port 4789 and udp[4:2] = 80' 0x0:20
}
