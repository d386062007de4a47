# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Several network namespaces of one machine: both ends of a tunnel with the same names, ports and VNIs,
# one bpffs. Each namespace of uplinks has a separate set, and knows nothing of the others.

. testing/tunnels.sh

root=/sys/fs/bpf/dscp-tool

# shared NODE COMMAND...: in that network namespace, with the mounts of node a
shared()
{
	local -; set +x
	local name=$1

	shift
	nsenter -t "${node_holder[a]}" --net="/run/netns/$name" --mount --wdns="$PWD" "$@"
}

# by_exec NODE WORDS...: the tool as a script calls it, in node a's mounts
# shellcheck disable=SC2016 # for another shell
by_exec() { on a sh -c 'ip netns exec "$0" "$@"; exit $?' "$1" "$TOOL" "${@:2}"; }

# one_machine: from here on all nodes have the mounts of node a, and with them one bpffs
one_machine() { on() { shared "$@"; }; }

everything() { inventory a; inventory b; }

same_as_before() { inventory >"$T/after"; check diff "$T/before" "$T/after"; }
remember() { inventory >"$T/before"; }

# ends METHOD ATTACH: both ends loaded both ways
ends()
{
	local o

	for o in 4 6; do
		check by_exec a load "$(tunnel $o)" --direction both --ingress-method "$1" --attach "$2"
		check by_exec b load "$(tunnel $o)" --direction both --ingress-method "$1" --attach "$2"
	done
}

# DSCPs go out and come in at both ends; then end a goes, and b goes on as before.
independent()
{
	crossing
	no_bleachers
	check by_exec a status
	check by_exec b status
	for o in 4 6; do
		[ "$(counter a "$(tunnel $o)" counters.egress.unknown.total)" = 0 ]
		[ "$(counter b "$(tunnel $o)" counters.egress.unknown.total)" = 0 ]
		[ "$(counter b "$(tunnel $o)" counters.ingress.unknown.total)" = 0 ]
	done
	[ "$(counter a "$(tunnel 4)" counters.egress.marked)" -ge 6300 ]
	check by_exec a unload "$(tunnel 4)" "$(tunnel 6)"
	check_exit 3 by_exec a status "$(tunnel 4)"
	check by_exec b status
	through b a --dst "$(inner 4 4 1)" --count 640 --at eth0 --tunnel $kind --from "$(outer 4 2)" \
		--port "$(tunnel_port 4)" --expect inner --ecn 0
	check by_exec b unload "$(tunnel 4)" "$(tunnel 6)"
	[ ! -e "/proc/${node_holder[a]}/root$root" ] || fail "a set is left"
}

both_ends()
{
	local method how

	one_machine
	# tc makes directories by itself.
	bleachers a
	bleachers b
	no_qdiscs
	for how in $(attach_kinds); do
		everything >"$T/before"
		for method in $(methods); do
			ends "$method" "$how"
			bleachers a
			bleachers b
			independent
			no_qdiscs
			everything >"$T/after"
			check diff "$T/before" "$T/after"
		done
	done
}

# Between egress_inner or egress_outer and the wire the DSCP inside is taken away, so that only ingress
# can have brought it back.
bleachers()
{
	[ $kind = wireguard ] || behind "$1" eth0 bleach_inside
	[ $kind != wireguard ] || behind "$1" wg4 bleach_l3
	[ $kind != wireguard ] || behind "$1" wg6 bleach_l3
}

no_bleachers()
{
	local node

	for node in a b; do
		[ $kind = wireguard ] || not_behind $node eth0 bleach_inside
		[ $kind != wireguard ] || not_behind $node wg4 bleach_l3
		[ $kind != wireguard ] || not_behind $node wg6 bleach_l3
	done
}

# The qdiscs of those, where the tool needs none.
no_qdiscs()
{
	local node dev

	for node in a b; do
		for dev in eth0 wg4 wg6; do
			on $node tc qdisc del dev $dev clsact 2>/dev/null || true
		done
	done
}

test_both_ends_of_vxlan()
{
	kind=vxlan
	two_nodes
	both_ends
}

test_both_ends_of_wireguard()
{
	kind=wireguard
	wireguard_nodes
	both_ends
}

# contained NODE WORDS...: the tool in a container, which has the bpffs, and its own /proc and /run: no
# other network namespace can be seen
# shellcheck disable=SC2016 # for another shell
contained()
{
	shared "$1" unshare -m -p -f sh -ec 'mount -t proc proc /proc; mount -t tmpfs t /run; exec "$0" "$@"' \
		"$TOOL" "${@:2}"
}

# marked_by_both: EF leaves as CS1 from a, and as CS2 from b
marked_by_both()
{
	sends a 8
	through b a --dst 10.0.4.1 --count 2 --dscp 46 --at eth0 --tunnel vxlan --from 192.0.2.2 \
		--port 4789 --expect 16 --ecn 0
}

# Two containers with tunnels of one name. The work in one is nothing to the other, and devices that it cannot
# see are not gone.
test_containers_with_one_bpffs()
{
	local how

	kind=vxlan
	two_nodes
	one_machine
	everything >"$T/before"
	for how in $(attach_kinds); do
		check contained a load vx4 --attach "$how" --egress-map EF=CS1
		check contained b load vx4 --attach "$how" --egress-map EF=CS2
		marked_by_both
		check contained a load vx4 --attach "$how" --egress-map EF=CS1
		check contained b reload
		check contained a apply - <<<"load vx4 --attach $how --egress-map EF=CS1"
		marked_by_both
		check contained a status vx4
		check contained b status vx4
		contained a status --all-netns >"$T/all" || [ $? = 4 ]
		check_grep '^vx4 .netns not visible.: vxlan port 4789' cat "$T/all"
		check_exit 1 grep 'gone' "$T/all"
		# It is neither loaded again nor taken away from here.
		contained a reload --all >"$T/said" 2>&1 || true
		check_grep 'vx4: in a network namespace that is not visible from here: left as it is' cat "$T/said"
		check contained a unload vx4
		check_exit 3 contained a unload vx4
		check_grep 'vx4: not loaded here, but in a network namespace that is not visible' cat <<<"$OUTPUT"
		through b a --dst 10.0.4.1 --count 2 --dscp 46 --at eth0 --tunnel vxlan --from 192.0.2.2 \
			--port 4789 --expect 16 --ecn 0
		sends a 0
		check contained b unload vx4
		everything >"$T/after"
		check diff "$T/before" "$T/after"
	done
}

# Each container with a separate bpffs.
test_containers_with_a_bpffs_each()
{
	kind=vxlan
	two_nodes
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	check on b "$TOOL" load vx4 --egress-map EF=CS2
	marked_by_both
	check on a "$TOOL" unload --all
	check on b "$TOOL" status vx4
	check on b "$TOOL" unload vx4
}

# A device that is moved away is marked as it was asked for, until somebody asks for something else.
test_device_moved()
{
	kind=vxlan
	two_nodes
	one_machine
	ip netns add away
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	on a sh -ec 'ip link set vx4 netns away'
	shared away sh -ec 'ip address add 10.0.4.1/24 dev vx4; ip link set vx4 addrgenmode none; ip link set vx4 up
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4'
	sends away 8
	check_exit 4 on a "$TOOL" status vx4
	check_exit 3 shared away "$TOOL" status vx4
	check_exit 1 shared away "$TOOL" load vx4
	grep -q 'say --uplink-netns' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" unload vx4
	sends away 0
	check shared away "$TOOL" load vx4 --uplink-netns a --egress-map EF=CS2
	sends away 16
	check shared away "$TOOL" unload vx4
	sends away 0
	check_exit 2 on a ls $root
	ip netns del away
}

