# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Tunnels in a tunnel, each in a separate set: vx4 of node c was made in node a, and its packets leave
# by eth0 of a, to b. The tunnel vxin of c leaves by vx4. So vx4 is in the set of a, vxin is in the set of c,
# and both have a program at vx4.

. testing/tunnels.sh

kind=vxlan
root=/sys/fs/bpf/dscp-tool

# inner_end NODE N PEER: addresses of vx4, and vxin
inner_end()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		ip link set vx4 multicast off addrgenmode none
		ip address add 10.0.4.$0/24 dev vx4
		ip link set vx4 mtu 1400 up
		ip neighbour add 10.0.4.$1 lladdr 02:00:00:00:04:0$1 dev vx4' "$2" "$3"
	vxlan_inside "$@"
}

# vx4_of_c [INDEX]: made in a, for c
vx4_of_c()
{
	# The device of this number that was deleted is gone when the kernel takes the number again.
	retry_until on a ip link add vx4 netns c ${1:+index "$1"} address 02:00:00:00:04:01 \
		type vxlan id 44 remote 192.0.2.2 dstport 4789
	inner_end c 1 2
}

stacked()
{
	required
	node_add_netns a
	node_add_netns b
	node_add_netns c
	wired_uplinks
	vx4_of_c
	on b ip link add vx4 address 02:00:00:00:04:02 type vxlan id 44 remote 192.0.2.1 dstport 4789
	inner_end b 2 1
	retry_until on c ping -c 1 -W 2 10.9.0.2
}

# The other end marks both layers, in one set, and the DSCP of the middle header is lost on the way.
other_end_sends()
{
	check on b "$TOOL" load vx4
	check on b "$TOOL" load vxin
	behind b eth0 bleach_inside
}

# load TUNNEL WORDS...: by node c
load()
{
	if [ "$1" = vx4 ]; then
		check on c "$TOOL" load "$@" --uplink-netns a
	else
		check on c "$TOOL" load "$@"
	fi
}

everything()
{
	inventory a
	inventory c
	on c tc filter show dev vxin ingress
}

remember() { everything >"$T/before"; }
same_as_before() { everything >"$T/after"; check diff "$T/before" "$T/after"; }
nothing_is_left() { same_as_before; check_exit 2 on c ls $root; }
without_clsact() { check_exit 1 grep clsact <(on "$1" tc qdisc show); }

# Each DSCP leaves with both outer headers marked like the packet inside.
leaves_marked_twice()
{
	through c b --dst 10.9.0.2 --at eth0 --tunnel vxlan --from 192.0.2.1 --port 4789 --nested --rule \
		--expect inner --ecn 0
}

# Each DSCP of the outermost header gets to the one in the middle, and from there to the packet inside.
arrives_marked_twice()
{
	through b c --dst 10.9.0.1 --at vx4 --tunnel vxlan --from 10.0.4.2 --port 4791 --behind \
		--rule --expect inner --ecn 0
	behind b vx4 bleach_inside
	through b c --dst 10.9.0.1
	not_behind b vx4 bleach_inside
}

# Packets that were looked at on vx4 are copies further on, of which no header is known. That is one
# half of all: if it is the larger one, status says so.
vxin_is_known()
{
	on c "$TOOL" status vxin >"$T/status" || [ $? = 4 ]
	! grep '^  problem ' "$T/status" |
		grep -vE '^  problem +of [0-9]+ of [0-9]+ packets that came out of vxin the outer header is not known' ||
		fail "$(cat "$T/status")"
}

# in_order "FIRST HOW SECOND HOW": loads them in that order, and unloads them in the same one
in_order()
{
	local first second how_first how_second

	read -r first how_first second how_second <<<"$1"
	load "$first" --direction both --attach "$how_first"
	load "$second" --direction both --attach "$how_second"
	[ "$(on c sh -c "ls -d $root/[0-9]* | wc -l")" = 2 ]
	leaves_marked_twice
	arrives_marked_twice
	check on c "$TOOL" status vx4
	vxin_is_known
	check on c "$TOOL" unload "$first"
	[ "$second" = vxin ] || check on c "$TOOL" status vx4
	check on c "$TOOL" unload "$second"
	nothing_is_left
}

