# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Flowtables of nftables on a router, which take over its tunnels: IPIP since Linux 6.19, and IPv6 in
# IPv6 since 7.0, the rest never. The router is node a, between a host (node lan) and the tunnel's
# other end (node b). An offloaded packet does not count as a packet of the tunnel's device.

. testing/tunnels.sh

up=eth0 # the uplink of both nodes
# '*=CS0,EF=EF' as a list
only_ef=$(for i in {0..63}; do echo $((i == 46 ? i : 0)); done | paste -sd ,)

host() { if [ "$1" = 4 ]; then echo 10.9.0.9; else echo fd00:9::9; fi; }

# router [COMMAND]: the three nodes, with the tunnels t4 (ipip) and t6 (ip6tnl), over the uplinks that
# the command makes
router()
{
	! in_vm || required
	command -v nft >/dev/null || skip "there is no nft here"
	node_add_netns lan
	node_add_netns a
	node_add_netns b
	flowtable lo || skip "this kernel has no flowtables"
	on a nft flush ruleset
	wired_uplinks
	"$1"
	ip link add lan0 netns lan type veth peer name lan0 netns a
	on a sh -ec 'ip link set lan0 up
		ip address add 10.9.0.1/24 dev lan0
		ip address add fd00:9::1/64 dev lan0 nodad
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	on lan sh -ec 'echo 0 >/proc/sys/net/ipv6/conf/lan0/router_solicitations
		ip link set lan0 mtu 1300 up
		ip address add 10.9.0.9/24 dev lan0
		ip address add fd00:9::9/64 dev lan0 nodad
		ip route add default via 10.9.0.1
		ip route add default via fd00:9::1'
	tunnels
}

tunnels()
{
	# shellcheck disable=SC2016 # for another shell
	both 'ip link add t4 type ipip local 192.0.2.%own remote 192.0.2.%peer
		ip link add t6 type ip6tnl mode ip6ip6 encaplimit none local 2001:db8::%own \
			remote 2001:db8::%peer
		for o in 4 6; do
			ip link set t$o multicast off addrgenmode none
			ip link set t$o mtu 1300 up
		done
		ip address add 10.0.4.%own/24 dev t4
		ip address add fd00:6::%own/64 dev t6 nodad' || skip "this kernel has no such tunnels"
	on b sh -ec 'ip route add 10.9.0.0/24 dev t4; ip route add fd00:9::/64 dev t6'
}

# on_vlan: the uplinks are VLANs from now on
on_vlan()
{
	both 'ip address flush dev eth0
		ip link add link eth0 name eth0.34 type vlan id 34
		ip link set eth0.34 up'
	up=eth0.34
	uplink a 1 $up
	uplink b 2 $up
}

# flowtable DEVICES [CONDITION]: node a offloads packets that fulfil the condition
flowtable()
{
	on a nft -f - <<-RULES
		table inet filter
		flush table inet filter
		delete table inet filter
		table inet filter {
			flowtable f {
				hook ingress priority 0
				devices = { $1 }
			}
			chain forward {
				type filter hook forward priority 0
				ct state established ${2-} flow add @f
			}
		}
	RULES
}

# offloads OUTER: this kernel can do that for the tunnel
offloads()
{
	local name=ipip_fill_forward_path

	[ "$1" = 4 ] || name=ip6_tnl_fill_forward_path
	grep -q " $name" /proc/kallsyms
}

# flow OUTER PORT: the packets of a flow of UDP between that port of the host and 5000 of b; those
# that follow are offloaded, if any are
flow()
{
	there=(lan b --src "$(host "$1")" --dst "$(inner "$1" "$1" 2)" --sport "$2" --dport 5000)
	back=(b lan --src "$(inner "$1" "$1" 2)" --dst "$(host "$1")" --sport 5000 --dport "$2")
	through_where true "${there[@]}" --count 1
	through_where true "${back[@]}" --count 1
}

# packets OUTER rx|tx: how many the tunnel's device of a has had
packets() { on a cat "/sys/class/net/t$1/statistics/$2_packets"; }

# went OUTER rx|tx BEFORE MOST_OFFLOADED SLOW: how many came by the device since: no more than so many if
# the kernel offloads them, else at least so many
went()
{
	local n=$(($(packets "$1" "$2") - $3))

	if offloads "$1"; then
		[ $n -le "$4" ] || fail "$n packets of t$1, so they were not offloaded"
	else
		[ $n -ge "$5" ] || fail "only $n packets of t$1"
	fi
}

