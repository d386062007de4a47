# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# Accidents around the tool: the tool is killed at each of its points, bpffs is hidden,
# devices change, and packets pass while the tool works. VXLAN, on whatever kernel runs.

. testing/tunnels.sh

kind=vxlan
# The kernel takes the TCX link of a process that was killed away a moment later.
same_as_before() { retry_until unchanged "${1:-a}"; }
unchanged() { inventory "$1" >"$T/after.$1" && diff "$T/before" "$T/after.$1"; }

# one_line STATUS ERE COMMAND...: that exit status, and one line in all, which matches
one_line()
{
	local status=$1 sentence=$2

	shift 2
	check_exit "$status" "$@"
	printf '%s\n' "$OUTPUT" >"$T/message"
	check_grep "$sentence" cat "$T/message"
	[ "$(wc -l <"$T/message")" = 1 ] || fail "not one line: $(cat "$T/message")"
}

#
# Packets while it works
#

# "Show nothing" holds for every packet, also while the tool comes and goes, and while the tool
# changes loaded tunnels.
test_privacy_map_never_leaks()
{
	local how policy=('--egress-map' '*=CS0')

	two_nodes
	for how in $(attach_kinds); do
		thin 1 16
		change_once '*=0' '*=0' load vx4 "${policy[@]}" --attach "$how"
		change_once '*=0' '*=0' load vx4 "${policy[@]}" --attach "$how" --direction both
		thin 8 32
		change_once '*=0' '*=0' load vx4 "${policy[@]}" --attach "$how" --flows 1000
		change_once '*=0' '*=0' unload vx4
	done
}

# A user space tunnel is known by its source port, which a VXLAN may have as well.
test_source_port_of_another_tunnel()
{
	local order tunnel

	two_nodes
	on a sh -ec '
		ip link delete vx4
		ip link add vx4 address 02:00:00:00:04:01 type vxlan id 44 remote 192.0.2.2 \
			dstport 4789 srcport 40000 40001
		ip link set vx4 multicast off addrgenmode none
		ip address add 10.0.4.1/24 dev vx4
		ip link set vx4 mtu 1400 up
		ip neighbour add 10.0.4.2 lladdr 02:00:00:00:04:02 dev vx4
		ip tuntap add tun0 mode tun'
	for order in 'vx4 tun0' 'tun0 vx4'; do
		for tunnel in $order; do
			load_one "$tunnel"
		done
		# Newer kernels (7.3) use the last port of a range, too.
		pass udp:640 4 4 inner --outer-sport 40000 --outer-sports 1
		[ "$(counter a vx4 counters.egress.marked)" = 630 ] # CS0 is as it was
		[ "$(counter a tun0 counters.egress.seen)" = 0 ]
		check on a "$wire" udp --dst 192.0.2.2 --sport 40000 --port 9 --count 20
		[ "$(counter a vx4 counters.egress.marked)" = 630 ]
		[ "$(counter a tun0 counters.egress.dscp.CS1)" = 20 ]
		check on a "$TOOL" unload --all
	done
}

load_one()
{
	case $1 in
	vx4) check on a "$TOOL" load vx4 ;;
	tun0) check on a "$TOOL" load tun0 --outer-dscp CS1 --port 40000 --port 40001 --uplink eth0 ;;
	esac
}

# A map of another size is an empty one: flows that were known have to be learnt again. No packet
# lacks its DSCP for that.
test_flows_of_another_size_on_a_live_flow()
{
	local n

	two_nodes
	thin 4 32
	check on a "$TOOL" load vx4
	probed 10.0.4.2 same
	for n in 1000 2000; do
		change_once same same load vx4 --flows $n
	done
}

