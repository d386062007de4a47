# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Tunnels between two nodes, patterns through them, and verdicts on the packets on the wire.
# Addresses: uplink 192.0.2.N and 2001:db8::N, inner 10.0.O.N and fd00:O::N for the tunnel over IPv4
# (O = 4) or IPv6 (O = 6) outside.

wire=$PWD/testing/wire/wire
kind=wireguard # or vxlan, or ovpn: what the patterns below go through

encrypted() { [ $kind != vxlan ]; }

# The device and the outer UDP port of the tunnel over IPv4 or IPv6.
tunnel()
{
	case $kind in
	wireguard) echo "wg$1" ;;
	ovpn) echo "ov$1" ;;
	vxlan) echo "vx$1" ;;
	esac
}
tunnel_port()
{
	case $kind$1 in
	wireguard*) echo "5182$1" ;;
	ovpn*) echo "519$1" ;;
	vxlan4) echo 4789 ;;
	vxlan6) echo 4790 ;;
	esac
}

# The address of end N outside and inside: outer FAMILY N, inner OUTER_FAMILY INNER_FAMILY N
outer() { if [ "$1" = 4 ]; then echo "192.0.2.$2"; else echo "2001:db8::$2"; fi; }
inner() { if [ "$2" = 4 ]; then echo "10.0.$1.$3"; else echo "fd00:$1::$3"; fi; }

# uplink NODE N [DEV]: addresses; no duplicate address detection, which would delay the test, and no
# router solicitations, which would be among the packets that are looked at
uplink()
{
	on "$1" sh -ec '
		echo 0 >"/proc/sys/net/ipv6/conf/$0/router_solicitations"
		ip address add 192.0.2.'"$2"'/24 dev "$0"
		ip address add 2001:db8::'"$2"'/64 dev "$0" nodad' "${3:-eth0}"
}

# acquainted NODE PEER-NODE PEER: the neighbour on the uplink need not be asked for
acquainted()
{
	local lladdr
	lladdr=$(mac "$2" eth0)

	on "$1" sh -ec "ip neighbour replace $(outer 4 "$3") lladdr $lladdr dev eth0
		ip neighbour replace $(outer 6 "$3") lladdr $lladdr dev eth0"
}

# wired_uplinks [WIRE]: eth0 of a and b, with addresses, over a wire that copies bytes, or that one;
# nothing is sent on it but the test's packets
wired_uplinks()
{
	"${1:-wire_bytes}" a b
	uplink a 1
	uplink b 2
	acquainted a b 2
	acquainted b a 1
}

# wireguard NODE N PEER: devices wg4 and wg6, by the family outside, with the peer's end. Keys are
# made by wireguard_keys.
wireguard_keys()
{
	(umask 077 && wg genkey >"$T/key1" && wg genkey >"$T/key2")
	wg pubkey <"$T/key1" >"$T/public1"
	wg pubkey <"$T/key2" >"$T/public2"
}

wireguard()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		modprobe wireguard
		for o in 4 6; do
			endpoint=192.0.2.$2
			[ $o = 4 ] || endpoint="[2001:db8::$2]"
			ip link add wg$o type wireguard
			wg set wg$o listen-port 5182$o private-key "$0/key$1" \
				peer "$(cat "$0/public$2")" allowed-ips 10.0.$o.0/24,fd00:$o::/64 \
				endpoint "$endpoint:5182$o"
			ip address add 10.0.$o.$1/24 dev wg$o
			ip address add fd00:$o::$1/64 dev wg$o nodad
			ip link set wg$o up
		done' "$T" "$2" "$3"
}

# vxlan NODE N PEER: devices vx4 and vx6
vxlan()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		ip link add vx4 address 02:00:00:00:04:0$0 type vxlan id 44 remote 192.0.2.$1 \
			dstport 4789
		ip link add vx6 address 02:00:00:00:06:0$0 type vxlan id 66 remote 2001:db8::$1 \
			dstport 4790
		for o in 4 6; do
			# No ARP, ND, MLD: they have no DSCP.
			ip link set vx$o multicast off addrgenmode none
			ip address add 10.0.$o.$0/24 dev vx$o
			ip address add fd00:$o::$0/64 dev vx$o nodad
			ip link set vx$o mtu 1400 up
			ip neighbour add 10.0.$o.$1 lladdr 02:00:00:00:0$o:0$1 dev vx$o
			ip neighbour add fd00:$o::$1 lladdr 02:00:00:00:0$o:0$1 dev vx$o
		done' "$2" "$3"
}

