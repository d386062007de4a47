# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# dscp-tool explain: its forecast for a packet comes true, up to the tin of
# CAKE; it names the obstacles; and it changes nothing.

. testing/tunnels.sh

kind=vxlan

# explains STATUS WORDS...: in $OUTPUT, as text
explains() { check_exit "$1" on a "$TOOL" explain "${@:2}"; }

# says LINE: of $OUTPUT, all of it
says() { grep -qxF -e "$1" <<<"$OUTPUT" || fail "it does not say '$1': $OUTPUT"; }

# problem ERE WORDS...: exit status 4, and that is the only sentence, as text and JSON
problem()
{
	explains 4 "${@:2}"
	[ "$(grep -c '^  problem ' <<<"$OUTPUT")" = 1 ] || fail "not one problem: $OUTPUT"
	grep -qE "^  problem        $1\$" <<<"$OUTPUT" || fail "it does not say '$1': $OUTPUT"
	check_exit 4 on a "$TOOL" explain "${@:2}" --json
	jq -e --arg ere "^$1\$" '.tunnels[0].problems | length == 1 and (.[0] | test($ere))' \
		<<<"$OUTPUT" >/dev/null || fail "$OUTPUT"
}

# outer_map WORDS...: the DSCPs that the 64 leave with by explain, as wire takes them
outer_map()
{
	on a "$TOOL" explain "$@" --json | jq -r '.tunnels[0].uplinks[0].egress |
		map(.dscp) as $names | map(.outer as $to | $names | index($to)) | join(",")'
}

# Each of the 64 leaves as it says: of maps, of a prefix, of the fixed mode.
test_packets_are_as_it_says()
{
	two_nodes
	check on a "$TOOL" load vx4
	[ "$(outer_map vx4)" = "$(seq -s , 0 63)" ]
	pass udp:640 4 4 inner --map "$(outer_map vx4)"
	check on a "$TOOL" load vx4 -m '*=CS0,EF=EF,AF11-AF43=copy,CS1=LE' --peer-map fd00:4::/64:EF=CS5,9=63
	pass udp:640 4 4 inner --map "$(outer_map vx4)"
	pass udp:640 4 4 inner --map "$(outer_map vx4 --to 10.0.4.2)"
	pass udp:640 4 6 inner --map "$(outer_map vx4 --to fd00:4::2)"
	[ "$(outer_map vx4 --to fd00:4::2)" != "$(outer_map vx4)" ]
	check on a "$TOOL" load vx4 --outer-dscp AF21
	pass udp:640 4 4 inner --map "$(outer_map vx4)"
	[ "$(on a "$TOOL" explain vx4 --dscp 7 --json | jq -c '.tunnels[0].uplinks[0].egress')" = \
		'[{"dscp":"7","becomes":"AF21","outer":"AF21","priority":null,"tins":[]}]' ]
}

# The address leads to a peer, and only the uplink on the way to that one is shown.
peers_of_wireguard()
{
	local key

	explains 0 wg4 --to 10.0.4.2 -d AF41
	says '  endpoint       192.0.2.2, port 51824'
	key=$(wg genkey | wg pubkey)
	problem 'no peer has 10.0.5.2 among its allowed IPs, so wg4 drops the packet' wg4 --to 10.0.5.2
	check on a wg set wg4 peer "$key" allowed-ips 10.0.5.0/24
	problem 'the peer with 10.0.5.2 has no endpoint, so wg4 cannot send to it' wg4 --to 10.0.5.2
	check on a wg set wg4 peer "$key" endpoint 198.51.100.2:1
	problem 'no way to 198.51.100.2, the endpoint: .*' wg4 --to 10.0.5.2
	on a sh -ec 'ip link add d0 type dummy; ip link set d0 up
		ip address add 198.51.100.1/24 dev d0'
	explains 4 wg4 --to 10.0.5.2 -d AF41
	says '  uplink         d0: egress_outer is not there'
	[ "$(on a "$TOOL" explain wg4 --to 10.0.5.2 --json |
		jq -c '.tunnels[0] | [.endpoint, .uplinks[].dev]')" = '["198.51.100.2","d0"]' ]
	check on a wg set wg4 peer "$key" remove
	on a ip link delete d0
	explains 0 wg4 --to fd00:4::2 -d AF41
	says '  endpoint       192.0.2.2, port 51824'
}

