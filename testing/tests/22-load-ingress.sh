# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# load and unload of ingress: options, messages, the attached programs after each change, and the
# remains. VXLAN on whatever kernel runs; WireGuard, which has three methods, where the kernel has it.

. testing/tunnels.sh

same_as_before() { inventory >"$T/after"; check diff "$T/before" "$T/after"; }

# refused STATUS ERE ARGUMENTS...: load with these gives that exit status, and one line in all,
# which matches; nothing changes
refused()
{
	local status=$1 sentence=$2

	shift 2
	everything >"$T/unchanged"
	check_exit "$status" on a "$TOOL" load "$@"
	printf '%s\n' "$OUTPUT" >"$T/message"
	check_grep "^dscp-tool: $sentence" cat "$T/message"
	[ "$(wc -l <"$T/message")" = 1 ] || fail "not one line: $(cat "$T/message")"
	check diff "$T/unchanged" <(everything)
}

# The numbers of the attached programs are in it too. Programs and maps that were needed once stay
# pinned until the last tunnel goes.
everything()
{
	inventory | grep -v '/dscp-tool/[0-9]*/\(maps\|programs\)/'
	on a "$TOOL" status --json | jq 'del(.tunnels[].counters, .tunnels[].command, .flows)'
}

#
# The attached programs: by the tool's word, and by the kernel's
#

# Filters of all devices: DEV POINT PROGRAM ID. (The qdisc "ingress" has one list of them, whichever
# is asked for.)
# shellcheck disable=SC2016 # for jq
filters='def filters: .[0].tc | map(select(.kind == "ingress").devname) as $half |
	map(select(.kind == "clsact/ingress" or
		(.kind == "clsact/egress" and (.devname | IN($half[]) | not))) |
		"\(.devname) \(.kind | ltrimstr("clsact/")) \(.name | split(":")[0]) \(.id)") | sort;'

filters() { on a bpftool -j net show | jq -r "$filters filters[]"; }

# dispatched PATTERN: the programs' numbers
dispatched()
{
	# shellcheck disable=SC2016 # for another shell
	on a sh -c 'for p in /sys/fs/bpf/xdp/dispatch-$0/prog*-prog; do
		[ ! -e "$p" ] || bpftool -j prog show pinned "$p" | jq .id; done' "$1" | sort
}

# The programs in libxdp's dispatchers that are at a device: DEV MODE ID
xdp_programs()
{
	local dev mode dispatcher id

	on a bpftool -j net show | jq -r '.[0].xdp[] | "\(.devname) \(.mode) \(.ifindex)-\(.id)"' |
		while read -r dev mode dispatcher; do
			for id in $(dispatched "$dispatcher"); do
				echo "\"$dev $mode $id\""
			done
		done | jq -sc sort
}

# hooks LINE...: of all loaded tunnels together exactly these "DEV POINT PROGRAM KIND" are there, by the
# tool's word and by the kernel's. Other tests may run on this machine: only links to programs that were seen
# here count, and bpftool gives up at a link that goes while it looks. A program in libxdp's dispatcher has a
# link too.
hooks()
{
	[ -e "$T/seen" ] || : >"$T/seen"
	# shellcheck disable=SC2016 # for another shell
	check on a sh -ec '"$0" status --json
		bpftool -j net show
		until links=$(bpftool -j link show); do :; done
		echo "$links"' "$TOOL"
	jq -rnc --slurpfile seen "$T/seen" "$filters"'
		[inputs] as [$status, $net, $links] | ([$status.tunnels[].hooks[]] | unique) as $hooks |
		($seen + [$hooks[].prog_id]) as $seen |
		($hooks[] | "\(.dev) \(.hook) \(.program) \(.attach)"),
		($hooks | map(select(.attach == "clsact") |
			"\(.dev) \(.hook) \(.program) \(.prog_id)") | sort),
		($net | filters),
		($hooks | map(select(.attach != "clsact").prog_id) | sort),
		($links | map(.prog_id | select(IN($seen[]))) | sort),
		($hooks | map(select(.hook == "xdp") |
			"\(.dev) \(.attach | sub("native"; "driver")) \(.prog_id)") | sort),
		$seen[]' <<<"$OUTPUT" >"$T/hooks"
	check diff <(printf '%s\n' "$@" | grep . | sort) <(grep '^[a-z]' "$T/hooks" | sort)
	grep '^\[' "$T/hooks" >"$T/lists"
	grep '^[0-9]' "$T/hooks" >"$T/seen" || true
	check diff <(sed -n 1p "$T/lists") <(sed -n 2p "$T/lists")
	check diff <(sed -n 3p "$T/lists") <(sed -n 4p "$T/lists")
	if [[ $OUTPUT == *'"xdp":[{'* ]] || [ "$(sed -n 5p "$T/lists")" != '[]' ]; then
		check diff <(sed -n 5p "$T/lists") <(xdp_programs)
	fi
}

