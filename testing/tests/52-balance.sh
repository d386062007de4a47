# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Health means that packets of the tunnel were seen and marked, or that there were none: the words of
# status when programs are attached and packets go another way, and when it has to be content.

. testing/tunnels.sh

kind=vxlan

# A node with two uplinks, eth0 and eth1, with neighbours .2 that need not be asked for, and VXLAN
# tunnels vx4 and vx6 that leave by eth0.
two_uplinks()
{
	lone_node
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip link add eth1 type veth peer name peer1
		ip link set peer1 up
		ip link set eth1 addrgenmode none up
		for dev in peer0 peer1 eth1; do
			echo 1 >/proc/sys/net/ipv6/conf/$dev/disable_ipv6
		done
		ip address add 198.51.100.1/24 dev eth1
		ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0
		ip neighbour replace 2001:db8::2 lladdr 02:00:00:00:00:fe dev eth0
		ip neighbour replace 198.51.100.2 lladdr 02:00:00:00:00:fe dev eth1'
}

# send N [ADDRESS]: so many datagrams
send()
{
	# shellcheck disable=SC2016 # for another shell
	on a bash -c 'for ((i = 0; i < $0; i++)); do echo >"/dev/udp/$1/9"; done' "$1" "${2:-10.0.4.2}"
}

# sent DEV: packets that the device has counted
sent() { on a ip -s -j link show "$1" | jq '.[0].stats64.tx.packets'; }

# complains ERE [TUNNEL]: exit status 4, and that is the only problem, in each form
complains()
{
	local tunnel=${2:-vx4}

	check_exit 4 on a "$TOOL" status "$tunnel"
	[ "$(grep -c '^  problem ' <<<"$OUTPUT")" = 1 ] || fail "not one problem: $OUTPUT"
	grep -qE "^  problem +$1" <<<"$OUTPUT" || fail "it does not say '$1': $OUTPUT"
	check_exit 4 on a "$TOOL" status "$tunnel" --json
	jq -e --arg ere "$1" '.tunnels[0] | (.healthy | not) and (.problems | length == 1) and
		(.problems[0] | test("^" + $ere))' <<<"$OUTPUT" >/dev/null || fail "$OUTPUT"
}

healthy() { check on a "$TOOL" status "${1:-vx4}"; }

#
# The faults
#

# Where nobody looks for them. It is said as long as fewer packets than it takes say something else.
test_by_another_device()
{
	two_uplinks
	check on a "$TOOL" load vx4 --uplink eth1
	healthy
	send 20
	complains '[0-9]+ packets left vx4 in [0-9]+ s, and 0 of them were seen at eth1: eth0 \([0-9]+\) sent as many: by another device, load with --uplink too .save prints the other options.$'
	send 5
	complains '[0-9]+ packets left vx4 in .*, and 0 of them'
	# As a label it is the same each time, whatever the counts.
	check_exit 4 on a "$TOOL" status vx4 --prometheus
	grep '^dscp_tool_problem_info{tunnel="vx4",reason="packets that left it were not seen at its uplinks"} 1$' \
		<<<"$OUTPUT"
	send 20
	complains '[0-9]+ packets left vx4 in .*, and 0 of them .* eth0 \([0-9]+\)'
	# And no longer than that.
	check on a ip route replace 192.0.2.2 via 198.51.100.2 dev eth1
	send 5
	complains '[0-9]+ packets left vx4 in .*, and [1-9][0-9]* of them'
	send 20
	healthy
	# The remedy.
	check on a ip route del 192.0.2.2
	send 20
	complains '[0-9]+ packets left vx4 .*, and 0 of them'
	check on a "$TOOL" load vx4 --uplink eth0
	healthy
	send 20
	healthy
	[ "$(counter a vx4 counters.egress.seen)" -ge 45 ]
}

