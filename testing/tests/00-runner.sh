# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The runner itself: namespaces and wires.  Virtual machines are in 01-machines.sh.

test_two_nodes_reach_each_other()
{
	node_add_netns a
	node_add_netns b
	wire_veth a b
	on a ip address add 192.0.2.1/24 dev eth0
	on b ip address add 192.0.2.2/24 dev eth0
	on a ip address add 2001:db8::1/64 dev eth0
	on b ip address add 2001:db8::2/64 dev eth0
	check on a ping -c 1 -W 60 192.0.2.2
	check on a ping -c 1 -W 60 2001:db8::2
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
	retry_until test -s "$T/up"
	stop_background $pid
	check_exit 1 pgrep -f 'sleep 1000'
}

# With a wire of bytes in each case; in a machine the second pair of cards as well. Without the tool
# nothing of the inner DSCP is to be seen.
test_wireguard_over_a_wire()
{
	local pid

	. testing/tunnels.sh
	kind=wireguard
	wireguard_nodes
	wire_bytes a b eth1
	on a ip address add 198.51.100.1/24 dev eth1
	on b ip address add 198.51.100.2/24 dev eth1
	check on a ping -c 1 -W 60 198.51.100.2
	# It ends by itself, with the last of five; a signal could come before packets that the kernel keeps
	# back.
	background on b tcpdump -Z root -U --immediate-mode -c 5 -n -i eth0 -w "$T/wire.pcap" \
		src host 192.0.2.1 and udp src port 51824
	pid=$!
	retry_until test -s "$T/wire.pcap"
	check on a ping -Q 0xb8 -c 5 -i 0.2 -W 60 10.0.4.2
	wait $pid
	check_grep '192\.0\.2\.1\.51824 > 192\.0\.2\.2\.51824: UDP, length 128' \
		tcpdump -v -n -r "$T/wire.pcap"
	[[ $OUTPUT != *'tos 0xb8'* ]]
}

# Changes of an earlier test to the machine's cards are gone, and the cards are there.
test_wire_is_new_each_time()
{
	local node

	for node in a b; do
		node_add_netns $node
	done
	wire_bytes a b
	check_exit 0 on a ip link set eth0 mtu 1400 promisc on address 02:00:00:00:00:01
	check on a tc qdisc add dev eth0 clsact
	node_add_netns c
	node_add_netns d
	has_cable || return 0
	wire_bytes c d
	[[ $(on c ip -d link show dev eth0) == *'mtu 1500'*'promiscuity 0 '* ]]
	[[ $(on c tc qdisc show dev eth0) != *clsact* ]]
	check_exit 1 on a ip link show dev eth0
}