# vxlan_inside NODE N PEER: device vxin, with the uplink vx4
vxlan_inside()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		ip link add vxin address 02:00:00:00:09:0$0 type vxlan id 9 remote 10.0.4.$1 dstport 4791
		ip link set vxin multicast off addrgenmode none
		ip address add 10.9.0.$0/24 dev vxin
		ip link set vxin mtu 1300 up
		ip neighbour add 10.9.0.$1 lladdr 02:00:00:00:09:0$1 dev vxin' "$2" "$3"
}

# make_tunnel LINK-ARGUMENTS: a tunnel t0 of that kind between a and b, with inner addresses of both
# families where the kind takes them; no ARP, ND or MLD, which have no DSCP
mac_arg='address 02:00:00:00:00:0%own'
make_tunnel()
{
	both "ip link add t0 $1" || skip "this kernel has no such tunnel: $1"
	both 'ip link set t0 multicast off addrgenmode none 2>/dev/null || true
		ip address add 10.0.4.%own/24 dev t0
		ip address add fd00:4::%own/64 dev t0 nodad
		ip link set t0 mtu 1300 up
		ip neighbour replace 10.0.4.%peer lladdr 02:00:00:00:00:0%peer dev t0 2>/dev/null || true
		ip neighbour replace fd00:4::%peer lladdr 02:00:00:00:00:0%peer dev t0 2>/dev/null || true'
}

# two_nodes [WIRE]: nodes a and b over a wire that copies bytes, or that one, with both tunnels of
# that kind, which work
two_nodes()
{
	required
	node_add_netns a
	node_add_netns b
	wired_uplinks "$@"
	$kind a 1 2
	$kind b 2 1
	tunnels_work
}

# The same with WireGuard, where the kernel has it.
wireguard_nodes()
{
	needs_wireguard
	wireguard_keys
	two_nodes "$@"
}

tunnels_work()
{
	local o

	for o in 4 6; do
		retry_until on a ping -c 1 -W 2 "$(inner "$o" 4 2)"
		retry_until on a ping -c 1 -W 2 "$(inner "$o" 6 2)"
	done
}

# The kernels of the virtual machines have everything.
nothing_may_be_missing() { ! in_vm || required; }

# Where the running kernel has none, the test is skipped. In the test's own network namespace.
needs_wireguard()
{
	nothing_may_be_missing
	ip link add probe type wireguard || skip "this kernel has no WireGuard"
	ip link delete probe
}

# node_with_wireguard: lone_node, with wg4 and wg6 too
node_with_wireguard()
{
	node_add_netns probe
	on probe ip link add wg0 type wireguard || skip "this kernel has no WireGuard"
	lone_node
	wireguard_keys
	wireguard a 1 2
}

# start_monitor NODE [OPTION or TUNNEL...]: returns when its first look is over. It writes to
# $T/monitor, also a line for each look; its pid is in $T/monitor.pid, and $monitor is the one to
# stop it by.
start_monitor()
{
	: >"$T/monitor"
	# shellcheck disable=SC2016 # for another shell
	background on "$1" sh -c 'log=$1; shift; echo $$ >"$log.pid"
		exec "$0" monitor --verbose "$@" 2>>"$log"' "$TOOL" "$T/monitor" "${@:2}"
	monitor=$!
	retry_until grep -q '^dscp-tool: watching ' "$T/monitor"
}

# hold_lock NODE: from now on nothing is loaded, changed or repaired there, until release_lock
hold_lock()
{
	: >"$T/lock"
	# shellcheck disable=SC2016 # for another shell
	background on "$1" flock /sys/fs/bpf/dscp-tool sh -c 'echo held >"$0"; exec sleep infinity' \
		"$T/lock"
	lock=$!
	retry_until grep -q held "$T/lock"
}

release_lock() { stop_background "$lock"; }

# both SCRIPT: on both nodes, %own and %peer being their numbers
sides() { sed "s/%own/$2/g; s/%peer/$3/g" <<<"$1"; }
both() { on a sh -ec "$(sides "$1" 1 2)" && on b sh -ec "$(sides "$1" 2 1)"; }

