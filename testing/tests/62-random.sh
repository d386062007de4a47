# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Random packets around tunnels: nested, fragmented, forwarded and foreign ones. Each packet on the wire
# is judged by an oracle that knows the policies and the packet inside, and nothing of the tool
# (testing/wire/storm.h). A round has a seed, which decides on policies, MTUs and all packets.
#
# "testing/run --long 62-random" is a million packets. DSCP_TEST_SEED is the first seed, DSCP_TEST_ROUNDS
# and DSCP_TEST_PACKETS say how many rounds of how many packets. A round without those before it:
#   DSCP_TEST_SEED=7 DSCP_TEST_ROUNDS=1 testing/run -v 62-random

# shellcheck disable=SC2034 # read by testing/run
timeout=3600

. testing/tunnels.sh

# Packets sent to this address go on, and are looked at, but nobody takes them.
far=02:00:00:00:ff:02

# The tunnels, one a line: name, number, kind, the TOS that the kernel writes outside, family outside, UDP
# port or protocol, network, the stack outside of it, the MTUs to pick from. Not all are loaded, U and V
# never. An outer IPv6 packet of VXLAN is not fragmented.
vxlans='A 1 vxlan 0 4 4789 44 - 1400,1450,2600
C 2 vxlan 0 6 4790 66 - 1400,1430
U 3 vxlan inherit 4 4789 99 - 1400,1450,2600
B 4 vxlan 0 4 4790 45 A 1300,1330,2200
D 5 vxlan inherit 6 4791 46 A 1280,1330
V 6 vxlan 0 4 4790 98 A 1300,1330,2200
F 7 vxlan inherit 4 4792 47 A/B 1280,1330,1900'
# WireGuard has its MTU as network.
kinds='W 1 wireguard 0 4 51824 1420 - 1420
X 2 wireguard 0 6 51826 2000 - 2000
G 3 gre 0 4 47 0 - 1400,2400
H 4 ip6gre none 6 47 0 - 1400
P 5 ipip 0 4 4 0 - 1400,2400
S 6 sit inherit 4 41 0 - 1400,2400
T 7 ip6tnl 0 6 0 0 - 1400
E 8 geneve inherit 4 6081 88 - 1400,2400
A 9 vxlan 0 4 4789 44 E 1300,1330,2200
U 10 vxlan 0 4 4789 99 - 1400,2400'
tunnels=$vxlans
senders=2
# The tunnels that a packet to 10.200.0.9 and fd00:200::9 is in: any packet, and from sockets with mark 1, 2,
# ...
moves='A - A A/B C'

# other_end STACK FAMILY: its address, inside of these
other_end()
{
	local n

	if [ "$1" != - ]; then
		n=$(number_of "${1##*/}")
		if [ "$2" = 4 ]; then echo "10.$n.0.2"; else echo "fd00:$n::2"; fi
	elif [ "$2" = 4 ]; then
		echo 192.0.2.2
	else
		echo 2001:db8::2
	fi
}

# own_end STACK FAMILY: where its packets come from
own_end() { other_end "$@" | sed 's/2$/1/'; }

number_of() { sed -n "s/^$1 \([0-9]*\) .*/\1/p" <<<"$tunnels"; }

# For c, a is the router. On the wire to b there is nothing but the packets that are sent here.
storm_nodes()
{
	local node

	for node in a b c; do
		node_add_netns $node
	done
	ip link add eth0 netns a type veth peer name eth0 netns b
	ip link add eth1 netns a type veth peer name eth0 netns c
	for node in "a eth0" "b eth0" "a eth1" "c eth0"; do
		# shellcheck disable=SC2086 # two words
		set -- $node
		on "$1" sh -ec "echo 1 >/proc/sys/net/ipv6/conf/$2/disable_ipv6
			ip link set $2 multicast off addrgenmode none; ip link set $2 up"
	done
	on c ip link set eth0 mtu 4000
	# The wire has no packets of several segments, and the checksums are there.
	on a ip link set eth0 gso_max_segs 1
	on a sh -ec "ip link set eth1 mtu 4000
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		for d in eth0 eth1; do echo 0 >/proc/sys/net/ipv6/conf/\$d/disable_ipv6; done
		ip address add 192.0.2.1/24 dev eth0
		ip address add 2001:db8::1/64 dev eth0 nodad
		ip address add 198.51.100.1/24 dev eth1
		ip address add 2001:db8:c::1/64 dev eth1 nodad
		for to in 192.0.2.2 192.0.2.4 2001:db8::2; do
			ip neighbour add \$to lladdr $far dev eth0
		done
		for to in 198.51.100.2 2001:db8:c::2; do ip neighbour add \$to lladdr $far dev eth1; done
		ip route add 203.0.113.0/24 via 192.0.2.2
		ip route add 2001:db8:9::/48 via 2001:db8::2"
}