# leave OUTER PORT MAP [SLOW]: all DSCPs in UDP, and streams of three DSCPs, are marked by the map; slow:
# not by the flowtable
leave()
{
	local before d stream most=0
	local seen=(--at "$up" --tunnel ipip --from "$(outer "$1" 1)" --l4)

	flow "$1" "$2"
	[ -z "${4-}" ] || most=129
	before=$(packets "$1" tx)
	through "${there[@]}" --send-ecn 1 --ecn 1 --count 128 "${seen[@]}" --rule --expect inner --map "$3"
	went "$1" tx "$before" "$most" 129
	for d in 46 34 0; do
		before=$(packets "$1" tx)
		IFS=, read -ra stream <<<"$3"
		through lan b --way tcp --src "$(host "$1")" --dst "$(inner "$1" "$1" 2)" --dscp $d \
			--bytes 200000 "${seen[@]}" --expect "${stream[d]}"
		# SYN, and the first ACK
		went "$1" tx "$before" $((most ? 100 : 2)) 3
	done
}

# arrive OUTER PORT [SLOW]: all DSCPs reach the host, with the DSCP that they had outside; slow: not by
# the flowtable, which leaves the inner DSCP, and that is right for 2 of 128
arrive()
{
	local before most=0 right=2

	flow "$1" "$2"
	[ -z "${3-}" ] || most=129
	if [ -n "${3-}" ] || ! offloads "$1"; then
		right=128
	fi
	before=$(packets "$1" rx)
	through_where ".right == $right" "${back[@]}" --count 128 --expect 46
	went "$1" rx "$before" $most 129
}

# No packet shows a DSCP that the map hides, and the copy is one.
test_outwards()
{
	local o copy

	copy=$(seq -s , 0 63)
	router true
	flowtable lan0,eth0
	for o in 4 6; do
		check on a "$TOOL" load t$o --egress-map '*=CS0,EF=EF'
		leave $o 4000$o "$only_ef"
		check on a "$TOOL" load t$o
		leave $o 4100$o "$copy"
		[ "$(counter a t$o counters.egress.unknown.total)" = 0 ]
		check on a "$TOOL" status t$o
	done
}

# says PAST OUTER: status of the tunnel t4 or t6 names the flowtable, the program that it passes by, and the
# remedy, if the kernel offloads such a tunnel; else all is well
says()
{
	if ! offloads "$2"; then
		check on a "$TOOL" status "t$2"
		return
	fi
	check_exit 4 on a "$TOOL" status "t$2" --json
	[ "$(jq -r '.tunnels[0] | .problems[]' <<<"$OUTPUT")" = "the flowtable f of nft's table inet \
filter takes packets of t$2 past $1: in its rule put 'iifname != \"t$2\" oifname != \"t$2\"' in front of \
'flow add'" ] || fail "status of t$2: $OUTPUT"
}

# healthy OUTER...: status finds nothing to say of these tunnels
healthy()
{
	local o

	for o; do
		check on a "$TOOL" status "t$o"
	done
}

# load_both_ways: the tunnels of a, and the tunnels of b so that only the outer header has EF
load_both_ways()
{
	local o

	for o in 4 6; do
		check on a "$TOOL" load t$o --direction both --egress-map '*=CS0,EF=EF'
		check on b "$TOOL" load t$o --egress-map '*=EF'
	done
}

# A flowtable at the device below a VLAN passes all hooks by but this device's, and one at the
# uplink the hook of the tunnel's device; and the remedy is one.
test_status_says()
{
	local o

	router on_vlan
	load_both_ways
	healthy 4 6
	flowtable lan0,eth0
	for o in 4 6; do
		says "egress_outer at eth0.34 and ingress_inner" $o
		arrive $o 4200$o
	done
	# Where the device below is an uplink as well, its program sees the packets that leave.
	check on a "$TOOL" load t4 --uplink eth0 --uplink eth0.34
	healthy 4
	leave 4 43004 "$(seq -s , 0 63)"
	check on a "$TOOL" load t4 --direction both --egress-map '*=CS0,EF=EF'
	remedied
}

# With the condition that status says, packets of the tunnels take the tunnels, both ways.
remedied()
{
	local o

	for o in 4 6; do
		flowtable lan0,eth0 "iifname != t$o oifname != t$o"
		healthy $o
		[ $o = 6 ] || says "egress_outer at eth0.34 and ingress_inner" 6
		leave $o 4400$o "$only_ef" slow
		arrive $o 4500$o slow
	done
}
