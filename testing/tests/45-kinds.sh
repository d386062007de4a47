# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Every kind of tunnel, between two namespaces of one machine. Kinds that the running kernel does not have
# are skipped here, and run in the virtual machines. Kinds of uplinks are in 48-uplinks.sh.

. testing/tunnels.sh

two_nodes()
{
	nothing_may_be_missing
	node_add_netns a
	node_add_netns b
	wired_uplinks
}

# both_ways FAMILY_OUTSIDE KIND LINK-ARGUMENTS [INNER-FAMILIES [OUTER-ECN]]: a tunnel t0 of that kind
both_ways()
{
	local o=$1 judge_kind=$2 i packets

	two_nodes
	make_tunnel "$3"
	check on a "$TOOL" load t0
	for i in ${4:-4 6}; do
		for packets in "udp --count 640" "ping --count 64"; do
			# shellcheck disable=SC2086 # several words
			through a b --way $packets --dst "$(inner 4 "$i" 2)" --send-ecn 1 --at eth0 \
				--tunnel "$judge_kind" --from "$(outer "$o" 1)" --ecn "${5:-1}"
		done
	done
	[ "$(counter a t0 counters.egress.unknown.total)" = 0 ]
	check on a "$TOOL" unload t0
	inwards "${4:-4 6}"
	check on a "$TOOL" unload t0
	check on b "$TOOL" unload t0
}

# inwards INNER-FAMILIES [ECN]: the outer DSCP arrives on the inner packet of t0, and the outer CE
# (or the kernel's result for it); the sockets get only packets with a right checksum. Both ends are
# loaded in both directions.
inwards()
{
	local i node

	! in_vm || dmesg -C
	for node in a b; do
		check on $node "$TOOL" load t0 --direction both
		# The DSCP is outside only.
		behind $node eth0 bleach_inside
	done
	for i in $1; do
		through a b --dst "$(inner 4 "$i" 2)" --send-ecn 1 --ecn 1
	done
	through b a --dst "$(inner 4 "$i" 1)" --send-ecn 1 --ecn 1
	behind a eth0 congest_l2
	through a b --dst "$(inner 4 "$i" 2)" --count 128 --send-ecn 1 --ecn "${2:-3}"
	[ "$(counter b t0 counters.ingress.unknown.total)" = 0 ]
	no_wrong_sums
}

# Where the kernel would say that a sum of the whole packet, by the device or by GRE, was not right. It has
# said nothing since inwards began.
no_wrong_sums()
{
	! in_vm || ! dmesg | grep 'hw csum failure' || fail "$OUTPUT"
}

test_geneve_over_ipv4() { both_ways 4 geneve "$mac_arg type geneve id 7 remote 192.0.2.%peer"; }
test_geneve_over_ipv6() { both_ways 6 geneve "$mac_arg type geneve id 7 remote 2001:db8::%peer"; }
test_gre() { both_ways 4 gre 'type gre local 192.0.2.%own remote 192.0.2.%peer'; }
test_gre_key_csum() { both_ways 4 gre 'type gre remote 192.0.2.%peer key 99 csum'; }
test_gretap() { both_ways 4 gre "$mac_arg type gretap local 192.0.2.%own remote 192.0.2.%peer"; }
# The kernel's ip6gre does not look at the inner ECN.
test_ip6gre() { both_ways 6 gre 'type ip6gre local 2001:db8::%own remote 2001:db8::%peer' '4 6' any; }
test_ip6gretap()
{
	both_ways 6 gre "$mac_arg type ip6gretap local 2001:db8::%own remote 2001:db8::%peer key 5" \
		'4 6' any
}
test_ipip() { both_ways 4 ipip 'type ipip local 192.0.2.%own remote 192.0.2.%peer' 4; }
test_sit() { both_ways 4 ipip 'type sit local 192.0.2.%own remote 192.0.2.%peer' 6; }
test_ip6tnl()
{
	both_ways 6 ipip 'type ip6tnl mode any local 2001:db8::%own remote 2001:db8::%peer'
}