# The arguments of "ip link add": KIND TOS FAMILY PORT ID UNDER
link_of()
{
	local remote local_end
	remote=$(other_end "$6" "$3")
	local_end=$(own_end "$6" "$3")

	case $1 in
	vxlan) echo "type vxlan id $5 dstport $4 remote $remote tos $2 srcport 33000 33016" ;;
	geneve) echo "type geneve id $5 dstport $4 remote $remote tos $2" ;;
	wireguard) echo "type wireguard" ;;
	gre | ipip) echo "type $1 local $local_end remote $remote tos $2 nopmtudisc" ;;
	# IPIP and SIT with the same addresses cannot be told apart.
	sit) echo "type sit local $local_end remote 192.0.2.4 tos $2 nopmtudisc" ;;
	ip6gre) echo "type ip6gre local $local_end remote $remote" ;;
	ip6tnl) echo "type ip6tnl mode any local $local_end remote $remote" ;;
	esac
}

# storm_tunnel NAME NUMBER KIND...
storm_tunnel()
{
	local name=$1 n=$2 kind=$3 dev=t$1 type

	type=$(link_of "${@:3:6}")
	case $kind in
	vxlan | geneve) type="address 02:00:00:00:00:$(printf %02x "$n") $type" ;;
	esac
	on a sh -ec "ip link add $dev $type
		ip link set $dev multicast off addrgenmode none
		ip link set $dev up
		ip address add 10.$n.0.1/24 dev $dev noprefixroute
		ip address add fd00:$n::1/64 dev $dev nodad noprefixroute
		for to in 10.$n.0.2 fd00:$n::2; do
			ip neighbour add \$to lladdr $far dev $dev || [ $kind != vxlan ]
		done" 2>"$T/why" || skip "this kernel has no $kind: $(cat "$T/why")"
	[ "$kind" != wireguard ] || storm_peers "$n" "$5" "$6"
}

# storm_peers NUMBER FAMILY PORT: b takes a's packets, and drops the inner ones
storm_peers()
{
	local endpoint=192.0.2.3

	[ "$2" = 4 ] || endpoint="[2001:db8::3]"
	on b sh -ec "ip link add t$1 type wireguard
		wg set t$1 listen-port $3 private-key $T/key2 peer $(cat "$T/public1") \
			allowed-ips 203.0.113.1/32
		ip link set t$1 up"
	on a sh -ec "wg set t$name listen-port $3 private-key $T/key1 peer $(cat "$T/public2") \
			allowed-ips 0.0.0.0/0,::/0 endpoint $endpoint:$3"
}

# The addresses of WireGuard's peer.
storm_peer()
{
	on b sh -ec "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
		ip address add 192.0.2.3/24 dev eth0
		ip address add 2001:db8::3/64 dev eth0 nodad
		for to in 192.0.2.1 2001:db8::1; do
			ip neighbour add \$to lladdr $(mac a eth0) dev eth0
		done"
	on a sh -ec "for to in 192.0.2.3 2001:db8::3; do
			ip neighbour add \$to lladdr $(mac b eth0) dev eth0
		done"
}

storm_tunnels()
{
	local line

	while read -r line; do
		# shellcheck disable=SC2086 # words
		storm_tunnel $line
	done <<<"$tunnels"
	# Where the same address is reached by a socket with a mark.
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'for mark in 1 2 3 4; do
			ip rule add fwmark $mark to 10.200.0.0/16 lookup 10$mark
			ip -6 rule add fwmark $mark to fd00:200::/32 lookup 10$mark
		done'
}

