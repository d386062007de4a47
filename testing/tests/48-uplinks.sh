# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Uplinks as people have them, under two real WireGuard tunnels between two namespaces of one machine, with
# wires that copy bytes: the packets on them before the load, then, and after it. And the events of uplinks:
# redials, devices that are deleted, routes that move. Kinds that the running kernel does not have are skipped
# here, and run in the virtual machines.

# shellcheck disable=SC2034 # read by testing/run
timeout=900

. testing/tunnels.sh

kind=wireguard

# Two nodes with the wires eth0 and eth1 and with WireGuard, and no routes for its packets yet. The DSCPs of
# a's packets are in the outer header only, as soon as it has one.
nodes()
{
	needs_wireguard
	node_add_netns a
	node_add_netns b
	both 'echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations'
	wire_netns a b
	wire_netns a b eth1
	wireguard_keys
	wireguard a 1 2
	wireguard b 2 1
	behind a wg4 bleach_l3
	behind a wg6 bleach_l3
	remains >"$T/before"
}

# The objects that load could leave behind; quicker than inventory, and says nothing of the devices
# of the test.
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
	! is_ethernet "$1" || quiet "$1"
	reached
}

# quiet DEV: no ARP and no ND among the foreign frames
quiet()
{
	local node peer=b n=2

	for node in a b; do
		# shellcheck disable=SC2016 # for another shell
		on $node sh -ec 'for address in 192.0.2.$2 2001:db8::$2; do
				ip neighbour replace $address lladdr "$1" dev "$0" nud permanent
			done' "$1" "$(mac $peer "$1")" $n
		peer=a n=1
	done
}

reached()
{
	local o

	for o in 4 6; do
		retry_until on a ping -c 1 -W 1 "$(inner $o 4 2)"
	done
}

# sent OUTER: $sent are the options to send through that tunnel
sent() { sent=(--dst "$(inner "$1" $((10 - $1)) 2)" --dport "500$1" --send-ecn 2 --ecn 2); }

# The DSCP of handshakes: AF41, as WireGuard sends them.
handshake=34

# seen DEV OUTER: $seen are the options to judge the packets on the wire then
seen()
{
	seen=(--at "$1" --tunnel wireguard --from "$(outer "$2" 1)" --port "5182$2")
	[ "$2" = 4 ] || seen+=(--handshake $handshake)
}

# at_once COMMAND...: with 4 and with 6 as last word, both at the same time
at_once()
{
	local pid

	background "$@" 4
	pid=$!
	"$@" 6
	wait $pid || fail "not so with 4: $*"
}

# on_wire DEV EXPECT COUNT OUTER: each of so many is there, and has that DSCP
on_wire()
{
	local sent seen

	sent "$4"
	seen "$1" "$4"
	through a b "${sent[@]}" "${seen[@]}" --expect "$2" --count "$3"
}

# comes_back OUTER: each of 640 gets its DSCP back where it comes out of the tunnel
comes_back()
{
	local sent

	sent "$1"
	through a b "${sent[@]}"
}

# bare DEV: nothing is marked
bare() { at_once on_wire "$1" 0 64; }

# marked DEV: everything is, on the wire and, by b, where it comes out of the tunnels. Foreign
# packets are not changed.
marked()
{
	at_once on_wire "$1" inner 640
	at_once comes_back
	others "$1"
}

# ARPHRD_ETHER
is_ethernet() { [ "$(on a cat "/sys/class/net/$1/type")" = 1 ]; }

# others DEV: 320 foreign packets; where there is no Ethernet, of a socket beside the tunnel
others()
{
	if is_ethernet "$1"; then
		through a b --way others --dev "$1" --at "$1" --eth-dst "$(mac b "$1")" --count 320 \
			--tunnel-port 51824
	else
		through a b --dst 192.0.2.2 --dport 5999 --count 320 --send-ecn 1 --ecn 1 --l4 \
			--at "$1" --from 192.0.2.1
	fi
}

# picked NODE DEV...: load has found these uplinks by itself, and no others, and all is well, but for the
# programs that this test has put behind egress_inner
picked()
{
	{ on "$1" "$TOOL" status --json || true; } | jq -e --arg devs "${*:2}" '.tunnels | length > 0 and
		all((.problems | all(test("^bleach_l3 runs behind egress_inner "))) and ([.hooks[] | select(.program == "egress_outer") | .dev] |
			sort | join(" ")) == $devs)'
}

