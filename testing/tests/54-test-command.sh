# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The findings of `dscp-tool test` on a path of two routers, over IPv4 and IPv6: one that clears a DSCP, one
# that rewrites it, one that drops it, and none.

. testing/tunnels.sh

kind=vxlan

a4=198.51.100.1 a6=2001:db8:a::1
b4=203.0.113.2 b6=2001:db8:b::2
# shellcheck disable=SC2034 # read by their names
hops4='["198.51.100.2","192.0.2.2","203.0.113.2"]'
# shellcheck disable=SC2034
hops6='["2001:db8:a::2","2001:db8:1::2","2001:db8:b::2"]'

# link LEFT DEV RIGHT DEV NET4 NET6: a link between two nodes, with addresses .1 and .2
link()
{
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec 'ip address add "$1.1/24" dev "$0"; ip address add "$2::1/64" dev "$0" nodad
		ip link set "$0" up' "$2" "$5" "$6"
	# shellcheck disable=SC2016 # for another shell
	on "$3" sh -ec 'ip address add "$1.2/24" dev "$0"; ip address add "$2::2/64" dev "$0" nodad
		ip link set "$0" up' "$4" "$5" "$6"
}

# tunnels NODE N PEER REMOTE4 REMOTE6: devices vx4 and vx6, with nothing to ask for
tunnels()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		for o in 4 6; do
			remote=$2
			[ $o = 4 ] || remote=$3
			ip link add vx$o address 02:00:00:00:0$o:0$0 type vxlan id 4$o remote "$remote" \
				dstport 479$o
			ip link set vx$o multicast off addrgenmode none
			ip address add 10.0.$o.$0/24 dev vx$o
			ip address add fd00:$o::$0/64 dev vx$o nodad
			ip link set vx$o mtu 1300 up
			ip neighbour add 10.0.$o.$1 lladdr 02:00:00:00:0$o:0$1 dev vx$o
			ip neighbour add fd00:$o::$1 lladdr 02:00:00:00:0$o:0$1 dev vx$o
		done' "$2" "$3" "$4" "$5"
}

# chain: nodes a, r1, r2, b in a row, and vx4 and vx6 between a and b. The far end marks packets that come in.
# Routers do not limit how many errors they send.
chain()
{
	local node

	required
	for node in a r1 r2 b; do
		node_add_netns "$node"
		# shellcheck disable=SC2016 # for another shell
		on "$node" sh -ec '
			echo 1 >/proc/sys/net/ipv4/ip_forward
			echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
			echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
			echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
	done
	link a eth0 r1 left 198.51.100 2001:db8:a
	link r1 right r2 left 192.0.2 2001:db8:1
	link r2 right b eth0 203.0.113 2001:db8:b
	on a sh -ec 'ip route add default via 198.51.100.2; ip route add default via 2001:db8:a::2'
	on r1 sh -ec 'ip route add 203.0.113.0/24 via 192.0.2.2
		ip route add 2001:db8:b::/64 via 2001:db8:1::2'
	on r2 sh -ec 'ip route add 198.51.100.0/24 via 192.0.2.1
		ip route add 2001:db8:a::/64 via 2001:db8:1::1'
	on b sh -ec 'ip route add default via 203.0.113.1; ip route add default via 2001:db8:b::1'
	tunnels a 1 2 "$b4" "$b6"
	tunnels b 2 1 "$a4" "$a6"
	retry_until on a ping -c 1 -W 2 10.0.4.2
	retry_until on a ping -c 1 -W 2 10.0.6.2
}

# loaded [OPTION...]: both tunnels, with these options at b
loaded()
{
	local dev

	for dev in vx4 vx6; do
		check on a "$TOOL" load $dev
		check on b "$TOOL" load $dev --direction both "$@"
	done
}

