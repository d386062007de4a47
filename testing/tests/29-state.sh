# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# State that somebody else has made, or that is not to be had: the tool does not guess at such a finding
# and does not touch it, and each command names the fault in one line.

. testing/tunnels.sh

kind=vxlan
root_dir=/sys/fs/bpf/dscp-tool
state_dir=$root_dir/none # of node a, see loaded()

changing=('load vx4' 'load vx4 --direction both --egress-map EF=CS1' 'load vx6' 'unload vx4'
	'unload --all' monitor)
looking=(status 'status --json' 'status --openmetrics' 'status vx4' 'explain vx4' dump-map 'dump-map --json')

# loaded TUNNEL WORDS...: by node a, and state_dir is the set
loaded()
{
	check on a "$TOOL" load "$@"
	state_dir=$(pins a)
}

# say STATUS ERE COMMAND...: each of these ends so, with one line on stderr that matches
say()
{
	local -; set +x
	local status=$1 sentence=$2 words got

	shift 2
	for words; do
		got=0
		# shellcheck disable=SC2086 # several words
		OUTPUT=$(on a timeout -s KILL 20 ${as-} "$TOOL" $words 2>&1 >"$T/out") || got=$?
		[ "$got" = "$status" ] || fail "$got, not $status: $words: $OUTPUT"
		[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $words: $OUTPUT"
		[[ $OUTPUT =~ $sentence ]] || fail "no \"$sentence\": $words: $OUTPUT"
	done
}

# Everything that could change: also the content of maps that the tool alone writes.
everything()
{
	inventory
	# shellcheck disable=SC2016 # for another shell
	on a sh -c 'cd "$0" && find . -ls | awk "{ print \$3, \$5, \$11 }" || exit 0
		bpftool map lookup pinned maps/config key 0 0 0 0
		bpftool map lookup pinned maps/ports key 181 18 0 0
		for n in 1 2 3; do
			bpftool -j map lookup pinned maps/tunnels key $n 0 0 0 | cksum
		done' $state_dir/ 2>&1 || true
}

# refused ERE: by every command, and nothing is changed. Once in a test; then three of them will do,
# since all read the state in one place.
refused()
{
	everything >"$T/everything"
	if [ -z "$refused_before" ]; then
		say 2 "$1" "${changing[@]}" "${looking[@]}"
		check on a "$TOOL" features
	else
		say 2 "$1" 'load vx4 --direction both --egress-map EF=CS1' 'unload --all' 'status'
	fi
	check diff "$T/everything" <(everything)
	refused_before=yes
}
refused_before=

# poke MAP "KEY BYTES" OFFSET "HEX BYTES": in the middle of a value
poke()
{
	local -; set +x
	local file=$state_dir/maps/$1 key=$2 value

	# shellcheck disable=SC2086 # several words
	value=$(on a bpftool -j map lookup pinned $file key $key |
		jq -r --argjson at "$3" --arg new "$4" '.value | map(ltrimstr("0x")) as $old |
			($new | split(" ")) as $new |
			$old[:$at] + $new + $old[$at + ($new | length):] | join(" ")')
	# shellcheck disable=SC2086
	check on a bpftool map update pinned $file key $key value hex $value
}

# Stands for all that is not as we make it.
not_ours()
{
	local sentence='not as this dscp-tool makes it: unload'

	refused "^dscp-tool: $state_dir/$1: $sentence .*remove $state_dir\$"
}

# in_place_of PIN SCRIPT: that makes something else, at $0, and afterwards all is as before
in_place_of()
{
	check on a mv "$state_dir/$1" $state_dir/aside
	check on a sh -ec "$2" "$state_dir/$1"
	not_ours "$1"
	check on a rm -rf "$state_dir/$1"
	check on a mv $state_dir/aside "$state_dir/$1"
}

# map_of TYPE KEY VALUE ENTRIES: a script for in_place_of
map_of() { echo "bpftool map create \"\$0\" type $1 key $2 value $3 entries $4 name alien"; }

#
# Pins
#

test_other_pins()
{
	local pin pins=(config tunnels requests balance ports endpoints devices prefixes stamps stamp_cache fragments
		counters note_cache notes ingress_counters)

	lone_node
	! short_form || pins=(config tunnels)
	loaded vx4 --direction both
	for pin in "${pins[@]}"; do
		in_place_of "maps/$pin" "$(map_of hash 8 4096 16)"
	done
	# One thing is different. A longer value would not fit where it is read to.
	in_place_of maps/tunnels "$(map_of array 4 4096 1024)"
	! short_form || return 0
	in_place_of maps/tunnels "$(map_of array 4 632 1023)"
	in_place_of maps/counters "$(map_of array 4 1144 32)"
	# Neither so few as there are at first, doubled or not, nor as many as there can be tunnels.
	for pin in 'counters 31' 'counters 16' 'counters 96' 'ingress_counters 2048' 'ingress_counters 33'; do
		in_place_of "maps/${pin% *}" "$(map_of percpu_array 4 1144 "${pin#* }")"
	done
	check on a sh -ec "$(map_of hash 4 1144 2048)" $state_dir/maps/carried
	not_ours maps/carried
	check on a rm $state_dir/maps/carried
	in_place_of maps/config "$(map_of array 4 24 2)"
	in_place_of maps/config "$(map_of array 4 32 1)"
	# And no map at all, or no program.
	in_place_of maps/tunnels "ln $state_dir/programs/egress_inner \"\$0\" 2>/dev/null ||
		bpftool prog pin pinned $state_dir/programs/egress_inner \"\$0\""
	in_place_of maps/config 'mkdir "$0"'
	in_place_of maps/ingress_counters 'mkdir "$0"'
	in_place_of programs/egress_outer 'mkdir "$0"'
	in_place_of programs/egress_outer "$(map_of array 4 4 4)"
	in_place_of programs/egress_outer "mv $state_dir/programs/egress_inner \"\$0\"
		bpftool prog pin pinned \"\$0\" $state_dir/programs/egress_inner"
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

# Foreign files beside ours are no hindrance, and stay.
test_alien_pins_stay()
{
	local where

	lone_node
	loaded vx4
	remember
	for where in . maps programs hooks ..; do
		check on a mkdir $state_dir/$where/directory
		check on a bpftool map create $state_dir/$where/alien type array key 4 value 4 \
			entries 1 name alien
	done
	on a find $root_dir -name directory -o -name alien | sort >"$T/aliens"
	[ "$(wc -l <"$T/aliens")" = 10 ]
	check on a "$TOOL" status
	loaded vx4 --direction both
	check on a "$TOOL" unload --all
	check diff "$T/aliens" <(on a find $root_dir -name directory -o -name alien | sort)
	loaded vx4 --attach clsact
	check on a "$TOOL" unload vx4
	[ "$(on a find $root_dir ! -type d ! -name alien | wc -l)" = 0 ]
}

# Objects that are new at each load
without_numbers() { sed -E 's/(id|tag|jited) [0-9a-f]*|\[[0-9]*\]//g'; }

# Filters with maps that are pinned nowhere could be another copy's: a load and an unload leave them, and tc
# takes them away.
orphans_stay()
{
	filters_of_all >"$T/orphans"
	[ -s "$T/orphans" ]
	loaded vx4 --direction both --attach clsact
	[ "$(filters_of_all | wc -l)" = $((2 * $(wc -l <"$T/orphans"))) ]
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
	check diff "$T/orphans" <(filters_of_all)
	on a sh -ec 'tc qdisc del dev eth0 clsact; tc qdisc del dev vx4 clsact'
}

filters_of_all()
{
	local dev point

	for dev in eth0 vx4; do
		for point in egress ingress; do
			on a tc filter show dev $dev $point | sed -n '/handle/p'
		done
	done
}

# The remedy in the message is a way out.
test_removed_by_hand()
{
	local how

	lone_node
	for how in $(attach_kinds); do
		loaded vx4 --direction both --attach "$how"
		inventory >"$T/loaded"
		poke config '0 0 0 0' 0 00
		not_ours maps/config
		check on a rm -r $state_dir
		[ "$how" = tcx ] || orphans_stay
		loaded vx4 --direction both --attach "$how"
		check on a "$TOOL" status vx4
		without_numbers <"$T/loaded" >"$T/before"
		check diff "$T/before" <(inventory | without_numbers)
		check on a "$TOOL" unload vx4
		check_exit 2 on a ls $root_dir
		[ -z "$(on a tc filter show dev vx4 egress)$(on a tc filter show dev eth0 egress)" ]
	done
}

# A change from clsact to TCX that was killed when the link was there, and the filter still was.
test_killed_between_link_and_filter()
{
	local killed
	local -a change=("$TOOL" load vx4 --attach tcx)

	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	lone_node
	[[ $(attach_kinds) == *tcx* ]] || skip "this kernel has one way to attach"
	loaded vx4 --attach tcx
	inventory | without_numbers >"$T/tcx"
	loaded vx4 --attach clsact
	check on a strace -o "$T/calls" -e trace=sendto "${change[@]}"
	killed=$(grep -n RTM_DELTFILTER "$T/calls" | sed -n '1s/:.*//p')
	loaded vx4 --attach clsact
	check_exit 137 on a \
		strace -o "$T/killed" -e inject=sendto:signal=KILL:when="$killed" "${change[@]}"
	[ -n "$(on a tc filter show dev eth0 egress)" ]
	check_grep 'eth0 egress: egress_outer, tcx' on a "$TOOL" status
	check on a "${change[@]}"
	check diff "$T/tcx" <(inventory | without_numbers)
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

#
# The content of the maps
#

# Offsets are in struct dscp_tunnel, and in struct dscp_config.
test_garbage_in_config()
{
	lone_node
	loaded vx4
	poke config '0 0 0 0' 0 'de ad be ef'
	not_ours maps/config
	poke config '0 0 0 0' 16 '00 00 00 00 00 00 00 00' # not loaded, and yet not ours
	not_ours maps/config
}

# The programs of another build are exchanged also by a load that clears the number of its device, and
# after an unload.
test_another_build_and_a_number_used_again()
{
	local old

	lone_node
	numbered g1 51
	loaded vx4
	check on a "$TOOL" load g1 --uplink eth0
	old=$(outer_program)
	poke config '0 0 0 0' 16 '01 02 03 04 05 06 07 08'
	on a ip link delete g1
	numbered g2 52
	check on a "$TOOL" load g2 --uplink eth0
	[ "$(outer_program)" != "$old" ]
	check on a "$TOOL" status g2
	old=$(outer_program)
	poke config '0 0 0 0' 16 '01 02 03 04 05 06 07 08'
	check on a "$TOOL" unload g2
	loaded vx4
	[ "$(outer_program)" != "$old" ]
	check on a "$TOOL" status vx4
}

# numbered NAME VNI: a VXLAN that has the number 7077
numbered()
{
	on a sh -ec 'ip link add "$0" index 7077 type vxlan id "$1" remote 192.0.2.2 dstport 4791
		ip link set "$0" up' "$1" "$2"
}

outer_program()
{
	on a bpftool -j prog show pinned $state_dir/programs/egress_outer | jq .id
}

# each_poke MAP "OFFSET HEX BYTES"...: in the value of slot 1, one after the other, each is refused
each_poke()
{
	local poke offset new map=$1

	shift
	on a bpftool -j map lookup pinned "$state_dir/maps/$map" key 1 0 0 0 |
		jq -r '.value | map(ltrimstr("0x")) | join(" ")' >"$T/value"
	for poke; do
		read -r offset new <<<"$poke"
		poke "$map" '1 0 0 0' "$offset" "$new"
		not_ours "maps/$map"
		# shellcheck disable=SC2046 # several words
		check on a bpftool map update pinned "$state_dir/maps/$map" key 1 0 0 0 \
			value hex $(cat "$T/value")
	done
}

test_garbage_in_tunnels()
{
	local name='77 67 30 00 00 00 00 00 00 00 00 00 00 00 00 00' pokes=(
		'4 00' '4 09' '4 ff' # kind
		'6 09' '6 ff' '7 11' '7 ff' # numbers of ports and uplinks
		'12 04' '12 ff' # way
		'264 ff 1b 5b 32 4a 00' '264 0a' '264 7f 00' # name
		'376 1b 5b 48 00') # name of an uplink

	lone_node
	loaded vx4
	# No end.
	pokes+=("264 ${name//00/61}" "280 ${name//00/61}" "376 ${name//00/61}")
	! short_form || pokes=('7 ff' "264 ${name//00/61}")
	each_poke tunnels "${pokes[@]}"
	check on a "$TOOL" status vx4
	# Another one, which has the same number as nothing.
	poke tunnels '255 3 0 0' 0 'ff ff ff ff'
	not_ours maps/tunnels
	poke tunnels '255 3 0 0' 0 '00 00 00 00'
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

# Offsets are in struct request.
test_garbage_in_requests()
{
	local name='61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61' pokes=(
		'4 03' '8 04' '12 03' # direction, way, attach
		'16 11' '20 09' # numbers of uplinks and ports
		'304 1b 5b 48 00' # name
		'720 11' '784 41') # a priority, and one more than a DSCP

	lone_node
	loaded vx4 --uplink eth0
	# No end.
	pokes+=("304 $name" "320 $name" "48 $(printf '61 %.0s' {1..256})")
	! short_form || pokes=('4 03' "304 $name")
	each_poke requests "${pokes[@]}"
	check on a "$TOOL" status vx4
	# A tunnel that nobody has asked for.
	check on a bpftool map delete pinned $state_dir/maps/requests key 1 0 0 0
	not_ours maps/requests
}

# Maps that the tool only writes: they say something to the programs. Packets go on, unmarked or
# marked as one policy says; and the next load writes them anew.
test_garbage_that_programs_read()
{
	local to map

	two_nodes
	loaded vx4 --direction both
	# 4789: slot, kind, arrives.
	for to in '00 00 03 03' 'fe 03 03 03' 'ff 03 03 03' 'ff ff 03 03' '01 00 09 09' \
		'01 00 ff ff' '01 00 00 00' 'ff ff 01 01' 'ff ff 02 02'; do
		poke ports '181 18 0 0' 0 "$to"
		check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 640
		# The tunnel of another port: leaving packets are not seen, which status says.
		on a "$TOOL" status vx4 >"$T/status" || [ $? = 4 ]
	done
	loaded vx4
	pass udp:640 4 4 inner --each 10
	for map in stamps devices endpoints; do
		on a bpftool -j map dump pinned $state_dir/maps/$map | jq -r --arg file \
			$state_dir/maps/$map '.[] | "map update pinned \($file) key hex " +
			(.key | map(ltrimstr("0x")) | join(" ")) +
			" value hex " + (.value | map("ff") | join(" "))'
	done >"$T/batch"
	check on a bpftool batch file "$T/batch"
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp cycle --count 640
	check on a "$TOOL" dump-map
	check on a "$TOOL" dump-map --json
	jq -e . <<<"$OUTPUT" >/dev/null
	# Packets of a flow with garbage for a DSCP have no stamp that is known.
	check_exit 4 on a "$TOOL" status --openmetrics
	check_grep '^dscp_tool_healthy.tunnel="vx4". 0$' cat <<<"$OUTPUT"
	loaded vx4
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

# Peers that no tool has written, and notes.
test_garbage_to_be_shown()
{
	lone_node
	loaded vx4 --direction both --peer-map 10.0.0.5:EF=CS1
	# Length, slot, list, family: too short, of no family, of another list, of another slot
	check on a bpftool map update pinned $state_dir/maps/prefixes key hex 00 00 00 00 01 00 01 04 \
		00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 value hex $(yes ff | head -n 64)
	check on a bpftool map update pinned $state_dir/maps/prefixes key hex a0 00 00 00 01 00 01 ff \
		$(yes ff | head -n 16) value hex $(yes 41 | head -n 64)
	check on a bpftool map update pinned $state_dir/maps/prefixes key hex a0 00 00 00 01 00 ff 04 \
		$(yes ff | head -n 16) value hex $(yes 41 | head -n 64)
	check on a bpftool map update pinned $state_dir/maps/prefixes key hex a0 00 00 00 ff ff 04 ff \
		$(yes ff | head -n 16) value hex $(yes 41 | head -n 64)
	check on a bpftool map update pinned $state_dir/maps/notes \
		key hex $(yes ff | head -n 16) value hex $(yes ff | head -n 16)
	check on a bpftool map update pinned $state_dir/maps/note_cache key 0 0 0 0 \
		value hex $(yes ff | head -n 32)
	# On each CPU: counters of CS0 and of DSCP 1 with a sum of more than 64 bits.
	check on a bpftool map update pinned $state_dir/maps/counters key 1 0 0 0 \
		value hex $(yes 00 | head -n 632) $(yes ff | head -n 8) 02 $(yes 00 | head -n 503)
	check on a "$TOOL" status vx4
	[ "$(awk '/left with/ { print $3, $5 }' <<<"$OUTPUT")" = $'CS0 100.0%\nLE 0.0%' ] ||
		fail "$OUTPUT"
	check on a "$TOOL" status --json
	jq -e '.tunnels[0].healthy' <<<"$OUTPUT"
	check on a "$TOOL" dump-map
	check on a "$TOOL" dump-map --json
	jq -e . <<<"$OUTPUT" >/dev/null
	loaded vx4 --peer-map 10.0.0.5:EF=CS1
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

#
# Full
#

# batch FILE FORMAT FIRST LAST: lines for bpftool; %B is the number in four bytes, %D in
# hexadecimal, %E the same and 65536 more
batch()
{
	awk -v format="$2" -v first="$3" -v last="$4" 'BEGIN {
		for (n = first; n <= last; n++) {
			line = format
			gsub("%B", sprintf("%d %d 0 0", n % 256, n / 256), line)
			gsub("%E", sprintf("%02x %02x 01 00", n % 256, n / 256), line)
			gsub("%D", sprintf("%02x %02x 00 00", n % 256, n / 256), line)
			print line
		} }' >"$1"
	check on a bpftool batch file "$1"
}

# value MAP KEY FROM TO: that part of a value, in hexadecimal
value()
{
	on a bpftool -j map lookup pinned $state_dir/maps/$1 key $2 |
		jq -r ".value[$3:$4] | map(ltrimstr(\"0x\")) | join(\" \")"
}

test_all_slots_are_taken()
{
	local head tail n

	lone_node
	loaded vx4
	# The device's number is at 0, and the VNI, which has to be another, at 212.
	head=$(value tunnels '1 0 0 0' 4 212)
	tail=$(value tunnels '1 0 0 0' 216 632)
	batch "$T/slots" \
		"map update pinned $state_dir/maps/tunnels key %B value hex %E $head %E $tail" \
		2 1022
	batch "$T/requests" "map update pinned $state_dir/maps/requests key %B value hex \
		$(value requests '1 0 0 0' 0 792)" 2 1022
	check on a "$TOOL" load vx6
	everything >"$T/everything"
	on a ip link add vx7 type vxlan id 77 remote 192.0.2.9 dstport 4791
	say 2 '^dscp-tool: vx7: 1023 tunnels are loaded already \(unload one first\)$' 'load vx7'
	on a ip link delete vx7
	check diff "$T/everything" <(everything)
	loaded vx4 --egress-map EF=CS1
	# Their namespaces are gone, as far as the kernel knows.
	check_exit 4 on a "$TOOL" status --json --all-netns
	[ "$(jq '.tunnels | length' <<<"$OUTPUT")" = 1023 ]
	check on a "$TOOL" status vx6
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root_dir
}

test_no_room_in_a_map()
{
	local n

	lone_node
	loaded vx4
	batch "$T/endpoints" "map update pinned $state_dir/maps/endpoints key hex 01 00 00 00 %D \
		$(yes 00 | head -n 32 | tr '\n' ' ') value 0 0 0 0" 1 2047
	everything >"$T/everything"
	say 2 "^dscp-tool: cannot write the maps in $state_dir: (No space|Argument list)" 'load vx6'
	check diff "$T/everything" <(everything)
	check on a "$TOOL" status
	loaded vx4 --egress-map EF=CS2
	[ -n "$DSCP_TEST_LONG" ] || return 0
	# A line of the batch takes a millisecond.
	for n in '%D 0 65535' '%E 0 1088'; do
		# shellcheck disable=SC2086 # several words
		batch "$T/peers" "map update pinned $state_dir/maps/prefixes \
			key hex a0 00 00 00 e8 03 00 06 ${n%% *} 00 00 00 00 00 00 00 00 00 00 00 00 \
			value hex $(yes ff | head -n 64 | tr '\n' ' ')" ${n#* }
	done
	everything >"$T/everything"
	say 2 "^dscp-tool: cannot write $state_dir/maps/prefixes: No space left on device" \
		'load vx4 --egress-map EF=CS1 --peer-map 10.0.0.5:EF=EF'
	check diff "$T/everything" <(everything)
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root_dir
}

#
# Places that are not to be had
#

test_no_bpffs()
{
	required
	# In the test's own namespaces: the first process is in the same mount namespace.
	ip link add vx4 type vxlan id 44 remote 192.0.2.2 dstport 4789
	ip link add eth0 type veth peer name peer0
	ip link set eth0 up
	umount /sys/fs/bpf
	check "$TOOL" status
	check_grep bpffs.*no "$TOOL" features
	check_exit 3 "$TOOL" unload vx4
	check "$TOOL" unload --all
	check "$TOOL" load vx4 --uplink eth0
	[ "$(stat -f -c %T /sys/fs/bpf) $(stat -c %a /sys/fs/bpf)" = "bpf_fs 1700" ] ||
		fail "$(stat -f -c %T /sys/fs/bpf) $(stat -c %a /sys/fs/bpf)"
	check "$TOOL" unload vx4
	# Nor can one be mounted.
	umount /sys/fs/bpf
	mount -t tmpfs -o ro none /sys/fs
	check_exit 2 "$TOOL" load vx4 --uplink eth0
	[ "$OUTPUT" = \
		"dscp-tool: cannot mount a bpffs at /sys/fs/bpf: No such file or directory" ] ||
		fail "$OUTPUT"
	umount /sys/fs
}

test_read_only_bpffs()
{
	local how words

	lone_node
	for how in '' bind,; do
		loaded vx4
		check on a mount -o "remount,${how}ro" bpf /sys/fs/bpf
		everything >"$T/everything"
		say 2 "^dscp-tool: cannot change $root_dir: Read-only file system$" \
			"${changing[@]}"
		# A mount that is read only lets all be read, a file system maps, but no links.
		for words in "${looking[@]}" save; do
			# shellcheck disable=SC2086 # several words
			if [ -n "$how" ] || [[ $words != status* && $words != explain* ]]; then
				check on a "$TOOL" $words
			else
				say 2 "^dscp-tool: vx4: cannot read its state: Read-only file system$" "$words"
			fi
		done
		check diff "$T/everything" <(everything)
		check on a mount -o "remount,${how}rw" bpf /sys/fs/bpf
		check on a "$TOOL" status vx4
		check on a "$TOOL" unload vx4
		check_exit 2 on a ls $root_dir
		check on a mount -o "remount,${how}ro" bpf /sys/fs/bpf
		say 2 "^dscp-tool: cannot make $root_dir: Read-only file system$" 'load vx4'
		say 3 'vx4: not loaded' 'unload vx4'
		check on a "$TOOL" status
		check on a mount -o "remount,${how}rw" bpf /sys/fs/bpf
	done
}

# opened WORDS...: with which flags the tool opens the pins of maps and programs
opened()
{
	check on a strace -f -s 200 -e trace=bpf -o "$T/trace" "$TOOL" "$@"
	sed -n 's,.*BPF_OBJ_GET.*/\(maps\|programs\)/.*file_flags=\([A-Z0-9_|]*\)}.*,\1 \2,p' "$T/trace" |
		sort -u | paste -sd ' '
}

# A command that only looks cannot write, but for the record that status leaves to the next status.
test_opened_for_reading()
{
	local words reading='maps BPF_F_RDONLY programs BPF_F_RDONLY' all

	command -v strace >/dev/null || skip "no strace"
	# LeakSanitizer and strace exclude each other.
	export ASAN_OPTIONS=detect_leaks=0
	lone_node
	loaded vx4 --direction both
	for words in "${looking[@]}" save 'load vx4 --dry-run' 'apply /dev/null --dry-run'; do
		# shellcheck disable=SC2086 # several words
		all=$(opened $words)
		[ "${all/#maps 0 maps /maps }" = "$reading" ] || fail "$words: $all"
		[ "$all" = "$reading" ] || [[ $words = status* ]] || fail "$words: $all"
		check_exit 1 grep -vE '/(maps/balance"|hooks/)' <(grep -E 'OBJ_GET.*file_flags=0' "$T/trace")
	done
	for words in 'load vx4' reload 'unload vx4'; do
		# shellcheck disable=SC2086 # several words
		[ "$(opened $words)" = 'maps 0 programs 0' ] || fail "$words"
	done
}

# A bpffs that is mounted without a mode is open to all, and somebody was there first.
test_directory_of_others()
{
	local how sentence="^dscp-tool: $root_dir: not a directory that only root can write to"

	sentence+=' .*: remove it$'
	lone_node
	loaded vx4
	for how in 'chmod 777' 'chmod 720' 'chown 1000'; do
		# shellcheck disable=SC2086 # several words
		check on a $how $root_dir
		refused "$sentence"
		on a sh -ec 'chown 0 "$0"; chmod 700 "$0"' $root_dir
	done
	check on a chmod 755 $root_dir
	check on a "$TOOL" status
	check on a "$TOOL" unload vx4
	check on a setpriv --reuid=1000 --clear-groups mkdir $root_dir
	refused "$sentence"
	check on a rmdir $root_dir
	mkdir "$T/empty"
	check on a setpriv --reuid=1000 --clear-groups ln -s "$T/empty" $root_dir
	refused "$sentence"
	check on a rm $root_dir
	loaded vx4
	check on a "$TOOL" unload vx4
}

#
# The lock
#

# Processes that share the pins share the lock, as two containers with one bpffs do: /run has nothing to do
# with it.
test_lock_is_where_the_pins_are()
{
	local n pids=()

	lone_node
	check on a mount -t tmpfs -o ro none /run
	loaded vx4
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
	check on a umount /run
	for n in vx4 vx6; do
		# shellcheck disable=SC2016 # for another shell
		background on a unshare -m sh -ec 'mount -t tmpfs t /run
			for n in 1 2 3 4 5 6 7 8; do
				"$0" load "$1"; "$0" status "$1" >/dev/null; "$0" unload "$1"
			done' "$TOOL" $n
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || fail "a cycle failed"
	done
	check_exit 2 on a ls $root_dir
}

# A process that has waited for the lock of a directory that is not there any more takes the lock of the
# one that is.
test_directory_made_anew_meanwhile()
{
	local waiting

	lone_node
	loaded vx4
	# shellcheck disable=SC2016 # for another shell
	background on a flock $root_dir sh -c 'until [ -e "$0" ]; do sleep 0.05; done
		mv "$1" "${1%/*}/aside"' "$T/go" $root_dir
	retry_until on a sh -c "! flock -n $root_dir true"
	on a "$TOOL" load vx6 2>"$T/said" &
	waiting=$!
	retry_until waits_for_a_lock
	touch "$T/go"
	wait "$waiting" || fail "$(cat "$T/said")"
	[ "$(on a "$TOOL" status --json | jq -c '[.tunnels[].tunnel]')" = '["vx6"]' ]
	check on a "$TOOL" unload vx6
	check_exit 2 on a ls $root_dir
	check on a mv "${root_dir%/*}/aside" $root_dir
	check on a "$TOOL" unload vx4
}

# The 30 s are an alarm, which can come early.
test_hung_holder_of_the_lock()
{
	local words waiting

	lone_node
	loaded vx4
	everything >"$T/everything"
	background on a flock $root_dir sleep infinity
	retry_until on a sh -c "! flock -n $root_dir true"
	check on a "$TOOL" status vx4
	check on a "$TOOL" dump-map
	for words in 'load vx4 --egress-map EF=CS1' 'unload vx4' 'unload --all' reload 'apply /dev/null'; do
		# shellcheck disable=SC2086 # several words
		on a "$TOOL" $words 2>"$T/said" &
		waiting=$!
		retry_until waits_for_a_lock
		kill -ALRM "$OUTPUT"
		! wait "$waiting" || fail "$words succeeds"
		check_grep "another dscp-tool has held $root_dir for 30 seconds: see fuser $root_dir$" \
			cat "$T/said"
		[ "$(wc -l <"$T/said")" = 1 ]
	done
	check diff "$T/everything" <(everything)
}

# Prints the number of a process that sleeps in flock(). (Others, of another namespace, have none.)
waits_for_a_lock() { sed -n 's/.*-> FLOCK .* \([1-9][0-9]*\) .*:.*/\1/p' /proc/locks | grep .; }

# Somebody makes the directory on an open bpffs just before the tool does.
test_directory_made_by_others_meanwhile()
{
	lone_node
	check on a chmod 1777 "${root_dir%/*}"
	check_exit 2 on a "$step" --at 1 --each "setpriv --reuid=1000 --clear-groups mkdir $root_dir" -- \
		"$TOOL" load vx4
	check_grep "$root_dir: not a directory that only root can write to .owner 1000, mode 755.: remove it$" \
		cat <<<"$OUTPUT"
	[ "$(on a stat -c %u $root_dir)" = 1000 ] || fail "another directory"
	check on a rmdir $root_dir
	loaded vx4
	check on a "$TOOL" unload vx4
}

# A command that waits for the lock can be ended (SIGINT may be ignored, by a process that a shell has
# started), also if it has made the directory, but another one was faster.
test_interrupted_while_it_waits()
{
	local waiting status

	lone_node
	mkfifo "$T/pipe"
	on a "$step" --at 1 --each "mkdir -m 700 $root_dir
		flock $root_dir sh -c ': >\"$T/held\"; cat \"$T/pipe\"' >/dev/null 2>&1 &
		until [ -e '$T/held' ]; do sleep 0.05; done" -- "$TOOL" load vx4 &
	waiting=$!
	retry_until waits_for_a_lock
	kill -TERM "$OUTPUT"
	wait "$waiting" && status=0 || status=$?
	: >"$T/pipe"
	[ $status = 143 ] || fail "status $status"
	loaded vx4
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls $root_dir
}

# Nobody reads the output: the signal waits too.
test_nobody_reads()
{
	local status

	lone_node
	mkfifo "$T/pipe"
	printf '%s\n' 'load none0' 'load vx4' >"$T/lines"
	# shellcheck disable=SC2016 # for another shell
	on a sh -c 'exec 8<>"$1"; exec 9>"$1"; exec 8>&-; exec "$0" apply "$2" 2>&9 9>&-' \
		"$TOOL" "$T/pipe" "$T/lines" && status=0 || status=$?
	[ $status = 141 ] || fail "status $status"
	check on a "$TOOL" status vx4
	check on a "$TOOL" unload vx4
}

#
# No memory to lock
#

# Linux accounts maps by cgroup since 5.11; before that libbpf raises the limit, if it may.
test_no_locked_memory()
{
	local as caps=-all,+bpf,+net_admin,+perfmon

	lone_node
	for as in 'prlimit --memlock=0:0' "prlimit --memlock=0:0 setpriv --no-new-privs
		--inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps"; do
		remember
		# shellcheck disable=SC2086 # several words
		check on a $as "$TOOL" load vx4 --direction both
		# shellcheck disable=SC2086
		check on a $as "$TOOL" status vx4
		# shellcheck disable=SC2086
		check on a $as "$TOOL" unload vx4
		check diff "$T/before" <(inventory)
	done
}

#
# Names
#

# The kernel lets a device be called almost anything, and a terminal obeys.
test_name_with_control_characters()
{
	local name=$'a\e[2Jb' said=$'a?[2Jb'

	lone_node
	on a ip link set vx4 down
	on a ip link set vx4 name "$name"
	check_exit 2 on a "$TOOL" load "$name"
	[ "$OUTPUT" = "dscp-tool: $said: there are control characters in its name: rename it" ] ||
		fail "$OUTPUT"
	check_exit 3 on a "$TOOL" status "$name"
	[ "$OUTPUT" = "dscp-tool: $said: not loaded" ] || fail "$OUTPUT"
	on a ip link set "$name" name vx4
	loaded vx4
	on a ip link set vx4 name "$name"
	# One that was renamed since goes by its name at the load.
	check_grep '^vx4: ' on a "$TOOL" status
	[[ $OUTPUT != *$'\e'* ]]
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root_dir
	on a ip link set "$name" name vx4
	on a ip link set peer0 down
	on a ip link set peer0 name "$name"
	check_exit 2 on a "$TOOL" load vx4 --uplink "$name"
	[ "$OUTPUT" = \
		"dscp-tool: uplink $said: there are control characters in its name: rename it" ] ||
		fail "$OUTPUT"
	check_exit 2 on a ls $root_dir
}

#
# Lists that change while they are read
#

# Routes come and go while load, which has to list them for a tunnel without a remote address, does.
test_lists_that_change()
{
	local churn n status failed=0

	lone_node
	on a sh -ec 'ip route add default via 192.0.2.9
		ip link add vx8 type vxlan id 88 dstport 4792; ip link set vx8 up
		for n in $(seq 0 2999); do
			echo "route add 10.$((100 + n / 250)).$((n % 250)).0/24 via 192.0.2.9"
		done | ip -batch -'
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'while :; do
		for n in $(seq 50); do
			echo "link add d$n type veth peer name p$n"
			echo "route add 10.99.$n.0/24 via 192.0.2.9"
		done
		for n in $(seq 50); do
			echo "route del 10.99.$n.0/24"
			echo "link del d$n"
		done
		done | ip -force -batch - >/dev/null 2>&1'
	churn=$!
	for ((n = 0; n < 40; n++)); do
		for words in 'load vx8' 'status vx8' 'load vx4' 'status vx4'; do
			status=0
			# shellcheck disable=SC2086 # several words
			OUTPUT=$(on a "$TOOL" $words 2>&1 >/dev/null) || status=$?
			[ $status != 0 ] || continue
			failed=$((failed + 1))
			[ $status = 2 ] && [ "$(wc -l <<<"$OUTPUT")" = 1 ] &&
				[[ $OUTPUT == *'the list changed each of the 5 times it'* ]] ||
				fail "$words: $status: $OUTPUT"
		done
	done
	kill -0 "$churn"
	stop_background "$churn"
	echo "$failed of $((n * 4)) calls met a list that changed five times"
	check on a "$TOOL" load vx8
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
	check_exit 2 on a ls $root_dir
}
