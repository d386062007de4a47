# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# dscp-tool monitor: after each change the tunnel is right again, by itself. With a timer of an hour
# an event has done it; with one of a second nothing happens is soon seen.

. testing/tunnels.sh

kind=vxlan

# watched SECONDS [OPTIONS of load]: a tunnel vx4 on node a, and a monitor with that interval
watched()
{
	lone_node
	check on a "$TOOL" load vx4 "${@:2}"
	start_monitor a --interval "$1"
	healthy
}

by_events=3600 # no test takes so long

healthy() { retry_until on a "$TOOL" status vx4; }
said() { retry_until grep -qE -e "$1" "$T/monitor"; }

looks() { grep -c '^dscp-tool: checked: ' "$T/monitor"; }
has_looked() { [ "$(looks)" -ge "$1" ]; }

# awaits_looks N: N more looks have ended, and all of them but the first have begun after this call.
awaits_looks() { retry_until has_looked $(($(looks) + $1)); }

# looks_by_event: the same for two looks that an event has caused, an address that comes and goes
looks_by_event()
{
	local n

	for _ in 1 2; do
		n=$(looks)
		on a sh -ec 'ip address add 198.51.100.9/32 dev lo; ip address del 198.51.100.9/32 dev lo'
		retry_until has_looked $((n + 1))
	done
}

# only_says ERE COMMAND...: it says nothing but lines that match, until the command is done
only_says()
{
	local lines
	lines=$(wc -l <"$T/monitor")

	"${@:2}"
	OUTPUT=$(tail -n "+$((lines + 1))" "$T/monitor" | grep -vE -e "$1") || return 0
	fail "it has said: $OUTPUT"
}

# The ifindex of the device is the hook's, which works.
hook_is_on()
{
	{ on a "$TOOL" status vx4 --json || [ $? = 4 ]; } |
		jq -e --arg dev "$1" --arg program "$2" --argjson n "$(on a cat "/sys/class/net/$1/ifindex")" \
			'.tunnels[0].hooks | any(.dev == $dev and .program == $program and
				.ifindex == $n and .state == "ok")'
}

# The device of that name is the one that is loaded.
is_registered()
{
	[ "$(counter a "$1" ifindex)" = "$(on a cat "/sys/class/net/$1/ifindex")" ]
}

test_tunnel_made_anew()
{
	watched $by_events
	on a ip link del vx4
	said 'vx4: '
	vx4_again
	retry_until is_registered vx4
	said 'vx4: the device was made anew.*: loaded again'
	healthy
}

vx4_again() { on a ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789; }

test_uplink_made_anew()
{
	watched $by_events
	on a ip link del eth0
	said 'vx4: no uplink found'
	on a sh -ec 'ip link add eth0 type veth peer name peer0; ip link set eth0 up
		ip link set peer0 up'
	uplink a 1
	retry_until hook_is_on eth0 egress_outer
	said 'vx4: uplink eth0: loaded again'
	said '^dscp-tool: vx4: all is well again$'
	healthy
}

# watches LINES WORD...: the output of monitor on node a until its first look is over; the words without
# --verbose
watches()
{
	: >"$T/monitor"
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'log=$1; shift; exec "$0" "$@" 2>"$log"' "$TOOL" "$T/monitor" "${@:2}"
	monitor=$!
	said '^dscp-tool: watching '
	stop_background "$monitor"
	check diff <(echo "$1") <(sed 's/^dscp-tool: //' "$T/monitor")
}

# The first look ends with the watched tunnels, and those that are awaited.
test_says_what_it_watches()
{
	lone_node
	node_add_netns b
	watches 'watching 0 tunnels; waiting for one to be loaded' monitor
	watches 'wx5: not loaded
watching 0 tunnels; waiting for wx5' monitor wx5
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6
	watches 'watching 2 tunnels: vx4, vx6' monitor
	watches 'watching 1 tunnel: vx6' monitor vx6
	watches 'wx5: not loaded
vy6: not loaded
watching 1 tunnel: vx4; waiting for wx5, vy6' monitor wx5 vx4 vy6
	watches 'vx4: not loaded here, but in another network namespace: dscp-tool -n a monitor vx4
watching 0 tunnels; waiting for vx4' -n b monitor vx4
	check on a "$TOOL" unload --all
}