# record NODE DEV FILE [FILTER]: captures incoming packets until recorded; $recording is its pid
record()
{
	rm -f "$3" "$3.json"
	background on "$1" sh -c 'exec "$0" capture "$1" "$2" --in --snaplen 2000 --filter "$3" >"$2.json"' \
		"$wire" "$2" "$3" "${4:-ip or ip6}"
	recording=$!
	recorder=$1 report=$3.json
	retry_until grep -q ready "$report"
}
recorder=b report=

# caught_up FROM TO N: nothing that FROM has sent to end N by the tunnels is on its way any more,
# since a marker has come through each. A tunnel that has no route outside has none to send.
caught_up()
{
	local o

	for o in 4 6; do
		! on "$1" sh -c "ip link show $(tunnel $o) && ip route get $(outer $o "$3")" \
			>/dev/null 2>&1 ||
			through "$1" "$2" --count 0 --dst "$(inner $o 4 "$3")" --dport 4999
	done
}

# Ends the capture, behind all that the other node has sent by the tunnels, or before on the uplink.
recorded()
{
	if [ "$recorder" = b ]; then caught_up a b 2; else caught_up b a 1; fi
	stop_background "$recording" TERM
	[ -z "$report" ] || check_grep '"dropped":0' cat "$report"
	report=
}

# judge_tunnel FILE OUTER OPTIONS...: every packet from end 1 of that tunnel
judge_tunnel()
{
	local file=$1 o=$2

	shift 2
	check "$wire" judge "$file" --tunnel $kind --from "$(outer "$o" 1)" \
		--port "$(tunnel_port "$o")" "$@"
}

# counter NODE TUNNEL JQ-PATH
counter() { on "$1" "$TOOL" status "$2" --json | jq ".tunnels[0].$3"; }

mac() { on "$1" cat "/sys/class/net/$2/address"; }

# The kernel's outer ECN for an inner ECN (RFC 6040): CE becomes ECT(0). Of ovpn the outer ECN is 0.
outer_ecn()
{
	case $kind:$1 in
	ovpn:*) echo 0 ;;
	*:3) echo 2 ;;
	*) echo "$1" ;;
	esac
}

# through FROM TO OPTIONS of "wire through"...: as many packets as are sent arrive, each once and
# each right; OUTPUT is the verdict
through() { check "$wire" through "$@"; }

# through_where JQ-CONDITION FROM TO OPTIONS...: the same, but the condition tells which are right
through_where()
{
	OUTPUT=$("$wire" through "${@:2}" 2>&1) || true
	tail -n 1 <<<"$OUTPUT" | jq -e ".complete and ($1)" >/dev/null || fail "not $1: $OUTPUT"
}

# pattern WHAT OUTER INNER: $pattern are the options to send that from a to b by one tunnel. WHAT is
# udp:COUNT, udp:COUNT:ECN, which are one socket and flow, ping, or else complete packets, put on
# the tunnel device of a.
pattern()
{
	local dev count ecn

	case $1 in
	udp:*)
		IFS=: read -r _ count ecn <<<"$1"
		pattern=(--way udp --count "$count" --send-ecn "${ecn:-0}")
		;;
	ping) pattern=(--way ping) ;;
	*)
		dev=$(tunnel "$2")
		pattern=(--way "$1" --dev "$dev")
		encrypted || pattern+=(--eth-dst "$(mac b "$dev")")
		;;
	esac
	pattern+=(--src "$(inner "$2" "$3" 1)" --dst "$(inner "$2" "$3" 2)")
}

# outside OUTER: $outside are the options to judge the outer packets from end 1 of that tunnel
outside()
{
	outside=(--at eth0 --tunnel "$kind" --from "$(outer "$1" 1)" --port "$(tunnel_port "$1")")
}

# pass WHAT OUTER INNER EXPECT JUDGE-OPTIONS...: one pattern from a to b through one tunnel, judged
# on the uplink of b
pass()
{
	pattern "$1" "$2" "$3"
	outside "$2"
	through a b "${pattern[@]}" "${outside[@]}" --expect "$4" "${@:5}"
}

# tcp_bulk OUTER INNER DSCP: a connection with that DSCP, 4 MB, segmented by the kernel (GSO)
tcp_bulk()
{
	outside "$1"
	through a b --way tcp --dst "$(inner "$1" "$2" 2)" --dscp "$3" --expect "$3" "${outside[@]}"
}

