# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# load --uplink-netns: the tunnel was made on host a, and moved to the network namespace c; its
# outer packets leave by eth0 of a, to b. The tool runs in c.

. testing/tunnels.sh

# moved NODE N: the tunnel with its end N goes from host a to that node
moved()
{
	local o dev

	for o in 4 6; do
		dev=$(tunnel $o)
		on a ip link set "$dev" netns "$1"
		# Sentences in a are forgotten.
		on "$1" sh -ec "ip link set $dev addrgenmode none
			ip address add $(inner $o 4 1)/24 dev $dev
			ip address add $(inner $o 6 1)/64 dev $dev nodad
			ip link set $dev up"
		[ "$kind" = wireguard ] || on "$1" sh -ec "
			ip neighbour add $(inner $o 4 2) lladdr 02:00:00:00:0$o:02 dev $dev
			ip neighbour add $(inner $o 6 2) lladdr 02:00:00:00:0$o:02 dev $dev"
	done
}

# container KIND: nodes a, b and c as above; it works
container()
{
	kind=$1
	nothing_may_be_missing
	[ "$kind" = vxlan ] || wireguard_keys
	node_add_netns a
	node_add_netns b
	wired_uplinks
	$kind a 1 2
	$kind b 2 1
	node_add_netns c
	moved c
	retry_until on c ping -c 1 -W 2 "$(inner 4 4 2)"
	retry_until on c ping -c 1 -W 2 "$(inner 6 6 2)"
}

# leaves OUTER INNER EXPECT: a flow and pings from c, as they are on the wire
leaves()
{
	local way

	outside "$1"
	for way in udp ping; do
		through c b --way $way --dst "$(inner "$1" "$2" 2)" "${outside[@]}" --expect "$3" \
			--ecn 0
	done
}

# enters OUTER INNER [JQ-CONDITION]: a flow from b, as a socket in c gets it
enters()
{
	through_where "${3:-.ok}" b c --dst "$(inner "$1" "$2" 1)"
}

# All that there is on the uplink's side and on the tunnel's.
everything() { inventory a; inventory c; }
same_as_before() { everything >"$T/after"; check diff "$T/before" "$T/after"; }

attached()
{
	on c "$TOOL" status "$1" --json |
		jq -r '.tunnels[0].hooks[]|[.dev,.program,.attach,.state]|join(" ")'
}

test_egress_vxlan()
{
	container vxlan
	egress
}

test_egress_wireguard()
{
	needs_wireguard
	container wireguard
	# The hint for other kinds goes by this.
	check_exit 1 grep link-netnsid <(on c ip link show wg4)
	egress
}

# In clear text there is nothing on the tunnel device.
hooks_of()
{
	[ $kind != wireguard ] || echo "$1 egress_inner $2 ok"
	echo "eth0 egress_outer $2 ok"
}

egress()
{
	local dev4 dev6 how

	dev4=$(tunnel 4)
	dev6=$(tunnel 6)
	everything >"$T/before"
	for how in $(attach_kinds c); do
		check on c "$TOOL" load "$dev4" --uplink-netns a --attach "$how"
		check on c "$TOOL" load "$dev6" --uplink-netns a --attach "$how"
		[ "$(attached "$dev4")" = "$(hooks_of "$dev4" "$how")" ]
		check_grep 'hook           eth0 egress: .*, in /run/netns/a$' on c "$TOOL" status "$dev4"
		leaves 4 6 inner
		leaves 6 4 inner
		check on c "$TOOL" unload "$dev4"
		[ "$(counter c "$dev6" counters.egress.unknown.total)" = 0 ]
		check on c "$TOOL" unload "$dev6"
		same_as_before
	done
	check on c "$TOOL" load "$dev4" --uplink-netns a
	check on c "$TOOL" load "$dev4" --uplink-netns a --outer-dscp EF
	leaves 4 4 46
	check on c "$TOOL" unload "$dev4"
	leaves 4 4 none
	same_as_before
}

test_ingress_vxlan()
{
	container vxlan
	ingress
}

test_ingress_wireguard()
{
	needs_wireguard
	container wireguard
	ingress
}

