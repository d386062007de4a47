# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# load and unload on the running kernel, with VXLAN: exit status, messages, and the remains.

. testing/tunnels.sh

# apart_from: a script for sed
apart_from=
same_as_before()
{
	inventory >"$T/after"
	check diff <(sed -E "$apart_from" "$T/before") <(sed -E "$apart_from" "$T/after")
}

# refused STATUS ERE COMMAND...: that exit status, one line on stderr that matches, nothing left
refused()
{
	local status=$1 sentence=$2

	shift 2
	remember
	check_exit "$status" on a "$@" 2>"$T/stderr"
	printf '%s\n' "$OUTPUT" >"$T/message"
	check_grep "$sentence" cat "$T/message"
	[ "$(wc -l <"$T/message")" = 1 ] || fail "not one line: $(cat "$T/message")"
	same_as_before
}

attached() { on a "$TOOL" status "$1" --json | jq -r '.tunnels[0].hooks[]|[.dev,.program,.attach,.state]|join(" ")'; }

test_load_and_unload()
{
	lone_node
	for how in $(attach_kinds); do
		remember
		check on a "$TOOL" load vx4 --attach $how
		[ "$(attached vx4)" = "eth0 egress_outer $how ok" ]
		inventory >"$T/loaded"
		check on a "$TOOL" load vx4 --attach $how
		check diff "$T/loaded" <(inventory)
		check on a "$TOOL" load vx4
		check diff "$T/loaded" <(inventory)
		check on a "$TOOL" unload vx4
		same_as_before
		refused 3 'vx4: not loaded' "$TOOL" unload vx4
	done
	check on a "$TOOL" unload --all
	same_as_before
}

test_verbose()
{
	lone_node
	check_grep '^dscp-tool: vx4: loaded, port 4789, uplink eth0$' on a "$TOOL" load -v vx4
	on a ip tuntap add tun0 mode tun
	check_grep '^dscp-tool: tun0: loaded, port 1 2, uplink eth0 vx4$' on a "$TOOL" load -v tun0 \
		--outer-dscp EF -p1 -p2 -ueth0 -uvx4
	OUTPUT=$(on a "$TOOL" load vx4 2>&1)
	[ -z "$OUTPUT" ] || fail "without --verbose: $OUTPUT"
	check on a "$TOOL" unload --all
}

test_load_changes_a_loaded_tunnel()
{
	local best

	lone_node
	read -r best _ <<<"$(attach_kinds)"
	remember
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx4 --egress-map '*=CS0,EF=AF41'
	check_grep '"EF":"AF41"' on a "$TOOL" status vx4 --json
	[ "$(counter a vx4 'egress_map|length')" = 63 ]
	check on a "$TOOL" load vx4 --attach clsact
	check_grep 'eth0 egress_outer clsact ok' attached vx4
	check on a "$TOOL" load vx4 --attach "$best" --outer-dscp CS1
	[ "$(attached vx4)" = "eth0 egress_outer $best ok" ]
	check_grep '"outer_dscp":"CS1"' on a "$TOOL" status vx4 --json
	check on a "$TOOL" load vx4 --priority-map pfifo_fast,AF41=6
	grep -qx "vx4: priority-map: 'pfifo_fast,AF41=6' (was keep)" <<<"$OUTPUT" || fail "$OUTPUT"
	check_grep '^  priority       pfifo_fast,AF41=6$' on a "$TOOL" status vx4
	[ "$(counter a vx4 'priority_map|length, .EF, .AF41, .LE, .CS0' | paste -s)" = $'64\t6\t6\t1\t0' ]
	check on a "$TOOL" load vx4 --priority-map EF=6
	[ "$(counter a vx4 'priority_map|tojson')" = '"{\"EF\":6}"' ]
	check on a "$TOOL" load vx4
	[ "$OUTPUT" = "vx4: priority-map: keep (was 'EF=6')" ] || fail "$OUTPUT"
	check_exit 1 grep '^  priority ' <(on a "$TOOL" status vx4)
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up'
	check on a "$TOOL" load vx4 --uplink eth1 --uplink=eth0
	check_grep "eth1 egress_outer $best ok" attached vx4
	check on a "$TOOL" load vx4 --uplink eth1
	check_exit 1 grep eth0 <(attached vx4)
	check on a "$TOOL" load --flows 1000 vx4
	check on a "$TOOL" load vx6
	check on a "$TOOL" unload vx4
	check_grep "eth0 egress_outer $best ok" attached vx6
	check on a "$TOOL" unload vx6
	on a ip link delete eth1
	same_as_before
}