# Both tunnels loaded on a; COUNT packets of one flow for each family outside and inside, and all
# other patterns. The results for ECN are compared to those without the tool.
every_packet()
{
	local o i e

	for e in 0 1 2 3; do
		pass "udp:640:$e" 4 4 none --ecn "$(outer_ecn "$e")"
		pass "udp:640:$e" 6 6 none --ecn "$(outer_ecn "$e")"
	done
	check on a "$TOOL" load "$(tunnel 4)"
	check on a "$TOOL" load "$(tunnel 6)"
	for o in 4 6; do
		for i in 4 6; do
			pass "udp:$1" "$o" "$i" inner --ecn 0
			pass ping "$o" "$i" inner --ecn 0
			pass esp "$o" "$i" inner --ecn 0
			pass frag "$o" "$i" inner --ecn 0
			tcp_bulk "$o" "$i" 46
			tcp_bulk "$o" "$i" 8
		done
		for e in 1 2 3; do
			pass "udp:640:$e" "$o" "$o" inner --ecn "$(outer_ecn "$e")"
		done
	done
	check on a "$TOOL" status
}

# lone_node [NODE]: "a", or that one, with an uplink, a route and a tunnel vx4 (and vx6) over it
lone_node()
{
	local node=${1:-a}

	required
	node_add_netns "$node"
	on "$node" sh -ec '
		ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up'
	uplink "$node" 1
	vxlan "$node" 1 2
}

# attach_kinds [NODE]: the ways to attach that this kernel has
attach_kinds()
{
	if on "${1:-a}" "$TOOL" features --json | jq -e .features.tcx >/dev/null; then
		echo tcx clsact
	else
		echo clsact
	fi
}

# pins NODE: the directory of the set of its uplinks, where something is loaded in one set only
# shellcheck disable=SC2016 # for another shell
pins() { on "$1" sh -c 'echo /sys/fs/bpf/dscp-tool/[0-9]*'; }

# made_by_another NODE [SET]: the tunnels loaded there are of another layout, as the version says
made_by_another()
{
	local set value

	for set in ${2-$(on "$1" sh -c "echo /sys/fs/bpf/dscp-tool/[0-9]*")}; do
		value=$(on "$1" bpftool -j map lookup pinned "$set/maps/config" key 0 0 0 0 |
			jq -r '.value | map(ltrimstr("0x")) | .[4] = "63" | .[5] = "63" | join(" ")')
		# shellcheck disable=SC2086 # several words
		check on "$1" bpftool map update pinned "$set/maps/config" key 0 0 0 0 value hex $value
	done
}

# inventory [NODE]: all that load could leave behind, without the carrier and other things that
# change by themselves, and without the directory that is libxdp's lock
inventory()
{
	# shellcheck disable=SC2016 # for another shell
	on "${1:-a}" sh -c '
		ip -o link | sed "s/ qdisc .*//; s/NO-CARRIER,//; s/,LOWER_UP//"
		tc qdisc show
		for d in eth0 vx4 vx6; do
			tc filter show dev $d egress 2>&1
			tc filter show dev $d ingress 2>&1
		done
		bpftool net show
		find /sys/fs/bpf -mindepth 1 ! -path /sys/fs/bpf/xdp | sort'
}

remember() { inventory >"$T/before"; }

#
# Ingress: a sends with the DSCP in the outer header only, b puts it back. Without the tool on b
# all arrives as CS0.
#

# behind NODE DEV PROGRAM: of bleach.bpf.c, after all others at egress. At the last priority, and
# the first one there: egress_inner, which then comes in front of it, does not get behind it.
behind()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" sh -ec '
		tc qdisc show dev "$0" | grep -q clsact || tc qdisc add dev "$0" clsact
		tc filter add dev "$0" egress prio 65535 bpf da obj testing/bpf/bleach.bpf.o sec "tc/$1"' \
		"$2" "$3"
}

# not_behind NODE DEV PROGRAM: that one alone
not_behind()
{
	local handle

	handle=$(on "$1" tc filter show dev "$2" egress |
		sed -n "s/.* pref 65535 .* handle \(0x[0-9a-f]*\) .*[[/]$3\].*/\1/p")
	check on "$1" tc filter del dev "$2" egress prio 65535 handle "$handle" bpf
}

