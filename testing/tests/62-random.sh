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

# What is sent to this address goes on, and is looked at, but nobody takes it.
far=02:00:00:00:ff:02

# The tunnels: name, number, what the kernel writes outside, family outside, port, network, what is
# outside of it. Not all are loaded, U and V never.
tunnels='A 1 0 4 4789 44 -
C 2 0 6 4790 66 -
U 3 inherit 4 4789 99 -
B 4 0 4 4790 45 A
D 5 inherit 6 4791 46 A
V 6 0 4 4790 98 A
F 7 inherit 4 4792 47 A/B'

# above STACK: the address of the other end, of that family outside
other_end()
{
	case $1$2 in
	-4) echo 192.0.2.2 ;;
	-6) echo 2001:db8::2 ;;
	A4) echo 10.1.0.2 ;;
	A6) echo fd00:1::2 ;;
	A/B4) echo 10.4.0.2 ;;
	esac
}

# Of c, a is the router. On the wire to b there is nothing but what is sent here.
storm_nodes()
{
	local node

	required
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
		for to in 192.0.2.2 2001:db8::2; do ip neighbour add \$to lladdr $far dev eth0; done
		for to in 198.51.100.2 2001:db8:c::2; do ip neighbour add \$to lladdr $far dev eth1; done
		ip route add 203.0.113.0/24 via 192.0.2.2
		ip route add 2001:db8:9::/48 via 2001:db8::2"
}

storm_tunnel()
{
	local name=$1 n=$2 dev=vx$1

	on a sh -ec "ip link add $dev address 02:00:00:00:00:0$n type vxlan id $6 dstport $5 \
			remote $(other_end "$7" "$4") tos $3
		ip link set $dev multicast off addrgenmode none
		ip link set $dev up
		ip address add 10.$n.0.1/24 dev $dev noprefixroute
		ip address add fd00:$n::1/64 dev $dev nodad noprefixroute
		for to in 10.$n.0.2 fd00:$n::2; do ip neighbour add \$to lladdr $far dev $dev; done"
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
	local name n net lock batch=

	while read -r name n _; do
		case $name in
		A | U) pick 1400 1450 2600 ;;
		# An outer IPv6 packet of these is not fragmented.
		C) pick 1400 1430 ;;
		D) pick 1280 1330 ;;
		F) pick 1280 1330 1900 ;;
		*) pick 1300 1330 2200 ;;
		esac
		mtu[$n]=$picked
		pick "lock " ""
		lock=$picked
		batch+="link set vx$name mtu ${mtu[$n]}"$'\n'
		batch+="route replace 10.$n.0.0/24 dev vx$name mtu $lock${mtu[$n]}"$'\n'
		batch+="route replace fd00:$n::/64 dev vx$name mtu $lock${mtu[$n]}"$'\n'
		batch+="route replace 10.$n.1.0/24 via 10.$n.0.2 mtu $lock${mtu[$n]}"$'\n'
		batch+="route replace fd00:$n:1::/48 via fd00:$n::2 mtu $lock${mtu[$n]}"$'\n'
	done <<<"$tunnels"
	for name in "" "table 101 1" "table 102 1" "table 103 4" "table 104 2"; do
		n=${name##* }
		net="10.200.0.0/16 via 10.${n:-1}.0.2 mtu lock ${mtu[${n:-1}]}"
		[ "$name" != "table 101 1" ] || net="10.200.0.0/16 via 192.0.2.2"
		batch+="route replace $net ${name% *}"$'\n'
		net="fd00:200::/32 via fd00:${n:-1}::2 mtu lock ${mtu[${n:-1}]}"
		[ "$name" != "table 101 1" ] || net="fd00:200::/32 via 2001:db8::2"
		batch+="route replace $net ${name% *}"$'\n'
	done
	on a ip -batch - <<<"$batch"
}
declare -A mtu=()

# A map that says what becomes of each DSCP.
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