# hop NODE HOOK RULE: that router's treatment of packets that come from its left; "@" is ip, or ip6
hop()
{
	command -v nft >/dev/null || skip "no nft here"
	on "$1" nft "table inet hop { chain c { type filter hook $2 priority -10;
		iifname left ${3//@/ip}; iifname left ${3//@/ip6}; }; }" ||
		skip "this kernel has no nftables"
}

no_hop() { on "$1" nft delete table inet hop; }

# ask STATUS OUTER INNER OPTION...: with that exit status; $T/answer is the JSON
ask()
{
	# shellcheck disable=SC2016 # for another shell
	check_exit "$1" on a sh -c 'to=$1; shift; exec "$0" test "$@" --json >"$to"' "$TOOL" \
		"$T/answer" "${kind/vxlan/vx}$2" --peer "$(inner "$2" "$3" 2)" "${@:4}"
	[ -z "$OUTPUT" ] || fail "it says: $OUTPUT"
}

# answers JQ-CONDITION
answers() { jq -e "$1" "$T/answer" >/dev/null || fail "not $1: $(<"$T/answer")"; }

# quoted WORD: as JSON has it; - is null
quoted() { if [ "$1" = - ]; then echo null; else echo "\"$1\""; fi; }

# dscp NAME VERDICT LEFT ARRIVED [PATH BECOMES BEHIND]: these values in JSON; - is null. A machine that
# is too busy to answer in time may lose one of three.
dscp()
{
	local lost='< 3' behind=

	[ "$4" != - ] || lost='== 3'
	[ "${7--}" = - ] || behind=", behind_hop: $7"
	answers ".dscps | any(.dscp == \"$1\" and .lost $lost)"
	answers "[.dscps[] | select(.dscp == \"$1\") | del(.lost)] == [{dscp: \"$1\",
		verdict: \"$2\", sent: 3, expected: $(quoted "$3"), left_with: $(quoted "$3"),
		arrived_with: $(quoted "$4"), path: $(quoted "${5--}"), becomes: $(quoted "${6--}")
		$behind}]"
}

#
# The hops
#

test_clean()
{
	local o i name hops b

	chain
	loaded
	for o in 4 6; do
		i=$((10 - o))
		ask 0 $o $i --dscp CS0,EF,1-2 --path
		hops=hops$o
		b=b$o
		answers ".tunnel == \"vx$o\" and .peer == \"$(inner $o $i 2)\" and .fine and
			.endpoint == \"${!b}\" and .hops == ${!hops}"
		answers '[.dscps[] | .dscp] == ["CS0", "LE", "2", "EF"]'
		for name in CS0 LE 2 EF; do
			dscp $name fine $name $name same
		done
		ask 0 $o $o --dscp EF
		answers '.endpoint == null and .hops == []'
		dscp EF fine EF EF
	done
	# All that have names; and nothing else was sent through the tunnel.
	ask 0 4 4
	answers '[.dscps[] | select(.verdict == "fine")] | length == 24'
	[ "$(counter a vx4 counters.egress.seen)" = $((3 * (4 + 1 + 24))) ]
}

# clears NODE HOOK BEHIND: EF, at that hop; the far end shows the outer DSCP
clears()
{
	local o

	hop "$1" "$2" '@ dscp ef @ dscp set cs0'
	for o in 4 6; do
		ask 4 $o 4 --dscp CS0,AF41,EF --path
		dscp CS0 fine CS0 CS0 same
		dscp AF41 fine AF41 AF41 same
		dscp EF rewritten EF CS0 rewritten CS0 "$3"
	done
	no_hop "$1"
}

test_hop_that_clears()
{
	chain
	loaded --ingress-map CS0=copy
	clears r1 prerouting 0
	clears r1 forward 1
	clears r2 prerouting 1
	ask 0 4 4 --dscp CS0,AF41,EF --path
}

# Where CS0 says nothing to the far end (CS0=keep, the default), only the path shows it.
test_hop_that_clears_unseen_by_the_far_end()
{
	local o

	chain
	loaded
	hop r1 forward '@ dscp ef @ dscp set cs0'
	for o in 4 6; do
		ask 0 $o 6 --dscp EF
		dscp EF fine EF EF
		ask 4 $o 6 --dscp EF --path
		dscp EF rewritten EF EF rewritten CS0 1
	done
}

