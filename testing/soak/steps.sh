# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The steps of testing/soak/run, functions step_NAME, and the nodes they happen to. Node a is a
# router with two providers, eth0, where CAKE is, and eth1; node b is the other end of both. Tunnels
# of a:
#   wg4   WireGuard to b, which is routed by eth0
#   vx4   VXLAN to b, by eth0
#   wg5   WireGuard with a peer of which no address is known, and one without a route
#   wg7   WireGuard to b, which has no such tunnel; nothing is sent
# Each step leaves all in order again. Faults that are real meanwhile, and may be said, are told by
# expect(). A kernel without WireGuard has vx4 only.

tunnels=(wg4 vx4)
# shellcheck disable=SC2034 # for run
kinds=(udp answers tcp ping flood drops idle idle several reload apply options options link_down
	cable_out failover redial endpoint key peer_gone mtu wireguard_anew vxlan_anew route qdisc)
# The steps that "several" draws from
# shellcheck disable=SC2034 # for run
changes=(udp ping drops reload apply options link_down cable_out failover redial endpoint key
	peer_gone mtu wireguard_anew vxlan_anew route qdisc)
wireguard_steps=(drops endpoint key peer_gone wireguard_anew)

own=1 # the last number of a's address at eth0
declare -A uplink_of=([wg4]=eth0 [vx4]=eth0)
# The expectation outside: options of "wire through"
declare -A outside_of=([wg4]='--expect inner' [vx4]='--expect inner')
detail='' # of the step, to be printed

# without_wireguard: forgets the steps that need it
without_wireguard()
{
	local name

	tunnels=(vx4)
	for name in "${wireguard_steps[@]}"; do
		kinds=("${kinds[@]/#$name/}")
		changes=("${changes[@]/#$name/}")
	done
	# shellcheck disable=SC2206 # nor the empty words
	kinds=(${kinds[*]}) changes=(${changes[*]})
}