# A tunnel that is awaited is watched when it is there.
test_awaited()
{
	lone_node
	check on a "$TOOL" load vx6
	start_monitor a --interval 1 vx4
	check on a "$TOOL" load vx4
	said '^dscp-tool: checked: 1 tunnel, no change$'
	on a ip link del vx4
	vx4_again
	said 'vx4: the device was made anew.*: loaded again'
}

test_route_moves()
{
	watched $by_events
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		ip link set peer1 up; ip route add 192.0.2.2/32 dev eth1'
	retry_until hook_is_on eth1 egress_outer
	said 'vx4: uplink eth1: loaded again'
	on a ip route del 192.0.2.2/32 dev eth1
	retry_until hook_is_on eth0 egress_outer
	# Nothing stays where it is not needed.
	check_grep '^1$' on a sh -c 'ls /sys/fs/bpf/dscp-tool/*/hooks | grep -c egress_outer'
}

test_renamed()
{
	watched $by_events
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name tunnel; ip link set tunnel up'
	said 'tunnel: the device was renamed: loaded again'
	check on a "$TOOL" status tunnel
}

# The number of an uplink that is gone becomes that of another tunnel's uplink, where a program is again:
# the first tunnel does not take that device for its own, and has its uplink when that one is back.
test_number_of_another_uplink()
{
	lone_node
	for name in eth1 eth2; do
		on a sh -ec 'ip link add "$0" index 7088 type veth peer name peer1; ip link set "$0" up
			ip link set peer1 up' $name
		if [ $name = eth1 ]; then
			check on a "$TOOL" load vx4 --uplink eth1
			on a ip link del eth1
		fi
	done
	check on a "$TOOL" load vx6 --uplink eth2
	check_exit 4 on a "$TOOL" status vx4
	grep -q 'problem .*eth1' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" reload
	check_exit 4 on a "$TOOL" status vx4
	[ "$(on a "$TOOL" save)" = $'dscp-tool load vx4 --uplink eth1\ndscp-tool load vx6 --uplink eth2' ] ||
		fail "$(on a "$TOOL" save)"
	on a sh -ec 'ip link add eth1 type veth peer name peer2; ip link set eth1 up; ip link set peer2 up'
	check on a "$TOOL" reload
	[ "$OUTPUT" = 'vx4: uplink eth1: loaded again' ] || fail "$OUTPUT"
	check on a "$TOOL" status
}

# A monitor that begins after a rename knows the tunnel by the present name, or an altname, as status
# does.
test_named_as_it_is_now()
{
	local name

	lone_node
	check on a "$TOOL" load vx4
	for name in tunnel the-office; do
		on a sh -ec 'ip link set vx4 down; ip link set vx4 name tunnel; ip link set tunnel up
			ip link property add dev tunnel altname the-office'
		check on a "$TOOL" status "$name"
		start_monitor a --interval $by_events "$name"
		said 'tunnel: the device was renamed: loaded again'
		stop_background "$monitor"
		on a sh -ec 'ip link property del dev tunnel altname the-office
			ip link set tunnel down; ip link set tunnel name vx4; ip link set vx4 up'
		check on a "$TOOL" reload
	done
}

# A monitor of that name alone goes on with it.
test_named_and_renamed()
{
	lone_node
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6
	start_monitor a --interval $by_events vx4
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name tunnel; ip link set tunnel up'
	said 'tunnel: the device was renamed: loaded again'
	on a sh -ec 'ip link del tunnel; ip link del vx6
		ip link add tunnel type vxlan id 44 remote 192.0.2.2 dstport 4789
		ip link add vx6 type vxlan id 66 remote 2001:db8::2 dstport 4790'
	said 'tunnel: the device was made anew: loaded again'
	check on a "$TOOL" status tunnel
	check_exit 4 on a "$TOOL" status vx6
	! grep vx6 "$T/monitor" || fail "$(<"$T/monitor")"
}