# The same for WireGuard, with flows in that map; and after a change that is refused half way. The source port
# stays, so that the flows are known ones: a new one has stamp_cache alone while egress_inner has the new map
# and egress_outer the old one, and there another stamp may take its place.
test_flows_of_another_size_by_wireguard()
{
	local packets

	kind=wireguard
	wireguard_nodes
	thin 8 128
	check on a "$TOOL" load wg4
	pattern udp:64 4 4
	outside 4
	packets=("${pattern[@]}" --sport 40000 "${outside[@]}" --expect inner)
	through a b "${packets[@]}"
	check known EF
	each_point a "$(printf ' %q' "$wire" through a b "${packets[@]}")" load wg4 --flows 1000
	check known EF
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		tc qdisc add dev eth1 ingress'
	one_line 2 'eth1' on a "$TOOL" load wg4 --uplink eth0 --uplink eth1 --attach clsact \
		--egress-map '*=CS0'
	check known EF
	pass udp:640 4 4 inner
	[ "$(counter a wg4 counters.egress.unknown.total)" = 0 ]
}

# known EF: dump-map lists a flow of that DSCP
known()
{
	on a "$TOOL" dump-map --json | jq -e --arg dscp "$1" 'any(.maps[0].entries[]; .dscp == $dscp)'
}

#
# Killed
#

# each_kind FUNCTION: FUNCTION NODE KIND for each way to attach, side by side in nodes with separate
# locks: half of the time is waiting for the kernel
each_kind()
{
	local how pid pids=() failed=

	lone_node
	remember
	for how in $(attach_kinds); do
		lone_node "$how"
		on "$how" mount -t tmpfs run /run
		"$1" "$how" "$how" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=yes
	done
	[ -z "$failed" ]
}

test_first_load_killed()
{
	thin 4 8
	each_kind loads_killed
}

# loads_killed NODE KIND
loads_killed()
{
	local n

	points_of "$1" load vx4 --attach "$2"
	check on "$1" "$TOOL" unload vx4
	for n in "${points[@]}"; do
		killed_at "$1" "$n" load vx4 --attach "$2"
		# shellcheck disable=SC2016 # for another shell
		check on "$1" sh -c '"$0" status; [ $? != 2 ]' "$TOOL"
		check on "$1" "$TOOL" load vx4
		check on "$1" "$TOOL" status vx4
		check on "$1" "$TOOL" unload vx4
		same_as_before "$1"
	done
}

# Killed at each request that makes a qdisc or a filter: an unload finds the remains.
test_killed_at_clsact()
{
	local points n made=0

	lone_node
	remember
	on a "$step" --list --all -- "$TOOL" load vx4 --direction both --attach clsact \
		>"$T/points"
	check on a "$TOOL" unload vx4
	mapfile -t points < <(sed -nE 's/ .* RTM_NEW(QDISC|TFILTER)$//p' "$T/points")
	for n in "${points[@]}"; do
		check_exit 137 on a "$step" --all --kill "$n" -- \
			"$TOOL" load vx4 --direction both --attach clsact
		check on a "$TOOL" unload --all
		same_as_before
		check_exit 2 on a ls /sys/fs/bpf/dscp-tool
		made=$((made + 1))
	done
	[ "$made" = 5 ] || fail "$made requests"
}

test_unload_killed()
{
	thin 8 32
	each_kind unload_killed
}

# unload_killed NODE KIND
unload_killed()
{
	local load=(load vx4 --attach "$2")

	killed_unloads "$1" vx4
}

# killed_loads NODE TUNNEL: this $load is killed. The next call mends the remains, which can be most
# of a change of direction, or takes them away: in turn, and at each point for --long.
killed_loads()
{
	local n turn=0 ways=(mended turned taken_away)

	points_of "$1" "${load[@]}"
	check on "$1" "$TOOL" unload "$2"
	for n in "${points[@]}"; do
		if [ "$every" = 1 ]; then
			mended "$@" "$n"
			turned "$@" "$n"
			taken_away "$@" "$n"
		else
			"${ways[turn++ % 3]}" "$@" "$n"
		fi
	done
}

