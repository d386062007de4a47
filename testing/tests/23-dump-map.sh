# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# dump-map of many flows: each of them once, in little memory, and JSON whatever happens.

. testing/tunnels.sh

kind=vxlan

# many_flows N: so many with each DSCP in turn, all of vx4, in a map that has room for twice as many
many_flows()
{
	lone_node
	check on a "$TOOL" load vx4 --flows $((2 * $1))
	check on a testing/bpf/fill "$(pins a)/maps/stamps" "$1" \
		"$(on a cat /sys/class/net/vx4/ifindex)"
}

# The hashes of many_flows, as dump-map writes them.
hashes() { seq 1 "$1" | awk '{ printf "0x%08x\n", $1 }'; }

# With this much data, in KiB, a process cannot have them all; the libraries, the tunnels and one batch need
# less. AddressSanitizer needs terabytes.
little_memory()
{
	local limit=2560

	[[ $TOOL != */build-asan/* ]] || limit=unlimited
	# shellcheck disable=SC2016 # for another shell
	on a bash -c 'ulimit -d "$0"; exec "$@"' $limit "$TOOL" "$@"
}

test_many_flows()
{
	local n=100000

	! short_form || n=10000
	many_flows $n
	little_memory dump-map vx4 >"$T/text"
	check diff <(hashes $n) <(cut -f 1 "$T/text" | sort)
	# The values in the hashes, as if they were stamps: each DSCP, and "keep".
	[ "$(cut -f 2,3 "$T/text" | sort -u | wc -l)" = 65 ]
	little_memory dump-map --json >"$T/json"
	check diff <(hashes $n) \
		<(jq -r '.maps[0] | select(.map == "stamps") | .entries[].hash' "$T/json" | sort)
	check diff <(cut -f 2 "$T/text" | sort) <(jq -r '.maps[0].entries[].dscp' "$T/json" | sort)
	jq -e '[.maps[].map] == ["stamps", "fragments", "notes"] and
		all(.maps[0].entries[]; .tunnel == "vx4")' "$T/json"
}

# The kernel refuses the third batch: exit status 2, a sentence, and JSON of the first two.
test_json_is_whole_after_an_error()
{
	local n=20000 status=0 third

	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	many_flows $n
	on a strace -o /dev/null -e trace=bpf -e inject=bpf:error=EPERM:when=500 true ||
		skip "strace cannot"
	on a strace -o "$T/calls" -e trace=bpf "$TOOL" dump-map --json >"$T/json"
	third=$(grep -n 'BPF_MAP_LOOKUP_BATCH.*count=4096' "$T/calls" | sed -n '3s/:.*//p')
	on a strace -o /dev/null -e trace=bpf -e inject=bpf:error=EPERM:when="$third" \
		"$TOOL" dump-map --json >"$T/json" 2>"$T/said" || status=$?
	[ $status = 2 ]
	grep -q 'cannot read the map stamps' "$T/said"
	jq -e '.maps[0].entries | length > 0 and length < '$n "$T/json"
}

# Output that goes nowhere is said: a full disk, a reader that has left.
test_output_that_cannot_be_written()
{
	many_flows 20000
	# shellcheck disable=SC2016 # for another shell
	check_exit 2 on a sh -c 'exec "$0" dump-map --json >/dev/full' "$TOOL"
	grep -q . <<<"$OUTPUT"
	# shellcheck disable=SC2016 # for another shell
	check on a bash -c '"$0" dump-map | head -n 1' "$TOOL"
}

# note SLOT DSCP FAMILY ID SOURCE DEST: a note of a first fragment (UDP), all but the family being hexadecimal
# bytes as they are in memory
note()
{
	# shellcheck disable=SC2086 # several words
	check on a bpftool map update pinned "$(pins a)/maps/fragments" \
		key hex 05 00 00 00 $4 0$3 11 00 00 $5 $6 value hex $1 00 00 00 $2 00 00
}

test_fragments()
{
	local zeros='00 00 00 00 00 00 00 00 00 00 00 00' net='20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00'

	[ "$(echo -n I | od -to2 | head -n 1 | cut -f 2 -d ' ' | cut -c 6)" = 1 ] ||
		skip "numbers have another byte order here"
	lone_node
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6
	note 01 '2e 00' 4 '12 34 00 00' "c0 00 02 01 $zeros" "c0 00 02 02 $zeros"
	note 02 'ff 00' 6 'de ad be ef' "$net 01" "$net 02"
	note 00 '00 01' 4 '00 07 00 00' "c0 00 02 01 $zeros" "c0 00 02 03 $zeros"
	on a "$TOOL" dump-map | sort >"$T/text"
	check diff - "$T/text" <<-LINES
	fragment	EF	vx4	0x1234	192.0.2.1	192.0.2.2
	fragment	keep	vx6	0xdeadbeef	2001:db8::1	2001:db8::2
	fragment	unknown	-	0x7	192.0.2.1	192.0.2.3
	LINES
	[ "$(on a "$TOOL" dump-map vx6 | cut -f 3)" = vx6 ]
	# The name that the device has now, as status shows it.
	on a sh -ec 'ip link set vx6 down; ip link set vx6 name later'
	[ "$(on a "$TOOL" dump-map later | cut -f 3)" = later ]
	on a ip link set later name vx6
	on a "$TOOL" dump-map --json | jq -ce '.maps[1] | .map == "fragments" and
		(.entries | sort_by(.id)) == [
		{"id":"0x1234","dscp":"EF","tunnel":"vx4","source":"192.0.2.1",
			"destination":"192.0.2.2","protocol":17},
		{"id":"0x7","dscp":"unknown","tunnel":null,"source":"192.0.2.1",
			"destination":"192.0.2.3","protocol":17},
		{"id":"0xdeadbeef","dscp":"keep","tunnel":"vx6","source":"2001:db8::1",
			"destination":"2001:db8::2","protocol":17}]'
}
