# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# What a test in testing/tests/*.sh has at hand.  A file there is a list of functions test_NAME;
# at its top it may say timeout=SECONDS (for each test; 300 if not) and needs_vm=yes (its tests
# start machines of their own).  testing/run calls each function in a process of its own, under
# "set -e", in the top directory, with network, mount and process namespaces, /run and bpffs of
# its own, an empty directory $T, and $TOOL.  What a test leaves in them goes away with them, but
# a process or a named network namespace that is left is a failure.
#
# A node is a place to run commands in.  A netns node also has a /sys and a bpffs of its own, so
# that two nodes do not see each other's pins; a virtual machine has its own everything, but $T is
# the same directory in all of them.  "on NODE" is the only way in, and the same for both.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
vm=$top/testing/vm/vm

declare -A node_holder=() node_vm=()
background_pids=()
# What the last check printed, standard error included.
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

# The name of a virtual machine is on its kernel's command line.
in_vm() { grep -q vm_name= /proc/cmdline; }

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
# success costs no more. A number in front of the command has no meaning any more.
retry_until()
{
	local -; set +x
	local end=$((SECONDS + 121))

	[[ ! $1 =~ ^[0-9]+$ ]] || shift
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

# node_add_vm NAME VERSION [OPTIONS of "vm start"]
node_add_vm()
{
	local -; set +x
	local status=0

	node_vm[$1]=$2
	OUTPUT=$("$vm" start "$@" 2>&1) || status=$?
	node_vm_started "$1" "$status" "$OUTPUT"
}

node_vm_started()
{
	[ "$2" -ne 77 ] || skip "$3"
	[ "$2" -eq 0 ] || fail "the machine $1 does not start: $3"
}

# on NODE COMMAND...: a program, not a shell function; runs in our directory.
on()
{
	local -; set +x
	local name=$1 input=

	shift
	if [ -n "${node_holder[$name]-}" ]; then
		nsenter -t "${node_holder[$name]}" --net --mount --wdns="$PWD" "$@"
	elif [ -n "${node_vm[$name]-}" ]; then
		# Only what a test has really connected: reading it needs an end of file.
		[[ ! -p /dev/stdin && ! -f /dev/stdin ]] || input=-i
		"$vm" exec $input "$name" "$@"
	else
		fail "there is no node $name"
	fi
}

#
# Wires: eth0 of one node to eth0 of the other
#

# Quick, but the kernel passes the packet itself across, hash and mark included: a test of what a
# packet says on a wire needs one of the others.
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

# Starts the machines, both at once: wire_vms A B VERSION_A VERSION_B [OPTIONS of "vm start"]
wire_vms()
{
	local -; set +x
	local a=$1 b=$2 va=$3 vb=$4 pid status=0 status_b=0

	shift 4
	node_vm[$a]=$va
	node_vm[$b]=$vb
	"$vm" start "$a" "$va" --wire "$T/$a-$b" listen "$@" >"$T/$a.start" 2>&1 &
	pid=$!
	"$vm" start "$b" "$vb" --wire "$T/$a-$b" connect "$@" >"$T/$b.start" 2>&1 || status_b=$?
	wait $pid || status=$?
	node_vm_started "$a" "$status" "$(<"$T/$a.start")"
	node_vm_started "$b" "$status_b" "$(<"$T/$b.start")"
	on "$a" ip link set eth0 up
	on "$b" ip link set eth0 up
}

#
# The tool, stopped or killed in front of each of its system calls that change something. The points
# are the same each time, see testing/step/step.c.
#

step=$top/testing/step/step

# thin HOST VM: sets $every: each point for --long, else each so manieth on the host and on an
# emulated processor
thin()
{
	every=$1
	! in_vm || every=$2
	[ -z "$DSCP_TEST_LONG" ] || every=1
}
every=1

# each_point NODE COMMAND WORDS...: the tool with these words waits at each $every-th of its points
# until COMMAND, which knows STEP_POINT and STEP_NAME, has succeeded
each_point()
{
	local -; set +x

	[ -x "$step" ] || fail "testing/step/step is not built"
	check on "$1" "$step" --every "$every" --each "$2" -- "$TOOL" "${@:3}"
}

# killed_at NODE POINT WORDS...: killed there; false if the tool came to its end before
killed_at()
{
	local -; set +x
	local status=0

	[ -x "$step" ] || fail "testing/step/step is not built"
	OUTPUT=$(on "$1" "$step" --kill "$2" -- "$TOOL" "${@:3}" 2>&1) || status=$?
	[ $status = 137 ] || [ $status = 0 ] || fail "exit status $status of: ${*:3}: $OUTPUT"
	[ $status = 137 ]
}

# probe ADDRESS MAP...: prints the command that sends a packet of each DSCP from the node where the
# command runs to node b, by VXLAN over eth0. All 64 have to be marked as one of the maps says, and
# the command prints which: "map 1: POINT NAME"
probe()
{
	local -; set +x
	echo "'$top/testing/step/probe' /run/netns/b eth0$(printf " '%s'" "$@")"
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
	local name pid stopping=()

	for pid in "${background_pids[@]}"; do
		stop_background "$pid"
	done
	for name in "${!node_holder[@]}"; do
		kill "${node_holder[$name]}" || true
		ip netns del "$name" || true
	done
	for name in "${!node_vm[@]}"; do
		[ ! -e "$T/$name.vm/pid" ] || { "$vm" stop "$name" & stopping+=($!); }
	done
	[ ${#stopping[@]} -eq 0 ] || wait "${stopping[@]}" || true
	if [ "$1" -ne 0 ] && [ "$1" -ne 77 ]; then
		tail -n 30 "$T"/*.vm/console.log 2>/dev/null || true
	fi
}