# pick WORD...: $picked is one of them
pick()
{
	local words=("$@")

	# shellcheck disable=SC2034 # for the caller
	picked=${words[RANDOM % $#]}
}

#
# The nodes
#

set_up()
{
	node_add_netns a
	node_add_netns b
	# Another one than the tests' wire, but with real segmentation offload.
	wire_veth a b
	check ip link add eth1 netns a type veth peer name eth1 netns b
	provider a eth0 192.0.2.1
	provider b eth0 192.0.2.2
	provider a eth1 198.51.100.1
	provider b eth1 198.51.100.2
	default_route
	check on a ip route add unreachable 203.0.113.0/24
	vxlan_end a 1 192.0.2.2
	vxlan_end b 2 192.0.2.1
	shape "bandwidth 50mbit"
	if has 'ip link add probe type wireguard && ip link del probe'; then
		wireguard_keys
		wireguard_end a 1 2
		wireguard_end b 2 1
		silent_ends
		check on a "$TOOL" load wg7 --direction both
		# Not by its routes: it has none.
		check on a "$TOOL" load wg5 --direction both --uplink eth0
	else
		without_wireguard
	fi
	load_all
}

provider()
{
	check on "$1" ip link set "$2" up
	check on "$1" ip address replace "$3/24" dev "$2"
}

default_route() { check on a ip route replace default via 192.0.2.2 dev eth0; }

# has COMMAND: of the node, which makes and removes something that the kernel may not have
has() { on a sh -c "modprobe -qa wireguard sch_cake; $1" >/dev/null 2>&1; }

# shape OPTIONS: CAKE, where the kernel has it
shape()
{
	# shellcheck disable=SC2086 # words
	if has 'tc qdisc add dev lo root cake && tc qdisc del dev lo root'; then
		check on a tc qdisc replace dev eth0 root cake $1
	fi
}

# wireguard_end NODE N PEER
wireguard_end()
{
	# shellcheck disable=SC2016 # for another shell
	check on "$1" sh -ec '
		ip link add wg4 type wireguard
		wg set wg4 listen-port 51824 private-key "$0/key$1" \
			peer "$(cat "$0/public$2")" allowed-ips 10.0.4.0/24,fd00:4::/64 \
			endpoint "192.0.2.$2:51824" persistent-keepalive 25
		ip address add "10.0.4.$1/24" dev wg4
		ip address add "fd00:4::$1/64" dev wg4 nodad
		ip link set wg4 up' "$T" "$2" "$3"
}

# vxlan_end NODE N REMOTE: with ARP, ND and MLD inside, as usual. It does not learn: an address that
# the kernel learns keeps the route of the one before (vxlan_snoop()), so that after a failover
# packets do leave by another device than by the route to their address.
vxlan_end()
{
	# shellcheck disable=SC2016 # for another shell
	check on "$1" sh -ec '
		ip link add vx4 address "02:00:00:00:04:0$0" type vxlan id 44 remote "$1" dstport 4789 nolearning
		ip address add "10.0.6.$0/24" dev vx4
		ip address add "fd00:6::$0/64" dev vx4 nodad
		ip link set vx4 up' "$2" "$3"
}

silent_ends()
{
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec '
		for n in 5 7; do
			ip link add wg$n type wireguard
			wg set wg$n listen-port 5182$n private-key "$0/key1"
		done
		wg set wg5 peer "$(wg genkey | wg pubkey)" allowed-ips 10.5.1.0/24
		wg set wg5 peer "$(wg genkey | wg pubkey)" allowed-ips 10.5.2.0/24 endpoint 203.0.113.9:51825
		ip address add 10.5.0.1/16 dev wg5
		wg set wg7 peer "$(cat "$0/public2")" allowed-ips 10.7.0.0/24 endpoint 192.0.2.2:51827
		ip address add 10.7.0.1/24 dev wg7
		ip link set wg5 up
		ip link set wg7 up' "$T"
}

load_all()
{
	local tunnel

	for tunnel in "${tunnels[@]}"; do
		check on a "$TOOL" load "$tunnel" --direction both
		check on b "$TOOL" load "$tunnel" --direction both
	done
}

#
# Traffic
#

# address TUNNEL N [FAMILY]: inside
address()
{
	local net=4

	[ "$1" = wg4 ] || net=6
	if [ "${3-4}" = 4 ]; then echo "10.0.$net.$2"; else echo "fd00:$net::$2"; fi
}

# udp NODE N TUNNEL COUNT: to end N, of all DSCPs; the other end answers that there is nobody
udp()
{
	local picked

	pick 4 6
	# shellcheck disable=SC2154 # of tunnels.sh
	on "$1" "$wire" udp --dst "$(address "$3" "$2" "$picked")" --port 9 --dscp cycle --count "$4" \
		--rate 1000 >/dev/null 2>&1
}

# trickle: a little each way by both tunnels
trickle()
{
	local tunnel

	for tunnel in "${tunnels[@]}"; do
		udp a 2 "$tunnel" 20
		udp b 1 "$tunnel" 20
	done
}

# reach: a's packets get to b, by both tunnels
reach()
{
	local tunnel n

	for tunnel in "${tunnels[@]}"; do
		n=0
		until on a ping -c 1 -W 2 "$(address "$tunnel" 2)" >/dev/null 2>&1; do
			n=$((n + 1))
			if [ $n = 30 ]; then
				wrong "nothing gets through $tunnel"
				break
			fi
		done
	done
}

# marked TUNNEL: a burst from a to b, each packet of which is right outside
marked()
{
	local at=${uplink_of[$1]} from=198.51.100.1 port=51824 kind=wireguard picked

	[ "$at" = eth1 ] || from=192.0.2.$own
	[ "$1" = wg4 ] || port=4789 kind=vxlan
	pick 4 6
	# shellcheck disable=SC2086 # several words
	through a b --dst "$(address "$1" 2 "$picked")" --count 192 --at "$at" --tunnel $kind \
		--from "$from" --port $port --ecn 0 ${outside_of[$1]}
}

step_udp()
{
	local tunnel

	pick "${tunnels[@]}"
	tunnel=$picked
	detail+=" $tunnel"
	if [ -n "$blind" ]; then
		udp a 2 "$tunnel" 200
	else
		marked "$tunnel"
	fi
}

# From b to a's sockets.
step_answers()
{
	local tunnel

	pick "${tunnels[@]}"
	tunnel=$picked
	pick 4 6
	detail="$tunnel IPv$picked"
	through b a --dst "$(address "$tunnel" 1 "$picked")" --count 192
}

# Segmented by the tunnel, by CAKE, or by nobody.
step_tcp()
{
	local tunnel expect

	pick "${tunnels[@]}"
	tunnel=$picked
	pick 0 8 34 46
	detail="$tunnel DSCP $picked"
	# The DSCP that b finds outside it puts inside, but for CS0.
	case ${outside_of[$tunnel]} in
	'--expect 26') expect=26 ;;
	*' 0-63=8') expect=8 ;;
	*) expect=$picked ;;
	esac
	through a b --way tcp --src "$(address "$tunnel" 1)" --dst "$(address "$tunnel" 2)" \
		--dscp "$picked" --expect "$expect" --bytes 3000000 --at "$tunnel"
}

step_ping()
{
	local tunnel

	for tunnel in "${tunnels[@]}"; do
		check on a ping -q -c 5 -i 0.2 -Q 0xb8 "$(address "$tunnel" 2)"
	done
}