# Also for a tunnel of another network namespace than the one that status runs in.
test_from_another_namespace()
{
	two_uplinks
	node_add_netns b
	check on a "$TOOL" load vx4 --uplink eth1
	send 20
	check_exit 4 on a nsenter --net=/run/netns/b "$TOOL" status --all-netns
	grep -E '^  problem +20 packets left vx4 in [0-9]+ s, and 0 of them were seen at eth1: eth0 \([0-9]+\) sent as many: ' \
		<<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" load vx4 --uplink eth0
	send 20
	check on a nsenter --net=/run/netns/b "$TOOL" status --all-netns
	# Without the right to go there it is not judged.
	check on a "$TOOL" load vx4 --uplink eth1
	send 20
	check on a nsenter --net=/run/netns/b setpriv --bounding-set=-sys_admin "$TOOL" status --all-netns
}

# So many that not all are looked at. Ports of bridges come last.
test_by_one_of_many_devices()
{
	two_uplinks
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip link add br0 type bridge
		for n in 1 2 3 4 5 6 7 8 9 10; do
			ip link add v$n type veth peer name w$n
			ip link set v$n master br0
			ip link set w$n master br0
		done
		ip link add eth2 type veth peer name peer2
		ip link set peer2 up
		ip link set eth2 addrgenmode none up
		ip address add 203.0.113.1/24 dev eth2
		ip neighbour add 203.0.113.2 lladdr 02:00:00:00:00:fe dev eth2
		ip route add 192.0.2.2 via 203.0.113.2 dev eth2
		ip address add 10.9.9.9/32 dev lo'
	check on a "$TOOL" load vx4 --uplink eth1
	send 50 10.9.9.9
	send 20
	complains '[0-9]+ packets left vx4 in .* were seen at eth1: eth2 \([0-9]+\) sent as many: by another device, load with --uplink too .save prints the other options.$'
	# Devices that are not looked at may have sent them.
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip link del br0
		for n in 1 2 3 4 5 6 7 8 9 10; do ip link add eth1$n type veth peer name peer1$n; done
		ip link add eth3 type veth peer name peer3
		ip link set peer3 up
		ip link set eth3 addrgenmode none up
		ip address add 203.0.114.1/24 dev eth3
		ip neighbour add 203.0.114.2 lladdr 02:00:00:00:00:fe dev eth3
		ip route replace 192.0.2.2 via 203.0.114.2 dev eth3'
	check on a "$TOOL" load vx4 --uplink eth1
	send 20
	complains '[0-9]+ packets left vx4 in .* were seen at eth1: none of the devices here that are looked at sent as many: '
}

# Nobody's name does anything to a terminal.
test_name_of_another_device()
{
	two_uplinks
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		name=$(printf "e\033[31mx")
		ip link set eth0 down
		ip link set eth0 name "$name"
		ip link set "$name" up
		ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev "$name"'
	check on a "$TOOL" load vx4 --uplink eth1
	send 20
	complains '[0-9]+ packets left vx4 in .*: e\?\[31mx \([0-9]+\) sent as many: by another device'
}

# A VXLAN with peers in its fdb, while the default route goes elsewhere.
test_peers_in_the_fdb()
{
	two_uplinks
	on a sh -ec '
		ip route add default via 198.51.100.2 dev eth1
		ip link del vx4
		ip link add vx4 type vxlan id 7 dstport 4799 nolearning
		bridge fdb append 02:00:00:00:00:02 dev vx4 dst 192.0.2.2
		ip link set vx4 multicast off addrgenmode none up
		ip address add 10.0.4.1/24 dev vx4
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:00:02 dev vx4'
	check on a "$TOOL" load vx4
	send 20
	if [ "$(counter a vx4 counters.egress.seen)" = 20 ]; then
		healthy
	else
		complains '[0-9]+ packets left vx4 in .* were seen at eth1: eth0 \([0-9]+\) sent as many'
	fi
}

test_port_of_another()
{
	two_uplinks
	check on a "$TOOL" load vx4 --port 4795
	send 20
	complains '[0-9]+ packets left vx4 in .*, and 0 of them were seen at eth0: its port is 4789, and it was loaded with --port 4795$'
}