# vx4_anew NETNS: as it was made first
vx4_anew()
{
	shared "$1" sh -ec 'ip link add vx4 address 02:00:00:00:04:01 type vxlan id 44 remote 192.0.2.2 dstport 4789
		ip link set vx4 multicast off addrgenmode none; ip link set vx4 mtu 1400 up
		ip address add 10.0.4.1/24 dev vx4; ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4'
}

# sends NETNS DSCP: the DSCP that EF from there has outside
sends()
{
	through "$1" b --dst 10.0.4.2 --count 2 --dscp 46 --at eth0 --tunnel vxlan --from 192.0.2.1 \
		--port 4789 --expect "$2" --ecn 0
}

test_policy_through_changes()
{
	kind=vxlan
	two_nodes
	one_machine
	sends a 0
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	sends a 8
	# Renamed, and back.
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name office; ip link set office up
		ip neighbour replace 10.0.4.2 lladdr 02:00:00:00:04:02 dev office'
	sends a 8
	check on a "$TOOL" reload
	sends a 8
	[ "$(on a "$TOOL" save)" = "dscp-tool load office --egress-map 'EF=CS1'" ] || fail "$(on a "$TOOL" save)"
	on a sh -ec 'ip link set office down; ip link set office name vx4; ip link set vx4 up
		ip neighbour replace 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4'
	check on a "$TOOL" reload vx4
	sends a 8
	# Made anew: with the same features, and with other ones.
	on a ip link del vx4
	vx4_anew a
	sends a 8
	check on a "$TOOL" reload vx4
	check on a "$TOOL" status vx4
	sends a 8
	on a ip link set eth0 down
	on a ip link set eth0 name eth9
	on a ip link set eth9 name eth0
	on a ip link set eth0 up
	check on a "$TOOL" reload
	check on a "$TOOL" status vx4
	sends a 8
	check on a "$TOOL" unload vx4
	sends a 0
}