# status is asked while packets are under way.
step_flood()
{
	local tunnel flood

	pick "${tunnels[@]}"
	tunnel=$picked
	detail=$tunnel
	background on a "$wire" udp --dst "$(address "$tunnel" 2)" --port 9 --dscp cycle --count 2000 \
		--rate 400 >/dev/null 2>&1
	flood=$!
	glance
	udp b 1 "$tunnel" 100
	glance
	glance
	wait $flood
}

# No address, no route, no key, nobody.
step_drops()
{
	local to

	for to in 10.5.1.2 10.5.2.2 10.5.3.2; do
		on a "$wire" udp --dst $to --port 9 --dscp cycle --count 40 >/dev/null 2>&1
	done
	glance
}

# Longer than WireGuard's keys last, now and then.
step_idle()
{
	pick 10 30 60 130 200
	detail="$picked s"
	sleep "$picked"
	glance
}

#
# The tool's own
#

step_reload()
{
	pick "${tunnels[@]}" --all --all
	detail+=" $picked"
	check on a "$TOOL" reload "$picked"
}

step_apply()
{
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec '"$0" save >"$1/saved"; "$0" apply "$1/saved"' "$TOOL" "$T"
}

# vx_options, wg_options: lines with the expectation outside and options of load. A VXLAN has no
# ingress by XDP.
vx_options()
{
	cat <<-OPTIONS
	--expect inner|--direction both
	--expect inner|--direction both --ingress-method tc
	--expect inner|--direction both --attach clsact
	--expect inner|--direction egress
	--expect none|--direction ingress
	--expect 26|--direction both --outer-dscp AF31
	--expect inner --map 0-63=0,46=46,34=34|--direction both --egress-map *=CS0,EF=EF,AF41=AF41
	--expect inner --map 0-63=8|--direction both --egress-map EF=EF --peer-map 0.0.0.0/0:*=CS1 --peer-map ::/0:*=CS1
	OPTIONS
}

wg_options()
{
	vx_options
	echo '--expect inner|--direction both --ingress-method xdp'
}

step_options()
{
	local tunnel lines options

	pick "${tunnels[@]}"
	tunnel=$picked
	mapfile -t lines < <("${tunnel%4}_options")
	pick "${lines[@]}"
	read -ra options <<<"${picked#*|}"
	detail+=" $tunnel ${options[*]}"
	outside_of[$tunnel]=${picked%%|*}
	check on a "$TOOL" load "$tunnel" "${options[@]}"
	reach
	udp a 2 "$tunnel" 64
	udp b 1 "$tunnel" 64
}

#
# Changes of a network
#

# Packets that leave or arrive by another uplink until monitor looks are not marked, and not seen.
moved='.*: packets of .* now leave by .*: reload it|.* sent as many: by another device, load with --uplink too .*'
moved+='|.* received as many, where no ingress_outer is .*'
no_route='(wg4|vx4|wg5|wg7): no uplink found: .*'

# The uplink is down for a while, and its addresses and routes with it.
step_link_down()
{
	expect '' "$no_route"
	check on a ip link set eth0 down
	trickle
	glance
	trickle
	check on a ip link set eth0 up
	default_route
	reach
}

# The other end is: there is no carrier.
step_cable_out()
{
	expect '' "$no_route"
	check on b ip link set eth0 down
	trickle
	glance
	trickle
	check on b ip link set eth0 up
	reach
}

# Another provider has the default route while the first one is down.
step_failover()
{
	expect "$moved" '.*: uplink eth[01]( eth[01])?: loaded again'
	expect '' "$no_route"
	check on a ip route add default via 198.51.100.2 dev eth1 metric 9
	check on b ip route add 192.0.2.0/24 via 198.51.100.1 dev eth1 metric 9
	check on a ip link set eth0 down
	check on b ip link set eth0 down
	reach
	trickle
	glance
	check on b ip link set eth0 up
	check on a ip link set eth0 up
	default_route
	check on a ip route del default via 198.51.100.2 dev eth1 metric 9
	check on b ip route del 192.0.2.0/24 via 198.51.100.1 dev eth1 metric 9
	reach
	trickle
}

# The provider gives another address.
step_redial()
{
	expect '' "$no_route"
	check on a ip address del "192.0.2.$own/24" dev eth0
	trickle
	own=$((own % 200 + 10))
	detail+=" 192.0.2.$own"
	provider a eth0 "192.0.2.$own"
	default_route
	check on b ip link set vx4 type vxlan id 44 remote "192.0.2.$own"
	reach
}