# mended NODE TUNNEL POINT
mended()
{
	killed_at "$1" "$3" "${load[@]}"
	check on "$1" "$TOOL" "${load[@]}"
	check on "$1" "$TOOL" status "$2"
	check on "$1" "$TOOL" unload "$2"
	same_as_before "$1"
}

turned()
{
	killed_at "$1" "$3" "${load[@]}"
	check on "$1" "$TOOL" load "$2" --direction ingress
	check on "$1" "$TOOL" "${load[@]}"
	check on "$1" "$TOOL" status "$2"
	check on "$1" "$TOOL" unload "$2"
	same_as_before "$1"
}

taken_away()
{
	killed_at "$1" "$3" "${load[@]}"
	gone "$1" "$2"
	same_as_before "$1"
}

# killed_unloads NODE TUNNEL: the unload after this $load is killed; the next takes the rest away
killed_unloads()
{
	local n

	check on "$1" "$TOOL" "${load[@]}"
	points_of "$1" unload "$2"
	same_as_before "$1"
	for n in "${points[@]}"; do
		check on "$1" "$TOOL" "${load[@]}"
		killed_at "$1" "$n" unload "$2"
		gone "$1" "$2"
		same_as_before "$1"
	done
}

# gone NODE TUNNEL: unload, of a tunnel that may be loaded or not
gone()
{
	# shellcheck disable=SC2016 # for another shell
	check on "$1" sh -c '"$0" unload "$1"; status=$?; [ $status = 0 ] || [ $status = 3 ]' \
		"$TOOL" "$2"
}

test_ingress_killed()
{
	thin 32 64
	each_kind both_killed
}

# both_killed NODE KIND
both_killed()
{
	local load=(load vx4 --direction both --attach "$2")

	killed_loads "$1" vx4
	killed_unloads "$1" vx4
}

test_ingress_xdp_killed()
{
	local method load

	needs_methods
	node_with_wireguard
	remember
	thin 8 64
	# The first load makes libxdp's directory, a point that no other load has.
	check on a "$TOOL" load wg4 --direction both --ingress-method xdp
	check on a "$TOOL" unload wg4
	same_as_before
	for method in xdp tc; do
		load=(load wg4 --direction both --ingress-method $method)
		killed_loads a wg4
		killed_unloads a wg4
	done
}

# looked_at WORDS...: at each point of the tool with these words "status" sees the tunnel, or none
looked_at()
{
	each_point a "'$TOOL' status 2>&1; status=\$?; echo \"status \$status\"
		[ \$status = 0 ] || [ \$status = 4 ]" "$@"
	echo "$OUTPUT" >"$T/looks"
	check_exit 1 grep -B 1 -E 'version|failed' "$T/looks"
}

# A command that looks while the state is being made or taken away sees the tunnel, or nothing.
test_status_during_a_first_load()
{
	local how

	lone_node
	thin 1 8
	for how in $(attach_kinds); do
		looked_at load vx4 --attach "$how"
		check_grep '^status 0' cat "$T/looks"
		check on a "$TOOL" unload vx4
	done
}

test_status_during_an_unload()
{
	local how

	lone_node
	thin 1 4
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --attach "$how"
		looked_at unload vx4
		check_grep '^status 0' cat "$T/looks"
	done
}

#
# Refused
#

# A change is refused at its start, and another half way: the second uplink has no place. At each
# point of that one all packets are marked by the one policy or the other, and afterwards as before.
test_refused_change_of_a_loaded_tunnel()
{
	local without

	two_nodes
	check on a "$TOOL" load vx4
	probed 10.0.4.2 same
	all_of_it >"$T/loaded"
	for without in -all -net_admin,-sys_admin; do
		one_line 2 '(permitted|denied).*CAP_' on a setpriv --bounding-set=$without \
			--inh-caps=$without "$TOOL" load vx4 --flows 1000 --egress-map '*=CS0'
		is_as_loaded
	done
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		tc qdisc add dev eth1 ingress'
	all_of_it >"$T/loaded"
	one_line 2 'eth1' on a "$step" --each "$(probe 10.0.4.2 same '*=0') >>'$T/marks'" -- \
		"$TOOL" load vx4 --uplink eth0 --uplink eth1 --attach clsact --egress-map '*=CS0'
	[ "$(wc -l <"$T/marks")" -gt 20 ] && tail -n 1 "$T/marks" | grep '^map 1'
	is_as_loaded
	check on a "$TOOL" load vx4 --flows 1000
	check on a "$TOOL" unload vx4
}

