# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Many cycles, many tunnels, two shells at once, and the cost of a load then.

. testing/tunnels.sh

kind=vxlan
timeout=900

#
# Many cycles
#

# Runs in a node. cycles N FILE KIND...: vx4 loaded and unloaded so often, attached in each of these
# ways in turn; the ids of some programs that were attached go to FILE.
cycles()
{
	local n last=$1 file=$2 kinds=("${@:3}") direction

	for ((n = 1; n <= last; n++)); do
		direction=egress
		[ $((n % 10)) != 0 ] || direction=both
		"$TOOL" load vx4 --direction $direction \
			--attach "${kinds[n / 2 % ${#kinds[@]}]}" || return
		[ $((n % 15)) != 0 ] || "$TOOL" status vx4 --json |
			jq '.tunnels[0].hooks[].prog_id' >>"$file"
		"$TOOL" unload vx4 || return
	done
}

# The kernel frees a program a moment after the last that holds it, and its maps with it.
programs_are_gone()
{
	local id

	while read -r id; do
		! bpftool prog show id "$id" >/dev/null 2>&1 || return
	done <"$1"
}

# Side by side, with separate locks: half of a cycle is waiting for the kernel. The long form has the
# thousand.
test_thousand_cycles()
{
	local nodes=(a b c d) node pids=() pid kinds each=25

	[ -z "$DSCP_TEST_LONG" ] || each=250
	! short_form || { each=15 nodes=(a b); }
	for node in "${nodes[@]}"; do
		lone_node "$node"
		on "$node" mount -t tmpfs run /run
		inventory "$node" >"$T/before.$node"
	done
	read -ra kinds <<<"$(attach_kinds)"
	for node in "${nodes[@]}"; do
		background on "$node" bash -c "exec >$T/said.$node 2>&1
			$(declare -f cycles); cycles $each $T/ids.$node ${kinds[*]}"
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "a cycle failed: $(cat "$T"/said.*)"
	done
	for node in "${nodes[@]}"; do
		check diff /dev/null "$T/said.$node"
		check diff "$T/before.$node" <(inventory "$node")
		[ -s "$T/ids.$node" ]
		retry_until programs_are_gone "$T/ids.$node"
	done
	[ -z "$(find /proc/[0-9]*/fd -lname 'anon_inode:bpf*' -o -lname '/sys/fs/bpf/dscp-tool*')" ]
}

#
# Many tunnels
#

# many_tunnels N: t1 to tN of node a over its two uplinks, which take all that vx4 and they send
many_tunnels()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		ip link set peer1 up
		for n in $(seq "$0"); do
			echo "link add t$n type vxlan id $((1000 + n)) remote 192.0.2.2 dstport 4789"
			echo "link set t$n multicast off addrgenmode none"
			echo "link set t$n up"
		done | ip -batch -' "$1"
}

