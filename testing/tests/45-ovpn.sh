# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Real OpenVPN 2.7 with its data channel in the kernel (ovpn, Linux 6.16), between two nodes that are
# joined by a wire that carries bytes and nothing else. In virtual machines with the newest kernel.

# shellcheck disable=SC2034 # read by testing/run
timeout=1800
# shellcheck disable=SC2034 # the same: fetched before the machine starts
fetches=openvpn

. testing/tunnels.sh

kind=ovpn

# Where the running kernel has none, the test is skipped. In the test's own network namespace.
needs_ovpn()
{
	# Only the newest kernel of the machines has the module.
	! modprobe -q ovpn || nothing_may_be_missing
	ip link add probe type ovpn || skip "this kernel has no ovpn (Linux 6.16)"
	ip link delete probe
	testing/vm/openvpn >/dev/null || skip "there is no OpenVPN 2.7 to be had"
}

# certificate NAME: of the test alone; the peer knows it by the fingerprint, in $T/NAME.print
certificate()
{
	testing/vm/openvpn openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-config /dev/null -subj "/CN=$1" -days 3650 -keyout "$T/$1.key" -out "$T/$1.crt"
	testing/vm/openvpn openssl x509 -in "$T/$1.crt" -noout -fingerprint -sha256 |
		sed 's/.*=//' >"$T/$1.print"
}

# openvpn_at NODE NAME OPTIONS...: a daemon of that name, until openvpn_ends NODE NAME
declare -A daemons=()
openvpn_at()
{
	local node=$1 name=$2

	: >"$T/$name.log"
	# shellcheck disable=SC2016 # for another shell
	background on "$node" sh -c 'log=$0; exec "$@" >>"$log" 2>&1' "$T/$name.log" \
		testing/vm/openvpn openvpn --dev-type tun --cert "$T/$name.crt" --key "$T/$name.key" \
		--data-ciphers AES-256-GCM --verb 3 --writepid "$T/$name.pid" "${@:3}"
	daemons[$name]=$!
}

openvpn_ends() { stop_background "${daemons[$1]}"; }

# openvpn_again NAME: a new session, from a new socket
openvpn_again()
{
	: >"$T/$1.log"
	check kill -USR1 "$(cat "$T/$1.pid")"
	is_connected "$1"
}
is_connected() { retry_until grep -q 'Initialization Sequence Completed' "$T/$1.log"; }

# ovpn NODE N PEER: devices ov4 and ov6, by the family outside, point to point. The first node is the
# client of TLS.
ovpn()
{
	local o role=--tls-client proto

	[ "$2" = 1 ] || role='--tls-server --dh none'
	for o in 4 6; do
		proto=udp$o
		# shellcheck disable=SC2086 # several words
		openvpn_at "$1" "p$o$2" --dev "ov$o" --proto $proto --local "$(outer $o "$2")" \
			--remote "$(outer $o "$3")" --port "519$o" $role \
			--peer-fingerprint "$(cat "$T/p$o$3.print")" --tun-mtu 1400 \
			${options-}
		retry_until on "$1" ip link set "ov$o" multicast off addrgenmode none
		on "$1" sh -ec "ip link set ov$o up
			ip address add 10.0.$o.$2/24 dev ov$o
			ip address add fd00:$o::$2/64 dev ov$o nodad"
	done
}

# ovpn_nodes [WIRE]: a and b with both tunnels, which work
ovpn_nodes()
{
	local name

	needs_ovpn
	for name in p41 p42 p61 p62; do
		certificate $name
	done
	two_nodes "$@"
}

# by_tc COUNT: b puts back what a has marked outside, in both tunnels
by_tc()
{
	local o

	bleached a
	loads b tc
	for o in 4 6; do
		arrives_counted $o "$1" 4 6
	done
}

# The short form of what follows.
test_a_few_packets()
{
	local o

	ovpn_nodes
	for o in 4 6; do
		check on a "$TOOL" load ov$o
		pass udp:640 $o $((10 - o)) inner --ecn 0
		check on a "$TOOL" status ov$o
	done
	by_tc 640
	check on b "$TOOL" status
}

test_every_packet()
{
	ovpn_nodes
	every_packet 6400
	others_pass 10000 eth0 --eth-src "$(mac a eth0)" --tunnel-port 5194
	check on a "$TOOL" status
}

test_every_packet_in()
{
	ovpn_nodes
	check_exit 1 on b "$TOOL" load ov4 --direction ingress --ingress-method peek
	grep 'is for wireguard, this is ovpn: use tc' <<<"$OUTPUT"
	by_tc 6400
	each_protocol_comes_out
	ecn_is_not_ours
	others_are_untouched 5194
	check on b "$TOOL" status
}

