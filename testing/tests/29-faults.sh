# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The tool killed at each of its system calls, and each of them failing: see docs/faults.md. Here
# some points, the same ones each time; testing/faults/run --full has all. VXLAN, on whatever kernel.

needs_source=yes
timeout=7200

. testing/tunnels.sh

kind=vxlan
hooks=/sys/fs/bpf/dscp-tool/*/hooks

# The node a, with two uplinks and tunnels, and b, which sees the packets that leave it
nodes()
{
	command -v strace >/dev/null || skip "no strace"
	# LeakSanitizer is a tracer itself, and does not work under another one; addresses and
	# undefined behaviour are checked as ever.
	export ASAN_OPTIONS=detect_leaks=0
	node_add_netns a
	node_add_netns b
	wire_veth a b
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	uplink a 1
	uplink b 2
	vxlan a 1 2
	vxlan b 2 1
	# Nothing on the wire but the test's packets.
	on b ip link set vx4 down
	retry_until on a ping -c 1 -W 2 192.0.2.2
	total_tried=0 total_held=0 total_points=0
}

# points OLD NEW COMMAND BEFORE [BREAK]: OLD, NEW are the DSCPs before and after, see judge.awk
points()
{
	local old=$1 new=$2 tried held all missed line failed= some=8

	shift 2
	[ -z "$DSCP_TEST_LONG" ] || some=20
	record b eth0 "$T/faults.pcap" 'udp dst port 4789'
	on a env T="$T" FAULTS_POINTS="${FAULTS_POINTS-$some}" testing/faults/points "$@" \
		>"$T/points" 2>&1 || failed=yes
	on b ip link set vx4 up
	recorded
	on b ip link set vx4 down
	cat "$T/points"
	[ -z "$failed" ] || fail "$(tail -n 3 "$T/points")"
	read -r tried held all missed <<<"$(tail -n 1 "$T/points")"
	total_tried=$((total_tried + tried)) total_held=$((total_held + held))
	total_points=$((total_points + all))
	echo "$total_tried of $total_points points tried, $total_held held"
	[ "$held" = "$tried" ] || fail "$(grep '^point' "$T/points")"
	[ $((missed * 20)) -le "$tried" ] || fail "$missed of $tried faults had no call to hit"
	tcpdump -nvr "$T/faults.pcap" 2>/dev/null | awk -v old="$old" -v new="$new" \
		-f testing/faults/judge.awk >"$T/wrong" 2>"$T/judged"
	cat "$T/judged"
	[ ! -s "$T/wrong" ] || fail "$(head -n 20 "$T/wrong")"
	[ "$(sed 's/ .*//' "$T/judged")" -ge $((tried * 64 * 2)) ] || fail "$(cat "$T/judged")"
}

# points_of CALLS OLD NEW...: all points of the calls that match
points_of()
{
	FAULTS_CALLS=$1 FAULTS_POINTS=0 points "${@:2}"
}

test_first_load_of_one_direction()
{
	nodes
	for how in $(attach_kinds); do
		points none identity "load vx4 --attach $how" ''
	done
}

test_first_load_of_both_directions()
{
	nodes
	for how in $(attach_kinds); do
		points none identity "load vx4 --direction both --attach $how" ''
	done
}

test_second_tunnel()
{
	nodes
	for how in $(attach_kinds); do
		points identity identity "load vx6 --attach $how" 'load vx4 --flows 256'
	done
}

test_map()
{
	nodes
	points 46=8 46=10,34=0 'load vx4 --egress-map EF=AF11,AF41=CS0' \
		'load vx4 --egress-map EF=CS1'
}

test_direction()
{
	nodes
	for how in $(attach_kinds); do
		points identity identity "load vx4 --direction both --attach $how" \
			"load vx4 --attach $how"
		points identity identity "load vx4 --attach $how" \
			"load vx4 --direction both --attach $how"
	done
}

test_outer_dscp()
{
	nodes
	points identity '*=8' 'load vx4 --outer-dscp CS1' 'load vx4 --flows 256'
	points '*=8' identity 'load vx4' 'load vx4 --outer-dscp CS1'
}

