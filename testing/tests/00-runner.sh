# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The runner itself: namespaces.  Its virtual machines are in 01-machines.sh.

test_two_nodes_reach_each_other()
{
	node_add_netns a
	node_add_netns b
	wire_veth a b
	on a ip address add 192.0.2.1/24 dev eth0
	on b ip address add 192.0.2.2/24 dev eth0
	on a ip address add 2001:db8::1/64 dev eth0
	on b ip address add 2001:db8::2/64 dev eth0
	check on a ping -c 1 -W 5 192.0.2.2
	check on a ping -c 1 -W 5 2001:db8::2
	check_exit 1 on b ping -c 1 -W 1 192.0.2.99
}

test_nodes_have_their_own_bpffs()
{
	node_add_netns a
	node_add_netns b
	check on a mkdir /sys/fs/bpf/mine
	check on a ls -d /sys/fs/bpf/mine /sys/class/net/lo
	check_exit 2 on b ls -d /sys/fs/bpf/mine
	[ ! -e /sys/fs/bpf/mine ]
}

test_background_ends_with_its_children()
{
	local pid

	node_add_netns a
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'sleep 1000 & echo up >"$0"; wait' "$T/up"
	pid=$!
	retry_until 5 test -s "$T/up"
	stop_background $pid
	check_exit 1 pgrep -f 'sleep 1000'
}
