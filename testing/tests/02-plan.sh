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

# A tree with two tests and two commands, each of which says in $T/ran that it ran, and fails if
# $T/bad has it
small_tree()
{
	mkdir -p "$T/tree/testing/tests"
	cp testing/check "$T/tree/testing"
	: >"$T/tree/config.mk"
	: >"$T/tree/testing/tests/30-some.sh"
	printf '%s\n' 'tests full host release short 1' $'\t30-some: *' \
		'one-command full command - - 1' $'\ttesting/command one-command' \
		'other full command - - 1' $'\ttesting/command other' >"$T/tree/testing/plan"
	cat >"$T/tree/testing/command" <<-COMMAND
	#!/bin/sh
	echo "\$1" >>"$T/ran"
	if grep -qx "\$1" "$T/bad"; then
		echo "not ok - \$1"; echo '0 passed, 1 failed, 0 skipped'; exit 1
	fi
	echo "ok - \$1"; echo '1 passed, 0 failed, 0 skipped'
	COMMAND
	cat >"$T/tree/testing/run" <<-RUN
	#!/bin/sh
	if [ "\$1" = --list ]; then echo '30-some: one'; echo '30-some: two'; exit; fi
	failed=0
	while read -r title; do
		echo "\$title" >>"$T/ran"
		not=
		! grep -qx "\$title" "$T/bad" || { not='not '; failed=1; }
		echo "\${not}ok 1 - \$title (0.1 s)"
	done <"\$2"
	echo "0 passed, \$failed failed, 0 skipped"
	exit \$failed
	RUN
	chmod +x "$T"/tree/testing/*
}

# runs WHICH: all that is planned in the small tree, and these of it did run, by the alphabet
runs()
{
	: >"$T/ran"
	"$T/tree/testing/check" full >"$T/said" 2>&1 || [ -s "$T/bad" ] || fail "$(<"$T/said")"
	[ "$(sort "$T/ran" | paste -s -d ,)" = "$1" ] || fail "$(cat "$T/ran" "$T/said")"
}

# Results of tests that have passed are kept; a test that has failed, or has changed, runs again.
test_results_are_kept()
{
	local all='30-some: one,30-some: two,one-command,other'

	: >"$T/bad"
	small_tree
	runs "$all"
	runs ''
	RERUN=all runs "$all"
	printf '%s\n' '30-some: two' other >"$T/bad"
	echo change >"$T/tree/config.mk"
	runs "$all"
	grep -qx 'tests: not ok 1 - 30-some: two (0.1 s)' "$T/said" || fail "$(<"$T/said")"
	RERUN=failed runs '30-some: two,other'
	: >"$T/bad"
	runs '30-some: two,other'
	runs ''
	[ "$(ls "$T"/tree/build-check/full-*)" = "$T/tree/build-check/full-tarball" ]
}
