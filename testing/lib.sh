# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The functions that a test in testing/tests/*.sh has at hand.  A file there is a list of functions
# test_NAME; at its top it may say timeout=SECONDS (for each test; 300 if not), and fetches=NAME (a
# program in testing/vm, which gets the files of the test before a machine starts).  testing/run calls
# each function in a separate process, under "set -e", in the top directory, with network, mount and
# process namespaces, separate /run and bpffs, an empty directory $T, and $TOOL.  Remains of a test
# in them go away with them, but a process or a named network namespace that is left is a failure.
#
# A node is a network namespace to run commands in, by "on NODE".  It also has a separate /sys and
# bpffs, so that two nodes do not see each other's pins.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

declare -A node_holder=()
background_pids=()
# The output of the last check, standard error included.
OUTPUT=

#
# Verdicts.  "local -; set +x" keeps our own commands out of the trace.
#

fail()
{
	# shellcheck disable=SC2154 # set by testing/run
	echo "$*" >>"$state/fail"
	echo "FAIL: $*" >&2
	exit 1
}

skip()
{
	echo "$*" >"$state/skip"
	exit 77
}

# testing/vm/vm says so to its kernel.
in_vm() { grep -q dscp_vm= /proc/cmdline; }

# Everything takes 20 times as long as elsewhere, and nobody has asked for the long form.
short_form() { [ -z "$DSCP_TEST_LONG" ] && in_vm; }

# In a CI run (CI=true) this test may not be skipped.
required() { : >"$state/required"; }

check() { check_exit 0 "$@"; }

check_exit()
{
	local -; set +x
	local want=$1 got=0

	shift
	OUTPUT=$("$@" 2>&1) || got=$?
	[ "$got" -eq "$want" ] || fail "exit status $got, not $want, of: $*${OUTPUT:+: $OUTPUT}"
}

# check_grep ERE COMMAND...: succeeds and prints a line that matches.
check_grep()
{
	local -; set +x
	local pattern=$1

	shift
	check "$@"
	grep -qE -e "$pattern" <<<"$OUTPUT" || fail "no line with \"$pattern\" from: $*: $OUTPUT"
}

# retry_until COMMAND...: until it succeeds, for up to 120 s: long enough for any machine, and a
# success costs no more.
retry_until()
{
	local -; set +x
	local end=$((SECONDS + 121))

	until OUTPUT=$("$@" 2>&1); do
		[ "$SECONDS" -lt "$end" ] || fail "not within 120 s: $*${OUTPUT:+: $OUTPUT}"
		sleep 0.05
	done
}

#
# Background processes
#

# Killed at the end of the test at the latest; $! is the one to give to stop_background.
background()
{
	local -; set +x
	# Job control makes it a process group: "on" and its like are more than one process.
	set -m
	"$@" &
	set +m
	background_pids+=($!)
}

# stop_background PID [SIGNAL]: its output is complete after this. It waits as long as that takes: a
# process that does not end by the signal makes the test miss its limit.
stop_background()
{
	local -; set +x

	kill -s "${2:-TERM}" -- "-$1" 2>/dev/null || true
	# The whole group: the shell that runs "on" dies before the program that it runs.
	while kill -0 -- "-$1" 2>/dev/null; do
		sleep 0.05
	done
	wait "$1" 2>/dev/null || true
}

#
# Nodes
#

# An IPv6 address is usable at once, and the multicast reports that it makes are over at once (ms).
# Replies may come by another way.
# shellcheck disable=SC2016 # for another shell
node_settings='
for c in all default; do
	echo 0 >/proc/sys/net/ipv4/conf/$c/rp_filter
	echo 0 >/proc/sys/net/ipv6/conf/$c/accept_dad
	echo 1 >/proc/sys/net/ipv6/conf/$c/mldv2_unsolicited_report_interval
done
ip link set lo up'