# NAT of the outer packets.
test_port_changed_on_the_way()
{
	two_uplinks
	on a nft 'table ip n { chain out { type nat hook output priority -100;
		udp dport 4789 dnat to 192.0.2.2:4795; }; }' || skip "this kernel has no NAT"
	check on a "$TOOL" load vx4
	send 20
	complains '[0-9]+ packets left vx4 .* 0 of them were seen at eth0: eth0 \([0-9]+\) sent as many: in another form, with another source or destination port \(NAT, a redirect: --port\), or behind a header that the route adds$'
	# The port on the wire is the one that counts.
	check on a "$TOOL" load vx4 --port 4795
	send 20
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = 20 ]
}

# The route puts a header in between.
test_behind_a_header()
{
	two_uplinks
	on a sh -ec 'ip neighbour replace 2001:db8::9 lladdr 02:00:00:00:00:fe dev eth0
		ip -6 route add 2001:db8::2/128 encap seg6 mode inline segs 2001:db8::9 dev eth0' ||
		skip "this kernel has no segment routing"
	check on a "$TOOL" load vx6 --uplink eth0
	send 20 10.0.6.2
	complains '[0-9]+ packets left vx6 in .*, and 0 of them were seen at eth0: eth0 \([0-9]+\) sent as many: in another form.* a header that the route adds$' vx6
}

# Inside ESP. The associations are of this network namespace only; the cipher does nothing.
test_inside_esp()
{
	two_uplinks
	on a sh -ec '
		ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport \
			enc "ecb(cipher_null)" ""
		ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out \
			tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode transport' ||
		skip "this kernel has no ESP"
	check on a "$TOOL" load vx4
	send 20
	complains '[0-9]+ packets left vx4 .* 0 of them were seen at eth0: eth0 \([0-9]+\) sent as many: in another form, inside ESP \(1 security associations\), '
}

# A program in front that ends the chain.
test_chain_ended()
{
	two_uplinks
	check on a "$TOOL" load vx4 --attach clsact
	on a tc filter add dev eth0 egress protocol all prio 1 bpf da obj testing/bpf/neighbour.bpf.o \
		sec tc/neighbour_pass || skip "tc does not load it"
	send 20
	complains '[0-9]+ packets left vx4 .* 0 of them .* or does neighbour_pass, which is before egress_outer, end the chain\?$'
}

# One uplink is below the other: a reader of the counters is told.
test_two_uplinks_on_one_path()
{
	two_uplinks
	on a sh -ec '
		ip address flush dev eth1
		ip link add br0 type bridge
		ip link set eth1 master br0
		ip link set br0 addrgenmode none up
		ip address add 198.51.100.1/24 dev br0
		ip neighbour add 198.51.100.2 lladdr 02:00:00:00:00:fe dev br0
		ip route add 192.0.2.2 via 198.51.100.2 dev br0'
	check on a "$TOOL" load vx4 --uplink br0
	check on a "$TOOL" load vx6 --uplink eth1
	send 20
	healthy
	grep -qE '^  hook +br0 egress: .*, counted again at eth1 below it$' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" status --json
	jq -e '[.tunnels[].hooks[] | select(.counted_again_at == "eth1").dev] == ["br0"]' <<<"$OUTPUT" ||
		fail "$OUTPUT"
	[ "$(counter a vx4 counters.egress.seen)" = 40 ]
	[ "$(counter a vx4 counters.egress.marked)" = 0 ]
}

# The firewall gives packets a mark that leads them by another route: no look-up can know.
test_rerouted_by_netfilter()
{
	two_uplinks
	on a sh -ec 'ip route add default via 198.51.100.2 dev eth1 table 100
		ip rule add fwmark 7 lookup 100'
	on a nft 'table ip n { chain out { type route hook output priority -150;
		udp dport 4789 meta mark set 7; }; }' || skip "this kernel has no netfilter"
	check on a "$TOOL" load vx4
	send 20
	complains '[0-9]+ packets left vx4 in .*, and 0 of them were seen at eth0: eth1 \([0-9]+\) sent as many: by another device, load with --uplink too .save prints the other options.$'
	check on a "$TOOL" load vx4 --uplink eth1
	send 20
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = 20 ]
}