# right_by DEV: bytes before, while and after the tunnels are loaded, with the uplink that is found;
# ingress by two methods
right_by()
{
	local o

	addresses "$1"
	bare "$1"
	for o in 4 6; do
		check on a "$TOOL" load wg$o
	done
	picked a "$1"
	check on b "$TOOL" load wg4 --direction ingress --ingress-method tc
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

# below DEV LOWER [METHOD]: the same packets, marked at a device below, which has to be named; wg6 comes
# back by that way
below()
{
	local o

	for o in 4 6; do
		check on a "$TOOL" load wg$o --uplink "$2"
	done
	check on b "$TOOL" load wg4 --direction ingress --ingress-method tc --uplink "$2"
	check on b "$TOOL" load wg6 --direction ingress --ingress-method "${3:-xdp}" --uplink "$2"
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
	# Packets that come by the other slave are taken too: the ends change over one after the
	# other.
	both 'ip link add bond0 type bond mode active-backup miimon 50 all_slaves_active 1
		ip link set eth0 down; ip link set eth1 down
		ip link set eth0 master bond0; ip link set eth1 master bond0; ip link set bond0 up
		ip link set bond0 type bond active_slave eth0'
	right_by bond0
	fails_over
	both 'ip link delete bond0; ip link set eth0 up; ip link set eth1 up'
}

active_slave() { on "$1" cat /sys/class/net/bond0/bonding/active_slave; }

# The active slave loses its link: each packet before and after it is right.
fails_over()
{
	check on a "$TOOL" load wg4
	marks_go_on bond0
	both 'ip link set eth0 down'
	retry_until both_by_eth1
	picked a bond0
	marks_go_on bond0
	unloaded
}

both_by_eth1() { [ "$(active_slave a) $(active_slave b)" = 'eth1 eth1' ]; }

# marks_go_on DEV [FROM [PORT]]: each packet of wg4 is marked, with no other command
marks_go_on()
{
	through a b --dst 10.0.4.2 --dport 5004 --send-ecn 2 --at "$1" --tunnel wireguard \
		--from "${2:-192.0.2.1}" --port "${3:-51824}" --ecn 2
}

# In two parts: after two minutes WireGuard has a handshake to make, in the middle of something.
test_bridge_bond_macvlan()
{
	nodes
	on_bridge
	on_bond
	on_macvlan
}

#
# The priority, which queues and switches go by that do not read the DSCP: --priority-map
#

# The packets that a sends by both tunnels, handshakes included.
tunnels='src portrange 51824-51826 and udp'

# frames FILTER: of each of those that b has recorded, its 802.1p bits or "-", its DSCP, its length
frames()
{
	tcpdump -nnevr "$T/frames.pcap" "$@" 2>/dev/null | awk '
		function hex(s, n, i) {
			for (i = 1; i <= length(s); i++)
				n = 16 * n + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		/, length [0-9]+: / {
			pcp = "-"
			ds = 0
			match($0, /, length [0-9]+: /)
			len = substr($0, RSTART + 9, RLENGTH - 11)
			if (match($0, /: vlan [0-9]+, p [0-7]/))
				pcp = substr($0, RSTART + RLENGTH - 1, 1)
			if (match($0, /\((tos|class) 0x[0-9a-f]+/)) {
				ds = substr($0, RSTART, RLENGTH)
				sub(/.*0x/, "", ds)
				ds = hex(ds)
			}
			print pcp, int(ds / 4), len
		}'
}

# no_session: the next packet of each tunnel of a makes a handshake
no_session()
{
	local o endpoint

	for o in 4 6; do
		endpoint=$(outer $o 2)
		[ $o = 4 ] || endpoint="[$endpoint]"
		# shellcheck disable=SC2016 # for another shell
		on a sh -ec 'wg set wg$1 peer "$0" remove
			wg set wg$1 peer "$0" allowed-ips 10.0.$1.0/24,fd00:$1::/64 endpoint "$2:5182$1"' \
			"$(cat "$T/public2")" $o "$endpoint"
	done
}

# both_flows DEV: 640 packets of all DSCPs by each tunnel
both_flows() { at_once on_wire "$1" inner 640; }

# tagged DEV FILTER: each frame has the upper three bits of its DSCP in the tag, and 160 at least have
# each of the eight. Without a handshake among them, and with one of wg4, AF41, and of wg6, CS6.
tagged()
{
	both_flows_tagged "$@"
	no_session
	both_flows_tagged "$@"
	[ "$(frames "$2 and udp[8:4] = 0x01000000" | cut -d' ' -f-2 | sort -u)" = '4 34' ]
	[ "$(frames "$2 and ip6[6] = 17 and ip6[48:4] = 0x01000000" | cut -d' ' -f-2 | sort -u)" = '6 48' ]
}

both_flows_tagged()
{
	local pcp wrong

	record b eth0 "$T/frames.pcap" vlan
	both_flows "$1"
	recorded
	wrong=$(frames "$2 and $tunnels" | awk '$1 != int($2 / 8)')
	[ -z "$wrong" ] || fail "802.1p bits, DSCP, length: $wrong"
	for ((pcp = 0; pcp < 8; pcp++)); do
		[ "$(frames "$2 and $tunnels" | grep -c "^$pcp ")" -ge 160 ]
	done
}

# with_priorities MAP: the handshakes of wg6 are CS6
with_priorities()
{
	handshake=48
	check on a "$TOOL" load wg4 --priority-map "$1"
	check on a "$TOOL" load wg6 --priority-map "$1" --handshake-dscp CS6
}

test_priority_on_a_vlan()
{
	nodes
	both 'ip link add link eth0 name eth0.34 type vlan id 34 \
			egress-qos-map 0:0 1:1 2:2 3:3 4:4 5:5 6:6 7:7
		ip link set eth0.34 up'
	addresses eth0.34
	with_priorities 802.1p
	tagged eth0.34 vlan
	unloaded
}

# bands: how many bytes each of the three has passed on
bands() { on a tc -s class show dev eth0 | awk '$1 == "Sent" { print $2 }' | jq -cs .; }

# The bands of prio, as pfifo_fast has them, by bytes.
test_priority_bands()
{
	local before now want

	nodes
	on a tc qdisc add dev eth0 root handle 1: prio || skip "this kernel has no prio"
	addresses eth0
	with_priorities pfifo_fast
	no_session
	before=$(bands)
	record b eth0 "$T/frames.pcap" udp
	both_flows eth0
	recorded
	now=$(bands)
	want=$(frames "$tunnels" | awk '
		BEGIN { split("40 44 46 48 56", words); for (i in words) first[words[i]] = 1 }
		{ bytes[$2 in first ? 0 : $2 == 1 || $2 == 8 ? 2 : 1] += $3 }
		END { printf "[%d,%d,%d]", bytes[0], bytes[1], bytes[2] }')
	[ "$(jq -nc "$now as \$now | $before as \$was | [range(3) | \$now[.] - \$was[.]]")" = "$want" ] ||
		fail "from $before to $now, and b has seen $want"
	on a tc qdisc del dev eth0 root
	unloaded
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
	on a ip link set eth0.7 type vlan egress-qos-map 0:0 1:1 2:2 3:3 4:4 5:5 6:6 7:7
	with_priorities 802.1p
	tagged ppp0 'vlan and pppoes'
	unloaded
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
# Events of an uplink
#

# followed EVENT DEV [FROM]: with monitor, wg4 is right again after it, and in between no packet is
# wrong: neither as long as nothing is repaired, nor meanwhile. b tells by peek, which has no use for
# an uplink, how the packets were marked outside.
followed()
{
	local sender

	check on a "$TOOL" load wg4
	check on b "$TOOL" load wg4 --direction ingress
	start_monitor a --interval 3600
	arrives_by_peek
	hold_lock a
	"$1"
	retry_until grep 'another dscp-tool is at work' "$T/monitor"
	arrives_by_peek --unmarked-ok
	# How many of these come is not known: the kernel loses some while a qdisc is put on a device or
	# taken off it (qdisc_graft()).
	listen b 5005 --unmarked-ok --ecn 2
	background on a "$wire" udp --dst 10.0.4.2 --port 5005 --dscp cycle --count 1000000 \
		--rate 300 --ecn 2
	sender=$!
	release_lock
	retry_until grep "uplink $2: loaded again" "$T/monitor"
	stop_background "$sender"
	heard 5005 '.wrong == 0'
	check picked a "$2"
	arrives_by_peek
	stop_background "$monitor"
	marks_go_on "$2" "${3-}"
	check on b "$TOOL" unload --all
	check on a "$TOOL" unload --all
}

arrives_by_peek() { through a b --dst 10.0.4.2 --dport 5004 --send-ecn 2 --ecn 2 "$@"; }

# not_followed EVENT DEV ERE [FROM]: without it, status says the fault, and load mends it
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

behind_both_uplinks()
{
	two_ways
	on b ip address add 203.0.113.2/32 dev lo
	to_eth0
	on a wg set wg4 peer "$(cat "$T/public2")" endpoint 203.0.113.2:51824
	# b only ever answers, so that its address stays this one.
	on b wg set wg4 peer "$(cat "$T/public1")" persistent-keepalive 0
	retry_until on a ping -c 1 -W 1 10.0.4.2
}

test_default_route_moves()
{
	nodes
	behind_both_uplinks
	followed to_eth1 eth1 198.51.100.1
	not_followed to_eth0 eth0 'packets of wg4 now leave by eth0: reload it' 192.0.2.1
}

# status says all that has changed, and one reload mends it.
test_port_and_route_change()
{
	nodes
	behind_both_uplinks
	check on a "$TOOL" load wg4
	to_eth1
	on a wg set wg4 listen-port 51999
	check_exit 4 on a "$TOOL" status wg4
	grep 'problem *wg4 now sends from port 51999: reload it$' <<<"$OUTPUT" || fail "$OUTPUT"
	grep 'problem *packets of wg4 now leave by eth1: reload it$' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" reload wg4
	# nodes() has put a filter on wg4 that tc runs behind ours.
	check_exit 4 on a "$TOOL" status wg4
	! grep 'reload it$' <<<"$OUTPUT" || fail "$OUTPUT"
	picked a eth1
	marks_go_on eth1 198.51.100.1 51999
	check on a "$TOOL" unload --all
}

# A peer that has called by the second provider is answered by it, from the address that it has called: the
# kernel remembers that, and does not show it.
test_second_provider()
{
	nodes
	two_ways
	on b sh -ec 'ip address add 203.0.113.2/32 dev lo
		ip route replace 198.51.100.1/32 dev eth1 src 203.0.113.2'
	to_eth0
	on a sh -ec 'ip route add default via 198.51.100.2 dev eth1 table 100
		ip rule add from 198.51.100.1 lookup 100'
	on b wg set wg4 peer "$(cat "$T/public1")" endpoint 198.51.100.1:51824
	retry_until on b ping -c 1 -W 1 10.0.4.1
	check on a "$TOOL" load wg4
	picked a eth0 eth1
	marks_go_on eth1 198.51.100.1
	check on a "$TOOL" unload --all
}

two_ways()
{
	uplink a 1
	uplink b 2
	both 'ip address add 198.51.100.%own/24 dev eth1'
}

# Two peers of one device, each by a separate uplink. On b they are two devices.
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
		check on b "$TOOL" load wg$o --direction ingress --ingress-method tc
	done
	by_both inner 640
	[ "$(counter b wg5 counters.ingress.unknown.total)" = 0 ]
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

# by_both EXPECT COUNT: a flow to each peer at once, each by its uplink, with that outside
by_both() { at_once by_uplink "$1" "$2"; }

# by_uplink EXPECT COUNT 4|6: to the first peer or the second
by_uplink()
{
	local dst=10.0.4.2 at=(--at eth0 --from 192.0.2.1)

	[ "$3" = 4 ] || dst=10.0.5.2 at=(--at eth1 --from 198.51.100.1)
	through a b --dst $dst --dport 5004 --send-ecn 2 "${at[@]}" --tunnel wireguard --port 51824 \
		--expect "$1" --ecn 2 --count "$2"
}