ingress()
{
	local method dev4 dev6

	dev4=$(tunnel 4)
	dev6=$(tunnel 6)
	bleached b
	everything >"$T/before"
	for method in $(methods); do
		check on c "$TOOL" load "$dev4" --uplink-netns a --direction both --ingress-method "$method"
		check on c "$TOOL" load "$dev6" --uplink-netns a --direction ingress --ingress-method "$method"
		check on c "$TOOL" status
		enters 4 6
		enters 6 4
		[ "$(counter c "$dev4" counters.ingress.unknown.total)" = 0 ]
		check on c "$TOOL" unload "$dev6"
		[ "$method" != tc ] || leaves 4 4 inner
		check on c "$TOOL" unload --all
		same_as_before
	done
	enters 4 4 '.right == 10 and .unmarked == 630 and .dscp == {"0": 640}'
}

# lone: node a with an uplink, node c with the tunnel vx4; nothing on the other side
lone()
{
	kind=vxlan
	lone_node a
	node_add_netns c
	on a ip link set vx4 netns c
	on c ip link set vx4 up
}

# on_a COMMAND...: in the network namespace of a, where c's pins are seen
on_a() { on c nsenter --net=/run/netns/a "$@"; }

# refused STATUS ERE COMMAND...: one line that matches, and nothing is changed
refused()
{
	local status=$1 sentence=$2

	shift 2
	everything >"$T/before"
	check_exit "$status" on c "$@"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
	grep -qE -e "^dscp-tool: $sentence" <<<"$OUTPUT" || fail "not \"$sentence\": $OUTPUT"
	same_as_before
}

test_bad_input()
{
	local legal=': use a name in /run/netns, the PID of a process, or a path$'

	lone
	refused 1 'vx4: its packets leave in the network namespace where it was made.* --uplink-netns' \
		"$TOOL" load vx4
	ip netns add other
	refused 1 'vx4: its packets leave in the network namespace where it was made, and not in the named one: ' \
		"$TOOL" load vx4 --uplink-netns other
	ip netns del other
	on c ip link add vx9 type vxlan id 99 remote 192.0.2.2 dstport 4789
	refused 1 'vx9: its packets leave in this network namespace.* --uplink-netns is not for it$' \
		"$TOOL" load vx9 --uplink-netns a
	refused 2 "--uplink-netns 'nope': No such file or directory$legal" \
		"$TOOL" load vx4 --uplink-netns nope
	refused 1 "--uplink-netns: '' has 0 characters: 1 to 255 are possible" \
		"$TOOL" load vx4 --uplink-netns=
	refused 2 "--uplink-netns '99999999': .*$legal" "$TOOL" load vx4 --uplink-netns 99999999
	refused 2 "--uplink-netns '/etc/passwd': no network namespace$legal" \
		"$TOOL" load vx4 --uplink-netns /etc/passwd
	refused 2 "--uplink-netns '/proc/self/ns/mnt': no network namespace$legal" \
		"$TOOL" load vx4 --uplink-netns /proc/self/ns/mnt
	on c mkfifo "$T/pipe"
	refused 2 "--uplink-netns '$T/pipe': no network namespace$legal" \
		timeout 120 "$TOOL" load vx4 --uplink-netns "$T/pipe"
	refused 1 "--uplink-netns: '0{40}\.\.\.' has 300 characters: 1 to 255 are possible" \
		"$TOOL" load vx4 --uplink-netns "$(printf %0300d 0)"
	refused 2 "uplink vx4: there is no such device" "$TOOL" load vx4 --uplink-netns a --uplink vx4
	refused 2 'vx4: not permitted without CAP_SYS_ADMIN, which --uplink-netns needs$' \
		setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" load vx4 --uplink-netns a
	check on c "$TOOL" load vx4 --uplink-netns a --attach clsact
	for command in 'load vx4 --uplink-netns a' 'unload vx4'; do
		# shellcheck disable=SC2086 # several words
		refused 2 'vx4: not permitted without CAP_SYS_ADMIN.*--uplink-netns' \
			setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" $command
	done
	# A namespace that cannot be entered is not judged.
	check_grep 'egress_outer, .* other namespace, in /run/netns/a$' \
		on c setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" status vx4
}