# c is behind a, which passes packets on: 10.3.0.2 and fd00:3::2
behind_a()
{
	node_add_netns c
	check ip link add eth0 netns c type veth peer name lan netns a
	on c sh -ec 'ip link set eth0 up
		ip address add 10.3.0.2/24 dev eth0
		ip address add fd00:3::2/64 dev eth0 nodad
		ip route add default via 10.3.0.1
		ip route add default via fd00:3::1'
	on a sh -ec 'ip link set lan up
		ip address add 10.3.0.1/24 dev lan
		ip address add fd00:3::1/64 dev lan nodad
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	on b sh -ec 'ip route add 10.3.0.0/24 dev ov4
		ip route add fd00:3::/64 dev ov6'
	retry_until on c ping -c 1 -W 2 10.0.4.2
	retry_until on c ping -c 1 -W 2 fd00:6::2
}

test_forwarded()
{
	local o

	ovpn_nodes
	behind_a
	bleached b
	for o in 4 6; do
		check on a "$TOOL" load ov$o --direction both
		outside $o
		through c b --dst "$(inner $o $o 2)" --count 6400 "${outside[@]}" --expect inner --ecn 0
		through c b --way tcp --dst "$(inner $o $o 2)" --dscp 46 --expect 46 "${outside[@]}"
	done
	through b c --dst 10.3.0.2 --count 6400
	through b c --dst fd00:3::2 --count 6400
	check on a "$TOOL" status
	# Over IPv6 the stamp tells these packets from others', in fixed mode as well.
	check on a "$TOOL" load ov6 --outer-dscp AF41
	through c b --dst fd00:6::2 --count 640 "${outside[@]}" --expect 34 --ecn 0
	check on a "$TOOL" load ov6 --egress-map '*=CS0' --peer-map fd00:6::2:copy
	through c b --dst fd00:6::2 --count 640 "${outside[@]}" --expect inner --ecn 0
	check on a "$TOOL" status
}

# judge_control: what has been recorded of ov4's
judge_control()
{
	"$wire" judge "$T/control.pcap" --tunnel ovpn --from 192.0.2.1 --port 5194 --expect inner \
		--handshake 48 --json
}

both_kinds_recorded() { judge_control | jq -e '.handshake >= 4 and .keepalive >= 1' >/dev/null; }

# Control messages, which OpenVPN itself sends, have the requested DSCP, and --passtos does nothing.
test_control_messages()
{
	local json options='--passtos --keepalive 1 600 --persist-tun'

	ovpn_nodes
	pass udp:640 4 4 none --ecn 0
	pass udp:640 6 6 none --ecn 0
	check on a "$TOOL" load ov4 --handshake-dscp CS6
	record b eth0 "$T/control.pcap" udp
	pass udp:640 4 4 inner --ecn 0
	openvpn_again p41
	retry_until both_kinds_recorded
	stop_background "$recording"
	json=$(judge_control) || fail "not ok: $json"
	jq -e '.handshake >= 4 and .keepalive >= 1 and .skipped_wrong == 0' <<<"$json" || fail "$json"
}

test_tcp_is_refused()
{
	local name

	needs_ovpn
	for name in p42 p41; do
		certificate $name
	done
	node_add_netns a
	node_add_netns b
	wired_uplinks
	openvpn_at b p42 --dev ov4 --proto tcp4-server --local 192.0.2.2 --port 5194 --tls-server \
		--dh none --peer-fingerprint "$(cat "$T/p41.print")"
	openvpn_at a p41 --dev ov4 --proto tcp4-client --remote 192.0.2.2 5194 --tls-client \
		--peer-fingerprint "$(cat "$T/p42.print")"
	is_connected p41
	check on a ip link set ov4 up
	check_exit 2 on a "$TOOL" load ov4 --uplink eth0
	grep 'ov4: OpenVPN sends by TCP, .*: use UDP (proto udp)' <<<"$OUTPUT"
	check_exit 3 on a "$TOOL" status ov4
}

#
# A server, ovs of node a, and clients, of which each has a port of its own and any number
#

# server_at_a: a, and b, joined by eth0 and eth1
server_at_a()
{
	needs_ovpn
	certificate server
	certificate b
	certificate c
	node_add_netns a
	node_add_netns b
	wire_bytes a b
	uplink a 1
	uplink b 2
	# Where packets go for whom nobody knows yet.
	on a ip route add default via 192.0.2.2
	{
		printf '<peer-fingerprint>\n'
		cat "$T/b.print" "$T/c.print"
		printf '</peer-fingerprint>\n'
	} >"$T/server.conf"
	openvpn_at a server --config "$T/server.conf" --dev ovs --proto udp4 --port 1194 --dh none \
		--server 10.8.0.0 255.255.255.0 --topology subnet --tun-mtu 1400 --keepalive 60 600
	is_connected server
}

