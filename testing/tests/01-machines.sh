# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The runner itself: virtual machines.

vm=$PWD/testing/vm/vm

# This namespace has no network to fetch a kernel by.
needs_machines()
{
	! in_vm || skip "a machine starts no machines"
	required
	OUTPUT=$("${vm%/*}/kernel" 6.12 2>&1) || skip "$OUTPUT; testing/vm/kernel 6.12 fetches it"
}

# machine STATUS COMMAND...: in one, with $T
machine() { check_exit "$1" "$vm" 6.12 --share "$T" --cable -- "${@:2}"; }

test_machine_has_its_own_kernel_and_wireguard()
{
	needs_machines
	# shellcheck disable=SC2016 # for another shell
	machine 5 sh -ec 'uname -r; pwd
		modprobe wireguard && ip link add wg0 type wireguard
		ip -o link | grep -c 02:64:73:63:70:0
		echo from the guest >"$0/x"; echo an error >&2; exit 5' "$T"
	[[ $OUTPUT == 6.12.*$'\n'"$PWD"$'\n'4$'\n'"an error" ]] || fail "this came out: $OUTPUT"
	check grep -q guest "$T/x"
}

# The machine ends only after its output has been seen here.
test_output_comes_as_it_is_made()
{
	local pid

	needs_machines
	# shellcheck disable=SC2016 # for another shell
	background "$vm" 6.12 --share "$T" -- sh -c 'echo it runs; until [ -e "$0/seen" ]; do sleep 0.1; done' \
		"$T" >"$T/out"
	pid=$!
	retry_until grep -q 'it runs' "$T/out"
	: >"$T/seen"
	wait $pid
}

test_machine_that_dies()
{
	local pid status=0

	needs_machines
	background "$vm" 6.12 -- sh -c 'echo it runs; sleep infinity' >"$T/out" 2>"$T/error"
	pid=$!
	retry_until grep -q 'it runs' "$T/out"
	kill -KILL "$(pgrep -P $pid qemu)"
	wait $pid || status=$?
	[ $status -eq 70 ] || fail "status $status"
	check grep 'the machine died' "$T/error"
}

test_panic()
{
	needs_machines
	machine 70 sh -c 'echo c >/proc/sysrq-trigger; sleep infinity'
	grep -q 'the machine died' <<<"$OUTPUT" || fail "nothing said of it: $OUTPUT"
	grep -q 'Kernel panic' <<<"$OUTPUT" || fail "not the console: $OUTPUT"
}
