# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The runner itself: virtual machines.

# shellcheck disable=SC2034 # read by testing/run
needs_vm=yes

test_machine_has_its_own_kernel_and_wireguard()
{
	node_add_vm one 6.12
	check_grep '^6\.12\.' on one uname -r
	check on one modprobe wireguard
	check on one ip link add wg0 type wireguard
	check_exit 5 on one sh -c 'exit 5'
	# shellcheck disable=SC2016 # for another shell
	on one sh -c 'echo from the guest >"$0"/x' "$T"
	check grep -q guest "$T/x"
	[ "$(echo in | on one cat)" = in ]
}

# wireguard NODE OWN_NUMBER PEER_NUMBER: the tunnel's end on 192.0.2.OWN, 10.0.0.OWN inside.
wireguard()
{
	on "$1" modprobe wireguard
	on "$1" ip address add "192.0.2.$2/24" dev eth0
	on "$1" ip link add wg0 type wireguard
	on "$1" wg set wg0 listen-port 51820 private-key "$T/key$2" peer "$(wg pubkey <"$T/key$3")" \
		allowed-ips 10.0.0.0/24 endpoint "192.0.2.$3:51820"
	on "$1" ip address add "10.0.0.$2/24" dev wg0
	on "$1" ip link set wg0 up
}

test_two_machines_share_a_wire()
{
	local pid

	(umask 077 && wg genkey >"$T/key1" && wg genkey >"$T/key2")
	wire_vms a b 6.1 6.12
	wireguard a 1 2
	wireguard b 2 1
	background on b tcpdump -Z root -U -n -i eth0 -w "$T/wire.pcap" udp port 51820
	pid=$!
	retry_until 20 test -s "$T/wire.pcap"
	check on a ping -Q 0xb8 -c 5 -i 0.2 -W 5 10.0.0.2
	stop_background $pid
	check_grep '192\.0\.2\.1\.51820 > 192\.0\.2\.2\.51820: UDP, length 128' \
		tcpdump -v -n -r "$T/wire.pcap"
	# Without the tool nothing of the inner mark is to be seen.
	[[ $OUTPUT != *'tos 0xb8'* ]]
}