# The tunnel's own namespace is as good as none.
test_own_namespace()
{
	kind=vxlan
	lone_node a
	check on a "$TOOL" load vx4 --uplink-netns a
	[ "$(on a "$TOOL" status vx4 --json | jq -c '.tunnels[0].uplink_netns')" = null ]
	check_exit 1 grep '/run/netns' <(on a "$TOOL" status vx4)
	check on a "$TOOL" unload vx4
}

# A name goes before a PID; the argument can be any of three.
test_names()
{
	local how name inode

	lone
	inode=$(stat -Lc %i /run/netns/a)
	name=${node_holder[c]}
	on c ip link add eth0 type dummy 2>/dev/null ||
		on c ip link add eth0 type veth peer name peer0
	ip netns attach "$name" "${node_holder[a]}"
	for how in a /run/netns/a "$name" "${node_holder[a]}" "/proc/${node_holder[a]}/ns/net"; do
		everything >"$T/before"
		check on c "$TOOL" load vx4 --uplink-netns "$how"
		[ "$(on c "$TOOL" status vx4 --json | jq '.tunnels[0].uplink_netns.inode')" = "$inode" ]
		check on c "$TOOL" unload vx4
		same_as_before
	done
	ip netns del "$name"
}

# Devices of the two namespaces have one number, which is theirs.
test_same_number()
{
	local how

	lone
	on a sh -ec 'ip link del vx6; ip link del eth0
		ip link add vx6 index 7077 type vxlan id 66 remote 192.0.2.2 dstport 4790
		ip link set vx6 netns c
		ip link add eth0 index 7077 type veth peer name peer0
		ip link set eth0 up; ip link set peer0 up'
	uplink a 1
	on c ip link set vx6 up
	[ "$(on c cat /sys/class/net/vx6/ifindex)" = 7077 ]
	everything >"$T/before"
	for how in $(attach_kinds c); do
		check on c "$TOOL" load vx6 --uplink-netns a --attach "$how" --direction both
		[ "$(attached vx6 | grep -c ' ok$')" = 3 ]
		check on c "$TOOL" load vx6 --uplink-netns a --uplink eth0 --attach "$how"
		[ "$(attached vx6 | grep -c ' ok$')" = 1 ]
		check on c "$TOOL" unload vx6
		same_as_before
	done
}

