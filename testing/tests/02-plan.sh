# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The runner itself: testing/plan has every test, and no test that ran before has been lost.
#
# testing/ran-before lists lines "PLACE TOOL TITLE" that once ran; testing/renamed says of those that
# have another place or title today, or are gone, which one has their assertions: "OLD-LINE = NEW-LINE".

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

# All lines "PLACE TOOL TITLE" of the whole plan.
planned() { testing/check --list full | cut -f 2- | tr '\t' ' ' | sort -u; }

test_every_test_is_planned()
{
	testing/run --list | sort >"$T/tests"
	planned | cut -d ' ' -f 3- | sort -u >"$T/planned"
	check diff "$T/tests" "$T/planned"
}

test_a_larger_tier_has_the_smaller_one()
{
	testing/check --list quick | sort >"$T/quick"
	testing/check --list ci | sort >"$T/ci"
	testing/check --list full | sort >"$T/full"
	[ -s "$T/quick" ]
	[ -z "$(comm -23 "$T/quick" "$T/ci")" ]
	[ -z "$(comm -23 "$T/ci" "$T/full")" ]
}

# Each line of ran-before is in the plan, or renamed to one that is.
test_nothing_that_ran_is_lost()
{
	planned >"$T/planned"
	awk '
		FILENAME ~ /planned$/ { planned[$0] = 1; next }
		/^#/ || /^$/ { next }
		FILENAME ~ /renamed$/ {
			split($0, half, / = /)
			now[half[1]] = half[2]
			if (!(half[2] in planned)) print "renamed to a test that is not planned: " $0
			next
		}
		!($0 in planned) && !($0 in now) { print "not planned any more: " $0 }' \
		"$T/planned" testing/renamed testing/ran-before >"$T/lost"
	[ ! -s "$T/lost" ] || fail "$(<"$T/lost")"
}