# bleached NODE: packets that it sends through its tunnels are marked outside, and CS0 inside. In
# clear text the DSCP has to go after it was read, at the uplink.
bleached()
{
	local o

	for o in 4 6; do
		check on "$1" "$TOOL" load "$(tunnel $o)"
		! encrypted || behind "$1" "$(tunnel $o)" bleach_l3
	done
	encrypted || behind "$1" eth0 bleach_inside
}

# loads NODE METHOD [OPTIONS]: both tunnels, DSCPs put back by that method
loads()
{
	local node=$1 method=$2 o

	shift 2
	for o in 4 6; do
		check on "$node" "$TOOL" load "$(tunnel $o)" --direction ingress \
			--ingress-method "$method" --uplink eth0 "$@"
	done
}

# can FEATURE [NODE]: co_re, which peek needs, and libxdp are of the build, others of the kernel
can()
{
	if [ $# -gt 1 ]; then
		on "$2" "$TOOL" features --json
	else
		"$TOOL" features --json
	fi | jq -e ".features.$1" >/dev/null
}

needs_methods() { can co_re && can libxdp || skip "built without peek or xdp: see ./configure"; }

# The methods that a tunnel of this kind has on b.
methods()
{
	echo tc
	if [ $kind = wireguard ]; then
		! can co_re b || ! can btf b || echo peek
		! can libxdp b || echo xdp
	fi
}

# listen NODE PORT OPTIONS of "wire receive"...: datagrams that arrive at a socket are judged, until
# heard. For packets that may be lost; all others go through.
listen()
{
	local node=$1 port=$2

	shift 2
	rm -f "$T/heard.$port"
	# shellcheck disable=SC2016 # for another shell
	background on "$node" sh -c 'f=$0; exec "$@" >"$f"' "$T/heard.$port" \
		"$wire" receive --port "$port" --json "$@"
	listening[$port]=$!
	retry_until grep -q ready "$T/heard.$port"
}
declare -A listening=()

# heard PORT [JQ-CONDITION]: OUTPUT is the verdict on the datagrams so far, and it was right, or as
# the condition says
heard()
{
	local verdict

	stop_background "${listening[$1]}" TERM
	# One jq and not two: in an emulated machine it costs 0.3 s.
	verdict=$(tail -n 1 "$T/heard.$1" |
		jq -cr 'del(.length_dscp), if '"${2:-.ok}"' then "" else "no" end')
	OUTPUT=${verdict%%$'\n'*}
	[ "$verdict" = "$OUTPUT" ] || fail "${2:-not ok}: $OUTPUT"
}

# arrives OUTER INNER COUNT [ECN]: every packet of a flow has its outer packet's DSCP at the socket.
# Adds to these two, for counted:
arrived=0 arrived_marked=0
arrives()
{
	through a b --dst "$(inner "$1" "$2" 2)" --count "$3" --send-ecn "${4:-0}" --ecn "${4:-0}"
	# The marker counts, too. It and each 64th packet have CS0, which is kept.
	arrived=$((arrived + $3 + 1))
	arrived_marked=$((arrived_marked + $3 - ($3 + 63) / 64))
}

# arrives_counted OUTER COUNT INNER...: status counts the packets that arrive
arrives_counted()
{
	local o=$1 count=$2 before i

	shift 2
	before=$(counters "$(tunnel "$o")") arrived=0 arrived_marked=0
	for i; do
		arrives "$o" "$i" "$count"
	done
	counted "$o" "$before" $arrived $arrived_marked
}

# comes_out WHAT OUTER INNER JUDGE-OPTIONS...: like pass, but at the tunnel of b, behind its
# programs, by the length rule
comes_out()
{
	pattern "$1" "$2" "$3"
	through a b "${pattern[@]}" --at "$(tunnel "$2")" "${@:4}"
}

# stream_comes_out OUTER INNER DSCP JUDGE-OPTIONS...: TCP, 4 MB, merged by GRO on the tunnel of b
stream_comes_out()
{
	through a b --way tcp --src "$(inner "$1" "$2" 1)" --dst "$(inner "$1" "$2" 2)" --dscp "$3" \
		--expect "$3" --bytes "${bytes:-4000000}" --at "$(tunnel "$1")" "${@:4}"
}

# each_protocol_comes_out: the 64 DSCPs by UDP, ICMP, ESP and fragments, and two TCP streams, through
# both tunnels
each_protocol_comes_out()
{
	local o

	for o in 4 6; do
		comes_out udp:640 $o $o --each 10 --ecn 0 --l4
		comes_out ping $o $o --each 10 --ecn 0
		comes_out esp $o $((10 - o)) --each 10 --ecn 0
		comes_out frag $o $((10 - o)) --each 20 --ecn 0
	done
	stream_comes_out 4 6 46
	stream_comes_out 6 4 8
}

# with_ecn OUTER INNER JQ-CONDITION: on the ECN histogram of 160 packets of each value
with_ecn()
{
	through_where ".wrong == 0 and .unmarked == 0 and .ecn == $3" a b \
		--dst "$(inner "$1" "$2" 2)" --send-ecn cycle
}

# congested OUTER INNER: 160 packets of each value that can say so
congested()
{
	local e dst
	dst=$(inner "$1" "$2" 2)

	# WireGuard leaves the others as they are, and ovpn leaves all.
	case $kind in
	wireguard) with_ecn "$1" "$2" '{"0": 160, "3": 480}' && return ;;
	ovpn) with_ecn "$1" "$2" '{"0": 160, "1": 160, "2": 160, "3": 160}' && return ;;
	esac
	# VXLAN lets none of the others in (RFC 6040).
	through a b --dst "$dst" --count 160 --send-ecn 0 --none
	for e in 1 2 3; do
		through a b --dst "$dst" --count 160 --send-ecn $e --ecn 3
	done
}

