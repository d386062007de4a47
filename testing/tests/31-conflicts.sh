# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Tunnels with outer packets that look alike: those that cannot be told apart are refused, the others are
# told apart.

. testing/tunnels.sh

kind=vxlan

# refused NODE ERE WORDS...: load with these words is, with one line that matches, and nothing changes
refused()
{
	local node=$1 sentence=$2

	shift 2
	on "$node" "$TOOL" status --json >"$T/status.before" || [ $? = 4 ]
	check_exit 2 on "$node" "$TOOL" load "$@"
	grep -qE -e "$sentence" <<<"$OUTPUT" || fail "no \"$sentence\": $OUTPUT"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
	on "$node" "$TOOL" status --json >"$T/status.after" || [ $? = 4 ]
	check diff "$T/status.before" "$T/status.after"
}

# has_problem TUNNEL ERE: of node a
has_problem()
{
	check_exit 4 on a "$TOOL" status "$1"
	grep -qE -e "^  problem        $2" <<<"$OUTPUT" || fail "no \"$2\": $OUTPUT"
}

# In external mode a device sends any VNI. Two that the kernel tells apart by a list of VNIs, in one
# namespace; and with one that has a fixed VNI, each in a separate namespace.
test_external()
{
	ip link add probe type vxlan external vnifilter dstport 4789 ||
		skip 'this iproute2 or kernel has no vnifilter'
	ip link del probe
	lone_node
	on a sh -ec 'ip link del vx4; ip link del vx6
		ip link add vx0 type vxlan external vnifilter dstport 4789
		ip link add vx1 type vxlan external vnifilter dstport 4789
		ip link add vx2 type vxlan external dstport 4790
		ip link set vx0 up; ip link set vx1 up; ip link set vx2 up'
	# Packets of vx1 would be taken for packets of vx0; it may come up later.
	refused a 'vx0: packets of vx1, which is not loaded, would be marked like those of vx0: load vx1 first' \
		vx0 --uplink eth0
	on a ip link set vx1 down
	check on a "$TOOL" load vx0 --uplink eth0
	check on a "$TOOL" status vx0
	on a ip link set vx1 up
	has_problem vx0 'packets of vx1, which is not loaded, are marked like its own: load it too, or'
	check on a "$TOOL" load vx0 --uplink eth0 --egress-map '*=CS0'
	refused a 'vx1: its outer packets look like those of vx0, since in external mode .* port 4789' \
		vx1 --uplink eth0
	refused a 'vx2: its outer packets look like those of vx0' vx2 --uplink eth0 --port 4789
	on a ip link del vx1
	check on a "$TOOL" status vx0
	# Another port, and that one again.
	check on a "$TOOL" load vx2 --uplink eth0
	check on a "$TOOL" load vx0 --uplink eth0 --egress-map '*=CS0'
	ip netns add b
	# shellcheck disable=SC2016 # for another shell
	on a nsenter --net=/run/netns/b sh -ec '
		ip link add eth0 type veth peer name peer0; ip link set eth0 up
		ip link add vxb type vxlan id 5 dstport 4789; ip link set vxb up
		"$0" load vxb --uplink eth0' "$TOOL"
	# Packets that leave there are nothing to the tunnels here.
	check on a "$TOOL" unload vx0
	check on a "$TOOL" load vx0 --uplink eth0
	check on a "$TOOL" status --all-netns
	check on a "$TOOL" unload --all
	ip netns del b
}

# Dual stack: one VNI and one port, over IPv4 and over IPv6. Each has its own policy and counters.
test_dual_stack()
{
	local packets=(a b --way udp --count 64 --dport 5000 --at eth0 --tunnel vxlan --port 4789)

	two_nodes
	both 'ip link del vx6
		ip link add vx6 address 02:00:00:00:06:0%own type vxlan id 44 \
			local 2001:db8::%own remote 2001:db8::%peer dstport 4789
		ip link set vx6 multicast off addrgenmode none
		ip address add 10.0.6.%own/24 dev vx6
		ip link set vx6 mtu 1400 up
		ip neighbour add 10.0.6.%peer lladdr 02:00:00:00:06:0%peer dev vx6'
	check on a "$TOOL" load vx4 --egress-map '*=CS1'
	check on a "$TOOL" load vx6 --egress-map '*=CS2'
	through "${packets[@]}" --dst 10.0.4.2 --from 192.0.2.1 --expect 8
	through "${packets[@]}" --dst 10.0.6.2 --from 2001:db8::1 --expect 16
	# With a marker behind them.
	[ "$(counter a vx4 counters.egress.dscp.CS1)" = 65 ]
	[ "$(counter a vx6 counters.egress.dscp.CS2)" = 65 ]
	# The other one's are nobody's then.
	check on a "$TOOL" unload vx6
	through "${packets[@]}" --dst 10.0.6.2 --from 2001:db8::1 --expect 0
	through "${packets[@]}" --dst 10.0.4.2 --from 192.0.2.1 --expect 8
	check on a "$TOOL" load vx6
	check on a "$TOOL" unload vx4
	through "${packets[@]}" --dst 10.0.6.2 --from 2001:db8::1 --expect inner
	through "${packets[@]}" --dst 10.0.4.2 --from 192.0.2.1 --expect 0
}