# pick WORD...: one of them
pick() { shift $((RANDOM % $#)); picked=$1; }
picked=

# Sizes, and whether a route believes that the path has room for less than the device.
storm_routes()
{
	local name n mtus size net mark=0 stack table=main batch=

	while read -r name n _ _ _ _ _ _ mtus; do
		# shellcheck disable=SC2086 # words
		pick ${mtus//,/ }
		mtu[$n]=$picked
		pick "mtu lock $picked" "mtu $picked"
		size=$picked
		batch+="link set t$name mtu ${mtu[$n]}
			route replace 10.$n.0.0/24 dev t$name $size
			route replace fd00:$n::/64 dev t$name $size
			route replace 10.$n.1.0/24 via 10.$n.0.2 $size
			route replace fd00:$n:1::/48 via fd00:$n::2 $size
			"
	done <<<"$tunnels"
	for stack in $moves; do
		for net in "10.200.0.0/16 4" "fd00:200::/32 6"; do
			batch+="route replace ${net% *} table $table via $(other_end "$stack" "${net#* }")
				"
		done
		table=10$((++mark))
	done
	on a ip -batch - <<<"$batch"
}
declare -A mtu=()

# A map with a value for each DSCP.
random_map()
{
	local i

	pick 0 8 46 keep $((RANDOM % 64))
	picked_map="*=$picked"
	for ((i = RANDOM % 12; i > 0; i--)); do
		pick keep 0 46 $((RANDOM % 64)) $((RANDOM % 64))
		picked_map+=",$((RANDOM % 64))=$picked"
	done
}
picked_map=

# Options of load, and the same for wire.
random_policy()
{
	local n=$1 prefix

	options=() policy='0=0'
	case $((RANDOM % 6)) in
	0) return ;;
	1)
		picked=$((RANDOM % 64))
		options=(--outer-dscp "$picked") policy=fixed:$picked
		return
		;;
	2) picked_map='*=0,46=46' ;;
	*) random_map ;;
	esac
	options=(--egress-map "$picked_map") policy=$picked_map
	[ $((RANDOM % 2)) = 0 ] || return 0
	for prefix in 10.$n.1.0/24 fd00:$n:1::/48 10.$n.0.2/32 10.200.0.0/16 fd00:200::/32 \
		203.0.113.0/24 fd00::/16; do
		[ $((RANDOM % 2)) = 0 ] || continue
		random_map
		options+=(--peer-map "$prefix:$picked_map") policy+=" $prefix:$picked_map"
	done
}
options=() policy=

# to ADDRESS SIZE STACK...: an address that is reached by tunnels of number N
storm_places()
{
	local name n kind tos family port id under mtus path to only

	while read -r name n kind tos family port id under mtus; do
		path=$under/$name
		path=${path#-/}
		case $kind in
		ipip) only=4 ;;
		sit) only=6 ;;
		*) only= ;;
		esac
		# Packet sockets do without a header of the link there.
		case $kind in
		vxlan | geneve | wireguard) echo "door t$name own $far ${mtu[$n]} $path" ;;
		esac
		for to in 10.$n.0.2 10.$n.1.9 fd00:$n::2 fd00:$n:1::9; do
			case $only$to in
			4*:* | 6*.*) ;;
			*) echo "to $to ${mtu[$n]} $path" ;;
			esac
		done
	done <<<"$tunnels"
}

storm_moves()
{
	local stack mark=0 words=

	for stack in $moves; do
		words+=" $((mark++)):$stack"
	done
	echo "to 10.200.0.9 1280$words"
	echo "to fd00:200::9 1280$words"
}

# Loads some of the tunnels, and those that stay loaded with another policy; writes the setup.
storm_load()
{
	local name n kind tos family port id under mtus

	pick yes no
	if [ "$picked" = yes ]; then
		check on a "$TOOL" unload --all
		were=
	fi
	echo "own 192.0.2.1
		own 2001:db8::1
		behind 198.51.100.2
		behind 2001:db8:c::2
		ports 33000 16" >"$T/setup"
	[[ $were != *' user'* ]] || check on a "$TOOL" unload tuser
	were=${were/ user/}
	load_user
	while read -r name n kind tos family port id under mtus; do
		policy=-
		pick yes no no
		if [ "$picked$name" = yesU ] || [ "$picked$name" = yesV ]; then
			picked=no
		fi
		if [ "$picked" = yes ]; then
			random_policy "$n"
			check on a "$TOOL" load "t$name" "${options[@]}"
			were+=$name
		elif [[ $were = *$name* ]]; then
			check on a "$TOOL" unload "t$name"
			were=${were//$name/}
		fi
		case $kind in
		ip6gre) kind=gre ;;
		sit | ip6tnl) kind=ipip ;;
		esac
		echo "tunnel $name $kind $tos $family $port $id $under $policy"
	done <<<"$tunnels" >>"$T/setup"
	{
		storm_places
		storm_moves
		echo "door eth0 own $far 1500 -
			door eth0 behind $router 4000 -
			to 192.0.2.2 1500 -
			to 2001:db8::2 1500 -
			to 203.0.113.9 1500 -
			to 2001:db8:9::9 1500 -"
	} >>"$T/setup"
}
were='' router=''