nothing() { hooks ''; check_exit 2 on a ls /sys/fs/bpf/dscp-tool; }

ingress() { check on a "$TOOL" load "$1" --direction ingress "${@:2}"; }

# The kind that "auto" attaches by at TC.
best() { local best; read -r best _ <<<"$(attach_kinds)"; echo "$best"; }

eth1() { on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'; }

#
# Options
#

test_options()
{
	lone_node
	refused 1 'vx4: --ingress-method peek is for wireguard, this is vxlan: use tc' \
		vx4 --direction ingress --ingress-method peek
	refused 1 'vx4: --ingress-method xdp is for wireguard, this is vxlan: use tc' \
		vx4 --direction both --ingress-method xdp
	refused 2 "nope: there is no such device" nope --direction ingress
	refused 2 'eth0: veth is not a kind of tunnel' eth0 --direction ingress
	# The same with something loaded.
	ingress vx4
	refused 1 'vx4: --ingress-method peek' vx4 --direction both --ingress-method peek
	refused 1 'vx6: --ingress-method xdp' vx6 --direction ingress --ingress-method xdp
	refused 2 "uplink nope: there is no such device" vx4 --direction both --uplink nope
	check on a "$TOOL" unload vx4
	nothing
}

test_user_space_tunnel()
{
	lone_node
	on a ip tuntap add tun0 mode tun
	refused 2 'tun0: a user space tunnel' tun0 --direction ingress
	refused 1 'tun0: a user space tunnel.*--direction egress' \
		tun0 --direction both --outer-dscp EF --port 1194 --uplink eth0
	refused 1 'tun0: a user space tunnel.*--direction egress' \
		tun0 --direction both --outer-dscp EF --port 1194 --uplink eth0 --ingress-method peek
}

test_status_json()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both --ingress-map 'EF=AF41,CS0=CS1,*=keep'
	on a "$TOOL" status vx4 --json | jq -e '.tunnels[0] |
		keys == ["command", "counters", "direction", "egress_map", "egress_map_text",
			"handshake_dscp", "healthy", "hooks", "ifindex", "ingress_map", "ingress_map_text", "ingress_method", "key", "kind",
			"local", "netns", "outer_dscp", "peer_maps", "ports", "priority_map",
			"priority_map_text", "problems", "remote", "tunnel", "up", "uplink_netns", "vni"] and
		.direction == "both" and .egress_map == {} and .outer_dscp == null and
		.priority_map == {} and .priority_map_text == "keep" and .handshake_dscp == null and
		.ingress_method == {"method": "tc", "auto": true,
			"reason": "the only method for other tunnels than wireguard"} and
		(.ingress_map | length == 64 and all(. == "keep")) and
		.ingress_map_text == "*=keep" and .egress_map_text == "copy" and
		(.hooks | length == 3 and all(keys - ["priority", "qdisc"] == ["ahead", "attach",
			"behind", "dev", "hook", "ifindex", "prog_id", "program", "state", "up"])) and
		(.counters.ingress | keys == ["bytes", "came_with", "dscp", "marked", "seen",
			"skipped", "unchanged", "unknown"])'
	ingress vx4 --ingress-method tc --ingress-map 'EF=AF41,CS0=CS1'
	on a "$TOOL" status vx4 --json | jq -e '.tunnels[0] | .direction == "ingress" and
		.ingress_map == {"EF": "AF41", "CS0": "CS1"} and .ingress_map_text == "CS0=CS1,EF=AF41" and
		.egress_map == null and .egress_map_text == null and
		.priority_map == null and .priority_map_text == null and
		.ingress_method == {"method": "tc", "auto": false, "reason": "asked for"}'
	check_grep 'ingress map +CS0=CS1,EF=AF41$' on a "$TOOL" status
	check_grep 'ingress method +tc: asked for' on a "$TOOL" status
	check on a "$TOOL" load vx4 --outer-dscp EF --direction both
	# An option that is left out goes back to its default.
	on a "$TOOL" status vx4 --json | jq -e '.tunnels[0] | .outer_dscp == "EF" and
		.ingress_map == {"CS0": "keep"} and .ingress_map_text == "CS0=keep"'
	check on a "$TOOL" load vx4
	on a "$TOOL" status vx4 --json | jq -e '.tunnels[0] | .direction == "egress" and
		.ingress_map == null and .ingress_method == null'
}