test_order()
{
	local how

	stacked
	other_end_sends
	remember
	for how in $(attach_kinds c); do
		in_order "vx4 $how vxin $how"
		in_order "vxin $how vx4 $how"
	done
}

# Where one of the two has been told how to be attached, and the other one has not.
test_order_attached_differently()
{
	stacked
	other_end_sends
	remember
	in_order 'vx4 clsact vxin auto'
	in_order 'vxin clsact vx4 auto'
}

# A tunnel that cannot be in the right order is refused, and changes nothing.
test_order_that_cannot_be()
{
	stacked
	[[ $(attach_kinds c) == *tcx* ]] || skip "this kernel has one way to attach"
	load vx4 --direction ingress --attach clsact
	everything >"$T/before"
	check_exit 2 on c "$TOOL" load vxin --direction ingress --attach tcx
	check_grep '^dscp-tool: vx4: ingress_outer by tcx would run on the wrong side .*: use --attach clsact$' \
		cat <<<"$OUTPUT"
	same_as_before
	check on c "$TOOL" unload vx4
	load vxin --direction ingress --attach tcx
	everything >"$T/before"
	check_exit 2 on c "$TOOL" load vx4 --uplink-netns a --direction ingress --attach clsact
	check_grep '^dscp-tool: vx4: ingress_inner by clsact would run on the wrong side .*: use --attach tcx$' \
		cat <<<"$OUTPUT"
	same_as_before
	check on c "$TOOL" unload vxin
	check_exit 2 on c ls $root
}

# The program of another set is no foreign one.
test_neighbours()
{
	local how

	stacked
	for how in $(attach_kinds c); do
		load vx4 --direction both --attach "$how"
		load vxin --direction both --attach "$how"
		on c "$TOOL" status --json | jq -e '[.tunnels[].hooks[] | .ahead[], .behind[]] == []'
		check on c "$TOOL" unload --all
		check_exit 2 on c ls $root
	done
}

# both_loaded FIRST SECOND: by filters
both_loaded()
{
	load "$1" --direction both --attach clsact
	load "$2" --direction both --attach clsact
}

# The qdisc at vx4 serves both, whichever load made it; it goes with the last, unless somebody else made it.
test_qdisc()
{
	local first second last theirs

	stacked
	for theirs in '' vx4; do
		[ -z "$theirs" ] || on c tc qdisc add dev vx4 clsact
		remember
		for first in vx4 vxin; do
			second=$(the_other $first)
			for last in vx4 vxin; do
				both_loaded $first "$second"
				check on c "$TOOL" unload "$(the_other $last)"
				check on c "$TOOL" status $last
				check on c "$TOOL" unload $last
				nothing_is_left
			done
			both_loaded $first "$second"
			check on c "$TOOL" unload --all
			nothing_is_left
		done
	done
}

the_other() { if [ "$1" = vx4 ]; then echo vxin; else echo vx4; fi; }

# From filters to links: the qdisc goes with the last filter.
test_qdisc_needed_no_more()
{
	local first

	stacked
	[[ $(attach_kinds c) == *tcx* ]] || skip "this kernel has one way to attach"
	remember
	for first in vx4 vxin; do
		both_loaded $first "$(the_other $first)"
		load vx4 --direction both --attach tcx
		check on c "$TOOL" status
		load vxin --direction both --attach tcx
		check on c "$TOOL" status
		check_exit 1 grep clsact <(on a tc qdisc show; on c tc qdisc show)
		check on c "$TOOL" unload $first
		check on c "$TOOL" unload "$(the_other $first)"
		nothing_is_left
	done
}

# The qdisc that a tunnel has made which is not loaded any more: monitor puts it back.
test_qdisc_taken_away()
{
	stacked
	remember
	load vx4 --direction ingress --attach clsact
	load vxin --direction ingress --attach clsact
	check on c "$TOOL" unload vx4
	on c tc qdisc del dev vx4 clsact
	check_exit 4 on c "$TOOL" status vxin
	start_monitor c
	check on c "$TOOL" status vxin
	stop_background "$monitor"
	check on c "$TOOL" unload vxin
	nothing_is_left
}

