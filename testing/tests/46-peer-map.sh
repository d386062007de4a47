# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# load --peer-map: the inner destination decides the policy. The kernels of the virtual machines
# have WireGuard too.

. testing/tunnels.sh

kind=vxlan

# two_nodes, b being several of one network inside: 2, 3 and 70
peers()
{
	local n

	two_nodes
	for n in 3 70; do
		on b sh -ec "ip address add 10.0.4.$n/24 dev $(tunnel 4)
			ip address add fd00:4::$n/64 dev $(tunnel 4) nodad"
	done
	neighbours
}

neighbours()
{
	local n

	[ $kind = vxlan ] || return 0
	for n in 3 70; do
		on a sh -ec "ip neighbour replace 10.0.4.$n lladdr 02:00:00:00:04:02 dev vx4
			ip neighbour replace fd00:4::$n lladdr 02:00:00:00:04:02 dev vx4"
	done
}

# map REST [DSCP=DSCP...]: 64 numbers for judge; REST is one for all others, or "same"
map()
{
	local rest=$1 list=() d

	shift
	for d in $(seq 0 63); do
		list[d]=$rest
		[ "$rest" != same ] || list[d]=$d
	done
	for d; do
		list[${d%=*}]=${d#*=}
	done
	(IFS=,; echo "${list[*]}")
}

# to INNER N MAP [WHAT]: all DSCPs to end N of b, over IPv4, look like MAP outside
to()
{
	outside 4
	through a b --way "${4-udp}" --dst "$(inner 4 "$1" "$2")" --send-ecn 1 "${outside[@]}" \
		--expect inner --map "$3" --ecn 1
}

load() { check on a "$TOOL" load "$(tunnel 4)" "$@"; }

# Before, two policies, exchanged, one, none. (The kernel's own outer DSCP is 0.)
bytes_on_the_wire()
{
	local t
	t=$(tunnel 4)

	peers
	load --egress-map EF=AF41
	load --egress-map EF=AF41 --peer-map '10.0.4.2:*=CS1' --peer-map 10.0.4.0/30:EF=keep \
		--peer-map 'fd00:4::/64:*=CS0,EF=EF' --peer-map 'fd00:4::3:*=keep,CS1=CS2'
	to 4 2 "$(map 8)"
	to 4 3 "$(map same 46=0)"
	to 4 70 "$(map same 46=34)"
	to 6 2 "$(map 0 46=46)"
	to 6 3 "$(map 0 8=16)" ping
	load --peer-map 10.0.4.2:EF=keep --peer-map '10.0.4.0/30:*=CS1'
	to 4 2 "$(map same 46=0)"
	to 4 3 "$(map 8)"
	[ "$(counter a "$t" counters.egress.unknown.total)" = 0 ]
	# In clear text nothing needs to be remembered.
	if [ $kind = wireguard ]; then
		check_grep 'final' on a "$TOOL" dump-map "$t"
	else
		[ -z "$(on a "$TOOL" dump-map)" ]
	fi
	load
	to 4 2 "$(map same)" ping
	[ "$(counter a "$t" peer_maps)" = '[]' ]
	check on a "$TOOL" unload "$t"
	to 4 2 "$(map 0)" ping
}

test_bytes_of_vxlan() { bytes_on_the_wire; }

test_bytes_of_wireguard()
{
	kind=wireguard
	needs_wireguard
	wireguard_keys
	bytes_on_the_wire
}

# A prefix adds to the tunnel's own map, wherever on the command line that stands, and shows a DSCP
# that the map hides where it says so.
test_what_the_map_hides_stays_hidden()
{
	peers
	load --egress-map '*=CS0,EF=EF' --peer-map 10.0.4.2:EF=CS5 --peer-map 10.0.4.3:copy
	to 4 2 "$(map 0 46=40)"
	to 4 3 "$(map same)"
	to 4 70 "$(map 0 46=46)"
	load --peer-map 10.0.4.2:EF=CS5 --peer-map 'fd00:4::/64:LE=copy,CS1=keep' -m '*=AF11' \
		-P 10.0.4.2/32:CS2-CS3=copy --egress-map EF=EF
	to 4 2 "$(map 10 46=40 16=16 17=17 18=18 19=19 20=20 21=21 22=22 23=23 24=24)"
	to 6 2 "$(map 10 46=46 1=1 8=0)" ping
	check_grep '^  to 10.0.4.2/32 \*=AF11,CS2-CS3=copy,EF=CS5$' on a "$TOOL" status
	[ "$(counter a vx4 'peer_maps|map(.map|length)|tostring')" = '"[61,54]"' ]
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
}

# Every two of the three policies differ for every packet, and so does any mixture of them: at each
# point of each change all DSCPs to two peers are marked by the policy before or after.
test_change_in_a_flood()
{
	local n was=1
	local policies=('--egress-map *=AF31 --peer-map 10.0.4.2:*=CS1 --peer-map 10.0.4.0/24:*=CS2'
		'--egress-map *=CS3'
		'--egress-map *=AF32 --peer-map 10.0.4.0/24:*=CS4'
		'--egress-map *=CS3 --flows 70000')
	local to_2=('*=8' '*=24' '*=32' '*=24') to_3=('*=16' '*=24' '*=32' '*=24')

	peers
	load --egress-map '*=CS3'
	thin 32 64
	for n in 0 1 2 0 2 1 3 0 3 2 3 1; do
		rm -f "$T"/marks.*
		# shellcheck disable=SC2086 # several words
		(set -f; each_point a "
			$(probe 10.0.4.2 "${to_2[was]}" "${to_2[n]}") >>'$T/marks.2' &&
			$(probe 10.0.4.3 "${to_3[was]}" "${to_3[n]}") >>'$T/marks.3'" \
			load vx4 ${policies[n]})
		in_order "$T/marks.2"
		in_order "$T/marks.3"
		probed 10.0.4.2 "${to_2[n]}"
		probed 10.0.4.3 "${to_3[n]}"
		was=$n
	done
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
}

test_monitor_keeps_them()
{
	peers
	load --egress-map '*=CS0' --peer-map 10.0.4.2:EF=CS1,LE=copy
	start_monitor a
	retry_until on a "$TOOL" status vx4
	on a sh -ec 'ip link del vx4; ip link del vx6'
	vxlan a 1 2
	neighbours
	retry_until grep -q 'made anew.*: loaded again' "$T/monitor"
	check on a "$TOOL" status vx4
	[ "$(counter a vx4 'peer_maps|map(.prefix)|join(" ")')" = '"10.0.4.2/32"' ]
	to 4 2 "$(map 0 46=8 1=1)"
	to 4 3 "$(map 0)"
}

# refused STATUS ERE OPTIONS...: one line; the loaded tunnel stays
refused()
{
	local status=$1 sentence=$2

	shift 2
	check_exit "$status" on a "$TOOL" load vx4 "$@"
	grep -qE -e "$sentence" <<<"$OUTPUT" || fail "no \"$sentence\": $OUTPUT"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
	[ "$(status_of vx4)" = "$before" ] || fail "changed by $*: $(status_of vx4)"
}

status_of()
{
	on a "$TOOL" status "$1" --json |
		jq -c '.tunnels[0]|[.peer_maps, .egress_map, .outer_dscp, .direction, .hooks]'
}

# A load that asks for prefixes is killed anywhere: then reload makes the tunnel as it was, or as it was asked
# for with all its prefixes, and never the new map without those.
test_first_prefixes_killed()
{
	local n old='dscp-tool load vx4 --egress-map '"'*=CS0'" new
	local load=(load vx4 --peer-map '10.0.4.2:*=CS0' --peer-map 'fd00:4::/64:*=CS0')

	lone_node
	thin 2 2
	new="dscp-tool load vx4 --peer-map 'fd00:4::/64:*=CS0' --peer-map '10.0.4.2/32:*=CS0'"
	check on a "$TOOL" load vx4 --egress-map '*=CS0'
	points_of a "${load[@]}"
	[ "$(on a "$TOOL" save)" = "$new" ] || fail "$(on a "$TOOL" save)"
	for n in "${points[@]}"; do
		check on a "$TOOL" load vx4 --egress-map '*=CS0'
		killed_at a "$n" "${load[@]}"
		check on a "$TOOL" reload
		on a "$TOOL" save >"$T/saved"
		grep -qxF -e "$old" -e "$new" "$T/saved" || fail "point $n: $(cat "$T/saved")"
		check on a "$TOOL" status
	done
	check on a "$TOOL" unload vx4
}

# in_force: 1 or 2: packets to 10.0.4.2 and 10.0.4.3 are marked as was[] or as will[] says, both of them and all DSCPs
in_force()
{
	local n which=

	for n in 2 3; do
		check on a sh -c "$(probe 10.0.4.$n "*=${was[n - 2]}" "*=${will[n - 2]}")"
		which+=${OUTPUT:4:1}
	done
	[[ $which = 11 || $which = 22 ]] || fail "point $n: a mixture: $which"
	echo "${which:0:1}"
}

# killed_between OLD NEW: options of load. Killed anywhere in the change, and again in the reload after it, the
# tunnel marks by one of the two and by no mixture; and then reload makes it true.
killed_between()
{
	local n i=0 first second after reloads old new entries

	read -ra old <<<"$1"
	read -ra new <<<"$2"
	check on a "$TOOL" load vx4 "${old[@]}"
	on a "$TOOL" save >"$T/saved.1"
	entries=$(in_the_map)
	every=1 points_of a reload
	reloads=("${points[@]}")
	points_of a load vx4 "${new[@]}"
	on a "$TOOL" save >"$T/saved.2"
	entries+=" $(in_the_map)"
	for n in "${points[@]}"; do
		check on a "$TOOL" load vx4 "${old[@]}"
		killed_at a "$n" load vx4 "${new[@]}"
		first=$(in_force)
		on a "$step" --kill "${reloads[i++ % ${#reloads[@]}]}" -- "$TOOL" reload || [ $? = 137 ]
		second=$(in_force)
		check on a "$TOOL" reload
		after=$(in_force)
		[ "$first" -le "$second" ]
		check diff "$T/saved.$after" <(on a "$TOOL" save)
		[ "$(in_the_map)" = "$(cut -d ' ' -f "$after" <<<"$entries")" ] || fail "point $n: entries are left"
		check on a "$TOOL" status
		check diff <(cut -d ' ' -f 2- "$T/saved.$after") \
			<(on a "$TOOL" status --json | jq -r '.tunnels[0].command' | cut -d ' ' -f 2-)
	done
}

test_another_list_killed()
{
	local lists=('--egress-map *=AF31 --peer-map 10.0.4.2:*=CS1 --peer-map 10.0.4.0/24:*=CS2'
		'--egress-map *=CS3 --peer-map 10.0.4.3:*=CS4' '--egress-map *=CS5')
	local marks=('8 16' '24 32' '40 40') change was will

	peers
	thin 2 2
	for change in '0 1' '1 2' '2 0'; do
		read -ra was <<<"${marks[${change% *}]}"
		read -ra will <<<"${marks[${change#* }]}"
		killed_between "${lists[${change% *}]}" "${lists[${change#* }]}"
	done
	check on a "$TOOL" unload vx4
}

# Killed again and again with one list after the other, none is left behind.
test_many_lists_killed()
{
	local n last

	lone_node
	load --peer-map 10.0.0.1:EF=CS1
	points_of a load vx4 --peer-map 10.0.0.1:EF=CS1
	last=$(in_the_map)
	for n in "${points[@]}"; do
		killed_at a "$n" load vx4 --peer-map "10.1.$n.0/24:EF=CS1" --peer-map "10.2.$n.0/24:EF=CS1"
		# In force, asked for, and half of another one.
		[ "$(in_the_map)" -le $((3 * 3)) ] || fail "point $n: $(in_the_map) entries"
	done
	load --peer-map 10.0.0.1:EF=CS1
	[ "$(in_the_map)" = "$last" ]
	check on a "$TOOL" unload vx4
}

# "unit: options" has the other refusals before the kernel is asked.
test_bad_input()
{
	local before many=() n

	lone_node
	load --peer-map 10.0.0.5:EF=CS1
	before=$(status_of vx4)
	refused 1 "'EF=CS1' is not PREFIX:MAP, such as" --peer-map EF=CS1
	for n in $(seq 64); do
		many+=(--peer-map "10.1.$n.0/24:EF=CS1")
	done
	refused 1 'at most 64' "${many[@]}" --peer-map 10.2.0.0/24:EF=CS1
	load "${many[@]}"
	# All of them changed at once.
	load "${many[@]/10.1./10.2.}"
	[ "$(counter a vx4 'peer_maps|length')" = 64 ]
}

test_what_status_says()
{
	lone_node
	load --peer-map 0.0.0.0/0:EF=CS1 --peer-map 'fd00:7::/64:*=CS0,EF=keep' --peer-map 10.0.0.5:EF=EF
	check_grep '^  to fd00:7::/64 \*=CS0,EF=keep$' on a "$TOOL" status
	check_grep '^  to 10.0.0.5/32 copy$' on a "$TOOL" status
	check_grep '^  to 0.0.0.0/0   EF=CS1$' on a "$TOOL" status
	[ "$(counter a vx4 'peer_maps|map(.prefix)|join(" ")')" = \
		'"fd00:7::/64 10.0.0.5/32 0.0.0.0/0"' ]
	[ "$(on a "$TOOL" status --json | jq -c '.tunnels[0].peer_maps[1:]')" = \
		'[{"prefix":"10.0.0.5/32","map":{},"map_text":"copy"},{"prefix":"0.0.0.0/0","map":{"EF":"CS1"},"map_text":"EF=CS1"}]' ]
	[ "$(counter a vx4 'hooks[0].program')" = '"egress_outer"' ]
	check_grep 'peer-map PREFIX:MAP' on a "$TOOL" load --help
}

# Each list has an entry more than prefixes.
in_the_map() { on a bpftool --json map dump pinned "$(pins a)/maps/prefixes" | jq length; }

test_nothing_is_left()
{
	lone_node
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	remember
	load --peer-map 10.0.0.5:EF=CS1 --peer-map fd00::/16:EF=CS2
	check on a "$TOOL" load vx6 --peer-map 10.0.0.5:EF=CS3
	[ "$(in_the_map)" = 5 ]
	# Nothing else may go with the wrong tunnel's.
	load --peer-map 10.0.0.6:EF=CS1
	[ "$(in_the_map)" = 4 ]
	# A load that fails: all as before.
	on a tc qdisc add dev eth1 ingress
	check_exit 2 on a "$TOOL" load vx4 --uplink eth0 --uplink eth1 --attach clsact \
		--peer-map 10.0.0.7:EF=CS4
	[ "$(in_the_map)" = 4 ]
	[ "$(counter a vx4 'peer_maps[0].prefix')" = '"10.0.0.6/32"' ]
	check on a "$TOOL" status
	on a tc qdisc del dev eth1 ingress
	load --direction ingress
	[ "$(in_the_map)" = 2 ]
	check on a "$TOOL" unload vx6
	[ "$(in_the_map)" = 0 ]
	check on a "$TOOL" unload --all
	inventory >"$T/after"
	check diff "$T/before" "$T/after"
}

# two_of_one_number COMMANDS: the device t0 of number 7077 that they make in a, and vxb of that number in
# a namespace that shares the bpffs, both loaded by their uplinks eth0
two_of_one_number()
{
	lone_node
	node_add_netns b
	on a sh -ec "$1; ip link set t0 up"
	in_b sh -ec 'ip link add eth0 type veth peer name peer0; ip link set eth0 up
		ip link add vxb index 7077 type vxlan id 45 remote 192.0.2.2 dstport 4789
		ip link set vxb up'
}

in_b() { on a nsenter --net=/run/netns/b "$@"; }

# The owner of a packet does not depend on the number: each has its own peer maps.
test_same_number_twice()
{
	two_of_one_number 'ip link del vx4
		ip link add t0 index 7077 type vxlan id 44 remote 192.0.2.2 dstport 4789'
	check on a "$TOOL" load t0 --peer-map 10.0.0.5:EF=CS1
	check in_b "$TOOL" load vxb --uplink eth0 --peer-map 10.0.0.6:EF=CS2
	[ "$(counter a t0 'peer_maps[0].prefix')" = '"10.0.0.5/32"' ]
	[ "$(in_b "$TOOL" status vxb --json | jq -r '.tunnels[0].peer_maps[0].prefix')" = 10.0.0.6/32 ]
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
}

# The stamp of WireGuard's packets is made by the number of the device: refused, in whichever order
# they are loaded, if both leave in the same namespace. Elsewhere the number is another one.
test_same_number_twice_by_wireguard()
{
	local load=("$TOOL" load t0 --port 51820 --uplink eth0)
	local other=("$TOOL" load vxb --uplink eth0 --uplink-netns a)

	needs_wireguard
	two_of_one_number 'ip link add t0 index 7077 type wireguard'
	check on a "${load[@]}" --peer-map 10.0.0.5:EF=CS1
	check in_b "$TOOL" load vxb --uplink eth0 --peer-map 10.0.0.5:EF=CS1
	check on a "$TOOL" unload --all
	# One that is in b, and sends in a.
	in_b ip link del vxb
	on a sh -ec 'ip link del t0
		ip link add vxb netns b index 7077 type vxlan id 45 remote 192.0.2.2 dstport 4791
		ip link add t0 index 7077 type wireguard; ip link set t0 up'
	in_b ip link set vxb up
	check on a "${load[@]}" --peer-map 10.0.0.5:EF=CS1
	check_exit 2 in_b "${other[@]}"
	grep -q 'vxb: has the number 7077 (ifindex), as has t0 of another.*--peer-map' <<<"$OUTPUT"
	check on a "${load[@]}"
	check in_b "${other[@]}" --peer-map 10.0.0.5:EF=CS1
	check_exit 2 on a "${load[@]}" --peer-map 10.0.0.5:EF=CS1
	grep -q 't0: has the number 7077 (ifindex), as has vxb of another' <<<"$OUTPUT"
	[ "$(counter a t0 peer_maps)" = '[]' ]
	check in_b "$TOOL" unload vxb
	check on a "${load[@]}" --peer-map 10.0.0.5:EF=CS1
	check on a "$TOOL" unload --all
}
