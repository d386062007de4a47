# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# VXLAN over IPv4 and IPv6 between two namespaces, on whatever kernel runs, over a wire that copies
# bytes.

. testing/tunnels.sh

kind=vxlan

test_every_packet()
{
	two_nodes
	every_packet 6400
}

# Counters, and foreign packets, VXLAN ones of another VNI among them.
test_others_and_counters()
{
	two_nodes
	on a sh -ec 'ip link add vxother type vxlan id 45 remote 192.0.2.2 dstport 4789
		ip link set vxother multicast off addrgenmode none; ip link set vxother up'
	check on a "$TOOL" load vx4
	pass udp:640 4 4 inner
	others_pass 10000 eth0
	outside 4
	through a b --way udp --dev vxother --src 10.1.0.1 --dst 10.1.0.2 --dscp 46 --count 100 \
		--eth-dst 02:00:00:00:00:01 "${outside[@]}" --expect 0
	# The 640 and the marker behind them.
	[ "$(counter a vx4 counters.egress.seen)" = 641 ]
	[ "$(counter a vx4 'counters.egress|.seen-.marked-.unchanged-.unknown.total')" = 0 ]
	[ "$(counter a vx4 'counters.egress|.seen-([.dscp[]]|add)')" = 0 ]
	[ "$(counter a vx4 counters.egress.dscp.EF)" = 10 ]
}

# Each eth0 is above a device where nft sees which priority a packet of a has left with.
wire_below()
{
	local node

	wire_netns "$1" "$2" below
	for node; do
		on "$node" sh -ec 'ip link add link below name eth0 type macvlan mode bridge
			ip link set eth0 up'
	done
}

# by_dscp FAMILY DSCP:PRIORITY...: rules of a chain for the packets of that tunnel
by_dscp()
{
	local word ip=ip

	[ "$1" = 4 ] || ip=ip6
	for word in "${@:2}"; do
		printf '%s dscp %d meta priority 0:%x counter name right%d return\n' $ip "${word%:*}" \
			"${word#*:}" "$1"
	done
	echo "counter name wrong$1"
}

# watch_priorities DSCP:PRIORITY...: from now on a packet that leaves with such a pair is right, all
# others are wrong
watch_priorities()
{
	on a nft -f - <<-RULES
		flush ruleset
		table netdev t {
			counter right4 { }
			counter wrong4 { }
			counter right6 { }
			counter wrong6 { }
			counter raised { }
			set seen { typeof ip dscp . meta priority; size 2048; flags dynamic; counter; }
			chain by4 { $(by_dscp 4 "$@" | paste -sd';'); }
			chain by6 { $(by_dscp 6 "$@" | paste -sd';'); }
			chain out {
				type filter hook egress device below priority 0
				meta priority != 0:0 counter name raised
				meta protocol ip udp dport 4789 update @seen { ip dscp . meta priority }
				meta protocol ip udp dport 4789 goto by4
				meta protocol ip6 udp dport 4790 goto by6
			}
		}
	RULES
}

watched() { on a nft -j list counter netdev t "$1" | jq '.nftables[1].counter.packets'; }

# The packets that left by vx4: how many of each priority.
priorities_seen()
{
	on a nft -j list set netdev t seen |
		jq -c '[.nftables[1].set.elem[].elem | [.val.concat[1], .counter.packets]] |
			group_by(.[0]) | map([.[0][0], (map(.[1]) | add)])'
}

# priorities EXPRESSION: DSCP:PRIORITY of each DSCP, which is d
priorities() { for ((d = 0; d < 64; d++)); do echo "$d:$(($1))"; done; }

# each_right EXPRESSION [MAP]: 640 packets by each tunnel, and the marker behind them, leave with the
# DSCPs of that map, and with the priority that the expression makes of them
each_right()
{
	local o

	# shellcheck disable=SC2046 # several words
	watch_priorities $(priorities "$1")
	for o in 4 6; do
		pass udp:640 $o $o inner ${2:+--map "$2"}
		[ "$(watched right$o) $(watched wrong$o)" = '641 0' ] ||
			fail "$(watched right$o) right, $(watched wrong$o) not: $(priorities_seen)"
	done
}

# loaded_with OPTIONS...: both
loaded_with()
{
	local o

	for o in 4 6; do
		check on a "$TOOL" load vx$o "$@"
	done
}

# same N: 64 times that number, for a map
same() { yes "$1" | head -n 64 | paste -sd,; }

# Without the option an outer packet has the priority that the kernel has given to the inner one.
test_priorities()
{
	local before raised

	command -v nft >/dev/null || skip "there is no nft here"
	two_nodes wire_below
	watch_priorities
	pass udp:640 4 4 none
	before=$(priorities_seen)
	loaded_with
	watch_priorities
	pass udp:640 4 4 inner
	[ "$(priorities_seen)" = "$before" ] || fail "before: $before, then: $(priorities_seen)"
	# A DSCP that is not in the map keeps its own.
	loaded_with --priority-map EF=15
	watch_priorities
	pass udp:640 4 4 inner
	[ "$(priorities_seen | jq -c 'map(select(.[0] == "0:f")), (map(.[1]) | add)')" = \
		$'[["0:f",10]]\n641' ] || fail "before: $before, then: $(priorities_seen)"
	loaded_with --priority-map 802.1p,LE=1
	each_right 'd == 1 ? 1 : d / 8'
	tcp_bulk 4 4 46
	[ "$(watched wrong4)" = 0 ]
	# No foreign packets.
	raised=$(watched raised)
	others_pass 2000 eth0 --eth-src "$(mac a eth0)" --tunnel-port 4799
	[ "$(watched raised)" = "$raised" ]
	# By the DSCP outside, whatever it was inside.
	loaded_with --egress-map '*=CS0,EF=AF41' --priority-map '*=3,AF41=15'
	each_right 'd == 34 ? 15 : 3' "$(same 0 | sed 's/^\(\(0,\)\{46\}\)0/\134/')"
	loaded_with --outer-dscp EF --priority-map fq
	each_right 'd == 46 ? 6 : 15' "$(same 46)"
	check on a "$TOOL" unload --all
	watch_priorities
	pass udp:640 4 4 none
	[ "$(priorities_seen)" = "$before" ] || fail "before: $before, then: $(priorities_seen)"
}

test_policy_on_the_wire()
{
	local map

	two_nodes
	# Privacy: only EF shows.
	check on a "$TOOL" load vx4 --egress-map '*=CS0,EF=EF'
	map=$(for d in $(seq 0 63); do [ "$d" = 46 ] && echo 46 || echo 0; done | paste -sd,)
	pass udp:640 4 4 inner --map "$map"
	check on a "$TOOL" load vx4 --egress-map 'EF=AF41,32-63=keep,NQB=1'
	map=$(for d in $(seq 0 63); do
		case $d in
		45) echo 1 ;; # said last
		*) if [ "$d" -ge 32 ]; then echo 0; else echo "$d"; fi ;;
		esac
	done | paste -sd,)
	pass udp:640 4 4 inner --map "$map"
	check on a "$TOOL" load vx4 --outer-dscp AF21
	pass udp:640:1 4 4 18 --ecn 1
	pass ping 4 6 18 --ecn 0
	check on a "$TOOL" unload vx4
	pass udp:640 4 4 none --ecn 0
}
