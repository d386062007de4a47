# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Every kind of tunnel, between two namespaces of one machine. What the running kernel does not have is
# skipped here, and runs in the virtual machines. Kinds of uplinks are in 48-uplinks.sh.

. testing/tunnels.sh

two_nodes()
{
	nothing_may_be_missing
	node_add_netns a
	node_add_netns b
	wire_netns a b
	uplink a 1
	uplink b 2
}

# through FAMILY_OUTSIDE KIND LINK-ARGUMENTS [INNER-FAMILIES [OUTER-ECN]]: a tunnel t0 of that kind
through()
{
	local o=$1 judge_kind=$2 type=$3 i

	two_nodes
	both "ip link add t0 $type" || skip "this kernel has no such tunnel: $type"
	both 'ip link set t0 multicast off addrgenmode none 2>/dev/null || true
		ip address add 10.0.4.%own/24 dev t0
		ip address add fd00:4::%own/64 dev t0 nodad
		ip link set t0 mtu 1300 up
		ip neighbour replace 10.0.4.%peer lladdr 02:00:00:00:00:0%peer dev t0 2>/dev/null || true
		ip neighbour replace fd00:4::%peer lladdr 02:00:00:00:00:0%peer dev t0 2>/dev/null || true'
	check on a "$TOOL" load t0
	for i in ${4:-4 6}; do
		record b eth0 "$T/pass.pcap" "ip or ip6"
		check on a "$wire" udp --dst "$(inner 4 "$i" 2)" --port 5000 --dscp cycle --count 640 \
			--rate 2000 --ecn 1
		check on a "$wire" ping --dst "$(inner 4 "$i" 2)" --dscp cycle --count 64 --rate 1000 \
			--ecn 1
		recorded
		check "$wire" judge "$T/pass.pcap" --tunnel "$judge_kind" --from "$(outer "$o" 1)" \
			--expect inner --ecn "${5:-1}" --each 11
	done
	[ "$(counter a t0 counters.egress.unknown)" = 0 ]
	check on a "$TOOL" unload t0
	inwards "${4:-4 6}"
	check on a "$TOOL" unload t0
	check on b "$TOOL" unload t0
}

# hidden NODE DEV: what it sends through that tunnel has its mark outside only
hidden()
{
	local layer=l3

	# ARPHRD_ETHER
	[ "$(on "$1" cat "/sys/class/net/$2/type")" != 1 ] || layer=l2
	behind "$1" "$2" bleach_$layer
}

# inwards INNER-FAMILIES [ECN]: the outer mark arrives on the inner packet of t0, and the outer CE
# (or what the kernel makes of it); the sockets get only what has a right checksum. Both ends are
# loaded in both directions.
inwards()
{
	local i node

	for node in a b; do
		check on $node "$TOOL" load t0 --direction both
		hidden $node t0
	done
	for i in $1; do
		# shellcheck disable=SC2046 # several words
		listen b 5000 $(most 640) --ecn 1
		flow 4 "$i" 640 2000 --ecn 1
		heard 5000
	done
	# shellcheck disable=SC2046 # several words
	listen a 5001 $(most 640) --ecn 1
	check on b "$wire" udp --dst "$(inner 4 "$i" 1)" --port 5001 --dscp cycle --count 640 \
		--rate 2000 --ecn 1
	heard 5001
	behind a eth0 congest_l2
	listen b 5000 --count 128
	flow 4 "$i" 128 1000 --ecn 1
	heard 5000 '.wrong == 0 and .unmarked == 0 and .data == 128 and .ecn == {"'"${2:-3}"'": 128}'
	[ "$(counter b t0 counters.ingress.unknown)" = 0 ]
	no_wrong_sums
}

# Where the kernel would say that a sum of the whole packet, by the device or by GRE, was not right.
no_wrong_sums()
{
	! in_vm || ! dmesg | grep 'hw csum failure' || fail "$OUTPUT"
}

mac_arg='address 02:00:00:00:00:0%own'

test_geneve_over_ipv4() { through 4 geneve "$mac_arg type geneve id 7 remote 192.0.2.%peer"; }
test_geneve_over_ipv6() { through 6 geneve "$mac_arg type geneve id 7 remote 2001:db8::%peer"; }
test_gre() { through 4 gre 'type gre local 192.0.2.%own remote 192.0.2.%peer'; }
test_gre_key_csum() { through 4 gre 'type gre remote 192.0.2.%peer key 99 csum'; }
test_gretap() { through 4 gre "$mac_arg type gretap local 192.0.2.%own remote 192.0.2.%peer"; }
# The kernel's ip6gre does not look at the inner ECN.
test_ip6gre() { through 6 gre 'type ip6gre local 2001:db8::%own remote 2001:db8::%peer' '4 6' any; }
test_ip6gretap()
{
	through 6 gre "$mac_arg type ip6gretap local 2001:db8::%own remote 2001:db8::%peer key 5" \
		'4 6' any
}
test_ipip() { through 4 ipip 'type ipip local 192.0.2.%own remote 192.0.2.%peer' 4; }
test_sit() { through 4 ipip 'type sit local 192.0.2.%own remote 192.0.2.%peer' 6; }
test_ip6tnl()
{
	through 6 ipip 'type ip6tnl mode any local 2001:db8::%own remote 2001:db8::%peer'
}