# With the programs and maps of then
is_as_loaded()
{
	check on a "$TOOL" status vx4
	all_of_it >"$T/still"
	check diff "$T/loaded" "$T/still"
	probed 10.0.4.2 same
}

# The same for a change of direction, with new programs.
test_refused_change_of_direction()
{
	local without how

	lone_node
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --attach "$how"
		all_of_it >"$T/loaded"
		for without in -all -net_admin,-sys_admin -bpf,-sys_admin; do
			one_line 2 'CAP_(NET_ADMIN|PERFMON)' on a setpriv --bounding-set=$without \
				--inh-caps=$without "$TOOL" load vx4 --direction both --attach "$how"
			all_of_it >"$T/still"
			check diff "$T/loaded" "$T/still"
		done
		check on a "$TOOL" load vx4 --direction ingress --attach "$how"
		check on a "$TOOL" unload vx4
	done
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# The loaded state, the kernel's numbers of programs and maps included, without the counters.
all_of_it()
{
	inventory
	on a "$TOOL" status vx4 --json | jq 'del(.tunnels[].counters, .flows)'
	# The pinned programs name their maps.
	on a bpftool prog show pinned "$(pins a)/programs/egress_outer" -j |
		jq -c '.id, .map_ids'
	on a bpftool map show pinned "$(pins a)/maps/stamps" -j | jq -c '.id, .max_entries'
}

# A mount namespace without a bpffs, and not a copy of one that has it: loaded tunnels cannot be seen from
# there, and that is not the same as "nothing is loaded".
test_hidden_bpffs()
{
	local words command

	lone_node
	check on a "$TOOL" load vx4
	remember
	for words in 'status' 'status vx4' 'unload vx4' 'unload --all' 'dump-map' \
		'load vx4' 'reload' 'save'; do
		read -ra command <<<"$words"
		# shellcheck disable=SC2016 # for another shell
		one_line 2 'no bpffs at /sys/fs/bpf .*: mount one first .mount -t bpf bpf /sys/fs/bpf.$' \
			on a unshare -m sh -c 'umount /sys/fs/bpf && umount -l /proc && mount -t proc proc /proc &&
				exec "$0" "$@"' "$TOOL" "${command[@]}"
	done
	# shellcheck disable=SC2016 # for another shell
	check_grep '^bpffs +no: nowhere to pin: mount -t bpf bpf /sys/fs/bpf$' \
		on a unshare -m sh -c 'umount /sys/fs/bpf && umount -l /proc && mount -t proc proc /proc &&
			exec "$0" features' "$TOOL"
	# shellcheck disable=SC2016 # for another shell
	one_line 2 '^dscp-tool: no bpffs at /sys/fs/bpf .*: mount one first .mount -t bpf bpf /sys/fs/bpf.$' \
		on a unshare -m sh -c 'umount /sys/fs/bpf && umount -l /proc && mount -t proc proc /proc &&
			exec "$0" status --json >"$1"' "$TOOL" "$T/json"
	jq -e --arg said "$OUTPUT" '.exit_status == 2 and
		(.errors | length == 1 and "dscp-tool: " + .[0] == $said)' "$T/json"
	same_as_before
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
}

# The maker of a user namespace mounts there as he likes. The tool looks for pins in the mounts of its parent,
# which has left for one, and does not go there.
# shellcheck disable=SC2016 # for other shells
test_bpffs_of_a_user_namespace()
{
	local status

	required
	unshare -U -r true || skip "this kernel has no user namespaces"
	ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789
	ip link add eth0 type veth peer name peer0
	ip link set eth0 up
	umount /sys/fs/bpf
	mkdir "$T/bpf"
	mount -t bpf bpf "$T/bpf"
	mkfifo "$T/there" "$T/done"
	unshare -m sh -c '(read -r _ <"$1/there"
			"$0" load vx4 --uplink eth0 >"$1/said" 2>&1; echo $? >"$1/done") &
		exec unshare -U -r -m sh -ec "mount --bind \"\$0/bpf\" /sys/fs/bpf
			echo >\"\$0/there\"; read -r status <\"\$0/done\"; exit \$status" "$1"' \
		"$TOOL" "$T" && status=0 || status=$?
	[ $status = 2 ] || fail "status $status: $(cat "$T/said")"
	check_grep '^dscp-tool: no bpffs at /sys/fs/bpf in this mount namespace, nor in one that it is a copy of' \
		cat "$T/said"
	[ ! -e "$T/bpf/dscp-tool" ] || fail "something is there"
}