# A device of a that has only its own address, and sends to the address of its neighbours. TC at the
# device would see the prototype of the outer header there; at the uplink the inner packet is behind
# the outer header as ever.
test_gre_without_remote_outwards()
{
	local packets=(a b --way udp --dst 10.0.4.2 --send-ecn 1 --at eth0 --tunnel gre
		--from 192.0.2.1 --ecn 1)

	two_nodes
	on a ip link add t0 type gre local 192.0.2.1 || skip "this kernel has no GRE"
	on b ip link add t0 type gre local 192.0.2.2 remote 192.0.2.1
	both 'ip address add 10.0.4.%own/24 dev t0; ip link set t0 mtu 1300 up'
	on a ip neighbour replace 10.0.4.2 lladdr 192.0.2.2 dev t0
	check on a "$TOOL" load t0 --uplink eth0
	through "${packets[@]}" --count 640
	[ "$(counter a t0 counters.egress.unknown.total)" = 0 ]
	check on a "$TOOL" load t0 --uplink eth0 --egress-map '*=CS0,EF=AF41' \
		--peer-map 10.0.4.2:EF=AF42
	through "${packets[@]}" --count 64 --dscp 46 --expect 36
}

# Inwards a device without a remote shows the outer header to TC: no packet's DSCP is known.
test_gre_without_remote()
{
	two_nodes
	on a ip link add t0 type gre local 192.0.2.1 remote 192.0.2.2 || skip "this kernel has no GRE"
	on b ip link add t0 type gre local 192.0.2.2
	on a sh -ec 'ip address add 10.0.4.1/24 dev t0; ip link set t0 mtu 1300 up'
	on b sh -ec 'ip address add 10.0.4.2/24 dev t0; ip link set t0 mtu 1300 up'
	check on a "$TOOL" load t0
	behind a eth0 bleach_inside
	check on b "$TOOL" load t0 --direction ingress --uplink eth0
	through_where '.unmarked == 630 and .right == 10' a b --dst 10.0.4.2
	# The 640 and the marker behind them.
	[ "$(counter b t0 counters.ingress.unknown.total)" = 641 ]
}