# A container with its own uplink ends, and begins anew: nothing is marked until somebody asks for it, and its
# predecessor's request is nothing to it.
test_container_begun_anew()
{
	local n

	kind=vxlan
	lone_node
	node_add_netns b
	on() { shared "$@"; }
	for n in 1 2; do
		ip netns add box
		nsenter --net=/run/netns/box sh -c "$node_settings"
		ip link add eth0 netns box type veth peer name eth0 netns b
		shared box sh -ec 'ip link set eth0 addrgenmode none up; ip address add 192.0.2.1/24 dev eth0'
		on b sh -ec 'ip link set eth0 addrgenmode none up; ip address add 192.0.2.2/24 dev eth0
			ip link add vx4 address 02:00:00:00:04:02 type vxlan id 44 remote 192.0.2.1 dstport 4789
			ip link set vx4 multicast off addrgenmode none; ip link set vx4 mtu 1400 up
			ip address add 10.0.4.2/24 dev vx4; ip neighbour add 10.0.4.1 lladdr 02:00:00:00:04:01 dev vx4'
		vx4_anew box
		sends box 0
		check_exit 3 shared box "$TOOL" status vx4
		check shared box "$TOOL" load vx4 --egress-map "EF=CS$n"
		[ "$(shared box "$TOOL" status --all-netns --json | jq '.tunnels | length')" = 1 ]
		sends box $((8 * n))
		ip netns del box
		on b ip link del vx4
		retry_until on b sh -c '! ip link show eth0'
	done
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# WireGuard sends where the device was made, which no other namespace can know: the message says how.
# shellcheck disable=SC2016 # for another shell
test_wireguard_moved_into_a_container()
{
	needs_wireguard
	lone_node a
	node_add_netns c
	on a sh -ec 'ip link add wg4 type wireguard; wg set wg4 listen-port 51824; ip link set wg4 netns "$0"' \
		"${node_holder[c]}"
	on c ip link set wg4 up
	check_exit 2 on c "$TOOL" load wg4
	grep -q 'wg4: no uplink found: .*--uplink-netns' <<<"$OUTPUT" || fail "$OUTPUT"
	check on c "$TOOL" load wg4 --uplink-netns a --uplink eth0
	check on c "$TOOL" status wg4
	check on c "$TOOL" unload wg4
}

# The example of dscp-tool-examples(7), with names for both kinds. 27-manual runs the one that is printed.
test_example_of_vxlan() { example vxlan; }

test_example_of_wireguard()
{
	needs_wireguard
	example wireguard
}

example()
{
	required
	node_add_netns a
	# shellcheck disable=SC2016 # for another shell
	check on a env KIND="$1" PATH="$(dirname "$TOOL"):$PATH" testing/examples/both-ends
	check_exit 2 on a ls $root
}

# A name that is loaded somewhere else is answered with where, and with the command that reaches it.
test_names_elsewhere()
{
	kind=vxlan
	lone_node
	node_add_netns b
	check on a "$TOOL" load vx4
	check_exit 3 by_exec b status vx4
	check_grep "^dscp-tool: vx4: not loaded here, but in another network namespace: dscp-tool -n a status vx4$" \
		cat <<<"$OUTPUT"
	for command in unload reload dump-map; do
		check_exit 3 by_exec b $command vx4
		grep -q "another network namespace: dscp-tool -n a $command vx4$" <<<"$OUTPUT" || fail "$OUTPUT"
	done
	check_grep '^no tunnel is loaded in this network namespace .1 in others: status --all-netns.$' \
		by_exec b status
	check_grep '^vx4 .netns a.: vxlan port 4789, vni 44, remote 192.0.2.2, healthy$' by_exec b status --all-netns
	[ "$(by_exec b status --all-netns --json | jq -c '.tunnels[0].netns.path')" = '"/run/netns/a"' ]
	[ "$(by_exec b status --json | jq -c '.tunnels')" = '[]' ]
	[ -z "$(by_exec b save)" ]
	[ "$(on a "$TOOL" save)" = 'dscp-tool load vx4' ]
	# -n is as good as to be there.
	for option in '-n a' -na '--netns a' --netns=a "-n /run/netns/a" "-n ${node_holder[a]}"; do
		# shellcheck disable=SC2086 # two words
		check_grep '^vx4: vxlan port 4789, vni 44, remote 192.0.2.2, healthy$' shared b "$TOOL" $option status vx4
	done
	check shared b "$TOOL" -n a unload vx4
	check_exit 2 on a ls $root
}

# command_of NODE: of the tunnel that status shows there
command_of() { shared "$1" "$TOOL" status --all-netns --json | jq -r '.tunnels[0].command'; }

# again NODE: runs that command as it is printed, with other flows; then the same is loaded
again()
{
	local command

	command=$(command_of "$1")
	check shared "$1" sh -c "${command/#dscp-tool/"'$TOOL'"} --flows 1024"
	[ "$(command_of "$1")" = "$command --flows 1024" ] || fail "$(command_of "$1")"
}

# The command that status prints can be run where it was printed.
# shellcheck disable=SC2016 # for another shell
test_command_of_another_namespace()
{
	local pid

	kind=vxlan
	lone_node
	node_add_netns b
	ip netns add "o'dd"
	elsewhere "o'dd"
	check shared "o'dd" "$TOOL" load vx4 --egress-map EF=CS1
	[ "$(command_of "o'dd")" = "dscp-tool load vx4 --egress-map 'EF=CS1'" ]
	[ "$(command_of b)" = "dscp-tool -n 'o'\\''dd' load vx4 --egress-map 'EF=CS1'" ] || fail "$(command_of b)"
	again b
	# By the present name.
	shared "o'dd" sh -ec 'ip link set vx4 down; ip link set vx4 name office; ip link set office up'
	check shared "o'dd" "$TOOL" load office
	shared "o'dd" sh -ec 'ip link set office down; ip link set office name vx4; ip link set vx4 up'
	[ "$(command_of b)" = "dscp-tool -n 'o'\\''dd' load vx4 --flows 1024" ] || fail "$(command_of b)"
	# By a process that is in it.
	background nsenter --net="/run/netns/o'dd" sh -c 'echo $$ >"$0" && exec sleep 1000' "$T/pid"
	retry_until test -s "$T/pid"
	pid=$(<"$T/pid")
	ip netns del "o'dd"
	[ "$(command_of b)" = "dscp-tool -n /proc/$pid/ns/net load vx4 --flows 1024" ] || fail "$(command_of b)"
	check shared b sh -c "$(command_of b | sed "s|^dscp-tool|'$TOOL'|") --egress-map EF=CS2"
	[ "$(contained b status --all-netns --json | jq -c '[.tunnels[].command]')" = '[null]' ]
	kill "$pid"
	retry_until on a sh -c '"$0" status --all-netns | grep "^vx4 .netns gone"' "$TOOL"
	[ "$(command_of b)" = null ]
	check on a "$TOOL" unload --all
}

test_netns_that_is_none()
{
	kind=vxlan
	lone_node
	remember
	for words in '-n nope status' '-n /etc/passwd load vx4'; do
		# shellcheck disable=SC2086 # several words
		check_exit 2 on a "$TOOL" $words
		grep -qE "^dscp-tool: -n '[a-z/]*': .*: use a name in /run/netns, the PID of a process, or a path$" \
			<<<"$OUTPUT" || fail "$OUTPUT"
	done
	check_exit 1 on a "$TOOL" -n
	check_exit 1 on a "$TOOL" -n 1 --netns=nope unload vx4
	[ "$OUTPUT" = "dscp-tool: -n is given twice, with '1' and 'nope': give it once" ] || fail "$OUTPUT"
	check_exit 2 on a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" -n 1 status
	grep -q 'CAP_SYS_ADMIN' <<<"$OUTPUT" || fail "$OUTPUT"
	same_as_before
}

# at PATH: vx4 in a namespace that is in no mount and in no process, by all commands
at()
{
	[ "$(on a stat -Lc %i "$1")" = "$inode" ] || fail "$1"
	check on a "$TOOL" -n "$1" load vx4 --egress-map EF=CS1
	# A namespace that nothing leads to from elsewhere is not gone.
	check_grep '^vx4 .netns not visible.: vxlan port 4789, healthy$' on a "$TOOL" status --all-netns
	check_grep '^vx4: vxlan port 4789, .*, healthy$' on a "$TOOL" -n "$1" status
	[ "$(on a "$TOOL" -n "$1" status --json | jq -c '.tunnels[].netns | [.inode, .path, .cookie > 0]')" = \
		"[$inode,\"$1\",true]" ] || fail "$(on a "$TOOL" -n "$1" status --json)"
	# From the other one back into that one, which the hooks of the device ask for.
	check on a "$TOOL" -n "$1" load vx6 --uplink-netns a --direction both
	check on a "$TOOL" -n "$1" status vx6
	check on a "$TOOL" -n "$1" reload
	[ "$(on a "$TOOL" -n "$1" save | sort)" = "dscp-tool load vx4 --egress-map 'EF=CS1'
dscp-tool load vx6 --uplink-netns a --direction both" ] || fail "$(on a "$TOOL" -n "$1" save)"
	check on a "$TOOL" -n "$1" unload --all
	check_exit 2 on a ls $root
}

# A network namespace that only an open file holds, or a mount that is in another mount namespace.
# shellcheck disable=SC2016 # for another shell
test_netns_held_by_a_file()
{
	local holder inode

	kind=vxlan
	lone_node
	ip netns add held
	elsewhere held
	on a ip link set vx6 netns held
	shared held ip link set vx6 up
	remember
	inode=$(stat -Lc %i /run/netns/held)
	background on a unshare -m sh -ec 'exec 7</run/netns/held; touch "$0.ns"
		mount --bind /run/netns/held "$0.ns"; umount -l /run/netns/held
		echo $$ >"$0"; exec sleep infinity' "$T/held"
	retry_until test -s "$T/held"
	holder=$(<"$T/held")
	ip netns del held
	at "/proc/$holder/fd/7"
	at "/proc/$holder/root$T/held.ns"
	same_as_before
	kill "$holder"
}

# The mount of `ip netns exec` over /sys hides the bpffs. The tool finds the one that the caller has, also two
# calls deep, and in a container that is entered from outside.
# shellcheck disable=SC2016 # for another shell
test_pins_behind_ip_netns_exec()
{
	local container

	kind=vxlan
	lone_node
	check on a "$TOOL" load vx4
	remember
	check_grep '^vx4: vxlan port 4789, vni 44, remote 192.0.2.2, healthy$' by_exec a status
	check on a sh -c 'ip netns exec a sh -c "ip netns exec a \"\$0\" \"\$@\"; exit \$?" "$0" "$@"; exit $?' \
		"$TOOL" status vx4
	# In a container with the bpffs in its first process, entered from outside.
	background on a unshare -p -f --mount-proc --kill-child sh -c \
		'echo ready >"$0"; exec sleep infinity' "$T/container"
	retry_until grep -q ready "$T/container"
	container=$(pgrep -n -x sleep)
	check on a nsenter -t "$container" -p -m ip netns exec a "$TOOL" status vx4
	kill -KILL "$container" # unshare itself takes no signal
	same_as_before
	check by_exec a unload vx4
	check_exit 2 on a ls $root
}

# A tunnel with packets that leave elsewhere since is in one set only.
test_from_one_set_to_another()
{
	kind=vxlan
	lone_node
	node_add_netns b
	on a ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	shared b sh -ec 'ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up'
	inventory >"$T/before"
	check on a "$TOOL" load tun0 --outer-dscp EF --port 4799 --uplink eth0
	[ "$(on a sh -c "ls -d $root/[0-9]* | wc -l")" = 1 ]
	check on a "$TOOL" load tun0 --outer-dscp EF --port 4799 --uplink up0 --uplink-netns b
	grep -q '^tun0: uplink-netns: b .was the tunnel.s own.$' <<<"$OUTPUT" || fail "$OUTPUT"
	[ "$(on a sh -c "ls -d $root/[0-9]* | wc -l")" = 1 ]
	check on a "$TOOL" status tun0
	[ "$(on a "$TOOL" status --json | jq -c '[.tunnels[].uplink_netns.path]')" = '["/run/netns/b"]' ]
	! on a bpftool net show dev eth0 | grep -E 'id [0-9]' || fail "a program at eth0"
	check_grep '^tun0 .netns a.: tun port 4799' shared b "$TOOL" status
	check on a "$TOOL" load tun0 --outer-dscp EF --port 4799 --uplink eth0
	check_exit 1 grep id <(shared b bpftool net show dev up0)
	check on a "$TOOL" unload tun0
	inventory >"$T/after"
	check diff "$T/before" "$T/after"
}

# The device of one set is gone, and the tunnel of another set has its name now: each stays as it is.
test_renamed_to_the_name_of_another_set()
{
	local numbers

	kind=vxlan
	lone_node
	node_add_netns b
	on a ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	on a ip tuntap add tun1 mode tun
	shared b sh -ec 'ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up'
	check on a "$TOOL" load tun0 --outer-dscp EF --port 4799 --uplink eth0
	check on a "$TOOL" load tun1 --outer-dscp CS1 --port 4800 --uplink up0 --uplink-netns b
	numbers=$(on a "$TOOL" status --json | jq -c '[.tunnels[].hooks[].prog_id]')
	on a sh -ec 'ip link del tun0; ip link set tun1 name tun0'
	check_exit 2 on a "$TOOL" reload
	check_grep "tun0: the device is gone, and its name is another loaded tunnel's now: rename that one first" \
		cat <<<"$OUTPUT"
	on a "$TOOL" status --json >"$T/status" || [ $? = 4 ]
	[ "$(jq -c '[.tunnels[] | [.tunnel, .outer_dscp, .ports[0]]]' "$T/status")" = \
		'[["tun0","EF",4799],["tun0","CS1",4800]]' ]
	[ "$(jq -c '[.tunnels[].hooks[].prog_id]' "$T/status")" = "$numbers" ]
	# The name means the device that has it.
	check on a "$TOOL" unload tun0
	[ "$(on a "$TOOL" status --json | jq -c '[.tunnels[].outer_dscp]')" = '["EF"]' ]
	check on a "$TOOL" unload tun0
	on a ip link del tun0
	check_exit 2 on a ls $root
}

# Both namespaces of a set have gone: nothing can reach it, and the next load takes it away.
test_set_without_a_namespace()
{
	kind=vxlan
	lone_node
	ip netns add gone
	elsewhere gone
	check shared gone "$TOOL" load vx4 --direction both
	ip netns del gone
	# shellcheck disable=SC2016 # for another shell
	retry_until on a sh -c '"$0" status --all-netns | grep "^  problem        its network namespace is gone"' "$TOOL"
	check_grep '^vx4 .netns gone.: vxlan port 4789, NOT HEALTHY$' on a sh -c '"$0" status --all-netns || true' \
		"$TOOL"
	check on a "$TOOL" load vx6
	[ "$(on a "$TOOL" status --all-netns --json | jq -c '[.tunnels[].tunnel]')" = '["vx6"]' ]
	check on a "$TOOL" unload vx6
	check_exit 2 on a ls $root
}

# elsewhere NAME: a namespace with an uplink and vx4, as in node a
elsewhere()
{
	nsenter --net="/run/netns/$1" sh -ec 'ip link add eth0 type veth peer name peer0
		ip address add 192.0.2.1/24 dev eth0; ip link set eth0 up; ip link set peer0 up
		ip link add vx4 type vxlan id 4 remote 192.0.2.2 dstport 4789; ip link set vx4 up'
}

# A set that is left of a namespace that is gone comes first, and has a tunnel of the same name: the one
# that is here is meant.
test_name_of_what_is_gone_too()
{
	kind=vxlan
	ip netns add gone
	lone_node
	elsewhere gone
	remember
	check shared gone "$TOOL" load vx4
	check on a "$TOOL" load vx4
	ip netns del gone
	# shellcheck disable=SC2016 # for another shell
	retry_until on a sh -c '"$0" status --all-netns | grep "^vx4 .netns gone"' "$TOOL"
	check on a "$TOOL" unload vx4
	check_exit 3 on a "$TOOL" status vx4
	[ "$(on a "$TOOL" status --all-netns --json | jq -c '[.tunnels[].netns.path]')" = '[null]' ]
	# Then the one that is gone is all that has the name.
	check on a "$TOOL" unload vx4
	same_as_before
	check_exit 3 on a "$TOOL" unload vx4
}

#
# Damaged
#

# set_of NODE: its directory
set_of() { echo "$root/$(on "$1" "$TOOL" status --json | jq '.tunnels[0].netns.cookie')"; }

# damaged HOW SET: SET is not as the tool makes it, and the fault is in $wrong
damaged()
{
	local set=$2

	case $1 in
	another_size)
		# shellcheck disable=SC2016 # for another shell
		check on a sh -ec 'mv "$0/maps/tunnels" "$0/aside"
			bpftool map create "$0/maps/tunnels" type array key 4 value 4096 entries 1024 name tunnels' "$set"
		wrong="$set/maps/tunnels: not as this dscp-tool makes it: unload with the one that did, or remove $set"
		;;
	another_layout)
		made_by_another a "$set"
		wrong="$set: $other_version"
		;;
	no_maps)
		# shellcheck disable=SC2016 # for another shell
		check on a sh -ec 'rm "$0"/maps/*' "$set"
		wrong="$set/maps/config: not as this dscp-tool makes it: unload with the one that did, or remove $set"
		;;
	another_owner)
		check on a chown 1000 "$set"
		wrong="$set: not a directory that only root can write to (owner 1000, mode 700): remove it"
		;;
	esac
}

