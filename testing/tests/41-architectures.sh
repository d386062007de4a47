# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Real WireGuard between two machines of another architecture, with programs and a tool that were
# built for it: s390x is big-endian and has no BTF, arm64 has both, armhf is of 32 bits and has no BTF.
# "egress" and "ingress" are all of 40-wireguard and 60-ingress; "both" is a part of each.

# shellcheck disable=SC2034 # read by testing/run
needs_vm=yes
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes
# shellcheck disable=SC2034
timeout=900

. testing/tests/40-wireguard.sh
. testing/tests/60-ingress.sh

# Ten of each DSCP by each tunnel, of a flow and of what has no ports.
out()
{
	local o

	for o in 4 6; do
		check on a "$TOOL" load wg$o
		pass "udp:640:1" $o $o inner --ecn 1 --each 10
		pass ping $o $((10 - o)) inner --ecn 0 --each 10
		pass frag $o $o inner --ecn 0 --each 20
	done
	tcp_bulk 4 6 46
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
}

into()
{
	local way=$1 o

	loads b "$way"
	for o in 4 6; do
		arrives_counted $o 640 $o
		comes_out frag $o $((10 - o)) --each 20 --ecn 0
	done
	check on b "$TOOL" status
	check on b "$TOOL" unload --all
}

both()
{
	local way

	two_machines "$1"
	out
	bleached a
	for way in $(ways); do
		into "$way"
	done
}

# For the matrix: that this is the same everywhere.
test_both_amd64() { both 6.1; }
test_both_arm64() { both arm64; }
test_both_armhf() { both armhf; }
test_both_s390x() { both s390x; }
test_egress_arm64() { everything arm64; }
test_egress_armhf() { everything armhf; }
test_egress_s390x() { everything s390x; }
test_ingress_arm64() { every_packet_by arm64; }
test_ingress_armhf() { every_packet_by armhf; }
test_ingress_s390x() { every_packet_by s390x; }