# hear N: the peer sends so many datagrams, and vx4 has received them
hear()
{
	# shellcheck disable=SC2016 # for another shell
	on b bash -c 'for ((i = 0; i < $0; i++)); do echo >/dev/udp/10.0.4.1/9; done' "$1"
	retry_until heard_vxlan "$1"
}

heard_vxlan() { [ "$(on a ip -s -j link show vx4 | jq '.[0].stats64.rx.packets')" -ge "$1" ]; }

# Inwards, too.
test_chain_ended_inwards()
{
	two_nodes
	check on a "$TOOL" load vx4 --direction ingress --attach clsact
	on a tc filter add dev vx4 ingress protocol all prio 1 bpf da obj testing/bpf/neighbour.bpf.o \
		sec tc/neighbour_pass || skip "tc does not load it"
	healthy
	hear 20
	complains '[0-9]+ packets came out of vx4 in [0-9]+ s, and none reached ingress_inner: does neighbour_pass, which is before it, end the chain\?$'
	# Both of them, and then ours again.
	check on a tc filter del dev vx4 ingress prio 1
	check on a "$TOOL" reload vx4
	hear 40
	retry_until counted_inwards 10
	healthy
}

counted_inwards() { [ "$(counter a vx4 counters.ingress.seen)" -ge "$1" ]; }

# They come in where nothing has noted their outer header.
test_in_by_another_device()
{
	two_nodes
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	check on a "$TOOL" load vx4 --direction ingress --uplink eth1
	healthy
	hear 20
	retry_until counted_inwards 20
	complains 'of [0-9]+ of [0-9]+ packets that came out of vx4 the outer header is not known: eth0 \([0-9]+\) received as many, where no ingress_outer is \(--uplink\)$'
	check on a "$TOOL" load vx4 --direction ingress --uplink eth0
	hear 40
	retry_until counted_inwards 40
	healthy
}

# user_space PORT: nodes a and b; on a a user space tunnel tun0 with a program that has that port
user_space()
{
	node_add_netns a
	node_add_netns b
	wired_uplinks wire_veth
	on a sh -ec '
		ip tuntap add tun0 mode tun
		echo 1 >/proc/sys/net/ipv6/conf/tun0/disable_ipv6
		ip address add 10.8.0.1/24 dev tun0
		ip link set tun0 up' || skip "this kernel has no tun"
	: >"$T/server"
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'exec "$0" tun tun0 "$1" >"$T/server"' "$wire" "$1"
	retry_until grep -q ready "$T/server"
}

# from_peer PORT: the peer sends a packet, or rather the beginning of one, to that port
from_peer()
{
	local before

	before=$(on a ip -s -j link show tun0 | jq '.[0].stats64.rx.packets')
	# shellcheck disable=SC2016 # for another shell
	on b bash -c 'printf "\x45\0\0\x14\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0" >"/dev/udp/192.0.2.1/$0"' "$1"
	retry_until received "$before"
}

received() { [ "$(on a ip -s -j link show tun0 | jq '.[0].stats64.rx.packets')" -gt "$1" ]; }

read_by_program() { [ "$(sent tun0)" -ge "$1" ]; }

# The program has not yet sent the packets that it has read.
sent_by_eth0() { [ "$(sent eth0)" -ge "$1" ]; }
left_elsewhere() { [[ $(on a "$TOOL" status tun0) == *": $1 left with another source port"* ]]; }
left_marked() { [ "$(counter a tun0 counters.egress.dscp.AF41)" = "$1" ]; }

