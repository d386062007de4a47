# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# A slice of the fuzzing of the BPF programs. testing/fuzz-bpf/run --full is the long form.

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes
timeout=600

test_random_packets()
{
	local runs=20000

	[ -x testing/fuzz-bpf/fuzz_egress ] || skip "the fuzzers are not built: cmocka is missing"
	! short_form || runs=2000
	check testing/fuzz-bpf/run --runs $runs
	echo "$OUTPUT"
	check grep -q '^[1-9][0-9]* passed, 0 failed' <<<"$OUTPUT"
}