test_features()
{
	node_add_netns a
	on a "$TOOL" features --json | jq -e '.ingress and .features.probe_read_kernel and
		.features.btf and ([.features.co_re, .features.libxdp] | map(type) == ["boolean", "boolean"])'
	# shellcheck disable=SC2016 # for another shell
	check_grep '^btf +no: ingress of wireguard by tc' \
		on a sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$0" features' "$TOOL"
	on a "$TOOL" features --json | jq -e '.ingress and (.features.btf | not)'
}

# without_helper COMMAND...: the tool, with a failure of the call that tries bpf_probe_read_kernel()
without_helper()
{
	local nth

	on a strace -o "$T/calls" -e trace=bpf "$TOOL" "$@" >/dev/null 2>&1
	nth=$(grep '^bpf(' "$T/calls" | grep -n 'insn_cnt=7, .*"probe"' | sed 's/:.*//')
	[[ $nth =~ ^[0-9]+$ ]] || fail "the program that tries it: $nth"
	check on a "$TOOL" unload --all
	on a strace -o /dev/null -e trace=bpf -e inject=bpf:error=EINVAL:when="$nth" "$TOOL" "$@" 2>&1 ||
		true
}

# lockdown STATE: the kernel's word about itself
lockdown() { on a sh -c 'echo "$0" >/sys/kernel/security/lockdown' "$1"; }

# says WORDS: why there is no ingress, all commands alike
says()
{
	check_grep "no ingress.*: $1\. Use --direction egress" without_helper load vx4 --direction ingress
	check_grep "probe_read_kernel +no: no ingress: $1\$" without_helper features
	without_helper features --json | jq -e --arg why "no ingress: $1" \
		'.missing.probe_read_kernel == $why and .egress and (.ingress | not)'
}

test_kernel_that_hides_its_memory()
{
	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	lone_node
	on a strace -o /dev/null -e trace=bpf -e inject=bpf:error=EPERM:when=500 true ||
		skip "strace cannot"
	says 'the kernel is built without CONFIG_BPF_EVENTS, or locked down to confidentiality'
	on a mount -t tmpfs none /sys/kernel/security
	lockdown 'none [integrity] confidentiality'
	says 'the kernel is built without CONFIG_BPF_EVENTS'
	lockdown 'none integrity [confidentiality]'
	says 'the kernel is locked down to confidentiality'
}

# stray OPTIONS of "wire send"...: a packet that comes in by eth0, and never comes out
stray()
{
	check on a "$wire" send peer0 --proto udp --src 192.0.2.2 --dst 192.0.2.1 --dscp 46 --count 1 \
		--eth-dst "$(mac a eth0)" "$@"
}

# noted JQ-CONDITION [TUNNEL]: on the entries of notes
noted()
{
	on a "$TOOL" dump-map "${@:2}" --json |
		jq -ce ".maps[] | select(.map == \"notes\") | .entries | $1"
}