# A server that clients reach by another port: the answers get that one as source port.
test_redirected_port()
{
	user_space 51820
	on a nft 'table ip n { chain in { type nat hook prerouting priority -100;
		udp dport 443 redirect to :51820; }; }' || skip "this kernel has no NAT"
	check on a "$TOOL" load tun0 --outer-dscp AF41 --port 51820 --uplink eth0
	from_peer 443
	send 20 10.8.0.2
	retry_until read_by_program 20
	retry_until left_elsewhere 20
	complains '[0-9]+ packets left tun0 in .*, and 0 of them were seen at eth0: 20 left with another source port than 51820 \(NAT, a redirect\): give that with another --port$' tun0
	check on a "$TOOL" load tun0 --outer-dscp AF41 --port 51820 --port 443 --uplink eth0
	send 20 10.8.0.2
	retry_until read_by_program 40
	retry_until left_marked 20
	healthy tun0
}

# A program that sends from another port than it was, or has said.
test_program_with_another_port()
{
	local before

	user_space 40000
	check on a "$TOOL" load tun0 --outer-dscp AF41 --port 51820 --uplink eth0
	from_peer 40000
	before=$(sent eth0)
	send 20 10.8.0.2
	retry_until sent_by_eth0 $((before + 20))
	complains '[0-9]+ packets left tun0 in .*, and 0 of them were seen at eth0: eth0 \([0-9]+\) sent as many: in another form, with another source or destination port' tun0
}

# WireGuard: egress_inner stamps, and nobody finds the stamps.
test_wireguard_by_another_device()
{
	kind=wireguard
	wireguard_nodes
	on a sh -ec '
		ip link add eth1 type veth peer name peer1
		ip link set peer1 up
		ip link set eth1 up'
	check on a "$TOOL" load wg4 --uplink eth1
	send 20
	retry_until stamped 20
	retry_until complaint wg4
	complains '[0-9]+ packets left wg4 in .*, and 0 of them were seen at eth1: eth0 \([0-9]+\) sent as many: by another device' wg4
	check on a "$TOOL" load wg4
	send 20
	retry_until stamped 40
	retry_until seen 20
	healthy wg4
}

stamped() { [ "$(counter a wg4 counters.egress.stamped)" -ge "$1" ]; }
seen() { [ "$(counter a wg4 counters.egress.seen)" -ge "$1" ]; }
# Packets are on their way through the queues of the tunnel.
complaint() { ! on a "$TOOL" status "$1" >/dev/null; }

# WireGuard made in one network namespace and moved into another one, which has another eth0.
test_wireguard_in_a_container()
{
	kind=wireguard
	wireguard_nodes
	node_add_netns c
	on a sh -ec '
		ip link set wg4 netns c
		ip link add eth7 type veth peer name eth0 netns c
		ip link set eth7 up'
	on c sh -ec '
		ip address add 203.0.113.1/24 dev eth0
		ip link set eth0 up
		ip route add default via 203.0.113.2
		ip address add 10.0.4.1/24 dev wg4
		ip link set wg4 up'
	check on c "$TOOL" load wg4
	# shellcheck disable=SC2016 # for another shell
	on c bash -c 'for ((i = 0; i < 20; i++)); do echo >/dev/udp/10.0.4.2/9; done'
	retry_until has_problem
	check_exit 4 on c "$TOOL" status wg4
	grep -qE '^  problem +[0-9]+ packets left wg4 in .*, and 0 of them were seen at eth0: no device here sent as many: do they leave in another network namespace \(--uplink-netns\)\?$' <<<"$OUTPUT" ||
		fail "$OUTPUT"
}

has_problem() { ! on c "$TOOL" status wg4 >/dev/null; }

#
# States that are no problem
#

# The same for packets that WireGuard drops, which it tells the sender of.
dropped() { send "$@" 2>"$T/refused" || :; }