# WireGuard makes packets with CS0, also where a program is not at work.
test_wireguard()
{
	kind=wireguard
	wireguard_nodes
	check on a "$TOOL" load wg4 -m '*=CS0,EF=keep,AF11-AF43=copy' --peer-map fd00:4::/64:EF=CS5
	pass udp:640 4 4 inner --map "$(outer_map wg4)"
	pass udp:640 4 6 inner --map "$(outer_map wg4 --to fd00:4::2)"
	[ "$(on a "$TOOL" explain wg4 --json | jq -c '.tunnels[0].uplinks[0].egress[46] | del(.tins)')" = \
		'{"dscp":"EF","becomes":"keep","outer":"CS0","priority":null}' ]
	check_grep '^  hook           wg4 egress: egress_inner, ' on a "$TOOL" explain wg4
	peers_of_wireguard
	on a sh -c 'rm /sys/fs/bpf/dscp-tool/*/hooks/*egress_inner; tc qdisc del dev wg4 clsact 2>/dev/null || true'
	problem 'egress_inner is not attached to wg4: reload the tunnel' wg4 -d AF41
	explains 4 wg4 -d AF41
	grep '^  egress         AF41 -> keep (CS0) at eth0' <<<"$OUTPUT" || fail "$OUTPUT"
}