test_what_is_in_flight()
{
	lone_node
	ingress vx4
	noted '. == []'
	# VNI 45: nobody's.
	stray --dport 4789 --payload "0800000000002d00$(printf 'ff%.0s' {1..40})"
	retry_until noted '. == [{"method":"tc","dscp":"EF","tunnel":null,"length":40}]'
	noted '. == []' vx4
	check_grep "^tc	EF	-	40$" on a "$TOOL" dump-map
}

#
# Changes
#

test_directions()
{
	local how

	lone_node
	for how in $(attach_kinds); do
		remember
		check on a "$TOOL" load vx4 --attach "$how"
		hooks "eth0 egress egress_outer $how"
		check on a "$TOOL" load vx4 --direction both --attach "$how"
		both_hooks "$how"
		check on a "$TOOL" load vx4 --direction both --outer-dscp CS1
		hooks "eth0 egress egress_outer $how" "eth0 ingress ingress_outer $how" \
			"vx4 ingress ingress_inner $how"
		ingress vx4
		hooks "eth0 ingress ingress_outer $how" "vx4 ingress ingress_inner $how"
		everything >"$T/loaded"
		ingress vx4
		ingress vx4 --attach "$how"
		check diff "$T/loaded" <(everything)
		check on a "$TOOL" load vx4 --attach "$how"
		hooks "eth0 egress egress_outer $how"
		check on a "$TOOL" unload vx4
		nothing
		same_as_before
		# From nothing.
		check on a "$TOOL" load vx4 --direction both --attach "$how"
		both_hooks "$how"
		everything >"$T/loaded"
		check on a "$TOOL" load vx4 --direction both
		check diff "$T/loaded" <(everything)
		check on a "$TOOL" unload --all
		nothing
		same_as_before
		ingress vx4 --attach "$how"
		hooks "eth0 ingress ingress_outer $how" "vx4 ingress ingress_inner $how"
		check on a "$TOOL" unload vx4
		nothing
		same_as_before
	done
}

both_hooks()
{
	hooks "eth0 egress egress_outer $1" "eth0 ingress ingress_outer $1" "vx4 ingress ingress_inner $1"
}

test_kinds_of_attaching()
{
	local how

	lone_node
	[ "$(attach_kinds)" != clsact ] || skip "this kernel has no TCX"
	remember
	ingress vx4
	for how in clsact tcx clsact; do
		check on a "$TOOL" load vx4 --direction both --attach $how
		both_hooks $how
	done
	check on a "$TOOL" load vx4 --direction both
	both_hooks clsact
	check on a "$TOOL" unload vx4
	same_as_before
}

test_no_tcx()
{
	! "$TOOL" features --json | jq -e .features.tcx || skip "this kernel has TCX"
	lone_node
	refused 2 'eth0: no TCX in this kernel' vx4 --direction ingress --attach tcx
}

test_two_tunnels_on_an_uplink()
{
	local how

	lone_node
	eth1
	for how in $(attach_kinds); do
		remember
		ingress vx4 --attach "$how"
		ingress vx6 --attach "$how" --uplink eth0 --uplink eth1
		hooks "eth0 ingress ingress_outer $how" "eth1 ingress ingress_outer $how" \
			"vx4 ingress ingress_inner $how" "vx6 ingress ingress_inner $how"
		check on a "$TOOL" unload vx4
		hooks "eth0 ingress ingress_outer $how" "eth1 ingress ingress_outer $how" \
			"vx6 ingress ingress_inner $how"
		ingress vx6
		hooks "eth0 ingress ingress_outer $how" "vx6 ingress ingress_inner $how"
		check on a "$TOOL" load vx4 --attach "$how"
		check on a "$TOOL" unload vx6
		hooks "eth0 egress egress_outer $how"
		check on a "$TOOL" unload vx4
		nothing
		same_as_before
	done
}

# takes_all_places DEV: no priority is left there for ingress_outer
takes_all_places()
{
	local priority

	on a tc qdisc add dev "$1" clsact
	for priority in 5 6 7 8; do
		on a tc filter add dev "$1" ingress prio $priority handle 0xd5c9 bpf da \
			obj testing/bpf/foreign.bpf.o sec tc/foreign
	done
}