# /run/netns/NAME is the name of its network namespace; a process holds its mounts.
node_add_netns()
{
	local -; set +x
	local name=$1 fd line=

	ip netns add "$name"
	exec {fd}< <(exec nsenter --net="/run/netns/$name" unshare -m --propagation slave sh -c "
		mount -t sysfs sys /sys && mount -t bpf bpf /sys/fs/bpf || exit
		$node_settings && echo ready && exec sleep infinity" 2>&1)
	node_holder[$name]=$!
	read -r -u "$fd" line || true
	[ "$line" = ready ] || fail "cannot make the node $name: $line"
	exec {fd}<&-
}

# on NODE COMMAND...: a program, not a shell function; runs in our directory.
on()
{
	local -; set +x
	local name=$1

	shift
	[ -n "${node_holder[$name]-}" ] || fail "there is no node $name"
	nsenter -t "${node_holder[$name]}" --net --mount --wdns="$PWD" "$@"
}

#
# Wires: eth0 of one node to eth0 of the other
#

# Quick, but the kernel passes the packet itself across, hash and mark included: a test of a
# packet's bytes on a wire needs one of the others.
wire_veth()
{
	local -; set +x
	ip link add eth0 netns "$1" type veth peer name eth0 netns "$2"
	on "$1" ip link set eth0 up
	on "$2" ip link set eth0 up
}

# Bytes only: two taps and a process that reads one and writes the other.
# wire_netns A B [DEV [OPTIONS of "wire relay"]]: other devices than eth0
wire_netns()
{
	local -; set +x
	local wire=$top/testing/wire/wire ready=$T/wire.$1.$2.${3:-eth0}

	[ -x "$wire" ] || fail "testing/wire/wire is not built"
	background relay_to "$ready" "$wire" "/run/netns/$1" "/run/netns/$2" \
		--name "${3:-eth0}" "${@:4}"
	retry_until grep -q ready "$ready"
}

# shellcheck disable=SC2317 # called through background
relay_to() { "$2" relay "${@:3}" >"$1"; }

# has_cable: in a machine of testing/run --vm, with cards that qemu joins
has_cable() { [ -n "${DSCP_FIRST_NET-}" ]; }

# Bytes only, from card to card, by the driver of a real one: wire_cable A B [eth1]
wire_cable()
{
	local -; set +x
	local dev=${3:-eth0} n=0

	# The devices of the two pairs.
	[ "$dev" = eth0 ] || n=2
	take_card $n "$1" "$dev"
	take_card $((n + 1)) "$2" "$dev"
}

# take_card NUMBER NODE DEV: whatever an earlier test has done to the card, and wherever the card
# is, perhaps in a namespace that is about to end: the driver makes a new device in the first
# namespace.
take_card()
{
	local card name driver=/sys/bus/virtio/drivers/virtio_net
	local first=/proc/self/fd/$DSCP_FIRST_NET

	card=$(cd /sys/bus && echo pci/devices/0000:00:1"$1".0/virtio* ccw/devices/0.0.001"$1"/virtio*)
	[[ $card =~ /(virtio[0-9]+)( |$) ]] || fail "this machine has no card $1"
	card=${BASH_REMATCH[1]}
	[ ! -e "$driver/$card" ] || echo "$card" >$driver/unbind
	echo "$card" >$driver/bind
	name=$(nsenter --net="$first" ip -o link |
		sed -n "s/^[0-9]*: \([^:@]*\).* 02:64:73:63:70:0$1 .*/\1/p")
	[ -n "$name" ] || fail "the card $1 has no device"
	nsenter --net="$first" ip link set "$name" netns "$2" name "$3"
	on "$2" ip link set "$3" up
	retry_until on "$2" grep -q 1 "/sys/class/net/$3/carrier"
}

# By the first of these that there is: wire_bytes A B [DEV]
wire_bytes()
{
	if has_cable; then
		wire_cable "$@"
	else
		wire_netns "$@"
	fi
}

#
# The tool, stopped or killed in front of each of its system calls that change something. The points
# are the same each time, see testing/step/step.c.
#

step=$top/testing/step/step

# thin HOST VM: sets $every: all points for --long; else, of the same call in a row, each so manieth
# on the host, or on an emulated processor
thin()
{
	every=$1
	! in_vm || every=$2
	[ -z "$DSCP_TEST_LONG" ] || every=1
}
every=1

# points_of NODE WORDS...: sets points to the numbers of the points, or of some, of the tool with
# these words, which does its work: without --long each second of these, and on an emulated
# processor, where a kill and its consequences take seconds, each eighth.
points_of()
{
	local -; set +x
	local each=2

	[ -z "$DSCP_TEST_LONG" ] || each=1
	! short_form || each=8
	[ -x "$step" ] || fail "testing/step/step is not built"
	check on "$1" "$step" --every "$every" --list -- "$TOOL" "${@:2}"
	[ "$(wc -l <<<"$OUTPUT")" -gt 9 ] || fail "too few points: $OUTPUT"
	# The tool's own output is no point.
	mapfile -t points < <(awk -v each=$each '/^[0-9]+ / && n++ % each == 0 { print $1 }' <<<"$OUTPUT")
	echo "${#points[@]} points of: ${*:2}"
}
points=()

# each_point NODE COMMAND WORDS...: the tool with these words waits at each of its points, or at
# some, until COMMAND, which knows STEP_POINT, STEP_NAME and STEP_PID, has succeeded
each_point()
{
	local -; set +x

	[ -x "$step" ] || fail "testing/step/step is not built"
	check on "$1" "$step" --every "$every" --each "$2" -- "$TOOL" "${@:3}"
}

# killed_at NODE POINT WORDS...: the tool with these words
killed_at() { check_exit 137 on "$1" "$step" --kill "$2" -- "$TOOL" "${@:3}"; }

# probe ADDRESS MAP...: prints the command that sends a packet of each DSCP from the node where the
# command runs to node b, by VXLAN over eth0. All 64 have to be marked as one of the maps says, and
# the command prints which: "map 1: POINT NAME". With probing=--again the command sends lost packets
# anew.
probing=
probe()
{
	local -; set +x
	local words

	printf -v words " '%s'" "$@"
	echo "'$top/testing/step/probe'${probing:+ $probing} /run/netns/b eth0$words"
}

# probed ADDRESS MAP...: right now, from node a
probed() { check on a sh -c "$(probe "$@")"; }

# change_once OLD NEW WORDS...: the tool of node a with these words; at each of its points all DSCPs
# to 10.0.4.2 are marked by the map OLD, and from one point on by NEW, and so they are afterwards
change_once()
{
	each_point a "$(probe 10.0.4.2 "${@:1:2}")" "${@:3}"
	grep '^map ' <<<"$OUTPUT" >"$T/marks"
	in_order "$T/marks"
	probed 10.0.4.2 "$2"
}

# in_order FILE: of the lines of probe: once marked by another map, never again as before
in_order()
{
	check sort -c -s -k 2,2n "$1"
	check_grep '^map 1: 1 ' head -n 1 "$1"
}

#
# The end, called by testing/run however the test went
#

end_test()
{
	local name pid

	for pid in "${background_pids[@]}"; do
		stop_background "$pid"
	done
	for name in "${!node_holder[@]}"; do
		kill "${node_holder[$name]}" || true
		ip netns del "$name" || true
	done
}
