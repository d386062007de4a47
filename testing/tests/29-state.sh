# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# State that somebody else has made, or that is not to be had: what the tool finds then it does not
# guess at and does not touch, and each command says in one line what is wrong.

. testing/tunnels.sh

kind=vxlan
state_dir=/sys/fs/bpf/dscp-tool

#
# Names
#

# The kernel lets a device be called almost anything, and a terminal obeys.
test_name_with_control_characters()
{
	local name=$'a\e[2Jb' said=$'a?[2Jb'

	lone_node
	on a ip link set vx4 down
	on a ip link set vx4 name "$name"
	check_exit 2 on a "$TOOL" load "$name"
	[ "$OUTPUT" = "dscp-tool: $said: there are control characters in its name: rename it" ] ||
		fail "$OUTPUT"
	check_exit 3 on a "$TOOL" status "$name"
	[ "$OUTPUT" = "dscp-tool: $said: not loaded" ] || fail "$OUTPUT"
	on a ip link set "$name" name vx4
	check on a "$TOOL" load vx4
	on a ip link set vx4 name "$name"
	# One that was renamed since goes by its name at the load.
	check_grep '^vx4: ' on a "$TOOL" status
	[[ $OUTPUT != *$'\e'* ]]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $state_dir
	on a ip link set "$name" name vx4
	on a ip link set peer0 down
	on a ip link set peer0 name "$name"
	check_exit 2 on a "$TOOL" load vx4 --uplink "$name"
	[ "$OUTPUT" = "dscp-tool: uplink $said: there are control characters in its name: rename it" ] ||
		fail "$OUTPUT"
	check_exit 2 on a ls $state_dir
}