# second_way NODE: eth1 of a and of that node, with the numbers 1 and 2
second_way()
{
	wire_bytes a "$1" eth1
	on a ip address add 198.51.100.1/24 dev eth1
	on "$1" ip address add 198.51.100.2/24 dev eth1
}

# client NODE SERVER [OPTIONS]: device ovc
client()
{
	openvpn_at "$1" "$1" --client --remote "$2" 1194 --proto udp4 --nobind --dev ovc \
		--tun-mtu 1400 --explicit-exit-notify 1 \
		--peer-fingerprint "$(cat "$T/server.print")" "${@:3}"
	is_connected "$1"
	retry_until on "$1" ping -c 1 -W 2 10.8.0.1
}

# to_client NODE ADDRESS DEV FROM [OPTIONS]: from the server, judged where they arrive
to_client()
{
	through a "$1" --dst "$2" --at "$3" --tunnel ovpn --from "$4" --port 1194 --expect inner \
		--ecn 0 "${@:5}"
}

# to_server NODE DEV FROM [OPTIONS]: from the port that the client has now
to_server()
{
	through "$1" a --dst 10.8.0.1 --at "$2" --tunnel ovpn --from "$3" --port "$(port_of "$1")" \
		--expect inner --ecn 0 "${@:4}"
}
port_of() { on "$1" "$TOOL" status ovc --json | jq '.tunnels[0].ports[0]'; }

# uplinks_of_server DEV...: these, and no others
uplinks_of_server()
{
	local found

	found=$(on a "$TOOL" status ovs --json |
		jq -r '[.tunnels[0].hooks[] | select(.program == "egress_outer").dev] | sort | join(" ")')
	[ "$found" = "$*" ] || fail "$found, not $*"
}

test_server_with_two_clients()
{
	server_at_a
	check_grep 'ovs: has no peer and so no port yet: reload it' on a "$TOOL" load ovs
	uplinks_of_server eth0
	check on a "$TOOL" status ovs
	# The port of a server may be said before there is any.
	check on a "$TOOL" load ovs --port 1194
	node_add_netns c
	second_way c
	client b 192.0.2.1
	to_client b 10.8.0.2 eth0 192.0.2.1
	client c 198.51.100.1
	check on a "$TOOL" load ovs
	uplinks_of_server eth0 eth1
	to_client b 10.8.0.2 eth0 192.0.2.1 --count 6400
	to_client c 10.8.0.3 eth1 198.51.100.1 --count 6400
	check on b "$TOOL" load ovc
	to_server b eth0 192.0.2.2 --count 6400
	check on c "$TOOL" load ovc
	to_server c eth1 198.51.100.2 --count 6400
	check on a "$TOOL" status
	check on b "$TOOL" status
	check on c "$TOOL" status
	check_grep 'ovs.*ovpn' on a "$TOOL" status
}

# said ERE: by monitor
said() { retry_until monitor_said "$1"; }
monitor_said() { grep -E -e "$1" "$T/monitor" || ! cat "$T/monitor"; }

# A new peer is not announced: the next look finds it. All else is, with --interval 3600.
test_monitor_at_the_server()
{
	server_at_a
	second_way b
	check on a "$TOOL" load ovs
	start_monitor a --interval 1
	client b 192.0.2.1
	said 'ovs: port 1194.*: loaded again'
	to_client b 10.8.0.2 eth0 192.0.2.1
	stop_background "$monitor"
	start_monitor a --interval 3600
	# The client roams to another address, and answers go by another way.
	on b sh -ec 'ip address del 192.0.2.2/24 dev eth0
		ip route add 192.0.2.1/32 via 198.51.100.1 dev eth1'
	retry_until on b ping -c 1 -W 2 10.8.0.1
	said 'ovs: uplink eth1: loaded again'
	to_client b 10.8.0.2 eth1 192.0.2.1
	check on a "$TOOL" status
	openvpn_ends b
	said 'ovs: no peer is left, uplink eth0: loaded again'
	check on a "$TOOL" status
	stop_background "$monitor"
}

# A client has another port each time it begins anew: its device tells of both, by its carrier or by
# being made anew.
test_monitor_at_a_client()
{
	local first second

	server_at_a
	client b 192.0.2.1 --persist-tun
	check on b "$TOOL" load ovc
	first=$(port_of b)
	start_monitor b --interval 3600
	to_server b eth0 192.0.2.2
	openvpn_again b
	said 'ovc: port [0-9]+: loaded again'
	retry_until on b ping -c 1 -W 2 10.8.0.1
	second=$(port_of b)
	[ "$first" != "$second" ] || fail "port $first again"
	to_server b eth0 192.0.2.2
	: >"$T/monitor"
	openvpn_ends b
	client b 192.0.2.1
	said 'ovc: the device was made anew.*: loaded again'
	to_server b eth0 192.0.2.2
	check on b "$TOOL" status
	stop_background "$monitor"
}