# The peer roams, and home again.
step_endpoint()
{
	local public
	public=$(<"$T"/public2)

	expect "$moved" '(wg4|wg7): uplink eth[01]( eth[01])?: loaded again'
	check on a wg set wg4 peer "$public" endpoint 198.51.100.2:51824
	reach
	trickle
	uplink_of[wg4]=eth1
	stay wg4
	check on a wg set wg4 peer "$public" endpoint 192.0.2.2:51824
	uplink_of[wg4]=eth0
	reach
}

# stay TUNNEL: there, until all is well, and is right
stay()
{
	[ -z "$blind" ] || return 0
	settled
	marked "$1"
}

step_key()
{
	local public
	public=$(<"$T"/public2)

	check on a wg set wg4 peer "$public" remove
	udp a 2 wg4 40
	glance
	check on a wg set wg4 peer "$public" allowed-ips 10.0.4.0/24,fd00:4::/64 \
		endpoint 192.0.2.2:51824 persistent-keepalive 25
	reach
}

# b does not know a any more: its packets leave, and nobody answers.
step_peer_gone()
{
	local public
	public=$(<"$T"/public1)

	# Its only peer, and b has no default route.
	expect '' "$no_route"
	check on b wg set wg4 peer "$public" remove
	udp a 2 wg4 40
	udp b 1 wg4 40
	glance
	check on b wg set wg4 peer "$public" allowed-ips 10.0.4.0/24,fd00:4::/64 \
		endpoint "192.0.2.$own:51824" persistent-keepalive 25
	# The keys of before are void: a makes new ones, when an answer is due.
	reach
}

# Outer packets in fragments, and as they were.
step_mtu()
{
	local tunnel

	expect '(wg4|vx4): of .* the outer header is not known: do they arrive in fragments, .*' ''
	check on a ip link set eth0 mtu 1280
	check on b ip link set eth0 mtu 1280
	for tunnel in "${tunnels[@]}"; do
		on a ping -q -c 20 -i 0.05 -s 1300 -M dont "$(address "$tunnel" 2)" >/dev/null || true
	done
	glance
	check on a ip link set eth0 mtu 1500
	check on b ip link set eth0 mtu 1500
	pick 1280 1380 1420
	detail+=" $picked"
	for tunnel in "${tunnels[@]}"; do
		check on a ip link set "$tunnel" mtu "$picked"
		check on b ip link set "$tunnel" mtu "$picked"
	done
	reach
	trickle
}

anew='(in|e)gress_(inner|outer) is not attached to .*: reload the tunnel|the device (wg4|vx4) .*is gone, or in another network namespace: .*|(wg4|vx4) was made anew since: reload it'
gone='(wg4|vx4): the device is gone.*|(wg4|vx4): the device was made anew.*: loaded again'
not_yet='(wg4|vx4): has no listen port yet: .*|(wg4|vx4): no uplink found: it has no peer.s address.*'

# wg-quick down, wg-quick up
step_wireguard_anew()
{
	expect "(wg4|vx4): ($anew)" "$gone|$not_yet|wg4: port [0-9]+: loaded again"
	check on a ip link del wg4
	glance
	wireguard_end a 1 2
	glance
	reach
}

step_vxlan_anew()
{
	expect "(wg4|vx4): ($anew)" "$gone"
	check on a ip link del vx4
	vxlan_end a 1 192.0.2.2
	glance
	reach
}

# Both ends by the other provider, and back.
step_route()
{
	expect "$moved" '(wg4|vx4|wg7): uplink eth[01]( eth[01])?: loaded again'
	check on b ip route replace "192.0.2.$own" via 198.51.100.1 dev eth1
	check on a ip route replace 192.0.2.2 via 198.51.100.2 dev eth1
	reach
	trickle
	uplink_of[wg4]=eth1 uplink_of[vx4]=eth1
	stay vx4
	home
	reach
}

home()
{
	on b ip route del "192.0.2.$own" via 198.51.100.1 dev eth1
	on a ip route del 192.0.2.2 via 198.51.100.2 dev eth1
	uplink_of[wg4]=eth0 uplink_of[vx4]=eth0
}

# As cake-autorate does, and any other script that changes a shaper.
step_qdisc()
{
	local n

	for n in 30 60 90; do
		shape "bandwidth ${n}mbit"
		udp a 2 vx4 30
	done
	pick 'diffserv4' 'besteffort' 'diffserv8 nat'
	detail+=" $picked"
	on a tc qdisc del dev eth0 root 2>/dev/null || true # where CAKE is
	trickle
	shape "bandwidth 50mbit $picked"
	trickle
}

# Nothing happens, but for the look of run.
step_start() { reach; trickle; }
step_end() { trickle; }