# Refused before anything is changed, and after the maps were made anew.
test_refused_load_keeps_the_flows()
{
	local size

	lone_node
	check on a "$TOOL" load vx4
	size=$(flows)
	on a sh -ec 'ip tuntap add u0 mode tun; ip tuntap add u1 mode tun
		ip link add eth1 type veth peer name peer1; ip link set eth1 up
		tc qdisc add dev eth1 ingress'
	check on a "$TOOL" load u0 --port 5000 --outer-dscp CS1 --uplink eth0
	refused 2 "u1: port 5000 is u0's already" \
		"$TOOL" load u1 --port 5000 --outer-dscp CS1 --uplink eth0 --flows 1000
	[ "$(flows)" = "$size" ]
	# Maps and programs were made anew, and made anew again on the way back: they have other numbers.
	apart_from='s/:?\[[0-9]+\]//g; s/ id [0-9]+//g'
	refused 2 "eth1: the qdisc 'ingress' at ffff:" \
		"$TOOL" load vx4 --uplink eth1 --attach clsact --flows 1000
	[ "$(flows)" = "$size" ]
	check on a "$TOOL" status vx4
	check on a "$TOOL" load vx4 --flows 1000
	[ "$(flows)" = 1000 ]
}

flows() { on a "$TOOL" status --json | jq .flows.capacity; }

test_what_cannot_be_loaded()
{
	lone_node
	refused 2 '^dscp-tool: nope: there is no such device$' "$TOOL" load nope
	refused 2 'eth0: veth is not a kind of tunnel.*--outer-dscp X --port N$' "$TOOL" load eth0
	refused 2 '^dscp-tool: uplink nope: there is no such device$' "$TOOL" load vx4 --uplink nope
	refused 1 'that is the tunnel itself' "$TOOL" load vx4 --uplink vx4
	# The other words that are refused before the kernel is asked: testing/unit/test_options.c.
	refused 1 '66000.*65535' "$TOOL" load vx4 --port 66000
	refused 1 'vx4: no handshakes of vxlan are known, --handshake-dscp means nothing here$' \
		"$TOOL" load vx4 --handshake-dscp CS0
	on a ip tuntap add tun0 mode tun
	refused 2 'tun0: a user space tunnel' "$TOOL" load tun0
	refused 1 'tun0: --port is missing' "$TOOL" load tun0 --outer-dscp AF41
	refused 1 'lo: --port is missing' "$TOOL" load lo --outer-dscp AF41 --uplink eth0
	refused 2 'no uplink found' "$TOOL" load tun0 --outer-dscp EF --port 1194
	check on a "$TOOL" load tun0 --outer-dscp EF --port 1194 --uplink eth0
	check on a "$TOOL" load vx4
	refused 2 'tun0: port 4789 is vx4' "$TOOL" load tun0 --outer-dscp EF --port 4789 --uplink eth0
	check on a "$TOOL" unload --all
}

test_no_route()
{
	lone_node
	on a ip address flush dev eth0
	refused 2 'vx4: no uplink found: .*--uplink' "$TOOL" load vx4
	check on a "$TOOL" load vx4 --uplink eth0
}

test_no_privileges()
{
	lone_node
	refused 2 '(permitted|denied).*CAP_' setpriv --reuid=65534 --clear-groups "$TOOL" load vx4
	refused 2 '(permitted|denied).*CAP_' setpriv --bounding-set=-all --inh-caps=-all \
		"$TOOL" load vx4
	check on a "$TOOL" load vx4
	refused 2 '(permitted|denied).*CAP_' setpriv --reuid=65534 --clear-groups "$TOOL" unload vx4
	refused 2 '(permitted|denied).*CAP_' setpriv --reuid=65534 --clear-groups "$TOOL" status
}

test_ingress_qdisc_in_the_way()
{
	lone_node
	on a tc qdisc add dev eth0 ingress
	refused 2 "eth0: the qdisc 'ingress' at ffff:.*tc qdisc del dev eth0 ingress" \
		"$TOOL" load vx4 --attach clsact
	[ "$(attach_kinds)" != clsact ] || return 0
	# TCX does not mind.
	check on a "$TOOL" load vx4
	refused 2 "'ingress'" "$TOOL" load vx4 --attach clsact
	check_grep 'eth0 egress_outer tcx ok' attached vx4
}

# foreign NODE DEV WHERE PRIORITY: somebody else's filter, which counts
foreign()
{
	check on "$1" tc filter add dev "$2" "$3" prio "$4" bpf da \
		obj testing/bpf/foreign.bpf.o sec tc/foreign
}

# The kernel refuses the BTF of GCC 12, and bpftool then knows only bytes.
foreign_hits()
{
	on "$1" bpftool map dump pinned /sys/fs/bpf/tc/globals/foreign_hits -j | jq '
		def hex: ltrimstr("0x") | explode | map(if . > 96 then . - 87 else . - 48 end) |
			.[0] * 16 + .[1];
		.[0] | .formatted.value // (reduce (.value | map(hex) | reverse[]) as $b (0; . * 256 + $b))'
}