# The inner ECN stays, but the result of congestion outside stays too.
ecn_is_not_ours()
{
	local o

	for o in 4 6; do
		with_ecn $o $((10 - o)) '{"0": 160, "1": 160, "2": 160, "3": 160}'
	done
	behind a eth0 congest_l2
	for o in 4 6; do
		congested $o $o
	done
	not_behind a eth0 congest_l2
	congested_behind_uplink
}

# As a queue on an ifb does, between the program at the uplink of b and the tunnel.
congested_behind_uplink()
{
	local o

	on b sh -ec 'tc qdisc show dev eth0 | grep -q clsact || tc qdisc add dev eth0 clsact
		tc filter add dev eth0 ingress prio 30000 \
			bpf da obj testing/bpf/bleach.bpf.o sec tc/congest_l2'
	for o in 4 6; do
		congested $o $((10 - o))
	done
	check on b tc filter del dev eth0 ingress prio 30000
}

# counters TUNNEL: of b, as a JSON object. Packets in fragments are unknown to tc, and where they are most
# of the packets, status says so and ends with 4.
counters()
{
	local status=0

	on b "$TOOL" status "$1" --json >"$T/status.json" || status=$?
	[[ $status = [04] ]] || fail "status $status of status"
	jq -c '.tunnels[0].counters.ingress' "$T/status.json"
}

# counted OUTER BEFORE SEEN MARKED: the tool's counts since
counted()
{
	local now
	now=$(counters "$(tunnel "$1")")

	jq -ne --argjson was "$2" --argjson now "$now" --argjson seen "$3" --argjson marked "$4" '
		$now | .seen - $was.seen == $seen and .marked - $was.marked == $marked and
		.seen == .marked + .unchanged + .unknown.total and .seen == ([.dscp[]] | add)' >/dev/null ||
		fail "counted from $2 to $now, but $3 packets arrived and $4 were marked"
}

# impaired_wire A B [DEV]: one that damages, doubles and delays as it is told by conditions
impaired_wire()
{
	local dev=${3:-eth0}

	mkfifo "$T/impair.$dev"
	wire_netns "$1" "$2" "$dev" --impair "$T/impair.$dev"
}

# conditions DEV [WORDS]: of that wire from now on, see testing/wire/impair.h; $impaired are the
# impairments so far
conditions()
{
	local n answers=$T/wire.a.b.$1

	n=$(wc -l <"$answers")
	echo "${2-}" >"$T/impair.$1"
	retry_until has_lines $((n + 1)) "$answers"
	impaired=$(tail -n 1 "$answers")
}
has_lines() { [ "$(wc -l <"$2")" -ge "$1" ]; }

