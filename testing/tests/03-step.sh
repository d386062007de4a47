# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# testing/step/step itself: the points that a program has, and the actions that are possible at them.

. testing/tunnels.sh

kind=vxlan

# The second mkdir fails and changes nothing, so rmdir is not a separate point.
test_points_of_a_program()
{
	local program=(sh -c 'mkdir "$0" && mkdir "$0" 2>&-; rmdir "$0"; exit 3' "$T/made")

	check_exit 3 "$step" --list -- "${program[@]}"
	[ "$(sed 's/at$//' <<<"$OUTPUT")" = $'1 mkdir\n2 mkdir' ]
	# shellcheck disable=SC2016 # for another shell
	check_exit 3 "$step" --each 'echo "$STEP_POINT" >>"$T/seen"' -- "${program[@]}"
	[ "$(<"$T/seen")" = $'1\n2' ]
	# shellcheck disable=SC2016 # for another shell
	check_exit 125 "$step" --each '[ ! -d "$T/made" ]' -- "${program[@]}"
	check_grep 'point 2 \(mkdir(at)?\): failed' echo "$OUTPUT"
	rmdir "$T/made"
	check_exit 3 "$step" --at 1 --each '[ ! -d "$T/made" ]' -- "${program[@]}"
	check_exit 127 "$step" --list -- "$T/nothing"
	check_exit 125 "$step" --list
}

test_killed_in_front_of_a_call()
{
	check_exit 137 "$step" --kill 1 -- mkdir "$T/made"
	[ ! -e "$T/made" ]
	check_exit 0 "$step" --kill 2 -- mkdir "$T/made"
	[ -d "$T/made" ]
}

# And reads are no points: there are a thousand.
test_same_points_each_time()
{
	local n how

	lone_node
	for how in $(attach_kinds); do
		for n in 1 2 3; do
			on a "$step" --list -- "$TOOL" load vx4 --attach "$how" >"$T/load.$n"
			on a "$step" --list -- "$TOOL" unload vx4 >"$T/unload.$n"
			check diff "$T/load.1" "$T/load.$n"
			check diff "$T/unload.1" "$T/unload.$n"
		done
		[ "$(wc -l <"$T/load.1")" -gt 20 ] && [ "$(wc -l <"$T/load.1")" -lt 100 ]
	done
}