# Loads one to three of the tunnels; writes the setup.
storm_load()
{
	local name n tos family port id under loaded path

	pick A B C AB AC BC AD AF ABC ABF BF ABD
	loaded=$picked
	# What stays loaded only changes its policy.
	pick yes no
	if [ "$picked" = yes ]; then
		check on a "$TOOL" unload --all
		were=
	fi
	cat >"$T/setup" <<-EOF
		own 192.0.2.1
		own 2001:db8::1
		behind 198.51.100.2
		behind 2001:db8:c::2
	EOF
	while read -r name n tos family port id under; do
		policy=-
		if [[ $loaded = *$name* ]]; then
			random_policy "$n"
			check on a "$TOOL" load "vx$name" "${options[@]}"
		elif [[ $were = *$name* ]]; then
			check on a "$TOOL" unload "vx$name"
		fi
		echo "tunnel $name vxlan $tos $family $port $id $under $policy" >>"$T/setup"
	done <<<"$tunnels"
	while read -r name n tos family port id under; do
		path=$under/$name
		path=${path#-/}
		echo "door vx$name own $far ${mtu[$n]} $path"
		for to in 10.$n.0.2 10.$n.1.9 fd00:$n::2 fd00:$n:1::9; do
			echo "to $to ${mtu[$n]} $path"
		done
	done <<<"$tunnels" >>"$T/setup"
	cat >>"$T/setup" <<-EOF
		door eth0 own $far 1500 -
		door eth0 behind $router 4000 -
		to 192.0.2.2 1500 -
		to 2001:db8::2 1500 -
		to 203.0.113.9 1500 -
		to 2001:db8:9::9 1500 -
		to 10.200.0.9 1280 A 1:- 2:A 3:A/B 4:C
		to fd00:200::9 1280 A 1:- 2:A 3:A/B 4:C
	EOF
	were=$loaded
}
were=

# storm SEED PACKETS: a round; the verdict is a line of $T/verdicts
storm()
{
	RANDOM=$1
	storm_routes
	storm_load
	"$wire" storm a b c --setup "$T/setup" --at eth0 --seed "$1" --count "$2" \
		>>"$T/verdicts" || {
		cat "$T/setup"
		tail -n 1 "$T/verdicts"
		fail "seed $1"
	}
}

# sum JQ: of that of all rounds
sum() { jq -s "map($1) | add" "$T/verdicts"; }

# The rules of the oracle that no packet has come under, as "NAME:0".
idle_rules()
{
	jq -rs 'map([.way, .shape, .outer, {marked, not_loaded, as_sent, inner_parts, nested, moved,
			not_ip: .unmarked.not_ip} | to_entries[]]) |
		add | group_by(.key) | map({(.[0].key): (map(.value) | add)}) | add |
		to_entries[] | select(.value == 0) | "\(.key):0"' "$T/verdicts"
}

# Of the tunnels' packets all are marked but those that have no IP packet inside.
all_are_marked()
{
	local class

	for class in whole first_part later_part; do
		[ "$(sum ".unmarked.$class")" = 0 ] || fail "not marked: $class"
	done
}

test_packets()
{
	local seed router idle first=${DSCP_TEST_SEED:-1} rounds=6 packets=3500

	# A million packets.
	[ -z "$DSCP_TEST_LONG" ] || rounds=100 packets=10000
	! short_form || rounds=2 packets=1000
	rounds=${DSCP_TEST_ROUNDS:-$rounds} packets=${DSCP_TEST_PACKETS:-$packets}

	storm_nodes
	storm_tunnels
	router=$(mac a eth1)
	for ((seed = first; seed < first + rounds; seed++)); do
		storm "$seed" "$packets"
	done
	all_are_marked
	idle=$(idle_rules)
	[ -z "$idle" ] || [ "${DSCP_TEST_ROUNDS-}" ] || fail "no packet has come under $idle"
	echo "seeds $first to $((seed - 1)): $(sum .sent) packets, $(sum .frames) frames," \
		"$(sum .marked) headers marked, $(sum .taken_for) taken for a tunnel's," \
		"$(sum .violations) violations"
}