# WireGuard that drops, and one that only keeps itself alive.
test_wireguard_without_a_peer()
{
	kind=wireguard
	wireguard_nodes
	check on a "$TOOL" load wg4 --direction both
	check on a "$TOOL" load wg6
	# Nobody has that address: no key for it.
	check on a ip route add 10.9.9.0/24 dev wg4
	dropped 30 10.9.9.9
	healthy wg4
	# A peer without an address outside.
	check on a wg set wg6 peer "$(<"$T/public2")" remove
	check on a wg set wg6 peer "$(<"$T/public2")" allowed-ips 10.0.6.0/24
	dropped 30 10.0.6.2
	healthy wg6
	[ "$(counter a wg6 counters.egress.stamped)" -ge 30 ]
	[ "$(counter a wg6 counters.egress.seen)" = 0 ]
	# Keepalives, the other way too.
	check on a wg set wg4 peer "$(<"$T/public2")" persistent-keepalive 1
	check on b wg set wg4 peer "$(<"$T/public1")" persistent-keepalive 1
	retry_until kept_alive
	healthy wg4
	[ "$(counter a wg4 counters.egress.seen)" = 0 ]
}

kept_alive() { [ "$(counter a wg4 counters.egress.skipped)" -ge 12 ]; }

# Fewer than say anything.
test_idle()
{
	two_uplinks
	check on a "$TOOL" load vx4 --uplink eth1
	healthy
	send 5
	healthy
}

# silent_next_hop N MS: nobody answers at the next hop of vx4, which is asked N times, each MS apart
silent_next_hop()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		ip neighbour del 192.0.2.2 dev eth0
		echo "$0" >/proc/sys/net/ipv4/neigh/eth0/mcast_solicit
		echo "$1" >/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms' "$1" "$2"
}

# waits_unseen: packets count as sent, no uplink sees one, and that is no reason to complain
waits_unseen()
{
	send 30
	[ "$(sent vx4)" -ge 30 ] || fail "the device counts something else"
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = 0 ]
}

# The next hop does not answer: packets count as sent, and end in the neighbour's queue.
test_silent_neighbour()
{
	two_uplinks
	silent_next_hop 1 100
	check on a "$TOOL" load vx4
	waits_unseen
	# There it is.
	check on a ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0
	send 30
	healthy
}

# waits_for SECONDS: the next hop has been asked for that long
waits_for()
{
	on a ip -s -j neighbour show 192.0.2.2 dev eth0 |
		jq -e --argjson seconds "$1" '.[] | .state == ["INCOMPLETE"] and .updated > $seconds'
}

# Packets wait for it longer than the window has lasted.
test_silent_neighbour_before_the_window()
{
	two_uplinks
	silent_next_hop 1000 1000
	send 1
	retry_until waits_for 2
	check on a "$TOOL" load vx4
	waits_unseen
}

failed() { on a ip -j neighbour show 192.0.2.2 dev eth0 | jq -e '.[].state == ["FAILED"]'; }

# Packets that were lost while it did not answer are no reason to complain when it does.
test_neighbour_answers_again()
{
	two_uplinks
	silent_next_hop 1 100
	check on a "$TOOL" load vx4
	send 30
	retry_until failed
	check on a ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe nud reachable dev eth0
	send 5
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = 5 ]
	send 20
	healthy
	# Nor is it one for ever.
	check on a ip route replace 192.0.2.2 via 198.51.100.2 dev eth1
	check on a "$TOOL" load vx4 --uplink eth0
	check on a ip neighbour replace 192.0.2.3 lladdr 02:00:00:00:00:fe nud reachable dev eth0
	send 20
	healthy
	send 20
	complains '[0-9]+ packets left vx4 in .*, and 0 of them were seen at eth0: eth1 \([0-9]+\) sent as many'
}

# By a device that is made on the uplink.
test_silent_neighbour_above_the_uplink()
{
	two_uplinks
	on a sh -ec '
		ip address flush dev eth1
		ip link add br0 type bridge
		ip link set eth1 master br0
		ip link set br0 addrgenmode none up
		ip address add 198.51.100.1/24 dev br0
		ip route add 192.0.2.2 via 198.51.100.2 dev br0'
	check on a "$TOOL" load vx4 --uplink eth1
	waits_unseen
}

