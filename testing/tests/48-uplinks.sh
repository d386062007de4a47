# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Uplinks as people have them, under two real WireGuard tunnels between two namespaces of one machine,
# whose wires copy bytes: what is on them before the load, then, and after it. And what happens to
# uplinks: redials, devices that are deleted, routes that move. What the running kernel does not have
# is skipped here, and runs in the virtual machines.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

kind=wireguard

# Two nodes with the wires eth0 and eth1 and with WireGuard, whose packets have no way yet. The marks
# of what a sends are in the outer header only, as soon as it has one.
nodes()
{
	needs_wireguard
	node_add_netns a
	node_add_netns b
	wire_netns a b
	wire_netns a b eth1
	wireguard_keys
	wireguard a 1 2
	wireguard b 2 1
	behind a wg4 bleach_l3
	behind a wg6 bleach_l3
	remains >"$T/before"
}

# What load could leave behind; quicker than inventory, and says nothing of the devices of the test.
remains()
{
	local node

	for node in a b; do
		on $node sh -c 'tc qdisc show | grep -E "clsact|ingress"; bpftool net show
			find /sys/fs/bpf -mindepth 1 ! -path /sys/fs/bpf/xdp'
	done
}

# addresses DEV: the uplink has its addresses from now on, and the tunnels work
addresses()
{
	uplink a 1 "$1"
	uplink b 2 "$1"
	reached
}

reached()
{
	local o

	for o in 4 6; do
		retry_until on a ping -c 1 -W 1 "$(inner $o 4 2)"
	done
}

# sends COUNT: two flows from a at once, one through each tunnel
sends()
{
	local pid

	background on a "$wire" udp --dst fd00:4::2 --port 5004 --dscp cycle --count "$1" --rate 1000 \
		--ecn 2
	pid=$!
	check on a "$wire" udp --dst 10.0.6.2 --port 5006 --dscp cycle --count "$1" --rate 1000 --ecn 2
	wait $pid
}

# on_wire: of 640 of these, which were recorded, each is marked; false if there are too few
on_wire()
{
	local o

	recorded
	for o in 4 6; do
		OUTPUT=$("$wire" judge "$T/pass.pcap" --tunnel wireguard --from "$(outer $o 1)" \
			--port "5182$o" --expect inner --ecn 2 --each 9 --json) || true
		all_that_came_is_right && [[ $OUTPUT == *'"ok":true'* ]] || return
	done
}