# The shortest rows, and each line has all its words.
test_rows()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both -m '*=CS0,EF=EF,AF11-AF13=copy,63=keep' -i '*=keep,EF=CS5'
	explains 0 vx4
	[[ $OUTPUT == 'vx4: vxlan port 4789, vni 44, remote 192.0.2.2'$'\n'* ]]
	says '  policy         --egress-map *=CS0,AF11-AF13=copy,EF=EF,63=keep'
	check_grep '^  hook           eth0 egress: egress_outer, (tcx|clsact), .*ok, then qdisc noqueue$' echo "$OUTPUT"
	says '  qdisc          eth0 noqueue: queues nothing'
	[ "$(grep '^  egress ' <<<"$OUTPUT")" = '  egress         CS0-9 -> CS0 at eth0
  egress         AF11-AF13 -> copy at eth0
  egress         15-NQB -> CS0 at eth0
  egress         EF -> EF at eth0
  egress         47-62 -> CS0 at eth0
  egress         63 -> keep at eth0' ] || fail "$OUTPUT"
	says '  policy         --ingress-map *=keep,EF=CS5'
	[ "$(grep '^  ingress ' <<<"$OUTPUT")" = '  ingress        CS0-NQB -> keep
  ingress        EF -> CS5
  ingress        47-63 -> keep' ] || fail "$OUTPUT"
	explains 0 vx4 --dscp ef
	[ "$(grep -E '^  (e|in)gress ' <<<"$OUTPUT")" = '  egress         EF -> EF at eth0
  ingress        EF -> CS5' ] || fail "$OUTPUT"
	[ "$(on a "$TOOL" explain vx4 --json | jq -c '.tunnels[0] | [.policy, (.uplinks[0].egress | length),
		.uplinks[0].egress[63], .ingress[46], (.ingress | length)]')" = \
		'[{"option":"egress-map","value":"*=CS0,AF11-AF13=copy,EF=EF,63=keep"},64,{"dscp":"63","becomes":"keep","outer":null,"priority":null,"tins":[]},{"dscp":"EF","becomes":"CS5"},64]' ]
}

# The priority is by the DSCP outside, and rows end where the priority does.
test_priorities()
{
	lone_node
	check on a "$TOOL" load vx4 -m '*=CS0,EF=EF,AF41=keep' --priority-map 'EF=6,CS0=0'
	explains 0 vx4
	says "  policy         --priority-map CS0=0,EF=6"
	[ "$(grep '^  egress ' <<<"$OUTPUT")" = '  egress         CS0-33 -> CS0 at eth0, priority 0
  egress         AF41 -> keep at eth0
  egress         35-NQB -> CS0 at eth0, priority 0
  egress         EF -> EF at eth0, priority 6
  egress         47-63 -> CS0 at eth0, priority 0' ] || fail "$OUTPUT"
	[ "$(on a "$TOOL" explain vx4 --json | jq -c '.tunnels[0].uplinks[0].egress | [.[0, 34, 46].priority]')" = \
		'[0,null,6]' ]
	# Nobody sets it where the program is not there.
	on a sh -c 'rm /sys/fs/bpf/dscp-tool/*/hooks/*egress_outer; tc qdisc del dev eth0 clsact 2>/dev/null || true'
	explains 4 vx4 -d EF
	says '  egress         EF -> keep at eth0'
}

# The prefix is chosen by its length, and by the family.
test_prefixes()
{
	lone_node
	check on a "$TOOL" load vx4 -m '*=CS0' -P 10.0.0.0/8:EF=EF -P 10.0.4.0/24:EF=CS5 -P ::/0:copy
	explains 0 vx4 -d EF
	says '  policy         --egress-map *=CS0 (where no --peer-map decides: --to)'
	says '  egress         EF -> CS0 at eth0'
	explains 0 vx4 -d EF --to 10.0.4.2
	says '  policy         --peer-map 10.0.4.0/24:*=CS0,EF=CS5'
	says '  egress         EF -> CS5 at eth0'
	explains 0 vx4 -d EF --to=10.0.5.2
	says '  policy         --peer-map 10.0.0.0/8:*=CS0,EF=EF'
	explains 0 vx4 -d EF -t 11.0.0.1
	says '  policy         --egress-map *=CS0'
	explains 0 vx4 -d EF -t fd00::5
	says '  policy         --peer-map ::/0:copy'
	[ "$(on a "$TOOL" explain vx4 -d EF -t fd00::5 -j | jq -c '.tunnels[0] | [.to, .policy]')" = \
		'["fd00::5",{"option":"peer-map","prefix":"::/0","value":"copy"}]' ]
	check on a "$TOOL" load vx4 --outer-dscp EF --direction egress
	explains 0 vx4 -d CS1 -t 10.0.4.2
	says '  policy         --outer-dscp EF'
	says '  egress         CS1 -> EF at eth0'
}

# Whether the sender marks at all.
test_what_packets_came_with()
{
	lone_node
	check on a "$TOOL" load vx4
	on a ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp 46 --count 9
	explains 0 vx4 --dscp EF
	check_grep '^  came with EF +9 +[0-9.]+% #+$' echo "$OUTPUT"
	[ "$(on a "$TOOL" explain vx4 --json | jq '.tunnels[0].came_with.EF')" = 9 ]
}

test_what_stands_in_the_way()
{
	lone_node
	check on a "$TOOL" load vx4
	on a ip link set vx4 down
	problem 'vx4 is down: ip link set vx4 up' vx4 -d EF
	on a ip link set vx4 up
	explains 0 vx4 -d EF
	# A program that is not at work marks nothing.
	on a sh -c 'rm /sys/fs/bpf/dscp-tool/*/hooks/*egress_outer; tc qdisc del dev eth0 clsact 2>/dev/null || true'
	problem 'egress_outer is not attached to eth0: reload the tunnel' vx4 -d EF
	explains 4 vx4 -d EF
	says '  egress         EF -> keep at eth0'
	check on a "$TOOL" reload vx4
	explains 0 vx4 -d EF
	says '  egress         EF -> EF at eth0'
	# Packets leave by another device, where the program is not.
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up; ip link set peer1 up
		ip route add 192.0.2.2/32 dev eth1'
	problem 'packets of vx4 now leave by eth1: reload it' vx4 -d EF
	explains 4 vx4 -d EF
	says '  uplink         eth1: egress_outer is not there'
	says '  egress         EF -> keep at eth1'
	on a ip link del eth1
	on a ip address flush dev eth0
	problem 'vx4: no uplink found: no way to 192.0.2.2: .*' vx4 -d EF
	uplink a 1
	# The one that was named.
	check on a "$TOOL" load vx4 --uplink eth0
	on a ip link set eth0 down
	problem 'eth0, where its packets leave, is down' vx4 -d EF
	on a ip link set eth0 up
	check on a "$TOOL" load vx4 --direction ingress
	problem 'only its ingress is loaded, so outer headers stay .* load it with --direction both .save prints its other options.' vx4
	[ "$(grep -c '"policy":null' <<<"$OUTPUT")" = 1 ] || fail "$OUTPUT"
	check on a ip link del vx4
	explains 4 vx4
}

# As status says it, and without being a look that later ones are compared with.
test_missing_packets()
{
	local before

	lone_node
	check on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 addrgenmode none up
		ip link set peer1 up; ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0'
	check on a "$TOOL" load vx4 --uplink eth1
	check on a "$TOOL" status vx4
	# shellcheck disable=SC2016 # for another shell
	on a bash -c 'for ((i = 0; i < 20; i++)); do echo >/dev/udp/10.0.4.2/9; done'
	before=$(on a bpftool -j map dump pinned "$(pins a)/maps/balance")
	problem '[0-9]+ packets left vx4 in [0-9]+ s, and 0 of them were seen at eth1: .*' vx4 -d EF
	problem '[0-9]+ packets left vx4 in [0-9]+ s, and 0 of them were seen at eth1: .*' vx4 -d EF
	[ "$(on a bpftool -j map dump pinned "$(pins a)/maps/balance")" = "$before" ] ||
		fail "it has kept a reading"
	check_exit 4 on a "$TOOL" status vx4
}

# A program in front may end the chain: its line is there, as in status.
test_who_is_in_front()
{
	lone_node
	check on a "$TOOL" load vx4 --attach clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	explains 0 vx4 -d EF
	grep -E '^    before it  foreign, clsact, priority 1, id [0-9]+ ' <<<"$OUTPUT" || fail "$OUTPUT"
	[ "$(on a "$TOOL" explain vx4 -j | jq -c '.tunnels[0].uplinks[0].hook')" = \
		"$(on a "$TOOL" status vx4 -j | jq -c '.tunnels[0].hooks[0]')" ]
}

# Without the lock, and nothing is another one afterwards.
test_changes_nothing()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both --peer-map 10.0.0.5:EF=CS1
	remember
	hold_lock a
	explains 0 vx4
	explains 0 vx4 --json
	release_lock
	inventory >"$T/after"
	check diff "$T/before" "$T/after"
	# The capabilities of status are enough.
	check_grep '^  egress         EF -> EF at eth0$' on a setpriv \
		--bounding-set=-all,+bpf,+net_admin,+sys_admin --inh-caps=-all "$TOOL" explain vx4 -d EF
}

test_several_and_none()
{
	lone_node
	explains 3 vx4
	[ "$OUTPUT" = 'dscp-tool: vx4: not loaded' ]
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6 --outer-dscp EF
	explains 3 vx4 vx5
	[ "$OUTPUT" = 'dscp-tool: vx5: not loaded' ]
	explains 0 vx6 vx4 -d CS1
	says '  egress         CS1 -> EF at eth0'
	says '  egress         CS1 -> CS1 at eth0'
	check_grep '^2$' on a sh -c "'$TOOL' explain vx4 vx6 -j | jq '.tunnels | length'"
	explains 1
	# From another network namespace.
	node_add_netns b
	check_grep '^  egress         CS1 -> EF at eth0$' on a nsenter --net=/run/netns/b "$TOOL" -n a explain vx6 -d 8
	check_exit 3 on a nsenter --net=/run/netns/b "$TOOL" explain vx6
	[[ $OUTPUT == *': dscp-tool -n a explain vx6' ]] || fail "$OUTPUT"
}

# Where the uplink has no queue, its ports' queues get the packet.
test_qdiscs()
{
	lone_node
	check on a tc qdisc replace dev eth0 root handle 1: htb
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec 'for n in 1 2; do
			tc class add dev eth0 parent 1: classid 1:$n htb rate 10mbit
			tc qdisc add dev eth0 parent 1:$n pfifo
		done'
	check on a "$TOOL" load vx4
	explains 0 vx4 -d EF
	[ "$(grep '^  qdisc ' <<<"$OUTPUT")" = "  qdisc          eth0 htb: does not read the DSCP: a filter or the packet's priority decides
  qdisc          eth0, within it pfifo: does not read the DSCP: one queue for all" ] || fail "$OUTPUT"
	on a sh -ec 'ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up
		ip address flush dev eth0; ip address add 192.0.2.1/24 dev br0'
	check on a "$TOOL" load vx4
	explains 0 vx4 -d EF
	[ "$(grep '^  qdisc ' <<<"$OUTPUT" | cut -d : -f 1)" = '  qdisc          br0 noqueue
  qdisc          eth0 htb
  qdisc          eth0, within it pfifo' ] || fail "$OUTPUT"
}

# tins: packets so far, a number each
tins() { on a tc -s -j qdisc show dev eth0 root | jq -c '[.[0].tins[].sent_packets]'; }

# in_tin TIN DSCP...: a packet of each of these is one more in that tin, and none in another
in_tin()
{
	local before after

	before=$(tins)
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec 'for dscp; do "$0" udp --dst 10.0.4.2 --port 5000 --count 1 --dscp $dscp; done' \
		"$wire" "${@:2}"
	after=$(tins)
	jq -ne --argjson was "$before" --argjson now "$after" --argjson tin "$1" --argjson n $(($# - 1)) \
		'[$was, $now] | transpose | map(.[1] - .[0]) | .[$tin] == $n and add == $n' >/dev/null ||
		fail "not tin $1 for $*: $before, then $after"
}

# tins_are MODE...: the tins of this kernel are those that explain says, of all 64 DSCPs
tins_are()
{
	local mode tin dscps

	lone_node
	on a tc qdisc replace dev eth0 root cake || skip "this kernel has no CAKE"
	# Nothing else leaves by eth0.
	on a sh -ec 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
		ip link set eth0 multicast off
		ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0'
	check on a "$TOOL" load vx4
	for mode; do
		on a tc qdisc replace dev eth0 root cake $mode nowash
		on a "$TOOL" explain vx4 --json |
			jq -r '.tunnels[0].uplinks[0].egress | to_entries | group_by(.value.tins[0].tin) |
				.[] | map(.key) as $dscps | [.[0].value.tins[0].tin] + $dscps | map(tostring) |
				join(" ")' >"$T/expected"
		[ "$(tr ' ' '\n' <"$T/expected" | wc -l)" = $((64 + $(wc -l <"$T/expected"))) ]
		[ "$(wc -l <"$T/expected")" = "$(tins | jq length)" ] || fail "$mode: $(<"$T/expected")"
		while read -r tin dscps; do
			# shellcheck disable=SC2086 # several words
			in_tin "$tin" $dscps
		done <"$T/expected"
	done
	# By the map's result for it.
	on a tc qdisc replace dev eth0 root cake diffserv4 wash
	check on a "$TOOL" load vx4 --egress-map 'EF=CS1'
	explains 0 vx4 -d EF
	says '  qdisc          eth0 cake diffserv4: the DSCP decides on the tin, and behind it becomes CS0 (wash)'
	says '  egress         EF -> CS1 at eth0, eth0 tin 0 (Bulk)'
	in_tin 0 46
}

test_tins_of_cake() { tins_are diffserv4 besteffort; }
test_tins_of_other_modes() { tins_are diffserv3 diffserv8 precedence; }