# Another device that gets the old name is another one, which nobody has loaded.
test_renamed_and_name_taken()
{
	lone_node
	check on a "$TOOL" load vx4 --egress-map '*=CS1'
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name tunnel; ip link set tunnel up
		ip link add vx4 type vxlan id 99 remote 192.0.2.2 dstport 4789'
	start_monitor a --interval 1
	said 'tunnel: the device was renamed: loaded again'
	only_says 'checked: 1 tunnel, no change' awaits_looks 2
	[ "$(grep -cE '^dscp-tool: (vx4|tunnel): ' "$T/monitor")" = 1 ] || fail "$(<"$T/monitor")"
	check_exit 3 on a "$TOOL" status vx4
	check on a "$TOOL" status tunnel
}

# One of the uplinks that --uplink named is gone: it is awaited, and the other one serves. One that
# was renamed is followed.
test_one_uplink_of_two_gone()
{
	on_eth1='ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	lone_node
	on a sh -ec "$on_eth1"
	check on a "$TOOL" load vx4 --uplink eth1 --uplink eth0 --attach clsact
	start_monitor a --interval $by_events
	on a ip link del eth1
	said 'vx4: uplink eth0 eth1 .absent.: loaded again'
	check_grep 'uplink eth1 does not exist .yet.: reload' on a sh -c '"$0" status vx4; [ $? = 4 ]' "$TOOL"
	on a tc qdisc del dev eth0 clsact
	said 'vx4: a program was taken away: loaded again'
	hook_is_on eth0 egress_outer
	on a sh -ec 'ip link set eth0 down; ip link set eth0 name wan; ip link set wan up'
	said 'vx4: uplink eth1 .absent. wan: loaded again'
	on a sh -ec "$on_eth1"
	said 'vx4: uplink eth1 wan: loaded again'
	healthy
	hook_is_on eth1 egress_outer
	hook_is_on wan egress_outer
	stop_background "$monitor"
	on a ip link del eth1
	check_exit 4 on a "$TOOL" status vx4
	# An uplink that the tunnel has already is awaited, a new name may be mistyped.
	check on a "$TOOL" load vx4 --uplink eth1 --uplink wan --egress-map EF=AF41
	grep -x 'dscp-tool: warning: vx4: uplink eth1 does not exist .yet.: reload when it appears, or run monitor' \
		<<<"$OUTPUT" || fail "$OUTPUT"
	check_grep '^dscp-tool: uplink eth2: there is no such device$' \
		on a sh -c '"$0" load vx4 --uplink eth2 --uplink wan 2>&1; [ $? = 2 ]' "$TOOL"
	check_exit 4 on a "$TOOL" status vx4
	check_grep 'EF=AF41.* --uplink eth1 --uplink wan|--uplink eth1 --uplink wan .*EF=AF41' on a "$TOOL" save
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

test_program_taken_away()
{
	watched $by_events --direction both --attach clsact
	on a tc qdisc del dev eth0 clsact
	said 'vx4: a program was taken away: loaded again'
	healthy
	on a tc filter del dev vx4 ingress
	retry_until hook_is_on vx4 ingress_inner
}

# It does nothing from one look to the next, but sleeps for all of the interval: twice in a row.
sleeps_between_looks()
{
	background strace -qq -e trace=ppoll -o "$T/trace" -p "$(<"$T/monitor.pid")"
	retry_until awk '
		{ n = /tv_sec=1, tv_nsec=0}.* = 0 \(Timeout\)$/ ? n + 1 : 0 }
		n == 2 { found = 1 }
		END { exit !found }' "$T/trace"
	stop_background $! INT
}

# No line of log but --verbose's; SIGTERM ends it.
test_idle()
{
	command -v strace >/dev/null || skip "no strace"
	watched 1
	only_says 'checked: 1 tunnel, no change' sleeps_between_looks
	kill -TERM "$(<"$T/monitor.pid")"
	wait "$monitor"
	check on a "$TOOL" status vx4
}

# The messages to a service manager, at a socket with a name in the file system or without.
test_notify()
{
	local name

	lone_node
	check on a "$TOOL" load vx4
	for name in "$T/notify" @dscp-tool-test; do
		background on a perl -MSocket -e '
			my ($name, $message) = $ARGV[0];
			$name =~ s/^@/\0/;
			socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un($name)) or die $!;
			$| = 1;
			print "listening\n";
			print "$message\n" while defined recv(S, $message, 99, 0);' "$name" >"$T/told"
		retry_until grep -q listening "$T/told"
		# shellcheck disable=SC2016 # for another shell
		background on a sh -c 'echo $$ >"$0"; NOTIFY_SOCKET=$1 exec "$2" monitor' "$T/pid" "$name" \
			"$TOOL"
		monitor=$!
		retry_until grep -q READY=1 "$T/told"
		kill -TERM "$(<"$T/pid")"
		wait "$monitor"
		retry_until grep -q STOPPING=1 "$T/told"
	done
}