test_peer_map()
{
	nodes
	points identity 46=8 'load vx4 --peer-map 10.0.4.0/24:EF=CS1 --peer-map 10.0.4.9:*=CS0' \
		'load vx4 --flows 256'
	points 46=8 46=10 'load vx4 --peer-map 10.0.4.2:EF=AF11 --peer-map 10.0.0.0/8:EF=CS2' \
		'load vx4 --peer-map 10.0.4.0/24:EF=CS1 --peer-map 10.0.4.9:*=CS0'
	points 46=8 identity 'load vx4' 'load vx4 --peer-map 10.0.4.0/24:EF=CS1'
}

test_second_uplink()
{
	nodes
	for how in $(attach_kinds); do
		points identity identity \
			"load vx4 --uplink eth0 --uplink eth1 --direction both --attach $how" \
			"load vx4 --uplink eth0 --direction both --attach $how"
	done
}

test_attach()
{
	nodes
	[[ $(attach_kinds) == *tcx* ]] || skip "this kernel has one way to attach"
	points identity identity 'load vx4 --direction both --attach clsact' \
		'load vx4 --direction both --attach tcx'
	points identity identity 'load vx4 --direction both --attach tcx' \
		'load vx4 --direction both --attach clsact'
}

# Where it cannot be known whether the qdisc is still ours, it is.
test_mark_of_a_qdisc()
{
	nodes
	[[ $(attach_kinds) == *tcx* ]] || skip "this kernel has one way to attach"
	points_of '/qdisc-' identity identity 'load vx4 --direction both --attach tcx' \
		'load vx4 --direction both --attach clsact'
}

# An entry that cannot be read is none that is not there.
test_entries_of_peers()
{
	nodes
	points_of '/maps/prefixes' 46=8 46=10 \
		'load vx4 --peer-map 10.0.4.2:EF=AF11 --peer-map 10.0.0.0/8:EF=CS2' \
		'load vx4 --peer-map 10.0.4.0/24:EF=CS1 --peer-map 10.0.4.9:*=CS0'
}

# A change is made, or not, with or without the lists that are cleared away behind one.
test_lists_behind_a_change()
{
	nodes
	points_of '/maps/prefixes' identity identity 'load vx4 --flows 2000' 'load vx4 --flows 1000'
	points_of '/maps/prefixes' 46=8 none 'unload vx4' 'load vx4 --peer-map 10.0.4.2:EF=CS1'
}

# No answer is no answer of "no route".
test_lost_answers()
{
	nodes
	points_of '^recvmsg' 46=8 46=10 'load vx4 --egress-map EF=AF11' 'load vx4 --egress-map EF=CS1'
}

# A set that could be opened at the second attempt only is searched like the others.
test_set_opened_again()
{
	nodes
	points_of '/maps/stamps' identity none 'unload vx4' 'load vx4;load vx6'
}

# Half way all hooks have the programs of the new table, and the pins the programs of the old one.
test_pins_of_a_new_table()
{
	nodes
	points_of '^rename|dscp-tool/new' identity identity 'load vx4 --flows 2000' \
		'load vx4 --flows 1000'
}

test_flows()
{
	nodes
	for how in $(attach_kinds); do
		points identity identity 'load vx4 --flows 2000' \
			"load vx4 --flows 1000 --attach $how"
	done
}

test_unload_of_one()
{
	nodes
	for how in $(attach_kinds); do
		points identity none 'unload vx4' "load vx4 --direction both --attach $how;\
load vx6 --direction both --attach $how"
	done
}

test_unload_of_the_last()
{
	nodes
	for how in $(attach_kinds); do
		points identity none 'unload vx4' "load vx4 --direction both --attach $how"
	done
	points 46=8 none 'unload vx4' 'load vx4 --peer-map 10.0.4.2:EF=CS1'
}

test_unload_all()
{
	nodes
	for how in $(attach_kinds); do
		points identity none 'unload --all' "load vx4 --attach $how;load vx6 --attach $how"
	done
}

# The damage is there for monitor to find in its first round.
test_repair()
{
	nodes
	points identity identity monitor 'load vx4 --direction both --attach clsact' \
		'tc filter del dev vx4 egress; tc filter del dev eth0 ingress'
	points identity identity monitor 'load vx4 --direction both --attach clsact' \
		'tc qdisc del dev eth0 clsact'
	[[ $(attach_kinds) != *tcx* ]] ||
		points identity identity monitor 'load vx4 --direction both --attach tcx' \
			"bpftool link detach pinned $hooks/*-egress_outer"
}
