# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# For checks that print a line "ok" or "not ok" each, and totals. The including file sets $part. A
# check without its program is skipped, and fails where CI=true: there it has to run.

: "${part:?}"
passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
trap 'rm -rf "$log"' EXIT
trap 'exit 1' HUP INT PIPE TERM

# result NAME STATUS: with the log if it failed, 40 lines of it
result()
{
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $part: $1"
	else
		failed=$((failed + 1))
		echo "not ok - $part: $1"
		"${show:-head}" -n 40 "$log" | sed 's/^/# /'
	fi
}

# excuse NAME REASON: skipped, and no fault of this machine
excuse()
{
	skipped=$((skipped + 1))
	echo "ok - $part: $1 # SKIP $2"
}

# skip NAME REASON
skip()
{
	if [ "${CI-}" = true ]; then
		echo "$2" >"$log"
		result "$1" 1
	else
		excuse "$1" "$2"
	fi
}

# have NAME PROGRAM...: or NAME is skipped
have()
{
	check=$1
	shift
	for program; do
		command -v "$program" >/dev/null && continue
		skip "$check" "no $program here"
		return 1
	done
}

totals()
{
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