# storm SEED PACKETS: a round; the verdict is a line of $T/verdicts
storm()
{
	RANDOM=$1
	storm_routes
	storm_load
	"$wire" storm a b c --setup "$T/setup" --at eth0 --seed "$1" --count "$2" --senders "$senders" \
		>>"$T/verdicts" || {
		cat "$T/setup"
		for node in a b c; do
			on $node sh -c 'ip -s -s -o link; cat /proc/net/snmp /proc/net/netstat; grep -v " 0$" /proc/net/snmp6'
		done
		cat /proc/net/softnet_stat
		tail -n 1 "$T/verdicts"
		fail "seed $1"
	}
}

# sum JQ: of this value over all rounds
sum() { jq -s "map($1) | add" "$T/verdicts"; }

# The rules of the oracle that no packet has come under, as "NAME:0".
idle_rules()
{
	jq -rs 'map([.way, .shape, .outer, {marked, not_loaded, as_sent, inner_parts, nested, moved, users,
			not_ip: .unmarked.not_ip} | to_entries[]]) |
		add | group_by(.key) | map({(.[0].key): (map(.value) | add)}) | add |
		to_entries[] | select(.value == 0) | "\(.key):0"' "$T/verdicts"
}

# All of the tunnels' packets are marked but those that have no IP packet inside, and fragments of packets
# that WireGuard sends: from a connected socket with several DSCPs nobody knows the DSCP.
all_are_marked()
{
	local class

	for class in whole first_part later_part; do
		[ "$(sum ".unmarked.$class")" = 0 ] || fail "not marked: $class"
	done
}

# A tunnel in user space gives all its packets one DSCP. Its port is one that other tunnels use too.
load_user()
{
	pick yes no
	[ "$picked" = yes ] || return 0
	picked=$((RANDOM % 64))
	on a ip link show tuser >/dev/null 2>&1 || on a ip tuntap add dev tuser mode tun
	check on a "$TOOL" load tuser --outer-dscp "$picked" --port 33003 --uplink eth0
	echo "user 33003 $picked" >>"$T/setup"
	were+=' user'
}

# storms ROUNDS PACKETS ROUNDS-OF-THE-LONG-FORM PACKETS
storms()
{
	local seed idle first=${DSCP_TEST_SEED:-1} rounds=$1 packets=$2

	[ -z "$DSCP_TEST_LONG" ] || rounds=$3 packets=$4
	rounds=${DSCP_TEST_ROUNDS:-$rounds} packets=${DSCP_TEST_PACKETS:-$packets}
	router=$(mac a eth1)
	for ((seed = first; seed < first + rounds; seed++)); do
		storm "$seed" "$packets"
	done
	all_are_marked
	# In a few rounds the tunnel in user space may never be loaded.
	idle=$(idle_rules | sed "$(if short_form; then echo /^users:/d; fi)")
	[ -z "$idle" ] || [ "${DSCP_TEST_ROUNDS-}" ] || fail "no packet has come under $idle"
	echo "seeds $first to $((seed - 1)): $(sum .sent) packets, $(sum .frames) frames," \
		"$(sum .marked) headers marked, $(sum .taken_for) taken for a tunnel's," \
		"$(sum .violations) violations"
}

test_vxlan()
{
	required
	storm_nodes
	storm_tunnels
	if short_form; then storms 2 1000; else storms 6 3500 100 10000; fi
}

# Everything else that the kernel has, WireGuard among it: its packets are known by their length.
test_other_kinds()
{
	nothing_may_be_missing
	# Lengths of two senders' packets would not be different.
	tunnels=$kinds moves='W - W G E' senders=1
	wireguard_keys
	storm_nodes
	storm_peer
	storm_tunnels
	if short_form; then storms 3 1000; else storms 6 3500 100 10000; fi
}