# A feature that cannot be tried is not said to be missing; one that can be told without privileges
# is told.
test_features_without_privileges()
{
	local who

	lone_node
	for who in '--reuid=65534 --clear-groups' '--bounding-set=-all --inh-caps=-all'; do
		# setpriv starts the tool itself: a shell of another user cannot where the clone is root's alone.
		# shellcheck disable=SC2016,SC2086 # for another shell; several words
		one_line 2 'CAP_BPF' on a sh -c 'exec "$@" features --json >&3' sh setpriv $who "$TOOL" \
			3>"$T/features"
		jq -e '.egress == null and .ingress == null and .features.tc_programs == null and
			.features.tcx == null and .features.clsact == null and .features.jit == null and
			.features.probe_read_kernel == null and (.features.libxdp | type) == "boolean" and
			(.unknown | keys | length) == 8 and .exit_status == 2 and (.errors | length) == 1 and
			([.features[] | select(. == false)] | length) == (.missing | keys | length)' \
			"$T/features"
		# shellcheck disable=SC2086 # several words
		check_exit 2 on a setpriv $who "$TOOL" features
		check_grep '^tcx +cannot tell: needs CAP_BPF' cat <<<"$OUTPUT"
		check_grep '^egress +cannot tell$' cat <<<"$OUTPUT"
	done
}