# In the network namespace of the uplinks, where numbers mean other devices.
test_silent_neighbour_elsewhere()
{
	two_uplinks
	node_add_netns c
	on a sh -ec 'ip link set vx4 netns c; ip neighbour del 192.0.2.2 dev eth0'
	on c sh -ec 'ip link set vx4 up; ip address add 10.0.4.1/24 dev vx4
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4'
	check on c "$TOOL" load vx4 --uplink-netns a --uplink eth0
	# shellcheck disable=SC2016 # for another shell
	on c bash -c 'for ((i = 0; i < 30; i++)); do echo >/dev/udp/10.0.4.2/9; done'
	[ "$(on c ip -s -j link show vx4 | jq '.[0].stats64.tx.packets')" -ge 30 ]
	check on c "$TOOL" status vx4
	[ "$(counter c vx4 counters.egress.seen)" = 0 ]
}

# unanswered: packets to a next hop that is not there, until those that wait for it are given up
unanswered()
{
	send 30
	retry_until given_up
}

given_up() { ! on a ip neighbour show 192.0.2.2 dev eth0 | grep INCOMPLETE; }

# The cable is out for a while. A look then, and a look when it is in again, brings no complaint.
test_no_carrier_for_a_while()
{
	two_uplinks
	silent_next_hop 1 100
	check on a "$TOOL" load vx4
	check on a ip link set peer0 down
	unanswered
	[ "$(sent vx4)" -ge 30 ] || fail "the device counts something else"
	healthy
	unanswered
	check on a ip link set peer0 up
	check on a ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe nud reachable dev eth0
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = 0 ]
	send 30
	healthy
}

# No route, and a firewall that drops: the tunnel has sent nothing.
test_dropped()
{
	two_uplinks
	check on a "$TOOL" load vx4 --uplink eth0
	check on a ip route add blackhole 192.0.2.2
	send 20
	healthy
	check on a ip route del blackhole 192.0.2.2
	if on a nft 'table ip n { chain out { type filter hook output priority 0;
		udp dport 4789 drop; }; }'; then
		send 20
		healthy
	fi
	[ "$(counter a vx4 counters.egress.seen)" = 0 ]
}

# Nothing with a DS field inside.
test_arp_only()
{
	two_uplinks
	check on a ip neighbour del 10.0.4.2 dev vx4
	check on a sh -c 'echo 1 >/proc/sys/net/ipv4/neigh/vx4/mcast_solicit
		echo 1 >/proc/sys/net/ipv4/neigh/vx4/retrans_time_ms'
	check on a "$TOOL" load vx4
	# shellcheck disable=SC2016 # for another shell
	on a bash -c 'for ((i = 3; i < 33; i++)); do echo >"/dev/udp/10.0.4.$i/9"; done'
	retry_until frames_without_ip
	healthy
	[ "$(counter a vx4 counters.egress.seen)" = "$(counter a vx4 counters.egress.unknown.not_ip)" ]
}

frames_without_ip() { [ "$(counter a vx4 counters.egress.unknown.not_ip)" -ge 20 ]; }

# Fragments; and a device with counters that begin anew.
test_fragments_and_a_device_made_anew()
{
	two_uplinks
	check on a ip link set eth0 mtu 600
	check on a "$TOOL" load vx4
	# shellcheck disable=SC2016 # for another shell
	on a bash -c 'big=$(printf "%1200s" x)
		for ((i = 0; i < 20; i++)); do echo "$big" >/dev/udp/10.0.4.2/9; done'
	healthy
	[ "$(counter a vx4 counters.egress.seen)" -gt 40 ]
	on a sh -ec '
		ip link del vx4
		ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789
		ip link set vx4 multicast off addrgenmode none up
		ip address add 10.0.4.1/24 dev vx4
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4'
	check on a "$TOOL" reload vx4
	send 20
	healthy
}

# A tun device with a program that reads packets that nobody is there for.
test_tun_without_a_peer()
{
	user_space 51820
	check on a "$TOOL" load tun0 --outer-dscp AF41 --port 51820 --uplink eth0
	send 30 10.8.0.2
	retry_until read_by_program 30
	healthy tun0
}