# Runs in a node. change SEED FILE HOW TUNNEL...: each of these is loaded, and then loaded another way or
# unloaded, four times in all and in random order, and the tool says the right thing each time. FILE gets the
# tunnels that are loaded then: TUNNEL, UPLINK, and the value of EF. HOW: sometimes attached so, which the
# others at that uplink then are too.
change()
{
	local seed=$1 file=$2 how=$3 names=("${@:4}") round i j t status right
	local -A loaded=()

	RANDOM=$seed
	for round in 1 2 3 4; do
		for ((i = ${#names[@]}; i > 0; i--)); do
			j=$((RANDOM % i)) t=${names[j]} right=0 status=0
			names[j]=${names[i - 1]} names[i - 1]=$t
			if [ "$round" = 1 ] || [ $((RANDOM % 3)) != 0 ]; then
				set -- "eth$((RANDOM % 2))" "CS$((RANDOM % 8))"
				loaded[$t]="$*"
				set -- load "$t" --uplink "$1" --egress-map "EF=$2"
				[ $((RANDOM % 8)) != 0 ] || set -- "$@" --attach "$how"
			else
				[ -n "${loaded[$t]-}" ] || right=3
				unset "loaded[$t]"
				set -- unload "$t"
			fi
			"$TOOL" "$@" >"$file.said" 2>&1 || status=$?
			[ $status = $right ] || {
				echo "seed $seed, round $round: $*: status $status: $(cat "$file.said")"
				return 1
			}
		done
	done
	for t in "${!loaded[@]}"; do
		echo "$t ${loaded[$t]}"
	done | sort >"$file"
}

# Runs in a node. unload_all SEED FILE: the tunnels that change has left, in random order
unload_all()
{
	local t

	cut -d ' ' -f 1 "$2" | shuf --random-source=<(yes "$1") | while read -r t; do
		"$TOOL" unload "$t" || { echo "seed $1: unload $t"; exit 1; }
	done
}

# two_shells FUNCTION ODD EVEN: at once, the first for the tunnels with odd numbers; words to follow the
# function. As long as they run, packets through vx4 with each DSCP keep it; some packets are lost, as the
# kernel empties the queues of a device when its qdisc clsact comes or goes.
two_shells()
{
	local n pids=() words=("$2" "$3") probing=--again

	for n in 0 1; do
		background on a bash -c "exec >$T/said.$n 2>&1
			$(declare -f "$1"); $1 ${words[n]}"
		pids+=($!)
	done
	while kill -0 "${pids[0]}" 2>/dev/null || kill -0 "${pids[1]}" 2>/dev/null; do
		probed 10.0.4.2 same
	done
	for n in 0 1; do
		wait "${pids[n]}" || fail "$(cat "$T/said.$n")"
	done
}

# All that is loaded but vx4, as change writes it. Everything is healthy, and nobody, as it would be
# with a second egress_outer, is in front of any of our programs.
loaded()
{
	check on a "$TOOL" status --json
	jq -e 'all(.tunnels[]; .healthy and .direction == "egress" and (.hooks |
		[.[].program] == ["egress_outer"] and all(.[]; .state == "ok" and .ahead == [])))' <<<"$OUTPUT" >/dev/null ||
		fail "not all right: $OUTPUT"
	jq -r '.tunnels[] | select(.tunnel != "vx4") |
		"\(.tunnel) \(.hooks[0].dev) \(.egress_map.EF)"' <<<"$OUTPUT" | sort
}

# The ids of the programs at the uplinks.
outer_programs()
{
	on a "$TOOL" status --json | jq -c '[.tunnels[].hooks[] | select(.program == "egress_outer") |
		"\(.dev) \(.prog_id)"] | unique'
}

# Nobody touches vx4 meanwhile, and every packet through vx4 has its DSCP.
test_hundred_tunnels_by_two_shells()
{
	local kinds n=100

	! short_form || n=10
	lone_node
	node_add_netns b
	on a ip link delete eth0
	wire_netns a b
	uplink a 1
	uplink b 2
	vxlan b 2 1
	many_tunnels $n
	remember
	check on a "$TOOL" load vx4
	read -ra kinds <<<"$(attach_kinds)"
	two_shells change "1 $T/odd ${kinds[0]} $(seq -s ' ' -f 't%g' 1 2 $n)" \
		"2 $T/even ${kinds[-1]} $(seq -s ' ' -f 't%g' 2 2 $n)"
	check diff <(sort "$T/odd" "$T/even") <(loaded)
	[ "$(jq length <<<"$(outer_programs)")" = 2 ]
	two_shells unload_all "1 $T/odd" "2 $T/even"
	[ -z "$(loaded)" ]
	[ "$(counter a vx4 counters.egress.unknown.total)" = 0 ]
	check on a "$TOOL" unload vx4
	check diff "$T/before" <(inventory)
}

# lock_waiters: how many wait for a lock of flock(), as the kernel says
lock_waiters() { grep -c -e '-> FLOCK' /proc/locks; }

# asleep N: so many wait, and are the only ones that do
asleep() { [ "$(lock_waiters)" = "$1" ]; }

# A load that finds the lock taken sleeps in flock(), and the kernel wakes it: whoever tries again after
# pauses hardly ever finds the lock free while a shell makes one call after another.
test_the_lock_is_slept_on()
{
	local n holder pids=()

	lone_node
	many_tunnels 3
	# The first holds the lock, at one of its points behind flock(), until the file is there.
	# shellcheck disable=SC2016 # for another shell
	background on a "$step" --at 3 --each 'until [ -e "$T/go" ]; do sleep 0.05; done' -- \
		"$TOOL" load vx4
	holder=$!
	retry_until on a grep -q 'FLOCK.*WRITE' /proc/locks
	for n in 1 2 3; do
		background on a "$TOOL" load "t$n"
		pids+=($!)
		retry_until asleep "$n"
	done
	touch "$T/go"
	for n in "$holder" "${pids[@]}"; do
		wait "$n" || fail "a load failed"
	done
	asleep 0
	[ "$(on a "$TOOL" status --json | jq '.tunnels|length')" = 4 ]
}