# A device without a remote shows the outer header to TC: no packet's mark is known.
test_gre_without_remote()
{
	two_nodes
	on a ip link add t0 type gre local 192.0.2.1 remote 192.0.2.2 || skip "this kernel has no GRE"
	on b ip link add t0 type gre local 192.0.2.2
	on a sh -ec 'ip address add 10.0.4.1/24 dev t0; ip link set t0 mtu 1300 up'
	on b sh -ec 'ip address add 10.0.4.2/24 dev t0; ip link set t0 mtu 1300 up'
	check on a "$TOOL" load t0
	hidden a t0
	check on b "$TOOL" load t0 --direction ingress --uplink eth0
	listen b 5000 --count 640
	flow 4 4 640 2000
	heard 5000 '.data == 640 and .unmarked == 630 and .right == 10'
	[ "$(counter b t0 counters.ingress.unknown)" = 640 ]
}

# vlans COMMANDS: VXLAN with tagged frames inside, on the device t1 that the commands make
vlans()
{
	two_nodes
	both "ip link add t0 $mac_arg type vxlan id 7 remote 192.0.2.%peer dstport 4789
		ip link set t0 multicast off addrgenmode none
		ip link set t0 mtu 1400 up"
	both "$1
		ip link set t1 addrgenmode none
		ip link set t1 mtu 1300 up
		ip address add 10.0.4.%own/24 dev t1
		ip address add fd00:4::%own/64 dev t1 nodad
		ip neighbour replace 10.0.4.%peer lladdr 02:00:00:00:00:0%peer dev t1
		ip neighbour replace fd00:4::%peer lladdr 02:00:00:00:00:0%peer dev t1" ||
		skip "this kernel has no VLANs"
	# The kernel does not look behind the tag for the inner ECN.
	inwards '4 6' 1
}

test_vlan_in_vxlan() { vlans 'ip link add link t0 name t1 type vlan id 7'; }
test_qinq_in_vxlan()
{
	vlans 'ip link add link t0 name s type vlan proto 802.1ad id 5; ip link set s up
		ip link add link s name t1 type vlan id 34'
}

# WireGuard does not care for the MTU outside: the outer packet is fragmented, and the fragments of
# local TCP lose the stamp (skb_set_owner_w()).
test_outer_fragments()
{
	local json o

	kind=wireguard
	two_nodes
	needs_wireguard
	wireguard_keys
	wireguard a 1 2
	wireguard b 2 1
	on a ip link set eth0 mtu 1400
	for o in 4 6; do
		check on a "$TOOL" load wg$o
		background on b "$wire" tcp-server --port 5001 --connections 1 --seconds 60
		retry_until 20 on b sh -c 'ss -lnt | grep -q :5001'
		record b eth0 "$T/tcp.pcap" "ip or ip6"
		check on a "$wire" tcp --dst "$(inner $o 4 2)" --port 5001 --dscp 46 --bytes 1000000
		recorded
		json=$("$wire" judge "$T/tcp.pcap" --tunnel wireguard --from "$(outer $o 1)" \
			--port 5182$o --expect 46 --ecn any --json) || true
		echo "$json"
		[ "$(jq .fragments_following <<<"$json")" -gt 500 ]
		[ "$(jq .wrong <<<"$json")" = 0 ]
	done
	check on a "$TOOL" status
}

# marked_twice FIRST SECOND: loads the tunnels in that order; 200 packets through both
marked_twice()
{
	local outermost

	check on a "$TOOL" load "$1"
	check on a "$TOOL" load "$2"
	record b eth0 "$T/outermost.pcap" udp
	outermost=$recording
	record b wg4 "$T/middle.pcap" udp
	check on a "$wire" udp --dst 10.9.0.2 --port 5000 --dscp 46 --count 200 --rate 500
	recorded
	recording=$outermost
	recorded
	check "$wire" judge "$T/middle.pcap" --tunnel vxlan --from 10.0.4.1 --port 4789 \
		--expect 46 --min 200
	judge_tunnel "$T/outermost.pcap" 4 --expect 46 --min 200
	check on a "$TOOL" unload --all
}

# A tunnel in a tunnel: VXLAN in WireGuard. On wg4 both programs run, and the mark of the VXLAN
# packet has to be there before it is read, whichever was loaded first.
test_tunnel_in_tunnel()
{
	kind=wireguard
	two_nodes
	needs_wireguard
	wireguard_keys
	wireguard a 1 2
	wireguard b 2 1
	both 'ip link add t0 address 02:00:00:00:00:0%own type vxlan id 9 remote 10.0.4.%peer dstport 4789
		ip link set t0 multicast off addrgenmode none
		ip address add 10.9.0.%own/24 dev t0
		ip link set t0 mtu 1300 up
		ip neighbour add 10.9.0.%peer lladdr 02:00:00:00:00:0%peer dev t0'
	marked_twice wg4 t0
	marked_twice t0 wg4
}