# The container ends and is started again, with the same numbers: the same load again. One that is not
# started again can be unloaded from elsewhere.
test_container_started_again()
{
	local how n

	lone
	for how in $(attach_kinds c); do
		for n in 1 2; do
			# The device of the namespace that is gone has the VNI in a until it goes too.
			retry_until on a ip link add vx7 index 7077 type vxlan id 77 \
				remote 192.0.2.2 dstport 4791
			ip netns add again
			on a ip link set vx7 netns again
			check in_again "$TOOL" load vx7 --uplink-netns a --attach "$how" --direction both \
				--peer-map 10.0.0.0/8:EF=CS1
			check in_again "$TOOL" status vx7
			[ "$(in_again "$TOOL" status --json | jq '.tunnels | length')" = 1 ]
			ip netns del again
			# Its devices go first, and the namespace is there until the last of them has gone.
			retry_until on c sh -c '"$0" status --all-netns --json | jq -e ".tunnels[0].problems |
				any(test(\"^its network namespace is gone\"))"' "$TOOL"
		done
		check on c "$TOOL" unload vx7
		check_exit 3 on c "$TOOL" unload vx7
		check_exit 2 on c ls /sys/fs/bpf/dscp-tool
	done
}

# The first load in it is killed: the next one is as good. It never has the number of the one before.
test_container_started_again_killed()
{
	local n made=0 each=3 load=(load vx7 --uplink-netns a)

	lone
	everything >"$T/before"
	thin 4 32
	[ -z "$DSCP_TEST_LONG" ] || each=1
	start_again
	check in_made "$TOOL" "${load[@]}"
	start_again
	check in_made "$step" --every "$every" --list -- "$TOOL" "${load[@]}"
	for n in $(awk -v each=$each '/^[0-9]/ && !/BATCH/ && n++ % each == 0 { print $1 }' <<<"$OUTPUT"); do
		start_again
		check_exit 137 in_made "$step" --kill "$n" -- "$TOOL" "${load[@]}"
		check in_made "$TOOL" "${load[@]}"
		check in_made "$TOOL" status vx7
	done
	check in_made "$TOOL" unload vx7
	check_exit 2 on c ls /sys/fs/bpf/dscp-tool
	ip netns del made$made
	retry_until same_as_before
}

start_again()
{
	ip netns add made$((++made))
	[ $made = 1 ] || ip netns del made$((made - 1))
	# The device of the one that is gone has the VNI in a until it goes too.
	retry_until on a ip link add vx7 index 7077 type vxlan id 77 remote 192.0.2.2 dstport 4791
	on a ip link set vx7 netns made$made
	retry_until on c sh -c '! "$0" status --all-netns --json | jq -e ".tunnels[0] |
		select(. and (.problems | any(test(\"^its network namespace is gone\")) | not))"' "$TOOL"
}

in_made() { on c nsenter --net=/run/netns/made$made "$@"; }

in_again() { on c nsenter --net=/run/netns/again "$@"; }

# Objects that a tunnel of the uplink's own namespace needs there stay.
test_beside_others()
{
	local how

	lone
	everything >"$T/before"
	for how in $(attach_kinds c); do
		check on_a "$TOOL" load vx6 --attach "$how"
		check on c "$TOOL" load vx4 --uplink-netns a --attach "$how"
		check on c "$TOOL" unload vx4
		check on_a "$TOOL" status vx6
		check on c "$TOOL" load vx4 --uplink-netns a
		check on_a "$TOOL" unload vx6
		check on c "$TOOL" status vx4
		check on_a "$TOOL" load vx6
		check on c "$TOOL" unload --all
		same_as_before
	done
}

# Nothing has a name: the namespaces are found by a process that runs.
test_processes()
{
	local pid dev

	kind=vxlan
	lone_node a
	# shellcheck disable=SC2016 # for another shell
	background on a unshare --net sh -c 'echo $$ >"$0" && exec sleep 1000' "$T/pid"
	retry_until test -s "$T/pid"
	pid=$(<"$T/pid")
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'echo $$ >"$0" && exec sleep 1000' "$T/other"
	retry_until test -s "$T/other"
	on a ip link set vx4 netns "$pid"
	inventory >"$T/before"
	in_container() { on a nsenter --net="/proc/$pid/ns/net" "$@"; }
	check in_container ip link set vx4 up
	check in_container "$TOOL" load vx4 --uplink-netns "$(<"$T/other")" --attach clsact
	kill "$(<"$T/other")"
	check in_container "$TOOL" status vx4
	check in_container "$TOOL" load vx4 --uplink-netns a --direction both
	check in_container "$TOOL" status vx4
	# Also from the other side.
	check on a "$TOOL" unload --all
	inventory >"$T/after"
	check diff "$T/before" "$T/after"
}

# The kernel takes VXLAN away with the namespace that it was made in, and WireGuard's socket.
test_namespace_deleted()
{
	local how

	kind=vxlan
	node_add_netns c
	for how in $(attach_kinds c); do
		inventory c >"$T/before"
		host_again
		check on c "$TOOL" load vx4 --uplink-netns host --attach "$how" --direction both
		ip netns del host
		retry_until gone
		[ "$(grep -c 'network namespace of its uplinks .number [0-9]*. is gone' <<<"$OUTPUT")" = 1 ]
		! grep 'eth0 .number' <<<"$OUTPUT"
		check_exit 4 on c "$TOOL" status vx4 --json
		check on c "$TOOL" unload vx4
		check diff "$T/before" <(inventory c)
		host_again
		check on c "$TOOL" load vx4 --uplink-netns host --attach "$how" --direction both
		ip netns del host
		retry_until gone
		host_again
		check on c "$TOOL" load vx4 --uplink-netns host --attach "$how"
		check on c "$TOOL" status vx4
		check on c "$TOOL" unload vx4
		on c ip link del vx4
		ip netns del host
		check diff "$T/before" <(inventory c)
	done
}

# WireGuard's device outlives its socket.
test_namespace_of_wireguard_deleted()
{
	needs_wireguard
	node_add_netns c
	ip netns add host
	# shellcheck disable=SC2016 # for another shell
	nsenter --net=/run/netns/host sh -ec 'ip link add eth0 type veth peer name peer0
		ip link set eth0 up; ip link set peer0 up; ip link add wg4 type wireguard
		ip link set wg4 netns "$0"' "${node_holder[c]}"
	check on c wg set wg4 listen-port 51824
	on c ip link set wg4 up
	check on c "$TOOL" load wg4 --uplink-netns host --uplink eth0 --attach clsact --direction both
	ip netns del host
	# shellcheck disable=SC2016 # for another shell
	retry_until on c sh -c '"$0" status wg4 >"$T/gone"; [ $? = 4 ]' "$TOOL"
	check_grep 'the network namespace of its uplinks .number [0-9]*. is gone' cat "$T/gone"
	check_exit 2 on c "$TOOL" load wg4 --uplink-netns host
	check on c "$TOOL" unload wg4
	check_exit 2 on c ls /sys/fs/bpf/dscp-tool
	check_exit 1 grep clsact <(on c tc qdisc show)
}

# A namespace that only its name holds.
host_again()
{
	ip netns add host
	nsenter --net=/run/netns/host sh -ec 'ip link set lo up
		ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up
		ip address add 192.0.2.1/24 dev eth0
		ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789'
	ip -n host link set vx4 netns c
	on c ip link set vx4 up
}

# The device goes first, and the namespace is there until the last of its devices has gone.
gone()
{
	local status=0 text

	! on c ip link show vx4 >/dev/null 2>&1 || return
	text=$(on c "$TOOL" status vx4) || status=$?
	echo "$text"
	[ $status = 4 ] && grep -q '^  problem        the network namespace of its uplinks' <<<"$text"
}

said() { retry_until grep -qE -e "$1" "$T/monitor"; }

test_monitor()
{
	lone
	check on c "$TOOL" load vx4 --uplink-netns a --attach clsact
	start_monitor c --interval 1
	retry_until on c "$TOOL" status vx4
	on a ip link del eth0
	said 'vx4: no uplink found'
	on a sh -ec 'ip link add eth0 type veth peer name peer0; ip link set eth0 up
		ip link set peer0 up; ip address add 192.0.2.1/24 dev eth0'
	said 'vx4: uplink eth0: loaded again'
	retry_until on c "$TOOL" status vx4
	on a tc qdisc del dev eth0 clsact
	said 'vx4: a program was taken away: loaded again'
	retry_until on c "$TOOL" status vx4
}

# begun: the namespace "again" with eth0 to node b, and nothing in it that is loaded
begun()
{
	nsenter --net=/run/netns/again sh -c "$node_settings"
	ip link add eth0 netns again type veth peer name eth0 netns b
	nsenter --net=/run/netns/again sh -ec 'echo 0 >/proc/sys/net/ipv6/conf/eth0/router_solicitations
		ip link set eth0 addrgenmode none up; ip address add 192.0.2.1/24 dev eth0
		ip route add default via 192.0.2.2'
	on b sh -ec 'ip link set eth0 addrgenmode none up; ip address add 192.0.2.2/24 dev eth0'
}

# ended: again is gone, and so is all that was in it
ended()
{
	ip netns del again
	retry_until on b sh -c '! ip link show eth0'
}

# reborn INODE: another namespace with that inode is "again", as soon as the kernel has given it back
# and nobody else has got it; false if none of many new ones has it
reborn()
{
	for _ in $(seq 64); do
		ip netns add again
		[ "$(stat -Lc %i /run/netns/again)" != "$1" ] || return 0
		ip netns del again
	done
	return 1
}

# number_again COMMAND: that makes and loads a tunnel; then the namespace "again" has ended, and another
# one has its inode
number_again()
{
	local inode

	# The inode may be given to a namespace of somebody else.
	for _ in 1 2 3 4 5; do
		ip netns add again
		inode=$(stat -Lc %i /run/netns/again)
		begun
		"$@"
		ended
		! reborn "$inode" || return 0
		check on c "$TOOL" unload --all
	done
	skip "this kernel has not given the inode of a namespace that is gone to another one"
}

# box DEV ID: a VXLAN from again, where it has the number 7077, to b, with VNI and inner network ID, port 47ID
box()
{
	nsenter --net=/run/netns/again sh -ec "
		ip link add $1 index 7077 address 02:00:00:00:77:01 type vxlan id $2 remote 192.0.2.2 dstport 47$2
		ip link set $1 multicast off addrgenmode none; ip link set $1 mtu 1400 up; ip address add 10.0.$2.1/24 dev $1
		ip neighbour add 10.0.$2.2 lladdr 02:00:00:00:77:02 dev $1"
	on b sh -ec "
		ip link del $1 2>/dev/null || true
		ip link add $1 address 02:00:00:00:77:02 type vxlan id $2 remote 192.0.2.1 dstport 47$2 tos 0xb8
		ip link set $1 multicast off addrgenmode none; ip link set $1 mtu 1400 up; ip address add 10.0.$2.2/24 dev $1
		ip neighbour add 10.0.$2.1 lladdr 02:00:00:00:77:01 dev $1"
}

# box_leaves ID EXPECT: as it is on the wire
box_leaves()
{
	through again b --dst "10.0.$1.2" --count 128 --at eth0 --tunnel vxlan --from 192.0.2.1 \
		--port "47$1" --expect "$2" --ecn 0
}

# loaded EXPECT OPTIONS...: the tunnel vx7 in again, which works
loaded()
{
	box vx7 71
	check in_again "$TOOL" load vx7 "${@:2}"
	box_leaves 71 "$1"
}

# start_monitor_again: as start_monitor, in that namespace
start_monitor_again()
{
	: >"$T/monitor"
	# shellcheck disable=SC2016 # for another shell
	background in_again sh -c 'exec "$0" monitor --verbose 2>>"$1"' "$TOOL" "$T/monitor"
	monitor=$!
	retry_until grep -q '^dscp-tool: watching ' "$T/monitor"
}

# A container has ended, and another one has its inode, and a tunnel with its number: nobody has loaded that
# one. If somebody does, it is a separate tunnel.
test_namespace_number_used_again()
{
	local options

	kind=vxlan
	node_add_netns b
	node_add_netns c
	for options in '--direction both' '--outer-dscp EF --attach clsact'; do
		# shellcheck disable=SC2086 # several words
		number_again loaded "$([ "${options#*EF}" = "$options" ] && echo inner || echo 46)" $options
		begun
		box private0 72
		start_monitor_again
		said '^dscp-tool: watching 0 tunnels; waiting for one to be loaded$'
		stop_background "$monitor"
		box_leaves 72 none
		through b again --dst 10.0.72.1 --count 128
		check_exit 1 grep -E 'egress_|ingress_|dscp' <(in_again bpftool net show)
		check_exit 3 in_again "$TOOL" status private0
		check_exit 3 in_again "$TOOL" unload private0
		check_grep '^no tunnel is loaded in this network namespace .1 in others' in_again "$TOOL" status
		check_exit 4 in_again "$TOOL" status --all-netns
		grep -q '^vx7 .netns gone.: ' <<<"$OUTPUT"
		grep -q '^  problem        its network namespace is gone: ' <<<"$OUTPUT"
		check in_again "$TOOL" load private0 --direction both --egress-map '*=CS1'
		[ "$(in_again "$TOOL" status private0 --json |
			jq '.tunnels[0].counters|[.[].seen]|add')" = 0 ]
		box_leaves 72 8
		# A tunnel that nothing can be found by any more went with that load.
		check_exit 3 on c "$TOOL" unload vx7
		check in_again "$TOOL" status
		check in_again "$TOOL" unload private0
		check_exit 2 on c ls /sys/fs/bpf/dscp-tool
		ended
	done
}

# The same for the namespace of the uplinks: the devices there now are not the tunnel's.
test_uplink_namespace_number_used_again()
{
	local how

	kind=vxlan
	node_add_netns b
	node_add_netns c
	on c ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	for how in $(attach_kinds c); do
		number_again check on c "$TOOL" load tun0 --uplink-netns again --outer-dscp EF --port 4799 \
			--attach "$how"
		begun
		start_monitor c --interval 1
		said '^dscp-tool: tun0: the network namespace of its uplinks is gone'
		stop_background "$monitor"
		through again b --dst 192.0.2.2 --sport 4799 --count 128
		check_exit 1 grep -E 'egress_|dscp' <(in_again bpftool net show)
		check_exit 4 on c "$TOOL" status tun0
		grep -q '^  problem        the network namespace of its uplinks .number [0-9]*. is gone' <<<"$OUTPUT"
		check on c "$TOOL" unload tun0
		check_exit 2 on c ls /sys/fs/bpf/dscp-tool
		ended
	done
}