# load, unload and another tunnel while it runs; killed and started again.
test_beside_load()
{
	watched $by_events
	for _ in 1 2 3 4 5; do
		check on a "$TOOL" load vx6
		check on a "$TOOL" unload vx6
		check on a "$TOOL" load vx4 --egress-map 'EF=CS1'
	done
	stop_background "$monitor" KILL
	on a ip link del vx4
	vx4_again
	check_exit 4 on a "$TOOL" status vx4
	start_monitor a --interval $by_events
	said 'vx4: the device was made anew: loaded again'
	healthy
	[ "$(on a "$TOOL" status vx4 --json | jq -c '.tunnels[0].egress_map')" = '{"EF":"CS1"}' ]
	check on a "$TOOL" unload --all
}

# A look for which there is no lock is made up for soon, not an hour later.
test_lock_taken()
{
	watched $by_events --attach clsact
	hold_lock a
	on a tc qdisc del dev eth0 clsact
	said 'another dscp-tool is at work'
	check_exit 4 on a "$TOOL" status vx4
	said '^dscp-tool: another dscp-tool is still at work: nothing is repaired meanwhile$'
	release_lock
	said '^dscp-tool: the other dscp-tool is done$'
	said 'vx4: a program was taken away: loaded again'
	healthy
}

# roused N: monitor wakes up for one more change of the qdisc, and has done so N times
roused()
{
	on a tc qdisc change dev eth0 root pfifo limit $((RANDOM + 1))
	[ "$(grep -c ' = 1 (' "$T/trace")" -ge "$1" ]
}

# The qdisc of the uplink changes all the time, as a shaper's bandwidth may: that is no reason to look,
# for which it would wait until the change has settled.
test_qdisc_that_changes()
{
	command -v strace >/dev/null || skip "no strace"
	watched $by_events
	on a tc qdisc add dev eth0 root pfifo limit 1
	background strace -qq -e trace=ppoll -o "$T/trace" -p "$(<"$T/monitor.pid")"
	retry_until roused 5
	stop_background $! INT
	check_exit 1 grep -E '\{tv_sec=0, tv_nsec=[0-9]*\}, (\[\]|~)' "$T/trace"
	looks_by_event
}

# Something changes all the time, on other devices: repairs do not wait for an end of it.
test_in_a_storm()
{
	watched $by_events --attach clsact
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	background on a sh -c 'while ip address add 198.51.100.9/32 dev eth1; do
		ip address del 198.51.100.9/32 dev eth1; done'
	storm=$!
	on a tc qdisc del dev eth0 clsact
	said 'vx4: a program was taken away: loaded again'
	healthy
	kill -0 $storm
}

# The qdisc ingress, in which our filter was, is somebody else's: its place is left to him.
test_ingress_qdisc_of_others()
{
	lone_node
	check on a tc qdisc add dev eth0 ingress
	check on a "$TOOL" load vx4 --direction ingress --attach clsact
	start_monitor a --interval $by_events
	healthy
	on a tc qdisc del dev eth0 ingress
	looks_by_event
	check_exit 1 grep 'loaded again' "$T/monitor"
	check on a tc qdisc add dev eth0 ingress
	said 'vx4: a program was taken away: loaded again'
	healthy
	check_grep 'qdisc ingress' on a tc qdisc show dev eth0
}

# A fault that cannot be repaired is said once, and does not keep the monitor busy. (With the lock
# no repair comes in between.)
test_repair_that_fails()
{
	local idle=(sleeps_between_looks)

	command -v strace >/dev/null || idle=(awaits_looks 2)
	watched 1 --attach clsact
	on a flock /sys/fs/bpf/dscp-tool sh -ec 'tc qdisc del dev eth0 clsact
		tc qdisc add dev eth0 ingress'
	said "and then eth0: the qdisc 'ingress' at ffff:"
	only_says 'checked: 1 tunnel, 0 loaded again, 1 not right' "${idle[@]}"
	on a tc qdisc del dev eth0 ingress
	said '^dscp-tool: vx4: all is well again$'
	healthy
}