# The second uplink cannot be had: the first one, and a tunnel that was loaded, are as they were.
test_one_uplink_of_two_fails()
{
	lone_node
	eth1
	takes_all_places eth1
	refused 2 'eth1: the kernel does not attach .clsact. ingress_outer' \
		vx4 --direction ingress --attach clsact --uplink eth0 --uplink eth1
	refused 2 'eth1: the kernel does not attach .clsact. ingress_outer' \
		vx4 --direction both --attach clsact --uplink eth0 --uplink eth1
	nothing_but_foreign
	ingress vx4 --attach clsact --ingress-map EF=CS1
	refused 2 'eth1: ' vx4 --direction both --attach clsact --uplink eth0 --uplink eth1
	check on a "$TOOL" load vx4 --attach clsact --egress-map EF=CS1
	refused 2 'eth1: ' vx4 --direction both --attach clsact --uplink eth0 --uplink eth1
	check on a "$TOOL" unload vx4
	nothing_but_foreign
}

nothing_but_foreign()
{
	! filters | grep -v foreign || fail "left: $(filters)"
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# Foreign filters at ingress, before and behind ours, in clsact that others have made.
test_filters_of_others()
{
	lone_node
	on a tc qdisc add dev eth0 clsact
	on a tc qdisc add dev vx4 clsact
	for dev in eth0 vx4; do
		for priority in 1 30; do
			on a tc filter add dev $dev ingress prio $priority bpf da \
				obj testing/bpf/foreign.bpf.o sec tc/foreign
		done
	done
	filters >"$T/theirs"
	remember
	for n in 1 2; do
		check on a "$TOOL" load vx4 --direction both --attach clsact
		check on a "$TOOL" status vx4
		check diff "$T/theirs" <(filters | grep foreign)
		on a "$TOOL" status vx4 --json | jq -e '.tunnels[0].hooks |
			map(select(.program == "ingress_inner"))[0].priority == 1' ||
			check_grep 'ingress_inner.*priority [2-4]' on a "$TOOL" status vx4
	done
	check on a "$TOOL" unload vx4
	same_as_before
}

# A foreign qdisc that has an ingress half only.
test_ingress_qdisc()
{
	lone_node
	on a tc qdisc add dev eth0 ingress
	remember
	ingress vx4 --attach clsact
	hooks 'eth0 ingress ingress_outer clsact' 'vx4 ingress ingress_inner clsact'
	check_grep 'qdisc ingress ffff:' on a tc qdisc show dev eth0
	refused 2 "eth0: the qdisc 'ingress' at ffff:.*tc qdisc del dev eth0 ingress" \
		vx4 --direction both --attach clsact
	check on a "$TOOL" unload vx4
	same_as_before
	refused 2 "eth0: the qdisc 'ingress' at ffff:" vx4 --direction both --attach clsact
	[ "$(best)" != tcx ] || {
		# TCX does not mind.
		check on a "$TOOL" load vx4 --direction both
		both_hooks tcx
		check on a "$TOOL" unload vx4
	}
	same_as_before
}

#
# A device that is a tunnel and an uplink
#

# priority PROGRAM: among the ingress filters of vx4
priority()
{
	on a tc filter show dev vx4 ingress | sed -n "s/^filter .* pref \([0-9]*\) bpf .*$1:.*/\1/p"
}

# VXLAN in VXLAN: the DSCP has to be on the inner packet of vx4 before it is read from there as the
# outer one of vxin. The outermost header has the only one that counts.
test_tunnel_in_tunnel()
{
	local how

	vxlan_in_vxlan
	for how in $(attach_kinds); do
		in_order "vx4 $how vxin $how"
		in_order "vxin $how vx4 $how"
	done
}

# Also where one of the two has been told how to be attached, and the other one has not.
test_tunnel_in_tunnel_attached_differently()
{
	vxlan_in_vxlan
	in_order 'vx4 clsact vxin auto'
	in_order 'vxin clsact vx4 auto'
}

vxlan_in_vxlan()
{
	local kind=vxlan

	two_nodes
	vxlan_inside a 1 2
	vxlan_inside b 2 1
	retry_until on b ping -c 1 -W 2 10.9.0.1
}

# in_order "FIRST HOW SECOND HOW": loads them in that order
in_order()
{
	local first second how_first how_second dscp

	read -r first how_first second how_second <<<"$1"
	ingress "$first" --attach "$how_first"
	ingress "$second" --attach "$how_second"
	[ "$how_first$how_second" != clsactclsact ] ||
		[ "$(priority ingress_inner)" -lt "$(priority ingress_outer)" ]
	for dscp in 46 8; do
		check on b "$TOOL" load vx4 --outer-dscp $dscp
		through_where ".dscp == {\"$dscp\": 100}" b a --dst 10.9.0.1 --count 100
	done
	check on a "$TOOL" unload "$first"
	check on a "$TOOL" unload "$second"
	nothing
}

#
# The events meanwhile
#

test_hook_taken_away()
{
	local dev program

	lone_node
	for program in 'eth0 ingress_outer' 'vx4 ingress_inner'; do
		read -r dev program <<<"$program"
		ingress vx4 --attach clsact
		on a tc filter del dev "$dev" ingress
		check_exit 4 on a "$TOOL" status vx4
		check_grep "problem +$program is not attached to $dev" echo "$OUTPUT"
		check_exit 4 on a "$TOOL" status --json
		jq -e '.tunnels[0] | .healthy == false and (.problems | length) == 1' <<<"$OUTPUT"
		ingress vx4 --attach clsact
		check on a "$TOOL" status vx4
		on a tc qdisc del dev "$dev" clsact
		check_exit 4 on a "$TOOL" status vx4
		ingress vx4 --attach clsact
		check on a "$TOOL" status vx4
		on a tc qdisc del dev "$dev" clsact
		check on a "$TOOL" unload vx4
		nothing
	done
}

# A link can be detached, and then is as if its device were gone, which it is not.
test_link_taken_away()
{
	local program

	lone_node
	[ "$(best)" = tcx ] || skip "this kernel has no TCX"
	for program in ingress_outer ingress_inner; do
		ingress vx4
		on a sh -c "bpftool link detach pinned /sys/fs/bpf/dscp-tool/*/hooks/*-$program"
		check_exit 4 on a "$TOOL" status vx4
		ingress vx4
		check on a "$TOOL" status vx4
		check on a "$TOOL" unload vx4
		nothing
	done
}

test_device_gone()
{
	local how gone

	lone_node
	for how in $(attach_kinds); do
		for gone in vx4 eth1; do
			eth1
			ingress vx4 --attach "$how" --uplink eth1
			on a ip link delete $gone
			check_exit 4 on a "$TOOL" status vx4
			check_grep "problem +the device $gone .* gone" echo "$OUTPUT"
			check on a "$TOOL" unload vx4
			nothing
			on a ip link delete eth1 2>/dev/null || true
			[ $gone = eth1 ] || {
				on a ip link delete vx6
				vxlan a 1 2
			}
		done
	done
}

#
# WireGuard
#

test_wireguard_ways()
{
	local tc

	needs_methods
	node_with_wireguard
	tc=$(best)
	remember
	ingress wg4 --ingress-method tc
	hooks "eth0 ingress ingress_outer $tc" "wg4 ingress ingress_inner $tc"
	ingress wg4 --ingress-method peek
	hooks "wg4 ingress ingress_inner $tc"
	ingress wg4 --ingress-method xdp
	hooks "eth0 xdp ingress_outer native" "wg4 ingress ingress_inner $tc"
	method_is xdp false 'asked for'
	everything >"$T/loaded"
	ingress wg4 --ingress-method xdp
	check diff "$T/loaded" <(everything)
	ingress wg4 --ingress-method tc
	hooks "eth0 ingress ingress_outer $tc" "wg4 ingress ingress_inner $tc"
	check on a "$TOOL" load wg4 --direction both --ingress-method xdp
	hooks "wg4 ingress ingress_inner $tc" "wg4 egress egress_inner $tc" \
		"eth0 egress egress_outer $tc" "eth0 xdp ingress_outer native"
	check on a "$TOOL" load wg4 --direction both
	hooks "wg4 ingress ingress_inner $tc" "wg4 egress egress_inner $tc" \
		"eth0 egress egress_outer $tc"
	method_is peek true 'wireguard, and the kernel has BTF'
	check on a "$TOOL" load wg4
	hooks "wg4 egress egress_inner $tc" "eth0 egress egress_outer $tc"
	check on a "$TOOL" unload wg4
	nothing
	same_as_before
}

# method_is METHOD AUTO REASON
method_is()
{
	on a "$TOOL" status wg4 --json | jq -ce --arg method "$1" --argjson auto "$2" --arg reason "$3" \
		'.tunnels[0].ingress_method == {$method, $auto, $reason}'
}

test_wireguard_tunnels_by_several_ways()
{
	local tc

	needs_methods
	node_with_wireguard
	tc=$(best)
	remember
	ingress wg4 --ingress-method xdp
	ingress wg6 --ingress-method tc
	hooks "eth0 xdp ingress_outer native" "eth0 ingress ingress_outer $tc" \
		"wg4 ingress ingress_inner $tc" "wg6 ingress ingress_inner $tc"
	ingress vx4
	check on a "$TOOL" unload wg6
	hooks "eth0 xdp ingress_outer native" "eth0 ingress ingress_outer $tc" \
		"wg4 ingress ingress_inner $tc" "vx4 ingress ingress_inner $tc"
	ingress wg6 --ingress-method xdp
	check on a "$TOOL" unload wg4
	hooks "eth0 xdp ingress_outer native" "eth0 ingress ingress_outer $tc" \
		"wg6 ingress ingress_inner $tc" "vx4 ingress ingress_inner $tc"
	check on a "$TOOL" unload vx4
	hooks "eth0 xdp ingress_outer native" "wg6 ingress ingress_inner $tc"
	check on a "$TOOL" unload wg6
	nothing
	same_as_before
}

# tc_instead_of_peek REFUSAL REASON
tc_instead_of_peek()
{
	refused 2 "$1" wg4 --direction ingress --ingress-method peek
	check_grep "^dscp-tool: .*wg4: ingress by tc: $2" on a "$TOOL" load wg4 --direction ingress
	hooks "eth0 ingress ingress_outer $(best)" "wg4 ingress ingress_inner $(best)"
	method_is tc true "$2, which peek needs"
}

# A tool that was built without CO-RE.
without_core()
{
	tc_instead_of_peek \
		'wg4: built without CO-RE, which --ingress-method peek needs: use --ingress-method tc' \
		'built without CO-RE'
	check_grep '^co_re +no: no --ingress-method peek' on a "$TOOL" features
}

test_wireguard_without_btf()
{
	node_with_wireguard
	if ! can co_re; then
		without_core
		return
	fi
	on a mount -t tmpfs none /sys/kernel/btf
	tc_instead_of_peek 'wg4: --ingress-method peek needs the kernel.s BTF.*use --ingress-method tc' \
		'the kernel has no BTF'
	ingress wg4 --ingress-method tc
	[ "$OUTPUT" = 'wg4: ingress-method: tc (was auto)' ] || fail "$OUTPUT"
	method_is tc false 'asked for'
}

# Somebody's XDP program, by libxdp: another dscp-tool's, which has a separate bpffs but libxdp's in
# common.
foreign_xdp()
{
	# shellcheck disable=SC2016 # for another shell
	check on a unshare -m sh -ec '
		mkdir -p /run/common
		mount --bind /sys/fs/bpf /run/common
		mount -t bpf bpf /sys/fs/bpf
		LIBXDP_BPFFS=/run/common exec "$0" load wg6 --direction ingress --ingress-method xdp' \
		"$TOOL"
}

test_wireguard_beside_xdp_of_others()
{
	local ours

	needs_methods
	node_with_wireguard
	foreign_xdp
	on a sh -c 'tc filter del dev wg6 ingress; tc qdisc del dev wg6 clsact' || true
	dispatched '*' >"$T/theirs"
	[ "$(wc -l <"$T/theirs")" = 1 ]
	ingress wg4 --ingress-method xdp
	ours=$(on a "$TOOL" status wg4 --json |
		jq '.tunnels[0].hooks[] | select(.hook == "xdp").prog_id')
	check diff <(sort "$T/theirs" - <<<"$ours") <(dispatched '*')
	ingress wg4 --ingress-method xdp
	check on a "$TOOL" status wg4
	check diff <(sort "$T/theirs" - <<<"$ours") <(dispatched '*')
	ingress wg4 --ingress-method tc
	check diff "$T/theirs" <(dispatched '*')
	ingress wg4 --ingress-method xdp
	check on a "$TOOL" unload wg4
	check diff "$T/theirs" <(dispatched '*')
	check_grep 'eth0.* driver' on a bpftool net show
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# One that is not in a dispatcher leaves no position: the loaded program stays.
test_wireguard_uplink_with_xdp_of_others()
{
	needs_methods
	node_with_wireguard
	eth1
	on a sh -ec 'bpftool prog load testing/bpf/foreign.bpf.o /sys/fs/bpf/foreign type xdp
		bpftool net attach xdpgeneric pinned /sys/fs/bpf/foreign dev eth1'
	refused 2 'eth1: an XDP program is there .*another --ingress-method' \
		wg4 --direction ingress --ingress-method xdp --uplink eth0 --uplink eth1
	nothing
	ingress wg4 --ingress-method tc
	refused 2 'eth1: an XDP program is there' \
		wg4 --direction both --ingress-method xdp --uplink eth0 --uplink eth1
	ingress wg4 --ingress-method peek
	refused 2 'eth1: an XDP program is there' \
		wg4 --direction ingress --ingress-method xdp --uplink eth0 --uplink eth1
	ingress wg4 --ingress-method xdp
	refused 2 'eth1: an XDP program is there' \
		wg4 --direction ingress --ingress-method xdp --uplink eth0 --uplink eth1
	check on a "$TOOL" unload wg4
	nothing
}

test_wireguard_xdp_taken_away()
{
	needs_methods
	node_with_wireguard
	remember
	ingress wg4 --ingress-method xdp
	on a ip link set dev eth0 xdp off
	check_exit 4 on a "$TOOL" status wg4
	check_grep 'problem +ingress_outer is not attached to eth0' echo "$OUTPUT"
	ingress wg4 --ingress-method xdp
	hooks "eth0 xdp ingress_outer native" "wg4 ingress ingress_inner $(best)"
	check on a "$TOOL" unload wg4
	nothing
	same_as_before
	ingress wg4 --ingress-method xdp
	on a ip link set dev eth0 xdp off
	check on a "$TOOL" unload wg4
	nothing
	same_as_before
}

test_wireguard_xdp_uplink_gone()
{
	needs_methods
	node_with_wireguard
	remember
	eth1
	ingress wg4 --ingress-method xdp --uplink eth1
	on a ip link delete eth1
	check_exit 4 on a "$TOOL" status wg4
	check_grep 'problem +the device eth1 .* gone' echo "$OUTPUT"
	check on a "$TOOL" unload wg4
	nothing
	same_as_before
}

# By the receiver's index and the counter; and by address, where the port tells the tunnel.
test_wireguard_what_is_in_flight()
{
	node_with_wireguard
	ingress wg4 --ingress-method tc
	stray --dport 51824 --wireguard 4
	retry_until noted '.[0] | .method == "tc" and .dscp == "EF" and .tunnel == "wg4" and
		.length > 0 and (has("message") | not)' wg4
	can libxdp || return 0
	ingress wg4 --ingress-method xdp
	stray --dport 51824 --wireguard 4
	retry_until noted 'map(select(.method == "xdp"))[0] | .dscp == "EF" and .tunnel == "wg4" and
		(.message | test("^[0-9a-f]{8}:[0-9]+$"))' wg4
}