# Without CAP_SYS_ADMIN clsact cannot be tried, and all the rest can. With that alone neither.
test_features_without_sys_admin()
{
	local tell=(on a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" features)

	node_add_netns a
	check on a setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$TOOL" features
	check_grep '^clsact +cannot tell: needs CAP_SYS_ADMIN and CAP_NET_ADMIN' cat <<<"$OUTPUT"
	check_grep '^clsact +cannot tell: needs CAP_SYS_ADMIN' "${tell[@]}"
	"${tell[@]}" --json | jq -e '.egress and .ingress and .features.clsact == null and
		(.missing | has("clsact") | not) and (.unknown | keys) == ["clsact"]'
	on a "$TOOL" features --json | jq -e '.features.clsact and .unknown == {}'
}

# A sentence that could not be written was not said.
test_output_to_a_full_device()
{
	local words command

	lone_node
	check on a "$TOOL" load vx4
	for words in 'status --json' 'status' 'dump-map --json' 'features --json' 'features' 'help' \
		'--version'; do
		read -ra command <<<"$words"
		# shellcheck disable=SC2016 # for another shell
		one_line 2 'No space left' on a sh -c 'exec "$0" "$@" >/dev/full' "$TOOL" "${command[@]}"
	done
}

#
# Devices that change
#

# Renaming a device that is up came with Linux 6.2.
# shellcheck disable=SC2016 # for another shell
rename() { on a sh -ec 'ip link set $0 down; ip link set $0 name $1; ip link set $1 up' "$1" "$2"; }

test_renamed_tunnel()
{
	local how

	lone_node
	remember
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --attach "$how" --egress-map 'EF=AF41'
		rename vx4 vxnew
		check on a "$TOOL" status vxnew
		[ "$(counter a vxnew egress_map.EF)" = '"AF41"' ]
		check on a "$TOOL" load vxnew --egress-map 'EF=AF42'
		check_grep '^vxnew: ' on a "$TOOL" status vxnew
		[ "$(on a "$TOOL" status --json | jq '.tunnels|length')" = 1 ]
		[ "$(counter a vxnew egress_map.EF)" = '"AF42"' ]
		check on a "$TOOL" unload vxnew
		one_line 3 'vxnew: not loaded' on a "$TOOL" unload vxnew
		rename vxnew vx4
		same_as_before
		# And without a load in between.
		check on a "$TOOL" load vx4 --attach "$how"
		rename vx4 vxnew
		check on a "$TOOL" unload vxnew
		rename vxnew vx4
		same_as_before
	done
}

# A tunnel goes by the name that it has, and the one that it had may be another's.
test_name_of_a_renamed_tunnel()
{
	lone_node
	check on a "$TOOL" load vx4
	rename vx4 vxnew
	check_grep '^vxnew: ' on a "$TOOL" status
	rename vx6 vx4
	one_line 3 'vx4: not loaded' on a "$TOOL" status vx4
	one_line 3 'vx4: not loaded' on a "$TOOL" unload vx4
	check on a "$TOOL" load vx4
	[ "$(on a "$TOOL" status --json | jq -r '[.tunnels[].tunnel]|sort|join(" ")')" = 'vx4 vxnew' ]
	check on a "$TOOL" unload vx4
	check on a "$TOOL" status vxnew
	check on a "$TOOL" unload vxnew
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# With one DSCP for all there is no program on the tunnel device that could tell.
test_fixed_tunnel_deleted()
{
	local how

	lone_node
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --outer-dscp CS1 --attach "$how"
		check on a "$TOOL" status vx4
		on a sh -ec 'ip link delete vx4; ip link delete vx6'
		check_exit 4 on a "$TOOL" status vx4
		check_grep 'problem +.*vx4.* gone' echo "$OUTPUT"
		check_exit 4 on a "$TOOL" status --json
		jq -e '.tunnels[0].healthy == false and (.tunnels[0].problems|length) == 1' <<<"$OUTPUT"
		check on a "$TOOL" unload vx4
		vxlan a 1 2
	done
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
	check_exit 1 on a sh -c 'tc qdisc show | grep clsact'
}

#
# Order
#

# priority PROGRAM: where it is among the clsact filters of wg4
priority()
{
	on a tc filter show dev wg4 egress | sed -n "s/^filter .* pref \([0-9]*\) bpf .*$1:.*/\1/p"
}

# wg4 is the uplink of vxin: there egress_outer has to read the stamp before egress_inner writes
# its own, also when somebody has taken the first place.
test_order_with_a_foreign_filter()
{
	local order tunnel

	node_with_wireguard
	on a sh -ec '
		ip link del vx4
		ip link add vxin type vxlan id 77 remote 10.0.4.2 dstport 4791
		ip link set vxin up
		tc qdisc add dev wg4 clsact
		tc filter add dev wg4 egress protocol ip prio 1 bpf da \
			obj testing/bpf/foreign.bpf.o sec tc/foreign'
	remember
	for order in 'wg4 vxin' 'vxin wg4'; do
		for tunnel in $order; do
			check on a "$TOOL" load "$tunnel" --attach clsact
		done
		on a tc filter show dev wg4 egress
		[ "$(priority egress_outer)" -lt "$(priority egress_inner)" ]
		check on a "$TOOL" status
		for tunnel in $order; do
			check on a "$TOOL" unload "$tunnel"
		done
		same_as_before
	done
}