test_hop_that_rewrites()
{
	local o

	chain
	loaded
	hop r2 forward '@ dscp { af41, ef } @ dscp set cs1'
	for o in 4 6; do
		ask 4 $o 6 --dscp AF42,AF41,EF --path
		dscp AF42 fine AF42 AF42 same
		dscp AF41 rewritten AF41 CS1 rewritten CS1 2
		dscp EF rewritten EF CS1 rewritten CS1 2
		ask 4 $o 6 --dscp EF
		dscp EF rewritten EF CS1
	done
}

test_hop_that_drops()
{
	local o

	chain
	loaded
	hop r1 forward '@ dscp ef drop'
	for o in 4 6; do
		ask 4 $o 4 --dscp CS0,EF --path
		dscp CS0 fine CS0 CS0 same
		dscp EF lost EF - lost - 1
	done
}

# The first of several hops is named.
test_two_hops()
{
	chain
	loaded
	hop r1 forward '@ dscp ef @ dscp set cs1'
	hop r2 forward '@ dscp cs1 drop'
	ask 4 4 4 --dscp EF --path
	dscp EF lost EF - rewritten CS1 1
}

# Routers and ends that do not answer.
test_silent_hops()
{
	chain
	loaded
	hop r1 forward '@ dscp ef @ dscp set cs1'
	on r1 nft 'table ip silent { chain c { type filter hook output priority 0;
		icmp type time-exceeded drop; }; }'
	ask 4 4 4 --dscp EF --path
	answers '.hops == [null, "192.0.2.2", "203.0.113.2"]'
	dscp EF rewritten EF CS1 rewritten CS1 0
	on b nft 'table ip silent { chain c { type filter hook output priority 0;
		icmp type destination-unreachable drop; }; }'
	ask 4 4 4 --dscp EF --path
	answers '.hops == [null, "192.0.2.2"]'
	on r2 nft 'table ip silent { chain c { type filter hook output priority 0;
		icmp type time-exceeded drop; }; }'
	ask 4 4 4 --dscp EF --path
	answers '.hops == []'
	dscp EF rewritten EF CS1 unknown
}

#
# The maps
#

test_maps()
{
	chain
	check on a "$TOOL" load vx4 --egress-map '*=CS0,EF=CS5,AF41=keep' --peer-map 10.0.4.2:AF11=AF12
	check on b "$TOOL" load vx4 --direction ingress
	hop r1 forward '@ dscp cs5 drop'
	ask 4 4 4 --dscp AF11,AF21,AF22,EF --path
	dscp AF11 fine AF12 AF12 same
	# Two that are the same outside.
	dscp AF21 fine CS0 AF21 same
	dscp AF22 fine CS0 AF22 same
	dscp EF lost CS5 - lost - 1
	# The prefix is of no account to others, and a DSCP that the map keeps is known when it has
	# left.
	ask 0 4 6 --dscp AF11
	dscp AF11 fine CS0 AF11
	ask 0 4 4 --dscp AF41
	answers '.dscps[0] | .expected == null and .left_with == "CS0" and .arrived_with == "AF41"'
	check on a "$TOOL" load vx6 --outer-dscp AF31
	ask 0 6 4 --dscp EF
	dscp EF fine AF31 EF
}

# A tunnel in one direction, and a far end without the tool.
test_far_end_without()
{
	chain
	check on a "$TOOL" load vx4 --direction ingress
	hop r1 forward '@ dscp ef @ dscp set cs1'
	ask 0 4 4 --dscp AF41
	answers '.dscps[0] | .expected == null and .left_with == null and .arrived_with == "AF41"'
	# The inner DSCP stays as it is.
	check on a "$TOOL" load vx4
	ask 0 4 4 --dscp EF
	dscp EF fine EF EF
	# The near end's ingress does not hide the DSCP of the reply.
	check on b "$TOOL" load vx4 --direction both
	check on a "$TOOL" load vx4 --direction both --ingress-map '*=AF33'
	ask 4 4 4 --dscp EF
	dscp EF rewritten EF CS1
}

