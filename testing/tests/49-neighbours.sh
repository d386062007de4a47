# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Others on the same devices: CAKE, fq_codel, HTB, the set-up of sqm-scripts, filters and programs in front of
# our programs and behind. Their packets, the packets on the wire, and the words of status about it; before,
# during and after a load. Between two namespaces of one machine, over a wire that copies bytes.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

# With times (rtt, target) so long that a busy machine is no congestion, of which it would make CE.
cake='cake bandwidth 100mbit rtt 1000s diffserv4'

# Nodes a and b with WireGuard between them.
wireguard_nodes()
{
	kind=wireguard
	nothing_may_be_missing
	node_add_netns probe
	# shellcheck disable=SC2016 # for another shell
	on probe sh -ec '
		ip link add wg0 type wireguard
		ip link add ifb0 type ifb
		tc qdisc add dev lo root $0' "$cake" || skip "this kernel has no WireGuard, ifb or CAKE"
	wireguard_keys
	two_nodes
	quiet a 2 b
	quiet b 1 a
}

# quiet NODE N PEER: no packets of the kernel's own at the uplink that can be avoided
quiet()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		echo 0 >/proc/sys/net/ipv6/conf/eth0/router_solicitations
		ip neighbour replace 192.0.2.$0 lladdr $1 dev eth0 nud permanent
		ip neighbour replace 2001:db8::$0 lladdr $1 dev eth0 nud permanent' "$2" \
		"$(mac "$3" eth0)"
}

vxlan_nodes()
{
	kind=vxlan
	two_nodes
	quiet a 2 b
	quiet b 1 a
}

# untouched NODE-B-DEV [OPTION]: others' packets, some of which look like the tunnel's, from a to that
# device of b, through all that is at eth0 of a; of an ifb device those that leave it
untouched() { others_pass 1000 "$1" --tunnel-port "$(tunnel_port 4)" "${@:2}"; }

#
# Queues that look at the DSCP
#

# Packets so far, a number for each tin of CAKE, or for each fq_codel below HTB: NODE DEV
tins() { on "$1" tc -s -j qdisc show dev "$2" root | jq -c '[.[0].tins[].sent_packets]'; }
leaves()
{
	on "$1" tc -s -j qdisc show dev "$2" |
		jq -c 'map(select(.kind == "fq_codel")) | sort_by(.parent) | map(.packets)'
}

# grown BEFORE NOW: two arrays of numbers
grown() { jq -nc '[inputs] | transpose | map(.[1] - .[0])' <<<"$*"; }