#
# Room for counters
#

# room MAP: how many slots the array of counters has, on each CPU
room() { on a bpftool -j map show pinned "$(pins a)/maps/$1" | jq .max_entries; }

# has_room N: both arrays have
has_room() { [ "$(room counters) $(room ingress_counters)" = "$1 $1" ] || fail "$(room counters), not $1"; }

# load_tunnels FIRST LAST: these of many_tunnels
load_tunnels()
{
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec 'for n in $(seq "$1" "$2"); do "$0" load "t$n"; done' "$TOOL" "$1" "$2"
}

# The counters of vx4 in both directions.
counts_of_vx4() { counter a vx4 counters | jq -c .; }

# now_sent N: that many more packets of each DSCP than at the last time have left, none has arrived,
# and the counters of vx4 say just that
now_sent()
{
	local now
	now=$(counts_of_vx4)

	jq -ne --argjson was "$counted" --argjson now "$now" --argjson n "$1" '
		$now.ingress == $was.ingress and $now.egress.seen - $was.egress.seen == 64 * $n and
		$now.egress.marked - $was.egress.marked == 63 * $n and $now.egress.unknown.total == 0 and
		all($now.egress.dscp | to_entries[]; .value - $was.egress.dscp[.key] == $n) and
		($now.egress.dscp | length) == 64' >/dev/null ||
		fail "from $counted to $now, but $1 of each DSCP were sent"
	counted=$now
}
counted=