# Another flow of another DSCP, all the time.
test_beside_other_packets()
{
	chain
	loaded
	background on a ping -q -i 0.01 -Q 0x20 10.0.4.2
	ask 0 4 4 --dscp CS0,EF
	dscp CS0 fine CS0 CS0
	dscp EF fine EF EF
	stop_background $!
	[ "$(counter a vx4 counters.egress.dscp.CS1)" -gt 0 ] || fail "no other packets"
}

# A rule on this machine that changes the DSCP inside, before the map has it.
test_not_as_mapped()
{
	chain
	loaded
	on a nft 'table ip n { chain c { type filter hook output priority 0;
		oifname vx4 ip dscp ef ip dscp set cs1; }; }' || skip "this kernel has no nftables"
	ask 4 4 4 --dscp EF
	answers '.dscps[0] | .verdict == "not as mapped" and .expected == "EF" and .left_with == "CS1"
		and .arrived_with == "CS1"'
	# One that drops it.
	on a nft 'flush chain ip n c; add rule ip n c oifname vx4 ip dscp ef drop'
	ask 4 4 4 --dscp CS0,EF
	dscp CS0 fine CS0 CS0
	answers '.dscps[1] | .verdict == "lost" and .left_with == null'
}

# A bridge has the addresses of its port.
test_bridge()
{
	chain
	on a sh -ec 'ip link add br0 type bridge; ip link set br0 addrgenmode none
		ip link set br0 address 02:00:00:00:04:01
		ip link set vx4 master br0
		ip address flush dev vx4
		ip address add 10.0.4.1/24 dev br0; ip link set br0 up
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev br0'
	loaded
	ask 0 4 4 --dscp EF --path
	dscp EF fine EF EF same
}

# The allowed IPs lead to a peer, and a host among them is asked where no other one is named.
test_wireguard()
{
	local o

	kind=wireguard
	wireguard_nodes wire_bytes
	for o in 4 6; do
		check on a "$TOOL" load wg$o
		check on b "$TOOL" load wg$o --direction both
	done
	kind=wg
	for o in 4 6; do
		ask 0 $o 4 --dscp CS0,EF --path
		answers ".endpoint == \"$(outer $o 2)\" and .hops == [\"$(outer $o 2)\"]"
		dscp CS0 fine CS0 CS0 same
		dscp EF fine EF EF same
		ask 0 $o 6 --dscp EF
		dscp EF fine EF EF
	done
	refused 1 'wg4: no peer is known by an address among its allowed IPs' wg4 --peer 10.0.5.2
	refused 1 'wg4: no peer is known by an address among its allowed IPs' wg4
	key=$(on a wg show wg4 peers)
	check on a wg set wg4 peer "$key" allowed-ips 10.0.4.0/24,10.0.4.2/32
	check_grep '^wg4 to 10\.0\.4\.2$' on a "$TOOL" test wg4 --dscp EF
	# The one of two peers with the longer prefix; and the host to ask is not known.
	check on a wg set wg4 peer "$(wg genkey | wg pubkey)" allowed-ips 10.0.4.3/32,10.0.0.0/16
	ask 0 4 4 --dscp EF
	refused 1 'wg4: no peer is known by an address' wg4
	refused 2 'wg4: cannot send: ' wg4 --peer 10.0.4.3
	refused 1 'wg4: --path: no address is known' wg4 --peer 10.0.4.3 --path
}

#
# Text, errors
#