# said LINES COMMAND...: the output of a command of node a, its exit status, and LINES more on stderr than in
# the first round: those about the set of b
said()
{
	local -; set +x
	local status=0 extra=$1

	shift
	by_exec a "$@" >"$T/stdout" 2>"$T/stderr" || status=$?
	# Counters: there are other packets besides.
	sed -E 's/"counters":\{"egress".*\}\}\}//g; s/("prog_id"|"ifindex"):[0-9]+|\<id [0-9]+//g
		/ seen [0-9]|[0-9]%|_total\{/d' "$T/stdout"
	echo "$status: $*"
	if [ -n "$wrong" ]; then
		[ "$(grep -cFx "dscp-tool: $wrong" "$T/stderr")" = "$extra" ] || fail "$*: $(cat "$T/stderr")"
		grep -vFx "dscp-tool: $wrong" "$T/stderr" || true
	else
		cat "$T/stderr"
	fi
}

# One after the other, and the packets on the wire between them. The devices send something by themselves,
# too.
a_works()
{
	local monitor

	said 0 load vx4 --egress-map '*=CS1'
	sends a 8
	said 0 load vx4 --egress-map '*=CS2' --attach "$1"
	sends a 16
	said 0 load --dry-run vx6
	said 0 reload
	said 0 reload vx4
	printf '%s\n' "load vx4 --egress-map '*=CS4'" 'load vx6' >"$T/lines"
	said 0 apply --dry-run "$T/lines"
	said 0 apply "$T/lines"
	sends a 32
	said 0 save
	said 0 status
	said 0 status vx4
	said 0 status vx4 --json
	said 0 status --openmetrics
	said 0 dump-map
	said 0 dump-map vx4 --json
	background by_exec a monitor
	monitor=$!
	on a ip link del vx4
	vx4_anew a
	# shellcheck disable=SC2016 # for another shell
	retry_until on a sh -c 'ip netns exec a "$0" status vx4' "$TOOL"
	stop_background "$monitor"
	sends a 32
	said 0 unload vx6
	said 0 unload vx4
	sends a 0
	said 1 status vx4
	said 1 unload vx4
	said 1 reload vx4
	said 1 dump-map vx4
	said 0 reload
	said 0 status
	said 0 save
	said 0 apply /dev/null
}

# A fault in the set of one network namespace is nothing to the other ones. A command for all sets says so in
# a line, and goes on.
test_damaged_sets_of_others()
{
	local how set wrong='' attach damage damages='another_size no_maps another_owner another_layout'

	! short_form || damages='no_maps another_layout'
	kind=vxlan
	two_nodes
	one_machine
	ip netns add c
	elsewhere c
	shared c sh -ec 'ip link set vx4 down; ip link set vx4 name vx7; ip link set vx7 up'
	check shared c "$TOOL" load vx7
	attach=$(attach_kinds | cut -d' ' -f1)
	a_works "$attach" >"$T/expected"
	for damage in $damages; do
		wrong=
		check by_exec b load vx4 --egress-map '*=CS3'
		set=$(set_of b)
		everything >"$T/before"
		damaged $damage "$set"
		a_works "$attach" >"$T/got"
		check diff "$T/expected" "$T/got"
		# In that one, each command refuses, in a line, and changes nothing.
		for how in status 'status vx4' 'load vx4' 'load --dry-run vx4' 'unload vx4' 'reload vx4' reload save \
			dump-map 'dump-map vx4' monitor 'apply --dry-run /dev/null'; do
			# shellcheck disable=SC2086 # several words
			check_exit 2 by_exec b $how
			[ "$OUTPUT" = "dscp-tool: $wrong" ] || fail "$how: $OUTPUT"
		done
		all_of_them $damage
		check on a "$TOOL" unload --all
		check_exit 2 on a ls $root
		check shared c "$TOOL" load vx7
	done
	check on a "$TOOL" unload --all
	ip netns del c
}

# A tunnel of here is in the set of another network namespace, which is damaged: a command for that tunnel, or
# for all of here, says so, and the others go on.
test_damaged_set_with_a_tunnel_of_here()
{
	local how set wrong='' monitor

	kind=vxlan
	lone_node
	on() { shared "$@"; }
	ip netns add b
	elsewhere b
	shared b sh -ec 'ip link set vx4 down; ip link set vx4 name vx9; ip link set vx9 netns "$0"' "${node_holder[a]}"
	on a ip link set vx9 up
	check on a "$TOOL" load vx9 --uplink-netns b --direction both
	set=$(pins a)
	damaged another_size "$set"
	for how in 'load vx9' 'load --dry-run vx9' 'unload vx9' 'dump-map vx9' status reload save dump-map; do
		# shellcheck disable=SC2086 # several words
		check_exit 2 on a "$TOOL" $how
		[ "$OUTPUT" = "dscp-tool: $wrong" ] || fail "$how: $OUTPUT"
	done
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	for how in 'load vx4 --egress-map EF=CS1' 'unload vx4' 'load vx4'; do
		# shellcheck disable=SC2086
		check on a "$TOOL" $how
	done
	[ "$(on a "$TOOL" save 2>/dev/null)" = 'dscp-tool load vx4' ]
	check_exit 2 on a "$TOOL" status
	grep -q '^vx4: vxlan port 4789, .*, healthy$' <<<"$OUTPUT" || fail "$OUTPUT"
	grep -qFx "dscp-tool: $wrong" <<<"$OUTPUT" || fail "$OUTPUT"
	check_exit 2 on a "$TOOL" apply - <<<'load vx4 --egress-map EF=CS1'
	grep -qFx "dscp-tool: $wrong" <<<"$OUTPUT" || fail "$OUTPUT"
	background on a "$TOOL" monitor
	monitor=$!
	on a ip link del vx4
	vx4_anew a
	retry_until on a "$TOOL" status vx4
	stop_background "$monitor"
	check on a rm -r "$set"
	check on a "$TOOL" load vx9 --uplink-netns b --direction both
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
	ip netns del b
}

# Commands that are for all sets.
all_of_them()
{
	check by_exec a load vx4
	check_exit 2 by_exec a status --all-netns
	[ "$(grep -cFx "dscp-tool: $wrong" <<<"$OUTPUT")" = 1 ] || fail "$OUTPUT"
	[ "$(grep -c '^vx[47].*: vxlan port 4789, .*, healthy$' <<<"$OUTPUT")" = 2 ] || fail "$OUTPUT"
	by_exec a status --all-netns --json 2>/dev/null >"$T/json" || [ $? = 2 ]
	[ "$(jq -c '[.tunnels[].tunnel] | sort' "$T/json")" = '["vx4","vx7"]' ]
	marks_of_b
	[ $1 != another_layout ] || return 0
	check_exit 2 on a "$TOOL" reload --all
	[ "$OUTPUT" = "dscp-tool: $wrong" ] || fail "$OUTPUT"
	check_exit 2 on a "$TOOL" unload --all
	[ "$OUTPUT" = "dscp-tool: $wrong" ] || fail "$OUTPUT"
	[ "$(on a sh -c "cd $root; ls -d [0-9]*")" = "${set##*/}" ]
	marks_of_b
	# The way out. The kernel lets go of links a moment after their pins, and of filters when they are
	# deleted.
	check on a rm -r "$set"
	if [ "$attach" = clsact ]; then
		check shared b tc qdisc del dev eth0 clsact
		check on a sh -c "rm $root/qdisc-*"
	fi
	retry_until b_leaves_with 0
}

b_leaves_with()
{
	"$wire" through b a --dst 10.0.4.1 --count 2 --dscp 46 --at eth0 --tunnel vxlan --from 192.0.2.2 \
		--port 4789 --expect "$1" --ecn 0
}

marks_of_b() { check b_leaves_with 24; }

#
# Many
#

hundred=100

# each_namespace SCRIPT: $n is 1, 2 ...
each_namespace()
{
	for n in $(seq $hundred); do
		eval "$1"
	done
}

test_a_hundred_namespaces()
{
	kind=vxlan
	! in_vm || hundred=10
	lone_node
	each_namespace 'ip netns add many$n; nsenter --net=/run/netns/many$n sh -ec "
		ip link add eth0 type veth peer name peer0; ip address add 192.0.2.1/24 dev eth0
		ip link set eth0 up; ip link set peer0 up
		ip link add vx4 type vxlan id 4 remote 192.0.2.2 dstport 4789; ip link set vx4 up"'
	each_namespace 'check by_exec many$n load vx4 --direction both'
	[ "$(on a sh -c "ls -d $root/[0-9]* | wc -l")" = $hundred ]
	[ "$(on a "$TOOL" status --all-netns --json | jq '.tunnels | map(select(.healthy)) | length')" = $hundred ]
	[ "$(by_exec many7 status --json | jq '.tunnels | length')" = 1 ]
	on a bpftool -j map show | jq -r '"memory of a set: \(map(.bytes_memlock) | add / '$hundred' | floor) bytes"'
	# A device made anew in each.
	each_namespace 'nsenter --net=/run/netns/many$n sh -ec "ip link del vx4
		ip link add vx4 type vxlan id 4 remote 192.0.2.2 dstport 4789; ip link set vx4 up"'
	check on a "$TOOL" reload --all
	[ "$(grep -c '^vx4: the device was made anew: loaded again$' <<<"$OUTPUT")" = $hundred ]
	check on a "$TOOL" status --all-netns
	check by_exec many3 unload vx4
	[ "$(on a sh -c "ls -d $root/[0-9]* | wc -l")" = $((hundred - 1)) ]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
	each_namespace 'ip netns del many$n'
}

#
# Another version
#

other_version='loaded by another version of dscp-tool: take that over with dscp-tool reload --all, or away with dscp-tool unload --all'

# Both ends of a machine, loaded by a version with another layout.
old_ends()
{
	check by_exec a load vx4 --direction both --egress-map '*=CS0,EF=EF' --peer-map 10.0.4.2:EF=CS1 \
		--attach "$1" --port 4789
	check by_exec b load vx4 --outer-dscp AF41 --attach "$1" --flows 1024
	set=$(set_of a)
	made_by_another a
}

test_another_layout()
{
	local how command set

	kind=vxlan
	two_nodes
	one_machine
	everything >"$T/before"
	for how in $(attach_kinds); do
		old_ends "$how"
		for command in status 'load vx4' 'unload vx4' 'load vx6' monitor reload save; do
			# shellcheck disable=SC2086 # several words
			check_exit 2 by_exec a $command
			[ "$OUTPUT" = "dscp-tool: $set: $other_version" ] ||
				fail "$command: $OUTPUT"
		done
		check on a "$TOOL" reload --all
		[ "$(grep -c '^vx4: was loaded by another version: loaded again$' <<<"$OUTPUT")" = 2 ]
		check by_exec a status
		check by_exec b status
		[ "$(by_exec a save)" = "dscp-tool load vx4 --direction both --egress-map '*=CS0,EF=EF' --peer-map '10.0.4.2/32:EF=CS1' --attach $how --port 4789" ]
		[ "$(by_exec b save)" = "dscp-tool load vx4 --outer-dscp AF41 --attach $how --flows 1024" ]
		through b a --dst 10.0.4.1 --count 128 --at eth0 --tunnel vxlan --from 192.0.2.2 --port 4789 \
			--expect 34 --ecn 0
		sends a 8
		made_by_another a
		check on a "$TOOL" unload --all
		everything >"$T/after"
		check diff "$T/before" "$T/after"
	done
}

# The request of a device that is gone is kept, and loaded when the device is made anew.
test_another_layout_of_what_is_gone()
{
	local lines

	kind=vxlan
	two_nodes
	one_machine
	lines=$'dscp-tool load vx4 --egress-map \'EF=CS1\' --peer-map \'10.0.4.9/32:EF=CS2\'\ndscp-tool load vx6 --flows 1024'
	check on a "$TOOL" apply - <<<"$lines"
	made_by_another a
	on a ip link del vx4
	check_exit 2 on a "$TOOL" reload --all
	grep -qx "dscp-tool: vx4: the device is gone: kept for the next reload" <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" status vx6
	check_exit 4 on a "$TOOL" status vx4
	grep -qx '  problem        the device vx4 is gone, or in another network namespace: unload it, or make it anew and reload it' <<<"$OUTPUT" ||
		fail "$OUTPUT"
	check diff <(echo "$lines") <(on a "$TOOL" save | sort)
	check_exit 2 on a "$TOOL" reload
	# And by yet another one.
	made_by_another a
	check_exit 2 on a "$TOOL" reload --all
	check diff <(echo "$lines") <(on a "$TOOL" save | sort)
	vx4_anew a
	check_grep '^vx4: the device was made anew, port 4789, uplink eth0: loaded again$' on a "$TOOL" reload
	check on a "$TOOL" status
	sends a 8
	check diff <(echo "$lines") <(on a "$TOOL" save | sort)
	made_by_another a
	on a ip link del vx4
	check_exit 2 on a "$TOOL" reload --all
	check on a "$TOOL" unload vx4
	[ "$(on a "$TOOL" save)" = "${lines#*$'\n'}" ]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# far_vx9 NODE: a tunnel whose peer is behind a route of its own
far_vx9()
{
	on "$1" sh -ec 'ip route add 203.0.113.0/24 dev eth0
		ip link add vx9 type vxlan id 99 remote 203.0.113.9 dstport 4791; ip link set vx9 up'
}

# A tunnel that is there, and cannot be found now: nothing of its set is taken over, and the old programs
# go on, until it can.
test_another_layout_of_what_cannot_be_found()
{
	local how

	kind=vxlan
	two_nodes
	one_machine
	far_vx9 a
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --attach "$how" --egress-map EF=CS1
		check on a "$TOOL" load vx9 --attach "$how" --egress-map EF=CS2
		check by_exec b load vx4 --attach "$how"
		made_by_another a
		on a ip route del 203.0.113.0/24
		check_exit 2 on a "$TOOL" reload --all
		[ "$(wc -l <<<"$OUTPUT")" = 2 ] || fail "$OUTPUT"
		grep -q "^dscp-tool: vx9: no uplink found: .*: all of $root/[0-9]* is left as it is: mend that, or unload --all$" <<<"$OUTPUT" ||
			fail "$OUTPUT"
		grep -qx 'vx4: was loaded by another version: loaded again' <<<"$OUTPUT" || fail "$OUTPUT"
		check by_exec b status vx4
		check by_exec b unload vx4
		sends a 8
		on a ip route add 203.0.113.0/24 dev eth0
		check on a "$TOOL" reload --all
		sends a 8
		check on a "$TOOL" status
		[ "$(on a "$TOOL" save | wc -l)" = 2 ]
		check on a "$TOOL" unload --all
		check_exit 2 on a ls $root
	done
}

# Each of two sets has its own reason.
test_another_layout_of_two_that_cannot_be_found()
{
	local node

	kind=vxlan
	two_nodes
	one_machine
	for node in a b; do
		far_vx9 $node
		check by_exec $node load vx9
		made_by_another $node
		on $node ip route del 203.0.113.0/24
	done
	check_exit 2 on a "$TOOL" reload --all
	sed -E 's/^dscp-tool: vx9: no uplink found: .*[^:]\): all of ([^ ]*) is left as it is: mend that, or unload --all$/\1/' \
		<<<"$OUTPUT" | sort >"$T/sets"
	on a sh -c "ls -d $root/[0-9]* | sort" >"$T/expected"
	[ "$(wc -l <"$T/expected")" = 2 ]
	check diff "$T/expected" "$T/sets"
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# The kernel refuses the new programs: the old ones stay.
test_another_layout_refused_by_the_kernel()
{
	local n

	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	kind=vxlan
	two_nodes
	one_machine
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	made_by_another a
	everything >"$T/before"
	check on a strace -o "$T/calls" -e trace=bpf "$TOOL" reload --all
	n=$(grep -n 'BPF_PROG_LOAD.*"egress_outer"' "$T/calls" | sed -n '1s/:.*//p')
	check on a "$TOOL" unload --all
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	made_by_another a
	everything >"$T/before"
	check_exit 2 on a strace -o "$T/calls" -e trace=bpf -e inject=bpf:error=EPERM:when="$n+" "$TOOL" reload --all
	everything >"$T/after"
	check diff "$T/before" "$T/after"
	sends a 8
	check on a "$TOOL" reload --all
	sends a 8
	# Whichever call fails, a later try finishes it.
	for n in $(seq 3 9 "$(wc -l <"$T/calls")"); do
		made_by_another a
		on a strace -o "$T/calls" -e trace=bpf -e inject=bpf:error=ENOMEM:when="$n" "$TOOL" reload --all \
			>"$T/said" 2>&1 || [ $? = 2 ] || fail "call $n: $(cat "$T/said")"
		check on a "$TOOL" reload --all
		[ "$(on a "$TOOL" save)" = "dscp-tool load vx4 --egress-map 'EF=CS1'" ] || fail "call $n: $(on a "$TOOL" save)"
		check on a "$TOOL" status
		sends a 8
	done
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# A device that was renamed since is the same one, whatever has its name now.
test_another_layout_of_a_renamed_device()
{
	kind=vxlan
	two_nodes
	one_machine
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name office; ip link set office up
		ip neighbour replace 10.0.4.2 lladdr 02:00:00:00:04:02 dev office
		ip link add vx4 type vxlan id 45 remote 192.0.2.2 dstport 4791; ip link set vx4 up'
	made_by_another a
	check on a "$TOOL" reload --all
	[ "$(on a "$TOOL" save)" = "dscp-tool load office --egress-map 'EF=CS1'" ] || fail "$(on a "$TOOL" save)"
	sends a 8
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# An uplink that is awaited is said once.
test_another_layout_with_an_uplink_away()
{
	kind=vxlan
	two_nodes
	on a ip link add gone0 type veth peer name gone1
	check on a "$TOOL" load vx4 --uplink eth0 --uplink gone0 --egress-map EF=CS1
	on a ip link del gone0
	made_by_another a
	check on a "$TOOL" reload --all
	[ "$(sort <<<"$OUTPUT")" = "dscp-tool: warning: vx4: uplink gone0 does not exist (yet): reload when it appears, or run monitor
vx4: was loaded by another version: loaded again" ] || fail "$OUTPUT"
	sends a 8
	check_exit 4 on a "$TOOL" status
	[ "$(grep -c 'problem *uplink gone0 does not exist (yet): reload when it appears, or run monitor$' <<<"$OUTPUT")" = 1 ] ||
		fail "$OUTPUT"
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# A tunnel that cannot be loaded again from here is not taken away from here: it goes on as it was.
test_another_layout_out_of_reach()
{
	local command how

	kind=vxlan
	two_nodes
	one_machine
	for how in $(attach_kinds); do
		check contained a load vx4 --attach "$how" --egress-map EF=CS1
		check contained b load vx4 --attach "$how" --egress-map EF=CS2
		made_by_another a
		check_exit 2 shared a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" reload --all
		check_grep 'vx4: .*network namespace cannot be entered from here.*: left as it is$' cat <<<"$OUTPUT"
		marked_by_both
		made_by_another a
		check_exit 2 contained a reload --all
		check_grep '^vx4: was loaded by another version: loaded again$' cat <<<"$OUTPUT"
		check_grep 'vx4: .*network namespace cannot be entered from here.*: left as it is$' cat <<<"$OUTPUT"
		marked_by_both
		check on a "$TOOL" reload --all
		marked_by_both
		check on a "$TOOL" status --all-netns
		check on a "$TOOL" unload --all
		check_exit 2 on a ls $root
	done
}

# A take-over that is killed anywhere is finished by the next one, and no tunnel is forgotten.
test_take_over_killed() { take_over_killed ''; }
test_take_over_killed_of_what_is_gone() { take_over_killed vx4; }

# take_over_killed DEVICE: which is gone
take_over_killed()
{
	local n line status gone=$1

	kind=vxlan
	lone_node
	remember
	thin 16 64
	line="dscp-tool load vx4 --direction both --egress-map '*=CS0' --peer-map '10.0.4.2/32:EF=EF'"
	printf '%s\n' "$line" 'dscp-tool load vx6 --outer-dscp EF --attach clsact' >"$T/lines"
	check on a "$TOOL" apply "$T/lines"
	made_by_another a
	points_of a reload --all
	[ -z "$gone" ] || on a ip link del "$gone"
	for n in "${points[@]}"; do
		made_by_another a
		on a "$step" --kill "$n" -- "$TOOL" reload --all >"$T/said" 2>&1 && status=0 || status=$?
		# There are fewer points without the device.
		[ "$status" != "${gone:+2}" ] || break
		[ $status = 137 ] || fail "point $n: status $status: $(cat "$T/said")"
		on a "$TOOL" reload --all >"$T/said" 2>&1 || [ $? = "${gone:+2}" ] ||
			fail "point $n: $(cat "$T/said")"
		check diff "$T/lines" <(on a "$TOOL" save | sort)
		[ "$(on a sh -c "ls -d $root/[0-9]* | wc -l")" = 1 ] || fail "point $n: $(on a sh -c "ls $root")"
		[ -n "$gone" ] || check on a "$TOOL" status
	done
	check on a "$TOOL" unload --all
	[ -n "$gone" ] || same_as_before
	check_exit 2 on a ls $root
}

# newer_requests BYTES: the requests of node a are of a newer version, with a member of eight bytes more
newer_requests()
{
	local set size low new

	set=$(pins a)
	size=$(on a bpftool -j map show pinned "$set/maps/requests" | jq .bytes_value)
	printf -v low %02x $((size % 256))
	printf -v new %02x $((size % 256 + 8))
	check on a bpftool map create "$set/aside" type hash key 4 value $((size + 8)) entries 1024 \
		name requests flags 1
	# The first member of a request is its size, of four bytes.
	on a bpftool -j map dump pinned "$set/maps/requests" | jq -r --arg set "$set" --arg more "$1" \
		--arg low "$low" --arg new "$new" '.[] |
		(.value | map(ltrimstr("0x"))) as $old | (if $old[0] == $low then 0 else 3 end) as $at |
		"map update pinned \($set)/aside key hex \(.key | map(ltrimstr("0x")) | join(" ")) " +
		"value hex \($old | .[$at] = $new | join(" ")) \($more)"' >"$T/batch"
	check on a bpftool batch file "$T/batch"
	check on a mv "$set/aside" "$set/maps/requests"
	made_by_another a
}

# An option that nobody has asked for is no loss. But without an option that this version does not know, a
# DSCP that the option hides might show: the newer version goes on.
test_newer_requests()
{
	local line="dscp-tool load vx4 --egress-map '*=CS0' --peer-map '10.0.4.2/32:EF=CS1'"

	kind=vxlan
	two_nodes
	check on a "$TOOL" load vx4 --egress-map '*=CS0' --peer-map 10.0.4.2:EF=CS1
	newer_requests '00 00 00 00 00 00 00 00'
	check on a "$TOOL" reload --all
	[ "$OUTPUT" = 'vx4: was loaded by another version: loaded again' ] || fail "$OUTPUT"
	[ "$(on a "$TOOL" save)" = "$line" ] || fail "$(on a "$TOOL" save)"
	sends a 8
	newer_requests '00 00 00 00 00 00 00 80'
	inventory >"$T/before"
	check_exit 2 on a "$TOOL" reload --all
	[ "$OUTPUT" = "dscp-tool: vx4: was loaded by a newer version, with an option that this one does not know: left as it is: reload --all with the newer one, or unload --all" ] ||
		fail "$OUTPUT"
	inventory >"$T/after"
	check diff "$T/before" "$T/after"
	sends a 8
	check on a "$TOOL" unload --all
	sends a 0
	check_exit 2 on a ls $root
}

# The map of prefixes of another version may be read no more: nothing is loaded without them.
test_another_layout_of_prefixes()
{
	local set

	kind=vxlan
	two_nodes
	check on a "$TOOL" load vx4 --egress-map EF=CS1 --peer-map 10.0.4.2:EF=CS2
	made_by_another a
	set=$(pins a)
	check on a mv "$set/maps/prefixes" "$set/aside"
	# As version 6 has it.
	check on a bpftool map create "$set/maps/prefixes" type lpm_trie key 24 value 64 entries 65536 name prefixes flags 1
	check_exit 2 on a "$TOOL" reload --all
	[ "$OUTPUT" = "dscp-tool: vx4: this version cannot read its --peer-map: left as it is: unload --all, and load it again" ] ||
		fail "$OUTPUT"
	sends a 16
	check on a rm "$set/maps/prefixes"
	# Up to layout 8 the map had this name.
	check on a mv "$set/aside" "$set/maps/peers"
	check on a "$TOOL" reload --all
	sends a 16
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# gone0_and_vx4: two tunnels that are loaded, each with another policy
gone0_and_vx4()
{
	kind=vxlan
	two_nodes
	one_machine
	on a sh -ec 'ip link add gone0 type vxlan id 99 remote 192.0.2.2 dstport 4799; ip link set gone0 up'
	check on a "$TOOL" load gone0 --egress-map EF=CS1
	check on a "$TOOL" load vx4 --egress-map EF=CS2
}

# The device of one tunnel has got the name of another, without a device now: the policy of that one is not
# for it.
test_another_layout_of_a_name_taken_over()
{
	gone0_and_vx4
	on a sh -ec 'ip link del gone0; ip link set vx4 down; ip link set vx4 name gone0; ip link set gone0 up
		ip neighbour replace 10.0.4.2 lladdr 02:00:00:00:04:02 dev gone0'
	made_by_another a
	check_exit 2 on a "$TOOL" reload --all
	check diff <(echo "$OUTPUT" | sort) - <<-SAID
	dscp-tool: gone0: its device is gone, and its name is another tunnel's now
	dscp-tool: gone0: not loaded any more: when that is mended, dscp-tool load gone0 --egress-map 'EF=CS1'
	gone0: was loaded by another version: loaded again
	SAID
	[ "$(on a "$TOOL" save)" = "dscp-tool load gone0 --egress-map 'EF=CS2'" ] || fail "$(on a "$TOOL" save)"
	sends a 16
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# A device that nobody has loaded has the name of one that is gone: it does not stop the others.
test_another_layout_of_a_name_given_again()
{
	gone0_and_vx4
	on a sh -ec 'ip link del gone0; ip link add gone0 type veth'
	made_by_another a
	check_exit 2 on a "$TOOL" reload --all
	check diff <(echo "$OUTPUT" | sort) - <<-SAID
	dscp-tool: gone0: the device is gone: kept for the next reload
	vx4: was loaded by another version: loaded again
	SAID
	check diff - <(on a "$TOOL" save | sort) <<-SAVED
	dscp-tool load gone0 --egress-map 'EF=CS1'
	dscp-tool load vx4 --egress-map 'EF=CS2'
	SAVED
	sends a 16
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

# An uplink that was named by --uplink has another name now: the old programs still mark there, and the new
# ones do.
test_another_layout_of_a_renamed_uplink()
{
	local line='dscp-tool load vx4 --uplink wan0 --egress-map '"'EF=CS2'" how

	kind=vxlan
	two_nodes
	one_machine
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --uplink eth0 --egress-map EF=CS2 --attach "$how"
		on a sh -ec 'ip link set eth0 down; ip link set eth0 name wan0; ip link set wan0 up'
		made_by_another a
		check on a "$TOOL" reload --all
		[ "$(on a "$TOOL" save)" = "$line --attach $how" ] || fail "$(on a "$TOOL" save)"
		check on a "$TOOL" status
		sends a 16
		check on a "$TOOL" unload --all
		on a sh -ec 'ip link set wan0 down; ip link set wan0 name eth0; ip link set eth0 up'
	done
	check_exit 2 on a ls $root
}

# The remains of a tunnel after a killed unload are not loaded by another version.
test_unloaded_before_the_take_over()
{
	local n

	kind=vxlan
	lone_node
	thin 2 8
	check on a "$TOOL" load vx6
	check on a "$TOOL" load vx4
	points_of a unload vx4
	for n in "${points[@]}"; do
		check on a "$TOOL" load vx4
		killed_at a "$n" unload vx4
		on a "$TOOL" unload vx4 || [ $? = 3 ]
		made_by_another a
		check on a "$TOOL" reload --all
		[ "$(on a "$TOOL" save)" = 'dscp-tool load vx6' ] || fail "point $n: $(on a "$TOOL" save)"
	done
	check on a "$TOOL" unload vx6
}

# The network namespace of the uplinks is gone, and another one has its number: the loaded tunnels are not for
# that one.
test_another_layout_of_a_namespace_that_is_gone()
{
	kind=vxlan
	lone_node
	ip netns add gone
	elsewhere gone
	check shared gone "$TOOL" load vx4
	check on a "$TOOL" load vx6
	ip netns del gone
	# shellcheck disable=SC2016 # for another shell
	retry_until on a sh -c '"$0" status --all-netns | grep "^vx4 .netns gone"' "$TOOL"
	made_by_another a
	check_exit 2 on a "$TOOL" reload --all
	check_grep 'vx4: its network namespace is gone$' cat <<<"$OUTPUT"
	check_grep 'vx4: not loaded any more: when that is mended, dscp-tool load vx4$' cat <<<"$OUTPUT"
	[ "$(on a "$TOOL" status --all-netns --json | jq -c '[.tunnels[].tunnel]')" = '["vx6"]' ]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root
}

#
# Version 5, which had one set, flat in the directory, and no requests
#

# made_flat: the loaded tunnels are of version 5
made_flat()
{
	local value

	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec 'mv "$0"/*/* "$0"; rmdir "$0"/[0-9]*; rm "$0/maps/requests"' $root
	value=$(on a bpftool -j map lookup pinned $root/maps/config key 0 0 0 0 |
		jq -r '.value | map(ltrimstr("0x")) | .[:4] + [.[4:8][] | if . == "00" then . else "05" end] + .[8:] | join(" ")')
	# shellcheck disable=SC2086 # several words
	check on a bpftool map update pinned $root/maps/config key 0 0 0 0 value hex $value
}

test_flat_layout()
{
	local how command

	kind=vxlan
	lone_node
	node_add_netns b
	one_machine
	on a ip link set vx6 netns b
	shared b ip link set vx6 up
	for how in $(attach_kinds); do
		everything >"$T/before"
		check on a "$TOOL" load vx4 --attach "$how" --direction both --egress-map EF=CS1 \
			--peer-map 10.0.4.2:EF=CS2 --flows 1024
		check shared b "$TOOL" load vx6 --uplink-netns a --outer-dscp EF
		made_flat
		for command in status 'status --all-netns' 'load vx4' 'load vx4 --dry-run' 'unload vx4' monitor \
			reload 'reload --all' save dump-map; do
			# shellcheck disable=SC2086 # several words
			check_exit 2 on a "$TOOL" $command
			[ "$OUTPUT" = "dscp-tool: what is loaded was loaded by an earlier version of dscp-tool, which kept no options that could be taken over: take it away with dscp-tool unload --all, and load again" ] ||
				fail "$command: $OUTPUT"
		done
		check on a "$TOOL" unload --all
		everything >"$T/after"
		check diff "$T/before" "$T/after"
	done
}

#
# Interrupted
#

# ended_by SIGNAL WORDS...: the tool gets the signal at each of its points; then all of it is so, or none
ended_by()
{
	local n status signal=$1

	shift
	for n in "${points[@]}"; do
		status=0
		# shellcheck disable=SC2016 # for another shell
		on a "$step" --at "$n" --each "kill -$signal "'$STEP_PID' -- "$TOOL" "$@" || status=$?
		[ $status = 0 ] || [ $status = $((128 + $(kill -l $signal))) ] || fail "point $n: status $status"
		on a "$TOOL" status vx4 >"$T/status" 2>&1 || [ $? = 3 ] || fail "point $n: $(cat "$T/status")"
		whole
		check on a "$TOOL" "${undo[@]}"
	done
}

# Nothing is loaded and nothing is there, or something is and is healthy.
whole()
{
	if on a sh -c "ls $root >/dev/null 2>&1"; then
		check on a "$TOOL" status vx4
	else
		inventory >"$T/after"
		check diff "$T/before" "$T/after"
	fi
}

test_signals()
{
	local signal undo

	kind=vxlan
	lone_node
	inventory >"$T/before"
	thin 8 32
	points_of a load vx4 --direction both
	check on a "$TOOL" unload vx4
	undo=(unload --all)
	for signal in TERM INT; do
		ended_by $signal load vx4 --direction both
	done
	check on a "$TOOL" load vx4 --direction both
	points_of a unload vx4
	check on a "$TOOL" load vx4 --direction both
	undo=(load vx4 --direction both)
	ended_by TERM unload vx4
}