# vx4 and vx6 have the slots 1 and 2, and t1 the slot 3. At each point of the load that has the arrays
# of counters grow, and of the next one, all packets have their DSCPs, and each is counted once.
test_counters_grow()
{
	local tunnel last=0 room=32 tunnels='t30 t62'

	! short_form || tunnels=t30
	two_nodes
	thin 4 32
	many_tunnels 63
	check on a "$TOOL" load vx4 --direction both --ingress-method tc
	check on a "$TOOL" load vx6
	has_room 32
	check on b "$TOOL" load vx4
	through b a --dst 10.0.4.1 --count 640
	on b ip link set vx4 down # or it answers
	probed 10.0.4.2 same
	counted=$(counts_of_vx4)
	jq -e '.ingress.seen > 640 and .egress.seen == 64' <<<"$counted" >/dev/null || fail "$counted"
	for tunnel in $tunnels; do
		load_tunnels $((last + 1)) $((${tunnel#t} - 1))
		last=${tunnel#t}
		has_room $room
		room=$((room * 2))
		change_once same same load "$tunnel"
		has_room $room
		now_sent $(($(wc -l <"$T/marks") + 1))
	done
	[ "$(on a "$TOOL" status --json | jq '[.tunnels[] | select(.healthy | not)] | length')" = 0 ]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# comes_back: packets that b sends through wg4 arrive at a with their DSCPs, by the note of
# ingress_outer
comes_back() { through b a --dst 10.0.4.1 --count 640; }

# The XDP program, which counts handshakes, has to be exchanged too. wg4 has the slot 1, t1 the slot 2.
test_counters_of_xdp_grow()
{
	local before
	kind=wireguard

	needs_methods
	wireguard_nodes
	many_tunnels 31
	check on a "$TOOL" load wg4 --direction both --ingress-method xdp --uplink eth0
	check on b "$TOOL" load wg4
	load_tunnels 1 30
	comes_back
	has_room 32
	before=$(counter a wg4 counters.ingress | jq -c .)
	jq -e '.seen > 640 and .unknown.total == 0' <<<"$before" || fail "$before"
	load_tunnels 31 31
	has_room 64
	[ "$(counter a wg4 counters.ingress | jq -c .)" = "$before" ]
	check on a "$TOOL" status wg4
	# Its keys are forgotten, and b has to ask for new ones.
	on b sh -ec 'ip link set wg4 down; ip link set wg4 up'
	comes_back
	jq -ne --argjson was "$before" --argjson now "$(counter a wg4 counters.ingress)" '
		$now.seen == 2 * $was.seen and $now.marked == 2 * $was.marked and
		$now.unknown.total == 0 and $now.skipped > $was.skipped' ||
		fail "from $before to $(counter a wg4 counters.ingress)"
}

# Earlier counts are kept, and nothing twice; and once a load has ended, or monitor has had a look, each
# packet is counted again. In between, packets may be counted in an array that nobody reads.
test_growth_killed()
{
	local n sent=1 status

	two_nodes
	on b ip link set vx4 down # or it answers
	thin 8 64
	many_tunnels 30
	check on a "$TOOL" load vx4 --direction both --ingress-method tc
	check on a "$TOOL" load vx6
	load_tunnels 1 29
	has_room 32
	probed 10.0.4.2 same
	counted=$(counts_of_vx4)
	points_of a load t30
	has_room 64
	check on a "$TOOL" unload --all
	check on a "$TOOL" load vx4 --direction both --ingress-method tc
	check on a "$TOOL" load vx6
	load_tunnels 1 29
	probed 10.0.4.2 same
	for n in "${points[@]}"; do
		status=0
		on a "$step" --kill "$n" -- "$TOOL" load t30 || status=$?
		# In the end there are fewer points, as so much has been done.
		[ $status = 137 ] || { [ $status = 0 ] && [ "$(room counters)" = 64 ]; } ||
			fail "exit status $status, killed at point $n"
		probed 10.0.4.2 same
		sent=$((sent + 1))
		jq -e --argjson sent $sent '.egress.seen >= 64 and .egress.seen <= 64 * $sent and
			.egress.unknown.total == 0' <<<"$(counts_of_vx4)" >/dev/null ||
			fail "point $n, $sent sent: $(counts_of_vx4)"
		[ $((sent % 4)) = 0 ] || continue
		start_monitor a
		stop_background "$monitor"
		counted=$(counts_of_vx4)
		probed 10.0.4.2 same
		sent=$((sent + 1))
		now_sent 1
	done
	check on a "$TOOL" load t30
	has_room 64
	check on a "$TOOL" status
	counted=$(counts_of_vx4)
	probed 10.0.4.2 same
	now_sent 1
}

#
# The cost of a load
#

# cost KIND: the number of system calls of a load of t100, attached in that way
cost()
{
	on a "$step" --list --all -- "$TOOL" load t100 --attach "$1" | wc -l
	check on a "$TOOL" unload t100
}

# The number of system calls of a load can be counted everywhere: a thousand read the table of
# tunnels, and each tunnel that is loaded takes a few, and not another thousand.
test_load_is_cheap()
{
	local n last=99 how first many

	! short_form || last=9
	lone_node
	many_tunnels 100
	for how in $(attach_kinds); do
		first=$(cost "$how")
		for n in $(seq $last); do
			check on a "$TOOL" load "t$n" --attach "$how"
		done
		many=$(cost "$how")
		echo "system calls of a load, $how: $first with none loaded, $many with $last"
		[ "$first" -gt 100 ] && [ "$first" -lt 1600 ]
		[ $(((many - first) / last)) -lt 16 ]
		check on a "$TOOL" unload --all
	done
}

# calls_of WORDS...: how many system calls the tool makes
calls_of() { on a "$step" --list --all -- "$TOOL" "$@" | wc -l; }

# A router on the Internet has a million routes. They are asked for one by one, also where the tunnel has no
# peer's address, so their number does not matter.
test_routes_are_not_listed()
{
	local few many

	lone_node
	on a sh -ec 'ip route add default via 192.0.2.9
		ip link add vx8 type vxlan id 88 dstport 4792; ip link set vx8 up'
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx8
	few=$(calls_of reload --all)
	# shellcheck disable=SC2016 # for another shell
	on a sh -ec 'for n in $(seq 0 2999); do
			echo "route add 10.$((100 + n / 250)).$((n % 250)).0/24 via 192.0.2.9"
		done | ip -batch -'
	many=$(calls_of reload --all)
	echo "system calls of a reload: $few, and $many with 3000 routes more"
	[ "$few" -gt 100 ] && [ "$many" -le "$few" ]
}
