# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The words of status about the surroundings of our programs.

. testing/tunnels.sh

kind=vxlan

ahead() { on a "$TOOL" status vx4 --json | jq -c ".tunnels[0].hooks[] | select(.program == \"$1\") | .ahead"; }

# At one priority the newest filter runs first (cls_bpf_change()).
test_who_is_in_front()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both --attach clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	[ "$(ahead ingress_inner)" = '[]' ]
	jq -e 'length == 1 and .[0].name == "foreign" and .[0].attach == "clsact" and
		.[0].priority == 1 and .[0].prog_id > 0' <<<"$(ahead egress_outer)"
	check_grep 'before it +foreign, clsact, priority 1, id [0-9]+ ' on a "$TOOL" status vx4
	# Nothing is said of filters behind it.
	check on a tc filter del dev eth0 egress pref 1 handle 7 bpf
	check on a tc filter add dev eth0 egress pref 9 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	[ "$(ahead egress_outer)" = '[]' ]
}

# The order in which TCX, and clsact after it, run them.
test_tcx_goes_first()
{
	lone_node
	on a "$TOOL" features --json | jq -e .features.tcx || skip "no TCX in this kernel"
	check on a tc qdisc add dev eth0 clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	check on a "$TOOL" load vx4
	[ "$(ahead egress_outer)" = '[]' ]
}

test_qdisc_of_the_uplink()
{
	lone_node
	check on a tc qdisc replace dev eth0 root pfifo
	check on a "$TOOL" load vx4
	check_grep 'eth0 egress: egress_outer, .* ok, then qdisc pfifo$' on a "$TOOL" status
	[ "$(on a "$TOOL" status --json | jq -r '.tunnels[0].hooks[] | select(.qdisc) | .qdisc')" = \
		pfifo ]
}

# ends: of t0, as text and JSON have them, which say the same
ends()
{
	check_grep "^t0: .*$1, healthy\$" on a "$TOOL" status t0
	[ "$(on a "$TOOL" status t0 --json | jq -c '.tunnels[0] | [.vni, .key, .local, .remote]')" = "$2" ] ||
		fail "$(on a "$TOOL" status t0 --json)"
}

# The features that tell a tunnel from others of its kind.
test_which_tunnel_it_is()
{
	lone_node
	check on a ip link add t0 up type vxlan id 70000 local 192.0.2.1 remote 192.0.2.7 dstport 4799
	check on a "$TOOL" load t0
	ends 'port 4799, vni 70000, local 192.0.2.1, remote 192.0.2.7' \
		'[70000,null,"192.0.2.1","192.0.2.7"]'
	# From elsewhere too.
	node_add_netns b
	check_grep "^t0 .*, vni 70000, local 192.0.2.1, remote 192.0.2.7, healthy\$" \
		on a nsenter --net=/run/netns/b "$TOOL" status --all-netns
	# All that it takes is its port.
	on a sh -ec 'ip link del t0; ip link add t0 up type vxlan external dstport 4799'
	check on a "$TOOL" load t0 --uplink eth0
	ends 'vxlan port 4799' '[null,null,null,null]'
	# A device that is gone says nothing any more.
	check on a ip link del t0
	check_exit 4 on a "$TOOL" status t0
	grep '^t0: vxlan port 4799, NOT HEALTHY$' <<<"$OUTPUT" || fail "$OUTPUT"
}

test_which_gre_it_is()
{
	ip link add probe type gre remote 192.0.2.2 || skip "this kernel has no GRE"
	ip link del probe
	lone_node
	check on a ip link add t0 up type gre remote 192.0.2.2 key 5
	check on a "$TOOL" load t0
	ends 'gre, key 5, remote 192.0.2.2' '[null,5,null,"192.0.2.2"]'
	# All hooks are alive, but nothing that it sends is marked any more.
	check on a ip link change t0 type gre remote 192.0.2.3 key 5
	check_exit 4 on a "$TOOL" status t0
	grep 't0 now sends with another address or key: reload it' <<<"$OUTPUT" || fail "$OUTPUT"
	check_grep '^t0: its outer packets look different: loaded again$' on a "$TOOL" reload t0
	ends 'gre, key 5, remote 192.0.2.3' '[null,5,null,"192.0.2.3"]'
}

# The line that loads a tunnel is there to be run again.
test_command()
{
	local command

	lone_node
	check on a "$TOOL" load vx4 -m 'EF=CS5,AF11-AF43=keep' --peer-map 10.0.0.5:LE=CS1
	command=$(on a "$TOOL" status vx4 | sed -n 's/^  command  *dscp-tool //p')
	[ "$command" = "$(on a "$TOOL" status vx4 --json | jq -r '.tunnels[0].command' | sed 's/^dscp-tool //')" ]
	[ "$command" = "load vx4 --egress-map 'AF11-AF43=keep,EF=CS5' --peer-map '10.0.0.5/32:LE=CS1'" ] ||
		fail "$command"
	check on a "$TOOL" unload vx4
	check on a sh -c "'$TOOL' $command"
	[ "$(on a "$TOOL" save)" = "dscp-tool $command" ]
}

