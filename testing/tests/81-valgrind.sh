# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Every command under valgrind, where it succeeds and where it fails: no use of memory that was not
# set or was freed, nothing lost, no descriptor left open that was not there before.

. testing/tunnels.sh

kind=vxlan
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

grinder=(valgrind --leak-check=full --error-exitcode=99 --track-fds=yes --num-callers=20)

# A node, once it is known that valgrind can do it.
node_for_valgrind()
{
	[ "${CI-}" != true ] || required
	command -v valgrind >/dev/null || skip "no valgrind here"
	! ldd "$TOOL" | grep asan || skip "the tool has a sanitizer, and valgrind cannot run that"
	grinder+=(--suppressions="$PWD/testing/valgrind.supp" --log-file="$T/grind.%p")
	lone_node
}

# grind STATUS ARGUMENTS...: the tool ends with that status, and valgrind has nothing to say
grind()
{
	local status=$1 got=0

	shift
	rm -f "$T"/grind.*
	OUTPUT=$(on a "${grinder[@]}" "$TOOL" "$@" 2>&1) || got=$?
	nothing_found "$@"
	[ "$got" -eq "$status" ] || fail "exit status $got, not $status, of $*: $OUTPUT"
}

nothing_found()
{
	local opened inherited

	grep -q 'ERROR SUMMARY: 0 errors' "$T"/grind.* ||
		fail "$*: valgrind has not come to its end"
	! grep 'ERROR SUMMARY: ' "$T"/grind.* | grep -v 'SUMMARY: 0 errors' ||
		fail "$*: $(cat "$T"/grind.*)"
	cat "$T"/grind.* >"$T/said"
	opened=$(grep -c 'Open .*file descriptor\|Open .*socket' "$T/said") || true
	inherited=$(grep -c '<inherited from parent>' "$T/said") || true
	[ "$opened" = "$inherited" ] || fail "$*: left open: $(cat "$T"/grind.*)"
}

test_words()
{
	node_for_valgrind
	grind 0 --version
	grind 0 load --help
	grind 1 loa vx4
	grind 1 load vx4 --egress-map EF=AF99
	grind 0 features --json
}

test_load_and_unload()
{
	node_for_valgrind
	grind 3 unload vx4
	grind 2 load nope
	grind 0 load vx4 --direction both --peer-map 10.0.4.2:EF=CS0
	grind 0 load vx4 --egress-map '*=CS0,EF=EF' --attach clsact
	grind 0 load vx6 --outer-dscp EF
	grind 0 unload vx6
	grind 0 unload --all
	on a ip address flush dev eth0
	grind 2 load vx4
}

test_what_reads()
{
	node_for_valgrind
	grind 3 status vx4
	check on a "$TOOL" load vx4 --direction both --peer-map 10.0.4.2:EF=CS0
	check on a "$TOOL" load vx6 --outer-dscp EF
	grind 0 status
	grind 0 status --json
	grind 0 explain vx4 vx6 --to 10.0.4.2
	grind 0 explain vx4 --json
	# Nobody answers.
	grind 4 test vx4 --peer 10.0.4.2 --dscp EF --count 1 --path --json
	grind 0 dump-map --json
	on a ip link delete vx4
	grind 4 status
}

test_monitor()
{
	node_for_valgrind
	check on a "$TOOL" load vx4
	background on a "${grinder[@]}" "$TOOL" monitor
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	check on a ip link delete vx6
	# It takes the place of one that was made anew, and by then it has seen all of this.
	on a sh -ec 'ip link delete vx4
		ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789; ip link set vx4 up'
	retry_until on a "$TOOL" status vx4
	stop_background $!
	nothing_found monitor
}