# numbered INDEX NAME ID: a VXLAN between a and b with VNI and inner network ID, UDP port 47ID, and
# that number on a. Packets from b have EF outside.
numbered()
{
	local n

	for n in 1 2; do
		# shellcheck disable=SC2016 # for another shell
		on "$(tr 12 ab <<<$n)" sh -ec '
			ip link add "$2" $5 address 02:00:00:00:77:0$0 type vxlan id "$3" \
				remote 192.0.2.$1 dstport "47$3" $4
			echo 1 >/proc/sys/net/ipv6/conf/"$2"/disable_ipv6 # no packets of its own
			ip link set "$2" multicast off addrgenmode none; ip link set "$2" mtu 1400 up
			ip address add 10.0.$3.$0/24 dev "$2"
			ip neighbour add 10.0.$3.$1 lladdr 02:00:00:00:77:0$1 dev "$2"' \
			$n $((3 - n)) "$2" "$3" "$([ $n = 1 ] || echo tos 0xb8)" \
			"$([ $n = 2 ] || echo index "$1")"
	done
}

deleted() { on a ip link del "$1"; on b ip link del "$1"; }

# leaves ID EXPECT: a's packets by it, on the wire; nothing inside is changed at either end
leaves()
{
	through a b --dst "10.0.$1.2" --count 128 --at eth0 --tunnel vxlan --from 192.0.2.1 \
		--port "47$1" --expect "$2" --ecn 0
}

# untouched NAME ID: nothing is attached to that device of a, and no packet is marked in either
# direction
untouched()
{
	leaves "$2" none
	through b a --dst "10.0.$2.1" --count 128
	check_exit 1 grep -E 'egress_|ingress_|dscp' <(on a bpftool net show dev "$1")
	check_exit 3 on a "$TOOL" status "$1"
	check_exit 3 on a "$TOOL" unload "$1"
}

# number_used_again EXPECT LOAD-OPTIONS...: a loaded tunnel is deleted, and another one, which
# nobody has loaded, gets its number. The tunnel is loaded again when it is there again.
number_used_again()
{
	local n

	numbered 7077 vx7 71
	check on a "$TOOL" load vx7 "${@:2}"
	start_monitor a --interval $by_events
	leaves 71 "$1"
	deleted vx7
	numbered 7077 private0 72
	said "^dscp-tool: vx7: the device is gone .its number 7077 is another device's now, private0,"
	only_says 'checked: 1 tunnel, 0 loaded again, 1 not right' looks_by_event
	untouched private0 72
	check_exit 4 on a "$TOOL" status vx7
	grep -q '^  problem        the device vx7 .number 7077. is gone, ' <<<"$OUTPUT"
	! grep 'hook           vx7 .* ok' <<<"$OUTPUT" || fail "it has no device"
	numbered 7078 vx7 71
	said 'vx7: the device was made anew: loaded again'
	leaves 71 "$1"
	untouched private0 72
	stop_background "$monitor"
	check on a "$TOOL" unload vx7
	deleted private0
	deleted vx7
}

test_number_used_again()
{
	local how

	two_nodes
	number_used_again inner
	number_used_again 46 --outer-dscp EF
	for how in $(attach_kinds); do
		number_used_again inner --attach "$how" --direction both
	done
}

# The number and the name: that is the tunnel made anew, on which nothing is yet.
test_number_and_name_used_again()
{
	local how options

	two_nodes
	for how in $(attach_kinds); do
		for options in '--direction both' '--outer-dscp EF'; do
			numbered 7077 vx7 71
			# shellcheck disable=SC2086 # several words
			check on a "$TOOL" load vx7 --attach "$how" $options
			start_monitor a --interval $by_events
			deleted vx7
			numbered 7077 vx7 71
			said 'vx7: the device was made anew: loaded again'
			retry_until on a "$TOOL" status vx7
			leaves 71 "$([ "$options" = '--outer-dscp EF' ] && echo 46 || echo inner)"
			stop_background "$monitor"
			check on a "$TOOL" unload vx7
			check_exit 2 on a ls /sys/fs/bpf/dscp-tool
			deleted vx7
		done
	done
}

