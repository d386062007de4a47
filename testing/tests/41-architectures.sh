# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Real WireGuard between two nodes, on any architecture: testing/run --vm s390x 41-architectures has a
# kernel, programs and a tool of that one. s390x is big-endian and has no BTF, arm64 has both, armhf is
# of 32 bits and has no BTF. "egress" and "ingress" are every_packet of 40-wireguard and 60-ingress;
# "both" is a part of each.

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes
# shellcheck disable=SC2034
timeout=900

. testing/tests/40-wireguard.sh
. testing/tests/60-ingress.sh

# On an architecture that has these two anyway:
elsewhere() { [ "$(uname -m)" != x86_64 ] || skip "$1 is the same"; }
test_egress() { elsewhere "40-wireguard: every_packet" && everything; }
test_ingress() { elsewhere "60-ingress: every_packet" && by_all_methods; }

# Ten of each DSCP by each tunnel, of a flow and of packets without ports.
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
	local method=$1 o

	loads b "$method"
	for o in 4 6; do
		arrives_counted $o 640 $o
		comes_out frag $o $((10 - o)) --each 20 --ecn 0
	done
	check on b "$TOOL" status
	check on b "$TOOL" unload --all
}

test_both()
{
	local method

	wireguard_nodes
	out
	bleached a
	for method in $(methods); do
		into "$method"
	done
}