# All hooks are alive, but the packets have gone elsewhere.
test_route_moved()
{
	lone_node
	check on a "$TOOL" load vx4
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		ip link set peer1 up; ip route add 192.0.2.2/32 dev eth1'
	check_exit 4 on a "$TOOL" status vx4
	grep 'packets of vx4 now leave by eth1: reload it' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" load vx4
	check on a "$TOOL" status vx4
	# A user that has named it knows better.
	check on a "$TOOL" load vx4 --uplink eth0
	check on a "$TOOL" status vx4
	# Without a route nothing leaves.
	check on a "$TOOL" load vx4
	on a sh -ec 'ip route del 192.0.2.2/32 dev eth1; ip address flush dev eth0'
	check on a "$TOOL" status vx4
}

# renamed OLD NEW: on a
renamed() { on a sh -ec 'ip link set "$0" down; ip link set "$0" name "$1"; ip link set "$1" up' "$@"; }

# uplinks DEV: of both tunnels it is this device, which is up, and all is well
uplinks()
{
	check on a "$TOOL" status --json
	jq -e --arg dev "$1" 'all(.tunnels[]; .healthy and .up and
		all(.hooks[] | select(.program == "egress_outer"); .dev == $dev and .up))' <<<"$OUTPUT" ||
		fail "not $1: $OUTPUT"
}

# Devices are shown as they are now. An uplink that was named is the device that was loaded, also when another
# one has its name.
test_devices_as_they_are_now()
{
	lone_node
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up; ip link set peer1 up
		ip link del vx6; ip link add vx9 type vxlan id 99 remote 192.0.2.2 dstport 4799; ip link set vx9 up'
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx9 --uplink eth0
	renamed eth0 lan0
	uplinks lan0
	renamed eth1 eth0
	uplinks lan0
	check on a "$TOOL" reload --all
	uplinks lan0
	on a ip link set lan0 down
	check_grep '^  hook +lan0 egress: egress_outer, .*, ok, down' on a "$TOOL" status vx9
	on a sh -ec 'ip link set vx9 down; ip link set vx9 name vpn9'
	check_grep '^vpn9: vxlan port 4799.*, down, healthy$' on a "$TOOL" status vpn9
}

# A device that has left the namespace is named once for all its hooks.
test_device_moved_away()
{
	lone_node
	node_add_netns b
	check on a "$TOOL" load vx4 --direction both --ingress-method tc --uplink eth0
	on a ip link set eth0 netns b
	check_exit 4 on a "$TOOL" status vx4
	[ "$(grep '^  problem ' <<<"$OUTPUT" | sed 's/number [0-9]*/number N/')" = "  problem        the device eth0 (number N) is gone, or in another network namespace: reload the tunnel" ] ||
		fail "$OUTPUT"
}

# asked_during_a_change QUESTION...: while another process is half way, at the point $half
asked_during_a_change()
{
	local change look

	rm -f "$T/go" "$T/there"
	check on a "$TOOL" load vx4
	# shellcheck disable=SC2016 # for another shell
	background on a "$step" --at "$half" --each ': >"$T/there"; until [ -e "$T/go" ]; do sleep 0.05; done' -- \
		"$TOOL" load vx4 --direction both
	change=$!
	retry_until test -e "$T/there"
	background on a "$TOOL" "$@" --json >"$T/said"
	look=$!
	retry_until waits_or_ends "$look"
	touch "$T/go"
	wait "$change"
	wait "$look"
}

# waits_or_ends PID
waits_or_ends() { grep -q -e '-> FLOCK' /proc/locks || ! kill -0 "$1"; }

# A fault that another process is about to put in order is no problem. It is not waited for without
# end: so there may be more than one try.
test_during_a_change()
{
	lone_node
	# The first time there is more to do.
	check on a "$TOOL" load vx4 --direction both
	check on a "$TOOL" load vx4
	check_exit 125 on a "$step" --each "'$TOOL' status >/dev/null || { echo half \$STEP_POINT; exit 1; }" -- \
		"$TOOL" load vx4 --direction both
	half=$(sed -n 's/^half //p' <<<"$OUTPUT")
	[ -n "$half" ] || fail "a load is not seen half way: $OUTPUT"
	retry_until asked_during_a_change status
	jq -e '.tunnels[0] | .healthy and .direction == "both"' "$T/said" || fail "$(<"$T/said")"
	retry_until asked_during_a_change explain vx4
	jq -e '.tunnels[0].problems == [] and .errors == null' "$T/said" || fail "$(<"$T/said")"
}
half=''