# Another tunnel is loaded at the number of one that is gone: each is by its own name, and the counters
# of the new one begin with zero.
test_number_loaded_again()
{
	local how

	two_nodes
	for how in $(attach_kinds); do
		numbered 7077 vx7 71
		check on a "$TOOL" load vx7 --attach "$how" --direction both --egress-map '*=CS1'
		leaves 71 8
		deleted vx7
		numbered 7077 vx8 72
		check on a "$TOOL" load vx8 --attach "$how" --direction both
		[ "$(counter a vx8 'counters|[.[].seen]|add')" = 0 ]
		check on a "$TOOL" status vx8
		check_exit 4 on a "$TOOL" status vx7
		grep -q '^  problem        the device vx7 is gone, ' <<<"$OUTPUT"
		leaves 72 inner
		start_monitor a --interval $by_events
		numbered 7078 vx7 71
		said 'vx7: the device was made anew: loaded again'
		leaves 71 8
		leaves 72 inner
		stop_background "$monitor"
		check on a "$TOOL" status
		deleted vx7
		check on a "$TOOL" unload vx7
		leaves 72 inner
		check on a "$TOOL" unload vx8
		check_exit 2 on a ls /sys/fs/bpf/dscp-tool
		deleted vx8
	done
}

# An uplink that --uplink named is renamed or gone: our program on it tells.
test_number_of_an_uplink()
{
	local how

	lone_node
	for how in $(attach_kinds); do
		on a ip link add eth1 index 7088 type veth peer name peer1
		on a ip link set eth1 up
		check on a "$TOOL" load vx4 --uplink eth0 --uplink eth1 --attach "$how"
		start_monitor a --interval $by_events
		on a ip link del eth1
		on a ip link add private0 index 7088 type veth peer name peer1
		said 'vx4: uplink eth0 eth1 .absent.: loaded again'
		only_says 'checked: 1 tunnel, no change' looks_by_event
		check_exit 1 grep -E 'egress_|dscp' <(on a bpftool net show dev private0)
		stop_background "$monitor"
		check on a "$TOOL" unload vx4
		on a ip link del private0
	done
}

# We made a clsact on a device that is gone: the one of another device with its number is not ours.
test_number_and_a_qdisc_of_others()
{
	lone_node
	on a sh -ec 'ip link add eth1 index 7088 type veth peer name peer1; ip link set eth1 up'
	numbered_alone vx7
	check on a "$TOOL" load vx7 --uplink eth0 --uplink eth1 --direction both --attach clsact
	check_grep clsact on a tc qdisc show dev vx7
	check_grep clsact on a tc qdisc show dev eth1
	on a sh -ec 'ip link del vx7; ip link del eth1
		ip link add private0 index 7088 type veth peer name peer1; tc qdisc add dev private0 clsact'
	numbered_alone private1
	on a tc qdisc add dev private1 clsact
	check on a "$TOOL" unload vx7
	check_grep clsact on a tc qdisc show dev private0
	check_grep clsact on a tc qdisc show dev private1
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

numbered_alone() { on a ip link add "$1" index 7077 type vxlan id 77 remote 192.0.2.2 dstport 4777; }

# An uplink that was moved to another network namespace takes our program with it, and its number is
# another device's: that one has no program, and is not the uplink.
test_uplink_moved_away()
{
	lone_node
	node_add_netns c
	on a sh -ec 'ip link add eth1 index 7088 type veth peer name peer1; ip link set eth1 up'
	check on a "$TOOL" load vx4 --uplink eth0 --uplink eth1
	on a ip link set eth1 netns "${node_holder[c]}"
	check_exit 4 on a "$TOOL" status vx4
	check_grep '^  problem +the device eth1 .number 7088. is gone, or in another network namespace: reload the tunnel$' \
		cat <<<"$OUTPUT"
	on a ip link add private0 index 7088 type veth peer name peer2
	check_exit 4 on a "$TOOL" status vx4
	start_monitor a --interval $by_events
	said 'vx4: uplink eth0 eth1 .absent.: loaded again'
	check_exit 1 grep -E 'egress_|dscp' <(on a bpftool net show dev private0)
	check_exit 1 grep -E 'egress_|dscp' <(on c bpftool net show)
	stop_background "$monitor"
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}