# A group decides the family as well. One port is never of two kinds.
test_same_endpoint()
{
	lone_node
	on a sh -ec 'ip link del vx6
		ip link add vx6 type vxlan id 44 group ff02::44 dev eth0 dstport 4789
		ip link set vx6 up
		ip tuntap add tun0 mode tun; ip link set tun0 up'
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6
	refused a 'tun0: port 4789 is vx4.s already' tun0 --outer-dscp EF --port 4789 --uplink eth0
	# The name that it has now: the command that is advised takes that.
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name later; ip link set later up'
	refused a 'tun0: port 4789 is later.s already .unload later first.$' \
		tun0 --outer-dscp EF --port 4789 --uplink eth0
	ip netns add b
	# shellcheck disable=SC2016 # for another shell
	on a nsenter --net=/run/netns/b sh -ec '
		ip link add eth0 type veth peer name peer0; ip link set eth0 up
		ip link add vxb type vxlan id 44 local 192.0.2.7 dstport 4789; ip link set vxb up
		"$0" load vxb --uplink eth0' "$TOOL"
	check on a "$TOOL" status --all-netns
	check on a "$TOOL" unload --all
	ip netns del b
}

# A tunnel without its device keeps its port, VNI and addresses, for the same name made anew.
test_device_gone()
{
	lone_node
	check on a "$TOOL" load vx4
	on a sh -ec 'ip link del vx4
		ip link add later type vxlan id 44 local 192.0.2.1 remote 192.0.2.2 dstport 4789
		ip link set later up'
	has_problem vx4 'packets of later, which is not loaded, are marked like its own: unload the tunnel, or'
	refused a 'later: its outer packets look like those of vx4 .unload vx4 first.$' later
	on a sh -ec 'ip link set later down; ip link set later name vx4; ip link set vx4 up'
	has_problem vx4 'vx4 was made anew since: reload it$'
	! grep -q 'is not loaded' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" reload
	check on a "$TOOL" status vx4
}

# The source address of a tunnel that has none is a route's, so it may be the other one's. Without
# a remote address it is told from one that has this: that one comes first, if it is loaded.
test_wildcards()
{
	nothing_may_be_missing
	ip link add probe type gre remote 192.0.2.2 || skip 'this kernel has no GRE'
	ip link del probe
	lone_node
	on a sh -ec 'ip link add t1 type gre local 192.0.2.1 remote 192.0.2.2
		ip link add t2 type gre local 192.0.2.1
		ip link add t3 type gre remote 192.0.2.2 key 5
		for n in 1 2 3; do ip link set t$n up; done'
	refused a 't2: packets of t1, which is not loaded, would be marked like those of t2: load t1 first' \
		t2 --uplink eth0
	check on a "$TOOL" load t1
	check on a "$TOOL" load t2 --uplink eth0
	check on a "$TOOL" load t3
	check on a "$TOOL" status
	on a sh -ec 'ip link add t0 type gre remote 192.0.2.2; ip link set t0 up'
	has_problem t1 'packets of t0, which is not loaded, are marked like its own: load it too, or'
	refused a 't0: its outer packets look like those of t1' t0
	on a sh -ec 'ip link del t0
		ip link add t4 type gretap local 192.0.2.1 remote 192.0.2.2; ip link set t4 up'
	has_problem t1 'packets of t4, which is not loaded'
	refused a 't4: its outer packets look like those of t1' t4
	on a sh -ec 'ip link del t4
		ip link add t5 type erspan seq key 30 local 192.0.2.1 remote 192.0.2.2 erspan_ver 1 erspan 12
		ip link set t5 up'
	# egress_outer leaves ERSPAN alone.
	check on a "$TOOL" status
	on a ip link del t5
	check on a "$TOOL" status
	check on a "$TOOL" load t1 --direction ingress
	has_problem t2 'packets of t1, which is not loaded'
	check on a "$TOOL" unload --all
}