# In the OUTPUT of judge or receive. (Not by jq, which takes 0.3 s in an emulated machine.)
all_that_came_is_right()
{
	[[ $OUTPUT == *'"wrong":0,'* && $OUTPUT == *'"unmarked":0,'* &&
		! $OUTPUT =~ \"bad_[a-z_]*\":[1-9] ]] || fail "wrong: $OUTPUT"
}

# all_heard PORT: the same of a socket
all_heard()
{
	heard "$1" true
	all_that_came_is_right && [[ $OUTPUT == *'"ok":true'* ]]
}

# bare DEV: nothing is marked. A busy machine, or a handshake that is due, may keep packets back until
# nobody records any more; then once more.
bare()
{
	for _ in 1 2 3 4; do
		record b "$1" "$T/pass.pcap" "udp or ip6"
		sends 64
		recorded
		! { is_bare 4 && is_bare 6; } || return 0
	done
	fail "too few packets by $1: $OUTPUT"
}

# is_bare OUTER: fails if there are too few of them, and ends the test if one has a mark
is_bare()
{
	local data

	OUTPUT=$("$wire" judge "$T/pass.pcap" --tunnel wireguard --from "$(outer "$1" 1)" \
		--port "5182$1" --expect 0 --ecn 2 --json) || true
	data=$(jq 'if .wrong == 0 and .skipped_wrong == 0 and .bad_ip_checksums == 0 then .data
		else -1 end' <<<"$OUTPUT")
	[ "$data" -ge 0 ] || fail "not as they were: $OUTPUT"
	[ "$data" -ge 62 ]
}

# marked DEV: everything is, on the wire and, by b, where it comes out of the tunnels. What is not the
# tunnel's is not changed. If a busy machine has lost too many, once more.
marked()
{
	for _ in 1 2 3; do
		! once_marked "$1" || return 0
	done
	fail "too few packets by $1: $OUTPUT"
}

once_marked()
{
	local o

	record b "$1" "$T/pass.pcap" ""
	for o in 4 6; do
		listen b 500$o --count 640 --min 627 --each 9 --ecn 2
	done
	sends 640
	others "$1"
	all_heard 5004 && all_heard 5006 && on_wire && others_are_the_same "$1"
}

# ARPHRD_ETHER
is_ethernet() { [ "$(on a cat "/sys/class/net/$1/type")" = 1 ]; }

# Packets of others; where there is no Ethernet, of a socket beside the tunnel.
others()
{
	if is_ethernet "$1"; then
		rm -f "$T/others.pcap"
		check on a "$wire" others "$1" --eth-src "$(mac a "$1")" --eth-dst "$(mac b "$1")" \
			--count 320 --rate 1000 --tunnel-port 51824 --record "$T/others.pcap"
	else
		check on a "$wire" udp --dst 192.0.2.2 --port 5999 --dscp cycle --count 320 \
			--rate 1000 --ecn 1
	fi
}

others_are_the_same()
{
	if is_ethernet "$1"; then
		OUTPUT=$("$wire" same "$T/others.pcap" "$T/pass.pcap" --ignore-order) || true
		jq -e '.changed == 0 and .duplicated == 0 and .missing <= 64' <<<"$OUTPUT" ||
			fail "others were touched: $OUTPUT"
	else
		check "$wire" judge "$T/pass.pcap" --tunnel none --from 192.0.2.1 --port 5999 \
			--expect inner --ecn 1 --l4 --min 256
	fi
}

# picked NODE DEV...: load has found these uplinks by itself, and no others, and all is well
picked()
{
	on "$1" "$TOOL" status --json | jq -e --arg devs "${*:2}" '.tunnels | length > 0 and
		all(.healthy and ([.hooks[] | select(.program == "egress_outer") | .dev] |
			sort | join(" ")) == $devs)'
}

# right_by DEV: bytes before, while and after the tunnels are loaded, with the uplink that is found;
# ingress in two ways
right_by()
{
	local o

	addresses "$1"
	bare "$1"
	for o in 4 6; do
		check on a "$TOOL" load wg$o
	done
	picked a "$1"
	check on b "$TOOL" load wg4 --direction ingress --ingress-hook tc
	check on b "$TOOL" load wg6 --direction ingress
	marked "$1"
	unloaded
	bare "$1"
}

unloaded()
{
	check on b "$TOOL" unload --all
	check on a "$TOOL" unload --all
	remains | diff "$T/before" - || fail "something is left behind"
}

# below DEV LOWER [WAY]: the same packets, marked at a device below, which has to be named; wg6 comes
# back by that way
below()
{
	local o

	for o in 4 6; do
		check on a "$TOOL" load wg$o --uplink "$2"
	done
	check on b "$TOOL" load wg4 --direction ingress --ingress-hook tc --uplink "$2"
	check on b "$TOOL" load wg6 --direction ingress --ingress-hook "${3:-xdp}" --uplink "$2"
	marked "$1"
	unloaded
}

on_bridge()
{
	both 'ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up'
	right_by br0
	below br0 eth0
	both 'ip link delete br0'
}

on_vlan()
{
	both 'ip link add link eth0 name eth0.34 type vlan id 34; ip link set eth0.34 up'
	right_by eth0.34
	# The tag is in the packet's metadata there.
	below eth0.34 eth0
	both 'ip link delete eth0.34'
}

on_qinq()
{
	both 'ip link add link eth0 name s type vlan proto 802.1ad id 5; ip link set s up
		ip link add link s name q type vlan id 34; ip link set q up'
	right_by q
	below q s tc
	# Two tags, the inner one in the frame.
	below q eth0
	both 'ip link delete s'
}

on_macvlan()
{
	both 'ip link add link eth0 name mv0 type macvlan mode bridge; ip link set mv0 up'
	right_by mv0
	below mv0 eth0
	both 'ip link delete mv0'
}

on_bond()
{
	# What comes by the other slave is taken too: the ends change over one after the other.
	both 'ip link add bond0 type bond mode active-backup miimon 50 all_slaves_active 1
		ip link set eth0 down; ip link set eth1 down
		ip link set eth0 master bond0; ip link set eth1 master bond0; ip link set bond0 up
		ip link set bond0 type bond active_slave eth0'
	right_by bond0
	fails_over
	both 'ip link delete bond0; ip link set eth0 up; ip link set eth1 up'
}

active_slave() { on "$1" cat /sys/class/net/bond0/bonding/active_slave; }

# The active slave loses its link in the middle of a flow: some packets may be lost, and none is wrong.
fails_over()
{
	local pid

	check on a "$TOOL" load wg4
	record b bond0 "$T/pass.pcap" "ip or ip6"
	background on a "$wire" udp --dst 10.0.4.2 --port 5004 --dscp cycle --count 1280 --rate 500 \
		--ecn 2
	pid=$!
	sleep 0.8
	both 'ip link set eth0 down'
	wait $pid
	recorded
	[ "$(active_slave a) $(active_slave b)" = 'eth1 eth1' ]
	judge_tunnel "$T/pass.pcap" 4 --expect inner --ecn 2 --min 800 --each 10
	check on a "$TOOL" status
	marks_go_on bond0
	unloaded
}

# marks_go_on DEV [FROM]: each packet of wg4 is marked, with no other command
marks_go_on()
{
	record b "$1" "$T/pass.pcap" "ip or ip6"
	check on a "$wire" udp --dst 10.0.4.2 --port 5004 --dscp cycle --count 640 --rate 1000 --ecn 2
	recorded
	check "$wire" judge "$T/pass.pcap" --tunnel wireguard --from "${2:-192.0.2.1}" --port 51824 \
		--expect inner --ecn 2 --each 9
}

# In two parts: after two minutes WireGuard has a handshake to make, in the middle of something.
test_bridge_bond_macvlan()
{
	nodes
	on_bridge
	on_bond
	on_macvlan
}

test_vlans()
{
	nodes
	on_vlan
	on_qinq
}

# PPPoE over a VLAN, as many providers have it, between two pppd: its negotiation is real, but for the
# discovery, which would need a server. The packets are the kernel's business.
pppoe_starts()
{
	both 'modprobe pppoe
		ip link add link eth0 name eth0.7 type vlan id 7; ip link set eth0.7 up'
	dials
}

declare -A pppd=()

dials()
{
	local node peer=b addresses=192.0.2.1:192.0.2.2

	for node in a b; do
		background on $node pppd plugin rp-pppoe.so rp_pppoe_sess "1:$(mac $peer eth0.7)" \
			nic-eth0.7 nodetach noauth novj noccp nodefaultroute "$addresses"
		pppd[$node]=$!
		peer=a addresses=192.0.2.2:192.0.2.1
	done
	for node in a b; do
		retry_until on $node sh -c 'ip -4 address show dev ppp0 | grep -q inet'
	done
}

hangs_up()
{
	stop_background "${pppd[a]}"
	stop_background "${pppd[b]}"
}

test_pppoe()
{
	nothing_may_be_missing
	command -v pppd >/dev/null || skip "no pppd here"
	nodes
	pppoe_starts
	right_by ppp0
	followed redial ppp0
	not_followed redial ppp0 'ppp0 .* is gone'
}

redial()
{
	local was
	was=$(on a cat /sys/class/net/ppp0/ifindex)

	hangs_up
	dials
	[ "$(on a cat /sys/class/net/ppp0/ifindex)" != "$was" ]
}

#
# What happens to an uplink
#

# followed EVENT DEV [FROM]: with monitor, wg4 is right again after it, and in between no packet is
# wrong. b tells by peek, which has no use for an uplink, how the packets were marked outside.
followed()
{
	local sender

	check on a "$TOOL" load wg4
	check on b "$TOOL" load wg4 --direction ingress
	start_monitor a
	listen b 5004 --unmarked-ok --ecn 2
	background on a "$wire" udp --dst 10.0.4.2 --port 5004 --dscp cycle --count 100000 --rate 300 \
		--ecn 2
	sender=$!
	sleep 0.5
	"$1"
	retry_until picked a "$2"
	sleep 0.5
	stop_background "$sender"
	heard 5004 '.wrong == 0 and .right > 100'
	echo "$OUTPUT"
	stop_background "$monitor"
	grep -q "uplink $2: loaded again" "$T/monitor"
	marks_go_on "$2" "${3-}"
	check on b "$TOOL" unload --all
	check on a "$TOOL" unload --all
}

# not_followed EVENT DEV ERE [FROM]: without it, status says what is broken, and load mends it
not_followed()
{
	check on a "$TOOL" load wg4
	"$1"
	check_exit 4 on a "$TOOL" status wg4
	grep -E "$3" <<<"$OUTPUT" || fail "not said: $3: $OUTPUT"
	check on a "$TOOL" load wg4
	picked a "$2"
	marks_go_on "$2" "${4-}"
	check on a "$TOOL" unload --all
}

vlan_made_again()
{
	both 'ip link delete eth0.34 2>/dev/null || true'
	sleep 0.3
	both 'ip link add link eth0 name eth0.34 type vlan id 34; ip link set eth0.34 up'
	addresses eth0.34
}

test_vlan_events()
{
	nodes
	vlan_made_again
	followed vlan_made_again eth0.34
	not_followed vlan_made_again eth0.34 'eth0.34 .* is gone'
}

# Devices with nothing but IP packets: one that a process reads and writes, and a tunnel.
test_without_link_header()
{
	nodes
	wire_netns a b tun0 --ip
	right_by tun0
	# With the one device the process ends, and so does the other.
	both 'ip link delete tun0 2>/dev/null || true'
	both 'ip address add 198.51.100.%own/24 dev eth0
		ip link add l3 type wireguard
		wg set l3 listen-port 51999 private-key '"$T"'/key%own \
			peer "$(cat '"$T"'/public%peer)" allowed-ips 0.0.0.0/0,::/0 \
			endpoint 198.51.100.%peer:51999
		ip link set l3 up'
	right_by l3
}

# The default route moves from one uplink to the other; the peer's address is behind both.
to_eth1() { check on a ip route replace default via 198.51.100.2 dev eth1; }
to_eth0() { check on a ip route replace default via 192.0.2.2 dev eth0; }

test_default_route_moves()
{
	nodes
	two_ways
	on b ip address add 203.0.113.2/32 dev lo
	to_eth0
	on a wg set wg4 peer "$(cat "$T/public2")" endpoint 203.0.113.2:51824
	# b only ever answers, so that its address stays this one.
	on b wg set wg4 peer "$(cat "$T/public1")" persistent-keepalive 0
	retry_until on a ping -c 1 -W 1 10.0.4.2
	followed to_eth1 eth1 198.51.100.1
	not_followed to_eth0 eth0 'packets of wg4 now leave by eth0: load it again' 192.0.2.1
}

two_ways()
{
	uplink a 1
	uplink b 2
	both 'ip address add 198.51.100.%own/24 dev eth1'
}

# Two peers of one device, each by an uplink of its own. On b they are two devices.
test_two_uplinks()
{
	local o

	nodes
	two_ways
	reached
	second_peer
	by_both none 64
	check on a "$TOOL" load wg4
	picked a eth0 eth1
	by_both inner 640
	check on a "$TOOL" load wg4 --uplink eth1 --uplink eth0
	for o in 4 5; do
		check on b "$TOOL" load wg$o --direction ingress --ingress-hook tc
	done
	by_both inner 640
	[ "$(counter b wg5 counters.ingress.unknown)" = 0 ]
	unloaded
	by_both none 64
}

second_peer()
{
	(umask 077 && wg genkey >"$T/key3")
	wg pubkey <"$T/key3" >"$T/public3"
	on a wg set wg4 peer "$(cat "$T/public3")" allowed-ips 10.0.5.0/24 endpoint 198.51.100.2:51825
	on a ip address add 10.0.5.1/24 dev wg4
	on b sh -ec 'ip link add wg5 type wireguard
		wg set wg5 listen-port 51825 private-key "$0/key3" peer "$(cat "$0/public1")" \
			allowed-ips 10.0.5.0/24 endpoint 198.51.100.1:51824
		ip address add 10.0.5.2/24 dev wg5; ip link set wg5 up' "$T"
	retry_until on a ping -c 1 -W 1 10.0.5.2
}

# by_both EXPECT COUNT: a flow to each peer, each by its uplink, with that outside
by_both()
{
	local eth0 pid

	record b eth0 "$T/eth0.pcap" ip
	eth0=$recording
	record b eth1 "$T/eth1.pcap" ip
	background on a "$wire" udp --dst 10.0.4.2 --port 5004 --dscp cycle --count "$2" --rate 1000 \
		--ecn 2
	pid=$!
	check on a "$wire" udp --dst 10.0.5.2 --port 5005 --dscp cycle --count "$2" --rate 1000 --ecn 2
	wait $pid
	through a b --count 0 --dst 10.0.5.2 --dport 4999
	recorded
	stop_background "$eth0"
	judge_tunnel "$T/eth0.pcap" 4 --expect "$1" --ecn 2 --min $(($2 * 9 / 10))
	check "$wire" judge "$T/eth1.pcap" --tunnel wireguard --from 198.51.100.1 --port 51824 \
		--expect "$1" --ecn 2 --min $(($2 * 9 / 10))
}