# refused ERE: load of t0 is, with one line that matches, and nothing is left
refused()
{
	check_exit 2 on a "$TOOL" load t0 --uplink eth0 --direction both
	grep -qE -e "^dscp-tool: t0: $1" <<<"$OUTPUT" || fail "no \"$1\": $OUTPUT"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

test_external_is_refused()
{
	local kind

	two_nodes
	for kind in gre gretap ip6gre ip6gretap ipip ip6tnl; do
		on a ip link add t0 type $kind external || skip "this kernel has no $kind"
		refused "$kind in external mode has no address .*: make a device with a remote"
		on a ip link delete t0
	done
}

# encapsulated KIND FAMILY ENCAP: t0 of node a, inside UDP
encapsulated()
{
	# shellcheck disable=SC2046 # several words
	on a ip link add t0 type "$1" local "$(outer "$2" 1)" remote "$(outer "$2" 2)" \
		$([ "$1" != ip6tnl ] || echo mode any) encap "$3" encap-sport auto encap-dport 5555
}

# The remedy that the sentence names is one; status says the same of a tunnel that is loaded.
test_inside_udp_is_refused()
{
	local kind family encap

	two_nodes
	! in_vm || modprobe -a fou fou6
	while read -r kind family; do
		for encap in fou gue; do
			encapsulated "$kind" "$family" $encap || skip "this kernel has no $kind in $encap"
			refused "its packets leave inside others .* ip link set t0 type $kind encap none"
			on a ip link set t0 up
			on a ip link set t0 type "$kind" encap none
			check on a "$TOOL" load t0 --uplink eth0
			check on a "$TOOL" status t0
			# The kernel can change a device that is loaded.
			on a ip link set t0 type "$kind" encap $encap encap-sport auto encap-dport 5555
			check_exit 4 on a "$TOOL" status t0
			check_grep "its packets leave inside others .* ip link set t0 type $kind encap none" \
				echo "$OUTPUT"
			on a ip link set t0 type "$kind" encap none
			check on a "$TOOL" status t0
			check on a "$TOOL" unload t0
			on a ip link delete t0
		done
	done <<-EOF
		gre 4
		gretap 4
		ipip 4
		sit 4
		ip6gre 6
		ip6gretap 6
		ip6tnl 6
	EOF
	# Its packets are not taken for a loaded tunnel's with the same addresses.
	encapsulated gretap 4 fou
	on a sh -ec 'ip link set t0 up
		ip link add t1 type gre local 192.0.2.1 remote 192.0.2.2; ip link set t1 up'
	check on a "$TOOL" load t1 --uplink eth0
	check on a "$TOOL" status
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

# wireguard_over MTU: WireGuard between two nodes, over an uplink of a with that MTU
wireguard_over()
{
	kind=wireguard
	two_nodes
	needs_wireguard
	wireguard_keys
	wireguard a 1 2
	wireguard b 2 1
	on a ip link set eth0 mtu "$1"
}

# WireGuard does not care for the MTU outside: the outer packet is fragmented, and the fragments of
# local TCP lose the stamp (skb_set_owner_w()).
test_outer_fragments()
{
	local o

	wireguard_over 1400
	for o in 4 6; do
		check on a "$TOOL" load wg$o
		outside $o
		through_where '.fragments_following > 500 and .wrong == 0' a b --way tcp \
			--dst "$(inner $o 4 2)" --bytes 1000000 --dscp 46 --expect 46 "${outside[@]}"
	done
	check on a "$TOOL" status
}

# fragments_of_a_socket OPTIONS: wg4 is loaded with them, and makes AF41 of packets that a connected
# socket sends with DSCP CS0; each outer packet is three fragments or more
fragments_of_a_socket()
{
	check on a "$TOOL" load wg4 "$@"
	record b eth0 "$T/wire.pcap"
	# Nobody listens: a call that is told so, of the one before, sends nothing.
	# shellcheck disable=SC2016 # for another shell
	check on a bash -ec 'exec 3<>"/dev/udp/$0/9"
		for ((i = 0; i < 50; i++)); do until printf %01300d 0 >&3; do :; done; done' \
		"$(inner 4 4 2)" 2>/dev/null
	recorded
	judge_tunnel "$T/wire.pcap" 4 --expect 34 --json
	jq -e '.fragments_first >= 50 and .fragments_following >= 100' <<<"$(tail -n 1 <<<"$OUTPUT")"
	[ "$(counter a wg4 counters.egress.unknown.total)" = 0 ]
}

# Each fragment has its packet's DSCP: from a socket without a hash, which sends all DSCPs; from a connected
# one, which puts its hash in place of the stamp; and in fixed mode.
test_outer_fragments_of_datagrams()
{
	wireguard_over 600
	check on a "$TOOL" load wg4
	pass udp:640 4 4 inner
	jq -e '.fragments_following > 100' <<<"$(tail -n 1 <<<"$OUTPUT")"
	[ "$(counter a wg4 counters.egress.unknown.total)" = 0 ]
	fragments_of_a_socket --egress-map CS0=AF41
	fragments_of_a_socket --peer-map 0.0.0.0/0:CS0=AF41
	fragments_of_a_socket --outer-dscp AF41
}

# marked_twice FIRST SECOND: loads the tunnels in that order; 200 packets through both, judged where
# they leave the outer one, and outside
marked_twice()
{
	local packets=(a b --dst 10.9.0.2 --dscp 46 --count 200 --expect 46)

	check on a "$TOOL" load "$1"
	check on a "$TOOL" load "$2"
	through "${packets[@]}" --at wg4 --tunnel vxlan --from 10.0.4.1
	outside 4
	# VXLAN takes 50 bytes, and WireGuard's padding makes that 64.
	through "${packets[@]}" "${outside[@]}" --overhead 64
	check on a "$TOOL" unload --all
}

# A tunnel in a tunnel: VXLAN in WireGuard. On wg4 both programs run, and the DSCP of the VXLAN
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