# unmarked_or_right OUTER INNER COUNT [OPTIONS]: nothing that arrives is wrong; and the tool counts
# as marked the packets that were marked
unmarked_or_right()
{
	local before
	before=$(counters "wg$1")

	through_where '.wrong == 0' a b --dst "$(inner "$1" "$2" 2)" --count "$3" --unmarked-ok "${@:4}"
	verdict=$(tail -n 1 <<<"$OUTPUT" | jq -c 'del(.length_dscp)')
	counted "$1" "$before" "$(jq '.data + .markers' <<<"$verdict")" \
		"$(jq '.right - (.dscp["0"] // 0) + .unmarked' <<<"$verdict")"
}

none_unmarked()
{
	jq -e '.unmarked == 0' <<<"$verdict" >/dev/null || fail "unmarked: $verdict"
}

# others_pass COUNT AT [OPTIONS]: foreign packets reach that device of b as they were sent on the
# uplink of a, each once
others_pass()
{
	check "$wire" through a b --way others --dev eth0 --at "$2" --eth-dst "$(mac b eth0)" \
		--count "$1" "${@:3}"
}

# others_are_untouched [PORT]: foreign packets, some with that port, come through all the programs of
# the uplink as they were sent. (Promiscuous: else the network card drops the tags of VLANs that nobody
# has set up.)
others_are_untouched()
{
	on b sh -ec 'modprobe -q ifb numifbs=0 || true
		ip link add ifb9 txqueuelen 10000 type ifb
		ip link set ifb9 addrgenmode none up
		ip link set eth0 promisc on
		tc qdisc show dev eth0 | grep -q clsact || tc qdisc add dev eth0 clsact
		tc filter add dev eth0 ingress prio 100 protocol all u32 match u32 0 0 \
			action mirred egress mirror dev ifb9'
	others_pass 10000 ifb9 --leaving --tunnel-port "${1:-51824}"
	on b sh -ec 'tc filter del dev eth0 ingress prio 100; ip link del ifb9
		ip link set eth0 promisc off'
}

# A shaper on an ifb behind the program at the uplink, as of sqm-scripts. Like CAKE, tbf splits a
# packet that is longer than its burst, and then each segment has an skb that the program has not
# seen.
splitting_shaper()
{
	on b sh -ec 'modprobe -q ifb numifbs=0 || true
		ip link add ifb0 type ifb
		ip link set ifb0 addrgenmode none up
		tc qdisc add dev ifb0 root tbf rate 1gbit burst 1600 limit 40m
		tc qdisc show dev eth0 | grep -q clsact || tc qdisc add dev eth0 clsact
		tc filter add dev eth0 ingress prio 40000 protocol all u32 match u32 0 0 \
			action mirred egress redirect dev ifb0'
}

# The packets that ifb0 has passed on.
shaped() { on b ip -s -j link show dev ifb0 | jq '.[0].stats64.tx.packets'; }

# split_stream OUTER INNER DSCP: TCP of 1 MB, in segments of at most 1500 bytes, and all of them
# known
split_stream()
{
	local before packets least=$((1000000 / 1500))

	before=$(counters "$(tunnel "$1")") packets=$(shaped)
	bytes=1000000 stream_comes_out "$@"
	[ $(($(shaped) - packets)) -ge $least ] || fail "ifb0 has not split anything"
	jq -ne --argjson was "$before" --argjson now "$(counters "$(tunnel "$1")")" --argjson least $least \
		'$now.unknown.total == $was.unknown.total and $now.marked - $was.marked >= $least' >/dev/null ||
		fail "counted: $before, then $(counters "$(tunnel "$1")")"
}

# On a veth a packet of TCP stays as long as it was sent.
long_wire()
{
	check ip link add eth0 netns "$1" type veth peer name eth0 netns "$2"
	on "$1" ip link set eth0 addrgenmode none up
	on "$2" ip link set eth0 addrgenmode none up
}

# crossing: a flow each way at the same time, in both tunnels
crossing()
{
	local o pid

	for o in 4 6; do
		background "$wire" through a b --dst "$(inner $o $o 2)" --dport 5001 --count 6400
		pid=$!
		through b a --dst "$(inner $o $((10 - o)) 1)" --count 6400
		wait $pid || fail "the flow from a to b"
	done
}