# sum [N,N...]
sum()
{
	local numbers=${1//[][]/}

	echo $((${numbers//,/+}))
}

# fills JQ-CONDITION QUEUES NODE DEV COMMAND...: $added is how much each grows by the command's 320
# packets. If there were more, the kernel has sent some by itself, a handshake for example: then
# this says nothing, and the next one does.
fills()
{
	local condition=$1 queues=$2 node=$3 dev=$4 before n

	shift 4
	for n in {1..9}; do
		before=$($queues "$node" "$dev")
		"$@"
		added=$(grown "$before" "$($queues "$node" "$dev")")
		[ "$(sum "$added")" -gt 320 ] || break
		echo "void, the $n.: $added"
	done
	jq -e "add == 320 and ($condition)" <<<"$added" >/dev/null ||
		fail "$node $dev: $added packets were added, not $condition"
}

# To a socket of b, so that they have passed all queues.
in_clear() { through a b --dst 192.0.2.2 --dport 9 --count 320 --no-marker; }

# passes OUTER INNER EXPECT: 320 packets from a to b
passes() { pass udp:320 "$@" --ecn 0 --no-marker; }

# Chi-square with 1023 degrees of freedom is above this once in 10^7 if the queues are equally
# likely. The flows are always the same, but the kernel's hash has another key at each boot.
chi_square_limit=1275

# spread EXPECT DSCP: 10,000 flows of a packet each through wg4; chi-square of their number in each of
# the 1024 queues of CAKE, and of fq_codel. If there were more packets, it does not count, as in fills.
spread()
{
	local n

	for n in {1..9}; do
		count_queues "$@"
		[ "$(jq '.[0] > 10000' <<<"$chi_square")" = true ] || break
		echo "void, the $n.: $chi_square"
	done
	jq -e ".[0] == 10000 and .[1] < $chi_square_limit and .[2] < $chi_square_limit" \
		<<<"$chi_square" || fail "not evenly spread: $chi_square"
}

count_queues()
{
	local queues=/sys/fs/bpf/tc/globals/neighbour_queues

	check on a tc filter add dev eth0 egress prio 30000 bpf da \
		obj testing/bpf/neighbour.bpf.o sec tc/neighbour_buckets
	outside 4
	through a b --dev wg4 --src 10.0.4.1 --dst 10.0.4.9 --flows --count 10000 --no-marker \
		--dscp "$2" "${outside[@]}" --expect "$1"
	check on a tc filter del dev eth0 egress prio 30000
	on a bpftool map dump pinned $queues -j >"$T/queues"
	check on a rm $queues
	chi_square=$(jq -c '
		def chi_square: (add / length) as $mean |
			map((. - $mean) * (. - $mean) / $mean) | add | round;
		map(.formatted.value) | [add / 2, (.[:1024] | chi_square), (.[1024:] | chi_square)]' \
		"$T/queues")
	echo "packets, chi-square for CAKE, for fq_codel: $chi_square"
}

# The same DSCPs without a tunnel tell which tin is for which. Chi-square: the stamp takes the place of
# the hash by which these queues tell flows apart.
marks_in_cake()
{
	local o expected unknown

	on a sh -c "tc qdisc replace dev eth0 root $cake"
	fills 'length == 4 and add == 320 and min > 0' tins a eth0 in_clear
	expected=$added
	fills '. == [0, 320, 0, 0]' tins a eth0 passes 4 6 none
	spread none 46
	check on a "$TOOL" load wg4
	check on a "$TOOL" load wg6
	check_grep 'then qdisc cake$' on a "$TOOL" status wg4
	for o in 4 6; do
		fills ". == $expected" tins a eth0 passes $o $o inner
	done
	untouched eth0
	# CAKE takes the DSCP away again behind its tins.
	check on a tc qdisc change dev eth0 root cake wash
	fills ". == $expected" tins a eth0 passes 4 4 none
	check on a tc qdisc change dev eth0 root cake nowash
	unknown=$(counter a wg4 counters.egress.unknown.total) # others, with the tunnel's port
	spread inner 46
	spread inner cycle
	[ "$(counter a wg4 counters.egress.unknown.total)" = "$unknown" ]
}

# Classes by filters of the qdisc: EF by u32, AF41 by flower, all else.
marks_in_htb()
{
	local o

	# shellcheck disable=SC2016 # for another shell
	on a sh -ec '
		tc qdisc replace dev eth0 root handle 1: htb default 30
		for class in 10 20 30; do
			tc class add dev eth0 parent 1: classid 1:$class htb rate 100mbit
			tc qdisc add dev eth0 parent 1:$class fq_codel target 10s interval 100s
		done
		add="tc filter add dev eth0 parent 1:"
		$add protocol ip prio 1 u32 match ip dsfield 0xb8 0xfc flowid 1:10
		$add protocol ipv6 prio 2 u32 match ip6 priority 0xb8 0xfc flowid 1:10
		$add protocol ip prio 3 flower ip_tos 0x88/0xfc classid 1:20
		$add protocol ipv6 prio 4 flower ip_tos 0x88/0xfc classid 1:20'
	fills '. == [5, 5, 310]' leaves a eth0 in_clear
	for o in 4 6; do
		fills '. == [5, 5, 310]' leaves a eth0 passes $o 4 inner
	done
}

test_queues()
{
	wireguard_nodes
	check on a tc qdisc add dev eth0 clsact
	marks_in_cake
	marks_in_htb
	check on a "$TOOL" unload --all
	fills '. == [0, 0, 320]' leaves a eth0 passes 6 6 none
	check on a sh -c "tc qdisc del dev eth0 root; tc qdisc add dev eth0 root $cake"
	fills '. == [0, 320, 0, 0]' tins a eth0 passes 4 4 none
}

#
# The set-up of sqm-scripts: CAKE at the egress, the qdisc "ingress", and all that comes in
# redirected to CAKE on an ifb device
#

sqm_starts()
{
	# shellcheck disable=SC2016 # for another shell
	on b sh -ec '
		tc qdisc del dev eth0 root 2>/dev/null || true
		tc qdisc add dev eth0 root $0
		ip link add ifb4eth0 type ifb 2>/dev/null || true
		tc qdisc replace dev ifb4eth0 root $0
		ip link set ifb4eth0 up
		tc qdisc del dev eth0 handle ffff: ingress 2>/dev/null || true
		tc qdisc add dev eth0 handle ffff: ingress
		tc filter add dev eth0 parent ffff: protocol all prio 10 matchall \
			action mirred egress redirect dev ifb4eth0' "$cake"
}

sqm_stops()
{
	on b sh -ec '
		tc qdisc del dev eth0 handle ffff: ingress 2>/dev/null || true
		tc qdisc del dev eth0 root
		ip link del ifb4eth0'
}

# downloads JQ-CONDITION [OUTER]: 320 packets, marked outside by a, arrive so at a socket of b
downloads()
{
	through_where ".wrong == 0 and $1" a b --dst "$(inner "${2:-4}" 4 2)" --count 320 \
		--no-marker --unmarked-ok
}

# uploads EXPECT: 320 packets that b sends, with the DSCP of that kind outside
uploads()
{
	through b a --dst "$(inner 4 4 1)" --count 320 --no-marker --at eth0 --tunnel $kind \
		--from "$(outer 4 2)" --port "$(tunnel_port 4)" --expect "$1" --ecn 0
}

# Both of our programs work, and both of their qdiscs, with the tins $expected.
marked='.unmarked == 0'
unmarked='.unmarked == 315' # five are CS0
shaped_download() { fills ". == $expected" tins b ifb4eth0 downloads "$marked"; }
shaped_upload() { fills ". == $expected" tins b eth0 uploads inner; }

# Without ours theirs go on.
unloaded()
{
	check on b "$TOOL" unload wg4
	fills ". == $expected" tins b ifb4eth0 downloads "$unmarked"
}

# With TCX the order does not matter, and they may start again at any time.
sqm_beside_tcx()
{
	check on b "$TOOL" load wg4 --direction both --ingress-method tc
	sqm_starts
	shaped_download
	sqm_starts
	check on b "$TOOL" status wg4
	shaped_download
	shaped_upload
	untouched ifb4eth0 --leaving
	unloaded
	fills '. == [0, 320, 0, 0]' tins b eth0 uploads none
	check on b "$TOOL" load wg4 --direction both --ingress-method tc
	shaped_download
	check on b "$TOOL" unload wg4
	sqm_stops
}

# Theirs first: ours is a filter in their qdisc, and goes away with it when they start again. The program on
# the tunnel alone stays.
sqm_first()
{
	sqm_starts
	check on b "$TOOL" load wg4 --direction ingress --ingress-method tc --attach clsact
	shaped_download
	untouched ifb4eth0 --leaving
	sqm_starts
	check_exit 4 on b "$TOOL" status wg4
	check_grep 'problem +ingress_outer is not attached to eth0' echo "$OUTPUT"
	fills ". == $expected" tins b ifb4eth0 downloads "$unmarked"
	check on b "$TOOL" load wg4 --direction ingress --ingress-method tc --attach clsact
	check on b "$TOOL" status wg4
	shaped_download
	unloaded
	if can co_re; then
		check on b "$TOOL" load wg4 --direction ingress --ingress-method peek --attach clsact
		sqm_starts
		check on b "$TOOL" status wg4
		shaped_download
		check on b "$TOOL" unload wg4
	fi
	sqm_stops
}

# Our programs first: they cannot have their qdisc, cannot take ours away, and half of their work is
# done.
sqm_second()
{
	check on b "$TOOL" load wg4 --direction both --ingress-method tc --attach clsact
	! sqm_starts || fail "an ingress qdisc beside clsact"
	check on b "$TOOL" status wg4
	shaped_upload
	downloads "$marked"
	sqm_stops
	check on b "$TOOL" status wg4
	check on b "$TOOL" unload wg4
	[ -z "$(on b tc qdisc show dev eth0 ingress)" ]
}

test_sqm()
{
	local expected

	wireguard_nodes
	sqm_starts
	fills 'length == 4 and add == 320 and min > 0' tins b ifb4eth0 in_clear
	expected=$added
	sqm_stops
	bleached a
	if [ "$(attach_kinds)" = clsact ]; then
		sqm_first
		sqm_second
	else
		sqm_beside_tcx
	fi
}

#
# Foreign filters and programs, in front of our program and behind. At two points: the egress of a, and the
# ingress of b, where a has marked outside only.
#

at_egress() { node=a point=egress program=egress_outer; }
at_ingress()
{
	node=b point=ingress program=ingress_outer
	# The filter put there would hide the one that takes the DSCP away inside.
	on a sh -ec 'rm -f /sys/fs/bpf/neighbour_*; tc qdisc del dev eth0 clsact 2>/dev/null || true'
	bleached a
}

# 64 packets get their DSCP from our program, or do not, or come no further. One is CS0.
works()
{
	if [ "$point" = egress ]; then
		pass udp:64 4 4 inner --ecn 0 --no-marker
	else
		arrive '.unmarked == 0'
	fi
}

misses()
{
	if [ "$point" = egress ]; then
		pass udp:64 4 4 none --ecn 0 --no-marker
	else
		arrive '.unmarked == 63'
	fi
}

arrive()
{
	through_where ".wrong == 0 and $1" a b --dst "$(inner 4 4 2)" --count 64 --no-marker \
		--unmarked-ok
}

# Programs that drop it have counted each, and then none has arrived.
is_dropped()
{
	local dropped
	dropped=$(hits | jq '.[2] + 64')

	listen b 5000
	check on a "$wire" udp --dst "$(inner 4 4 2)" --port 5000 --dscp cycle --count 64 --rate 1000
	retry_until has_dropped "$dropped"
	heard 5000 '.data == 0'
}

has_dropped() { [ "$(hits | jq '.[2]')" -ge "$1" ]; }

# Packets so far, of the programs of neighbour.bpf.o that go on, end the chain, and end the packet,
# and of the filters that have an action
hits()
{
	on "$node" bpftool map dump pinned /sys/fs/bpf/tc/globals/neighbour_hits -j |
		jq -c 'map(.formatted.value)'
}
acted()
{
	on "$node" tc -s -j filter show dev eth0 "$point" |
		jq -c '[.[].options.actions | values | .[0].stats.packets]'
}

# sees COUNTERS JQ-CONDITION COMMAND...: $added is by how much they grow
sees()
{
	local counters=$1 condition=$2 before

	shift 2
	before=$($counters)
	"$@"
	added=$(grown "$before" "$($counters)")
	jq -e "$condition" <<<"$added" >/dev/null || fail "$counters: $added, not $condition"
}

loaded() { check on "$node" "$TOOL" load vx4 --direction "$point" "$@"; }

# in_front LIST: the programs that run before ours, as status names them; it finds nothing wrong
in_front()
{
	check on "$node" "$TOOL" status vx4
	OUTPUT=$(on "$node" "$TOOL" status vx4 --json | jq -r --arg program "$program" '
		[.tunnels[0].hooks[] | select(.program == $program).ahead[] | "\(.attach) \(.name)"] |
			join(", ")')
	[ "$OUTPUT" = "$1" ] || fail "in front are: $OUTPUT"
}

# filter PRIORITY ACTION FILTER...: in place of the one that is there
filter()
{
	on "$node" tc filter del dev eth0 "$point" prio "$1" 2>/dev/null || true
	on "$node" tc filter add dev eth0 "$point" prio "$1" protocol ip "${@:3}" action "$2"
}

# neighbour PRIORITY next|pass|drop
neighbour()
{
	check on "$node" tc filter add dev eth0 "$point" prio "$1" bpf da \
		obj testing/bpf/neighbour.bpf.o sec "tc/neighbour_$2"
}

# TCX runs before all of clsact, so nothing of it is in front.
filters_of_others()
{
	local how

	on "$node" tc qdisc add dev eth0 clsact
	filter 1 continue u32 match u32 0 0
	filter 2 continue flower ip_proto udp
	filter 3 continue matchall
	neighbour 20 pass
	sees hits '.[1] == 64' misses
	for how in $(attach_kinds); do
		loaded --attach "$how"
		if [ "$how" = tcx ]; then
			filter 2 pass flower ip_proto udp
			in_front ''
			works
		else
			sees hits '.[1] == 64' sees acted '. == [64, 64, 64]' works
			in_front 'clsact u32, clsact flower, clsact matchall'
			filter 2 pass flower ip_proto udp
			in_front 'clsact u32, clsact flower, clsact matchall'
			misses
		fi
		filter 2 continue flower ip_proto udp
	done
	neighbour 10 drop
	sees hits '.[2] == 64 and .[1] == 0' is_dropped
	on "$node" tc filter del dev eth0 "$point" prio 10
	[ "$point" = ingress ] || untouched eth0
	check on "$node" "$TOOL" unload vx4
	sees hits '.[1] == 64' sees acted '. == [64, 64, 64]' misses
}

test_filters()
{
	node_add_netns probe
	# shellcheck disable=SC2016 # for another shell
	on probe sh -ec '
		tc qdisc add dev lo clsact
		for filter in "u32 match u32 0 0" flower matchall; do
			tc filter add dev lo egress protocol ip $filter action continue
		done' || skip "this kernel does not have all of u32, flower, matchall and gact"
	vxlan_nodes
	at_egress
	filters_of_others
	at_ingress
	filters_of_others
}

# by_tcx before|after next|pass: of all that are there; and away with it
by_tcx()
{
	on "$node" mkdir -p /sys/fs/bpf/tc/globals
	check on "$node" testing/bpf/tcx eth0 "$point" "$1" testing/bpf/neighbour.bpf.o "neighbour_$2" \
		"/sys/fs/bpf/neighbour_$1_$2"
}
not_by_tcx() { check on "$node" rm "/sys/fs/bpf/neighbour_$1_$2"; }

programs_of_others()
{
	by_tcx before next
	by_tcx after pass
	sees hits '.[0] == 64 and .[1] == 64' misses
	# Ours goes to the front, whatever is there.
	loaded
	in_front ''
	sees hits '.[0] == 64 and .[1] == 64' works
	not_by_tcx before next
	by_tcx before next
	in_front 'tcx neighbour_next'
	sees hits '.[0] == 64 and .[1] == 64' works
	by_tcx before pass
	in_front 'tcx neighbour_pass, tcx neighbour_next'
	sees hits '.[1] == 64 and .[0] == 0' misses
	# A load leaves a hook that is alive where it is; unload and load puts it to the front.
	loaded
	in_front 'tcx neighbour_pass, tcx neighbour_next'
	check on "$node" "$TOOL" unload vx4
	loaded
	in_front ''
	sees hits '.[1] == 64 and .[0] == 0' works
	[ "$point" = ingress ] || untouched eth0
	check on "$node" "$TOOL" unload vx4
	sees hits '.[1] == 64' misses
}

test_tcx()
{
	"$TOOL" features --json | jq -e .features.tcx || skip "this kernel has no TCX"
	vxlan_nodes
	at_egress
	programs_of_others
	at_ingress
	programs_of_others
}

#
# Foreign programs at the egress of the tunnel, which change the inner DSCP. Their result counts: egress_inner
# runs behind them.
#

# at_tunnel JQ: on the status of egress_inner
at_tunnel()
{
	{ on a "$TOOL" status wg4 --json || true; } |
		jq -r ".tunnels[0].hooks[] | select(.program == \"egress_inner\") | $1"
}

# leaves_with EXPECT: 64 packets of all DSCPs, EF inside when they leave the tunnel
leaves_with() { pass udp:64 4 4 "$1" --ecn 0 --no-marker; }

# well: nobody is behind it
well()
{
	check on a "$TOOL" status wg4
	[ "$(at_tunnel '.behind | length')" = 0 ]
}

# not_well NAME REMEDY: the problem is named, with the remedy
not_well()
{
	check_exit 4 on a "$TOOL" status wg4
	check_grep "problem +$1 runs behind egress_inner at wg4 .*: $2\$" echo "$OUTPUT"
	check_grep "behind it +$1, " echo "$OUTPUT"
	[ "$(at_tunnel '.behind[0].name')" = "$1" ]
}

# sets_ef [PRIORITY]: somebody else's filter; without a priority tc chooses one
sets_ef()
{
	check on a tc filter add dev wg4 egress ${1:+prio "$1"} bpf da \
		obj testing/bpf/bleach.bpf.o sec tc/ef_l3
}
sets_no_ef() { check on a tc filter del dev wg4 egress prio "$1" handle 1 bpf; }

filter_before_load()
{
	local how

	on a tc qdisc add dev wg4 clsact
	sets_ef 10
	leaves_with none
	for how in auto clsact; do
		check on a "$TOOL" load wg4 --attach $how
		[ "$(at_tunnel .attach)" = clsact ]
		leaves_with 46
		well
		check on a "$TOOL" unload wg4
	done
	[ "$(attach_kinds)" = clsact ] || tcx_before_filter
	sets_no_ef 10
	on a tc filter add dev wg4 egress prio 10 protocol ip matchall \
		action pedit ex munge ip dsfield set 0xb8 retain 0xfc pipe csum ip4h continue
	check on a "$TOOL" load wg4
	leaves_with 46
	well
	check on a "$TOOL" unload wg4
	on a tc filter del dev wg4 egress prio 10
	# One that ends the chain hides the packet from egress_inner: no DSCP, and no wrong one.
	check on a tc filter add dev wg4 egress prio 10 bpf da obj testing/bpf/neighbour.bpf.o \
		sec tc/neighbour_pass
	check on a "$TOOL" load wg4
	leaves_with none
	check_exit 4 on a "$TOOL" status wg4
	check_grep 'problem +64 of 64 packets at eth0 had no stamp of egress_inner: does neighbour_pass, which is before it, end the chain\?$' \
		cat <<<"$OUTPUT"
	[ "$(at_tunnel '.ahead[0].name')" = neighbour_pass ]
	check on a "$TOOL" unload wg4
	on a tc qdisc del dev wg4 clsact
}

# A user that asks for TCX gets it, and is told the consequence.
tcx_before_filter()
{
	check on a "$TOOL" load wg4 --attach tcx
	not_well ef_l3 'load the tunnel with --attach clsact .save prints its other options.'
	leaves_with inner
	check on a "$TOOL" load wg4 --attach clsact
	leaves_with 46
	well
	check on a "$TOOL" unload wg4
}

# filter_after_load KIND
filter_after_load()
{
	check on a "$TOOL" load wg4 --attach "$1"
	leaves_with inner
	[ "$1" = clsact ] || on a tc qdisc add dev wg4 clsact
	sets_ef
	# As without us.
	check_grep 'pref 49152 bpf .*ef_l3' on a tc filter show dev wg4 egress
	if [ "$1" = clsact ]; then
		leaves_with 46
		well
		sets_no_ef 49152
		sets_ef 50000
	fi
	leaves_with inner
	not_well ef_l3 "(re)?load the tunnel"'( with --attach clsact .save prints its other options.)?'
	check on a "$TOOL" load wg4
	leaves_with 46
	well
	[ "$(on a tc filter show dev wg4 egress | grep -c 'egress_inner:')" = 1 ]
	check on a "$TOOL" unload wg4
	on a tc qdisc del dev wg4 clsact
}

# by_tcx_behind OBJECT PROGRAM: a foreign program, attached after egress_inner
by_tcx_behind()
{
	on a mkdir -p /sys/fs/bpf/tc/globals
	check on a testing/bpf/tcx wg4 egress after "testing/bpf/$1.bpf.o" "$2" /sys/fs/bpf/behind
}

program_after_load()
{
	check on a "$TOOL" load wg4
	by_tcx_behind bleach ef_l3
	leaves_with inner
	not_well ef_l3 'reload the tunnel'
	check on a "$TOOL" load wg4
	leaves_with 46
	well
	[ "$(at_tunnel .attach)" = tcx ]
	check_exit 1 on a sh -c 'tc qdisc show dev wg4 | grep clsact'
	check on a "$TOOL" unload wg4
	check on a rm /sys/fs/bpf/behind
}

# At each point of the load that goes behind another program, all packets are marked.
test_inner_dscp_while_it_moves()
{
	local packets

	"$TOOL" features --json | jq -e .features.tcx || skip "this kernel has no TCX"
	wireguard_nodes
	check on a "$TOOL" load wg4
	by_tcx_behind neighbour neighbour_next
	not_well neighbour_next 'reload the tunnel'
	pattern udp:64 4 4
	outside 4
	packets=("${pattern[@]}" "${outside[@]}" --expect inner)
	through a b "${packets[@]}"
	thin 4 32
	each_point a "$(printf ' %q' "$wire" through a b "${packets[@]}")" load wg4 --attach tcx
	through a b "${packets[@]}"
	well
}

test_inner_dscp_of_others()
{
	local how

	wireguard_nodes
	filter_before_load
	for how in $(attach_kinds); do
		filter_after_load "$how"
	done
	[ "$(attach_kinds)" = clsact ] || program_after_load
	leaves_with none
}

#
# Another copy of the tool, as in a container on the host's network: the same programs, names and
# handles, with a separate bpffs and lock
#

# copy_add NAME NODE: a node that is the same network namespace
copy_add()
{
	local -; set +x
	local fd line=

	exec {fd}< <(exec nsenter -t "${node_holder[$2]}" --net unshare -m --propagation slave sh -c '
		mount -t sysfs sys /sys && mount -t bpf bpf /sys/fs/bpf &&
			mount -t tmpfs run /run || exit
		echo ready && exec sleep infinity' 2>&1)
	node_holder[$1]=$!
	read -r -u "$fd" line || true
	[ "$line" = ready ] || fail "cannot make the copy $1: $line"
	exec {fd}<&-
}

# of_both EXPECT-4 EXPECT-6: the outer DSCPs of the packets of vx4, which a loads, and of vx6, which
# c loads
of_both()
{
	pass udp:64 4 4 "$1" --ecn 0 --no-marker
	pass udp:64 6 4 "$2" --ecn 0 --no-marker
}

# programs NODE TUNNEL: the ids of the programs that status takes for its own
programs() { on "$1" "$TOOL" status "$2" --json | jq -c '[.tunnels[0].hooks[].prog_id] | sort'; }

filters_at_eth0() { on a tc filter show dev eth0 egress | grep -c 'egress_outer:' || true; }

# Each has a filter or link at eth0, finds its own, and takes away its own.
copies_beside_each_other()
{
	local how=$1 mine theirs

	of_both none none
	check on a "$TOOL" load vx4 --attach "$how"
	inventory >"$T/alone"
	mine=$(programs a vx4)
	check on c "$TOOL" load vx6 --attach "$how"
	theirs=$(programs c vx6)
	jq -ne --argjson mine "$mine" --argjson theirs "$theirs" '$mine - $theirs == $mine' ||
		fail "of both are: $mine, $theirs"
	[ "$(programs a vx4)" = "$mine" ]
	of_both inner inner
	check on a "$TOOL" status
	check on c "$TOOL" status
	[ "$(counter a vx4 counters.egress.marked)" = 63 ] # one is CS0
	[ "$(counter c vx6 counters.egress.marked)" = 63 ]
	check on c "$TOOL" unload vx6
	check diff "$T/alone" <(inventory)
	check on c "$TOOL" load vx6 --attach "$how"
	[ "$how" = tcx ] || taken_away_alone
	check on c "$TOOL" unload vx6
	check_exit 2 on c ls /sys/fs/bpf/dscp-tool
	of_both inner none
	check on a "$TOOL" status vx4
	check on c "$TOOL" load vx6 --attach "$how"
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
	of_both none inner
	check on c "$TOOL" status vx6
	check on c "$TOOL" unload vx6
	of_both none none
}

# The filter of one is taken away by hand: its status says so, although the other's is like it, and
# its monitor puts a new one there; the other one is as it was.
taken_away_alone()
{
	local priority theirs

	theirs=$(programs c vx6)
	for node in status monitor; do
		priority=$(on a "$TOOL" status vx4 --json | jq '.tunnels[0].hooks[] |
			select(.program == "egress_outer").priority')
		[ "$node" = status ] || start_monitor a
		check on a tc filter del dev eth0 egress prio "$priority"
		if [ "$node" = status ]; then
			check_exit 4 on a "$TOOL" status vx4
			check_grep 'problem +egress_outer is not attached to eth0' echo "$OUTPUT"
			of_both none inner
			check on a "$TOOL" load vx4 --attach clsact
		else
			retry_until on a "$TOOL" status vx4
			stop_background "$monitor"
		fi
		check on a "$TOOL" status vx4
		of_both inner inner
		[ "$(filters_at_eth0)" = 2 ]
		check on c "$TOOL" status vx6
		[ "$(programs c vx6)" = "$theirs" ]
	done
}

test_two_copies()
{
	local how

	vxlan_nodes
	copy_add c a
	remember
	for how in $(attach_kinds); do
		copies_beside_each_other "$how"
	done
	# c was the last to go from the qdisc that a had made: it is nobody's.
	on a tc qdisc del dev eth0 clsact
	check diff "$T/before" <(inventory)
}

# killed_beside WORDS...: killed at each request of this load that makes a qdisc or a filter; an unload
# then takes away its own and nothing else. $before is how it begins.
killed_beside()
{
	local points n

	$before
	check on a "$step" --list --all -- "$TOOL" "$@"
	mapfile -t points < <(sed -nE 's/ .* RTM_NEW(QDISC|TFILTER)$//p' <<<"$OUTPUT")
	check on a "$TOOL" unload vx4
	[ "${#points[@]}" -gt 0 ]
	for n in "${points[@]}"; do
		$before
		check_exit 137 on a "$step" --all --kill "$n" -- "$TOOL" "$@"
		check on c "$TOOL" status vx6
		check on a "$TOOL" unload --all
		check diff "$T/before" <(inventory)
		[ "$(programs c vx6)" = "$theirs" ]
	done
}

# The second kind: an exchange that was killed has pinned the new program, and the old one still runs.
test_two_copies_killed()
{
	local before theirs

	lone_node
	copy_add c a
	check on c "$TOOL" load vx6 --attach clsact
	theirs=$(programs c vx6)
	inventory >"$T/before"
	before=true
	killed_beside load vx4 --attach clsact
	before="check on a $TOOL load vx4 --attach clsact"
	killed_beside load vx4 --attach clsact --flows 1000
	check on c "$TOOL" unload vx6
}

#
# XDP
#

# Somebody else in libxdp's dispatcher: another dscp-tool, with a separate bpffs, which puts DSCPs
# back onto packets that come out of wg6, so that these tell whether its program still runs.
xdp_of_others()
{
	# shellcheck disable=SC2016 # for another shell
	check on b unshare -m sh -ec '
		mkdir -p /run/common
		mount --bind /sys/fs/bpf /run/common
		mount -t bpf bpf /sys/fs/bpf
		LIBXDP_BPFFS=/run/common exec "$0" load wg6 --direction ingress --ingress-method xdp \
			--attach clsact --uplink eth0' "$TOOL"
}

test_xdp()
{
	needs_methods
	wireguard_nodes
	bleached a
	downloads "$unmarked" 6
	xdp_of_others
	downloads "$marked" 6
	check on b "$TOOL" load wg4 --direction ingress --ingress-method xdp
	downloads "$marked" 6
	downloads "$marked" 4
	untouched eth0
	check on b "$TOOL" unload wg4
	downloads "$marked" 6
	downloads "$unmarked" 4
}