# A filter that somebody else has put there keeps the qdisc, which is theirs when both tunnels are gone.
test_qdisc_with_a_filter_of_others()
{
	local first

	stacked
	on c tc qdisc add dev vx4 clsact
	on c tc filter add dev vx4 ingress prio 30 bpf da obj testing/bpf/foreign.bpf.o sec tc/foreign
	everything | without_numbers >"$T/theirs"
	for first in vx4 vxin; do
		on c tc qdisc del dev vx4 clsact
		both_loaded $first "$(the_other $first)"
		on c tc filter add dev vx4 ingress prio 30 bpf da obj testing/bpf/foreign.bpf.o sec tc/foreign
		check on c "$TOOL" unload $first
		check on c "$TOOL" status
		check on c "$TOOL" unload "$(the_other $first)"
		check diff "$T/theirs" <(everything | without_numbers)
		check_exit 2 on c ls $root
	done
}

without_numbers() { sed -E 's/(id|tag|jited) [0-9a-f]*|\[[0-9]*\]//g'; }

# The device was deleted, and another one has its number, and a qdisc that somebody else made.
test_number_used_again()
{
	local how

	stacked
	on c sh -ec 'ip link del vxin; ip link del vx4'
	vx4_of_c 7077
	on c tc qdisc add dev vx4 clsact
	remember
	for how in unload reload; do
		on c tc qdisc del dev vx4 clsact
		both_loaded vx4 vxin
		on c sh -ec 'ip link del vxin; ip link del vx4'
		vx4_of_c 7077
		on c tc qdisc add dev vx4 clsact
		[ $how = unload ] || check on c "$TOOL" reload
		check on c "$TOOL" unload vxin
		check on c "$TOOL" unload vx4
		everything >"$T/after"
		# Another vxin has another number, and the new devices have other addresses.
		check diff <(sed 's/^[0-9]*: vxin/vxin/' "$T/before") <(sed 's/^[0-9]*: vxin/vxin/' "$T/after")
		check_exit 2 on c ls $root
	done
}

# as_version_6 head|tail: the tunnels that c has loaded are of an earlier version, in which each set had the
# pins of the qdiscs that it had made: of the two sets with hooks at vx4 the first or the last has that one.
as_version_6()
{
	# shellcheck disable=SC2016 # for another shell
	on c sh -ec 'cd "$0"
		for qdisc in qdisc-*; do
			hook=$(ls -d [0-9]*/hooks/${qdisc#qdisc-}-* | "$1" -n 1)
			mkdir -p "${hook%%/*}/qdiscs"
			mv "$qdisc" "${hook%%/*}/qdiscs/${qdisc#qdisc-}"
		done' $root "$1"
	made_by_another c
}

test_version_6()
{
	local which

	stacked
	remember
	for which in head tail; do
		both_loaded vx4 vxin
		as_version_6 $which
		check on c "$TOOL" unload --all
		nothing_is_left
		both_loaded vx4 vxin
		as_version_6 $which
		check on c "$TOOL" reload --all
		check on c "$TOOL" status
		check on c "$TOOL" unload vx4
		check on c "$TOOL" unload vxin
		nothing_is_left
	done
}

# killed_anywhere PREPARE WORDS...: at each point of the tool with these words, or at three; then all is
# unloaded
killed_anywhere()
{
	local n points=() each=1

	$1
	points_of c "${@:2}"
	[ -n "$DSCP_TEST_LONG" ] || each=$((${#points[@]} / 3 + 1))
	check on c "$TOOL" unload --all
	for ((n = each / 2; n < ${#points[@]}; n += each)); do
		$1
		killed_at c "${points[n]}" "${@:2}"
		check on c "$TOOL" unload --all
		nothing_is_left
	done
}

both_by_clsact() { both_loaded vx4 vxin; }
both_of_version_6() { both_loaded vx4 vxin; as_version_6 head; }

test_killed()
{
	stacked
	remember
	thin 8 32
	killed_anywhere both_by_clsact unload vx4
	[[ $(attach_kinds c) != *tcx* ]] ||
		killed_anywhere both_by_clsact load vx4 --uplink-netns a --direction both --attach tcx
	killed_anywhere both_of_version_6 reload --all
}