test_text()
{
	chain
	loaded
	hop r1 forward '@ dscp cs5 @ dscp set cs1'
	hop r2 forward '@ dscp ef drop'
	check_exit 4 on a "$TOOL" test vx4 --peer 10.0.4.2 --dscp CS0,EF,CS5 --count 1 --path
	echo "$OUTPUT" >"$T/text"
	check diff - "$T/text" <<-'END'
		vx4 to 10.0.4.2
		DSCP  left with  arrived with  lost        verdict
		CS0   CS0        CS0             0 of 1    fine, on the path same
		CS5   CS5        CS1             0 of 1    rewritten, on the path CS1 behind hop 1
		EF    EF         -               1 of 1    lost, on the path lost behind hop 2
		path to 203.0.113.2
		    1 198.51.100.2
		    2 192.0.2.2
		    3 203.0.113.2
	END
	# A far end that does not answer.
	on b sh -c 'echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all'
	check_exit 4 on a "$TOOL" test vx4 --peer 10.0.4.2 --dscp CS0 --count 1
	check grep -q '^no answer: ' <<<"$OUTPUT"
}

# refused STATUS ERE OPTION...: at once, with that sentence
refused()
{
	check_exit "$1" on a "$TOOL" test "${@:3}"
	grep -qE "^dscp-tool: $2" <<<"$OUTPUT" || fail "it does not say '$2': $OUTPUT"
}

test_errors()
{
	lone_node a
	refused 3 'vx4: not loaded$' vx4 --peer 10.0.4.2
	check on a "$TOOL" load vx4
	refused 1 'vx4: say who answers in the tunnel, --peer ADDRESS$' vx4
	refused 1 "--peer: 'nobody' is not an IPv4 or IPv6 address" vx4 --peer nobody
	refused 1 "--dscp: 'XX' in 'XX' is not a DSCP" vx4 --dscp EF,XX
	refused 1 "--dscp: '0xb8' in '0xb8' is the DS field" vx4 --dscp 0xb8
	refused 1 '--count: 101 is out of range' vx4 --count 101
	check_exit 2 on a setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$TOOL" test vx4 \
		--peer 10.0.4.2
	[ "$OUTPUT" = 'dscp-tool: cannot open sockets for probes: Operation not permitted: CAP_NET_RAW is needed too' ] ||
		fail "$OUTPUT"
	on a ip link add vxe up type vxlan dstport 4799 external
	check on a "$TOOL" load vxe --uplink eth0
	refused 1 'vxe: --path: no address is known that its packets go to$' vxe \
		--peer 10.0.4.2 --path
	on a ip link set vx4 down
	refused 2 'vx4: cannot send: Network is unreachable$' vx4 --peer 10.0.4.2
	on a ip link del vx4
	refused 2 'vx4: its device is gone$' vx4 --peer 10.0.4.2
}

# A device of which the kernel does not tell is not gone.
test_kernel_without_an_answer()
{
	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	lone_node a
	check on a "$TOOL" load vx4
	on a strace -o /dev/null -e inject=sendto:error=ENOBUFS:when=500 true || skip "strace cannot"
	check_exit 2 on a strace -o /dev/null -e inject=sendto:error=ENOBUFS:when=1 "$TOOL" test vx4 \
		--peer 10.0.4.2
	[ "$OUTPUT" = 'dscp-tool: vx4: netlink: No buffer space available' ] || fail "$OUTPUT"
}

# How many probes were sent, and nothing of that in a file.
test_progress_on_a_terminal()
{
	command -v script >/dev/null || skip "no script(1) here"
	lone_node a
	check on a "$TOOL" load vx4
	check_exit 4 on a script -qec "$TOOL test vx4 --peer 10.0.4.2 --count 2 --dscp EF" /dev/null
	[[ $OUTPUT == $'\r1 probes\r\r2 probes\r\e[Kvx4 to 10.0.4.2'* ]] || fail "$OUTPUT"
	check_exit 4 on a "$TOOL" test vx4 --peer 10.0.4.2 --count 1 --dscp EF
	[[ $OUTPUT != *probes* ]] || fail "$OUTPUT"
}