# Somebody else's clsact and filters, before and behind ours, survive and are still hit.
test_foreign_filter()
{
	local hits

	lone_node
	on a tc qdisc add dev eth0 clsact
	foreign a eth0 egress 1
	foreign a eth0 egress 10
	remember
	check on a "$TOOL" load vx4 --attach clsact
	check_grep 'eth0 egress_outer clsact ok' attached vx4
	check_grep 'egress_outer' on a tc filter show dev eth0 egress
	hits=$(foreign_hits a)
	on a ip neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0
	check on a "$wire" udp --dst 192.0.2.9 --port 9 --count 5
	[ "$(foreign_hits a)" -ge $((hits + 10)) ] # five packets, two filters
	check on a "$TOOL" unload vx4
	on a ip neighbour delete 192.0.2.9 dev eth0
	same_as_before
}

# The place that we like is taken by a filter of another kind.
test_foreign_kind_at_our_priority()
{
	lone_node
	on a tc qdisc add dev eth0 clsact
	on a tc filter add dev eth0 egress prio 1 protocol ip u32 match u32 0 0 flowid 1:1 ||
		skip "this kernel has no cls_u32"
	remember
	check on a "$TOOL" load vx4 --attach clsact
	check_grep 'pref 2 bpf .*egress_outer' on a tc filter show dev eth0 egress
	check on a "$TOOL" unload vx4
	same_as_before
}

# clsact is ours, but somebody has put a filter there since: it stays.
test_our_clsact_that_others_use()
{
	lone_node
	check on a "$TOOL" load vx4 --attach clsact
	foreign a eth0 ingress 10
	check on a "$TOOL" unload vx4
	check_grep 'foreign' on a tc filter show dev eth0 ingress
	check_exit 1 on a sh -c 'tc qdisc show dev vx4 | grep clsact'
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# A device that was deleted leaves a dead pin; status says so, the same load again mends it.
test_device_made_anew()
{
	local how

	lone_node
	remember
	for how in $(attach_kinds); do
		check on a "$TOOL" load vx4 --direction both --attach $how
		on a sh -ec 'ip link delete vx4; ip link delete vx6'
		check_exit 4 on a "$TOOL" status --json
		jq -e '.tunnels[0].healthy == false' <<<"$OUTPUT"
		jq -e '.tunnels[0].hooks | map(select(.dev == "vx4"))[0].state == "device gone"' \
			<<<"$OUTPUT"
		vxlan a 1 2
		check_exit 4 on a "$TOOL" status vx4
		check on a "$TOOL" load vx4 --direction both --attach $how
		check on a "$TOOL" status vx4
		check on a "$TOOL" unload vx4
	done
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# Somebody deletes clsact under us, or replaces our program.
test_hook_taken_away()
{
	lone_node
	check on a "$TOOL" load vx4 --attach clsact
	on a tc qdisc delete dev eth0 clsact
	check_exit 4 on a "$TOOL" status vx4
	check_grep 'egress_outer is not attached to eth0' echo "$OUTPUT"
	check on a "$TOOL" load vx4
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
	check_exit 1 on a sh -c 'tc qdisc show | grep clsact'
}

test_other_version()
{
	lone_node
	check on a "$TOOL" load vx4
	# The first four bytes of config are the magic, the next four the version.
	on a bpftool map update pinned "$(pins a)/maps/config" key 0 0 0 0 value \
		hex 70 63 73 64 63 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
	refused 2 'loaded by another version of dscp-tool: take that over with' "$TOOL" load vx4
	refused 2 'another version' "$TOOL" unload vx4
	refused 2 'another version' "$TOOL" status
	check on a "$TOOL" unload --all
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

test_json_of_nothing()
{
	node_add_netns a
	[ "$(on a "$TOOL" status --json)" = '{"tunnels":[],"flows":null}' ]
	[ "$(on a "$TOOL" dump-map --json | jq -c '[.maps[] | [.map, .entries]]')" = \
		'[["stamps",[]],["fragments",[]],["notes",[]]]' ]
	check_exit 3 on a "$TOOL" status wg0
	check on a "$TOOL" status
	check on a "$TOOL" features
	on a "$TOOL" features --json | jq -e '.egress and .ingress'
	check_grep '^dscp-tool [0-9.]+ \(libbpf v[0-9.]+\)$' on a "$TOOL" --version
	check_grep 'Usage' on a "$TOOL" help
	check_grep 'egress-map MAP' on a "$TOOL" load --help
}
