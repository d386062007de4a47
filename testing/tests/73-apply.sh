# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# save, apply and --dry-run: the printed commands load the same again, and only a difference is changed.

. testing/tunnels.sh

kind=vxlan

# saved COMMAND...: the output of save, with the command in front of the device's name taken away
saved() { on a "$TOOL" save; }

# Programs and links of all hooks, by their numbers: nothing has been touched if they are the same.
numbers() { on a "$TOOL" status --json | jq -c '[.tunnels[].hooks[].prog_id]'; }

test_what_is_saved_is_loaded_again()
{
	local line

	lone_node
	on a ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	remember
	cat >"$T/lines" <<-'LINES'
	dscp-tool load vx4 --direction both --egress-map '*=CS0,EF=EF' --peer-map 'fd00::/64:copy' --peer-map '10.0.0.5/32:EF=CS1' --ingress-map '*=keep' --ingress-method tc --priority-map '802.1p,LE=1'
	dscp-tool load vx6 --uplink eth0 --egress-map 'LE=CS1,AF41=keep' --attach clsact --port 4790
	dscp-tool load tun0 --uplink eth0 --uplink absent0 --outer-dscp EF --port 4791 --port 4792 --flows 1024
	LINES
	on a ip link add absent0 type dummy 2>/dev/null || on a ip link add absent0 type veth peer name absent1
	check on a "$TOOL" apply "$T/lines"
	check diff - <(echo "$OUTPUT") <<-SAID
	vx4: loaded
	vx6: loaded
	tun0: loaded
	SAID
	check diff "$T/lines" <(saved)
	[ "$(on a "$TOOL" status --json | jq -r '.tunnels[].command')" = "$(cat "$T/lines")" ]
	numbers >"$T/numbers"
	# Once more: nothing to do, and nothing is said or touched.
	check on a "$TOOL" apply "$T/lines"
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check diff "$T/numbers" <(numbers)
	check on a "$TOOL" apply --dry-run "$T/lines"
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	# By a shell, too.
	check on a "$TOOL" unload --all
	# shellcheck disable=SC2016 # for another shell
	sed "s|^dscp-tool|'$TOOL'|" "$T/lines" >"$T/script"
	check on a sh -e "$T/script"
	check diff "$T/lines" <(saved)
	check on a "$TOOL" apply /dev/null
	check diff - <(echo "$OUTPUT") <<-SAID
	vx4: unloaded
	vx6: unloaded
	tun0: unloaded
	SAID
	on a sh -c 'ip link del absent0'
	same_as_before
}

same_as_before() { inventory >"$T/after"; check diff "$T/before" "$T/after"; }
remember() { inventory >"$T/before"; }

# A tunnel that differs is changed, one that is not listed goes, and the rest stays as it is.
test_only_what_differs()
{
	lone_node
	check on a "$TOOL" load vx4 --direction both
	check on a "$TOOL" load vx6
	on a ip link add vx7 type vxlan id 77 remote 192.0.2.2 dstport 4791
	on a ip link set vx7 up
	cat >"$T/lines" <<-'LINES'
	# The office
	load vx4 --direction both --egress-map "EF=CS1"  # telephones

	   dscp-tool load vx7
	LINES
	everything >"$T/everything"
	check on a "$TOOL" apply --dry-run "$T/lines"
	check diff - <(echo "$OUTPUT") <<-SAID
	dscp-tool unload vx6
	# vx4: egress-map: 'EF=CS1' (was copy)
	dscp-tool load vx4 --direction both --egress-map 'EF=CS1'
	dscp-tool load vx7
	SAID
	check diff "$T/everything" <(everything)
	check on a "$TOOL" apply - <"$T/lines"
	check diff - <(echo "$OUTPUT") <<-SAID
	vx6: unloaded
	vx4: changed
	vx4: egress-map: 'EF=CS1' (was copy)
	vx7: loaded
	SAID
	check on a "$TOOL" status
	# A device made anew is mended, with its options.
	on a sh -ec 'ip link del vx7; ip link add vx7 type vxlan id 77 remote 192.0.2.2 dstport 4791
		ip link set vx7 up'
	check on a "$TOOL" apply --dry-run "$T/lines"
	[ "$OUTPUT" = 'dscp-tool reload vx7' ] || fail "$OUTPUT"
	check on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = 'vx7: the device was made anew: loaded again' ] || fail "$OUTPUT"
	check on a "$TOOL" status
	check on a "$TOOL" unload vx4 vx7
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

everything() { inventory; on a "$TOOL" status --json | jq 'del(.tunnels[].counters, .flows)'; }

# bad LINE ERE: alone, behind a good line and a change, nothing is done at all
bad()
{
	printf '%s\n' 'load vx4 --egress-map EF=CS1' '' "$1" 'load vx6' >"$T/lines"
	check_exit 1 on a "$TOOL" apply "$T/lines"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
	grep -qE -e "^dscp-tool: $T/lines:3: $2" <<<"$OUTPUT" || fail "not \"$2\": $OUTPUT"
	check diff "$T/everything" <(everything)
}

# misfit OPTIONS ERE: options that do not fit the tunnel are refused, before anything is done
misfit()
{
	printf '%s\n' 'load vx4 --egress-map EF=CS1' "load vx6 $1" >"$T/lines"
	check_exit 1 on a "$TOOL" apply "$T/lines"
	grep -qE -e "^dscp-tool: $T/lines:2: $2" <<<"$OUTPUT" || fail "not \"$2\": $OUTPUT"
	check_exit 1 on a "$TOOL" apply --dry-run "$T/lines"
	check diff "$T/everything" <(everything)
}

test_a_bad_line_changes_nothing()
{
	lone_node
	check on a "$TOOL" load vx4
	everything >"$T/everything"
	bad 'load' 'an argument is missing: usage: dscp-tool load TUNNEL'
	bad 'unload vx4' "unexpected command 'unload': use load TUNNEL \[OPTION\]...$"
	bad 'dscp-tool' "unexpected command ''"
	bad 'load vx6 --egress-map EF' "--egress-map: 'EF' is not FROM=TO"
	bad 'load vx6 --frob' "unknown option '--frob'"
	bad 'load vx6 "--egress-map' 'a quote has no end$'
	bad 'load vx4 --direction both' 'vx4 is in line 1 already$'
	bad 'load a-name-of-17-chars' "there is no device 'a-name-of-17-chars': a name has at most 15"
	bad $'load vx6 --uplink-netns \'a\001b\'' "--uplink-netns: there are control characters in 'a\\?b'$"
	bad "load vx6 $(printf -- '--port 1 %.0s' {1..300})" 'more than 512 words$'
	check_exit 1 on a "$TOOL" load vx6 --uplink-netns $'a\001b'
	[ "$OUTPUT" = "dscp-tool: --uplink-netns: there are control characters in 'a?b'" ] || fail "$OUTPUT"
	misfit '--handshake-dscp EF' 'vx6: no handshakes of vxlan are known'
	misfit '--port 1 --port 2' 'vx6: vxlan has one destination port'
	misfit '--uplink vx6' 'uplink vx6: that is the tunnel itself'
	printf 'load vx4\0 --egress-map *=CS0\n' >"$T/zero"
	check_exit 1 on a "$TOOL" apply "$T/zero"
	[ "$OUTPUT" = "dscp-tool: $T/zero:1: a byte of 0 is in the line" ] || fail "$OUTPUT"
	check_exit 1 on a "$TOOL" apply "$T/none"
	grep -q "cannot open $T/none: No such file or directory" <<<"$OUTPUT" || fail "$OUTPUT"
	check_exit 1 on a "$TOOL" apply "$T"
	grep -q "^dscp-tool: cannot read $T: Is a directory$" <<<"$OUTPUT" || fail "$OUTPUT"
	check_exit 1 on a "$TOOL" apply
	check diff "$T/everything" <(everything)
}

# Boot: a tunnel that cannot be loaded yet is loaded by a later call, and the others are not kept
# waiting.
test_what_cannot_be_loaded_yet()
{
	lone_node
	printf '%s\n' 'load vx4' 'load later0 --egress-map EF=CS1' 'load vx6' >"$T/lines"
	check_exit 2 on a "$TOOL" apply "$T/lines"
	check_grep "later0: there is no such device" cat <<<"$OUTPUT"
	[ "$(on a "$TOOL" status --json | jq -c '[.tunnels[].tunnel]')" = '["vx4","vx6"]' ]
	numbers >"$T/numbers"
	on a sh -ec 'ip link add later0 type vxlan id 9 remote 198.51.100.1 dstport 4799; ip link set later0 up'
	check_exit 2 on a "$TOOL" apply "$T/lines"
	check_grep 'later0: no uplink found' cat <<<"$OUTPUT"
	on a ip route add 198.51.100.0/24 dev eth0
	check on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = 'later0: loaded' ] || fail "$OUTPUT"
	check on a "$TOOL" status
	check on a "$TOOL" unload --all
}

# A line names a device by its altname (ip-link(8)): the tunnel is listed, and nothing happens to it.
test_alternative_name()
{
	lone_node
	on a ip link property add dev vx4 altname the-office
	echo 'load the-office --egress-map *=CS0' >"$T/lines"
	check on a "$TOOL" apply "$T/lines"
	numbers >"$T/numbers"
	check on a "$TOOL" apply --dry-run "$T/lines"
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check on a "$TOOL" apply "$T/lines"
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check diff "$T/numbers" <(numbers)
	echo 'load vx4' >>"$T/lines"
	check_exit 1 on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = "dscp-tool: $T/lines:2: vx4 is in line 1 already" ] || fail "$OUTPUT"
	check diff "$T/numbers" <(numbers)
	check on a "$TOOL" apply /dev/null
	[ "$OUTPUT" = 'vx4: unloaded' ] || fail "$OUTPUT"
}

# A tunnel that cannot be unloaded is not called unloaded. To reach another network namespace takes
# CAP_SYS_ADMIN.
test_unload_that_fails()
{
	lone_node
	on a ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	ip netns add box
	nsenter --net=/run/netns/box sh -ec 'ip link add up0 type veth peer name up1
		ip link set up0 up; ip link set up1 up'
	check on a "$TOOL" load tun0 --uplink up0 --uplink-netns box --outer-dscp EF --port 4799
	check on a "$TOOL" load vx4
	check_exit 2 on a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" apply /dev/null
	[ "$(grep unloaded <<<"$OUTPUT")" = 'vx4: unloaded' ] || fail "$OUTPUT"
	check on a "$TOOL" status tun0
	check on a "$TOOL" apply /dev/null
	[ "$OUTPUT" = 'tun0: unloaded' ] || fail "$OUTPUT"
	ip netns del box
}

# An option that a line leaves out and load leaves as it is, is no difference.
test_flows_as_they_are()
{
	lone_node
	check on a "$TOOL" load vx4 --flows 1024
	numbers >"$T/numbers"
	check on a "$TOOL" apply - <<<'load vx4'
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check on a "$TOOL" apply --dry-run - <<<'load vx4'
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check diff "$T/numbers" <(numbers)
	[ "$(saved)" = 'dscp-tool load vx4 --flows 1024' ]
	check on a "$TOOL" apply - <<<'load vx4 --flows 2048'
	[ "$OUTPUT" = "$(printf '%s\n' 'vx4: changed' 'vx4: flows: 2048 (was 1024)')" ] || fail "$OUTPUT"
	check on a "$TOOL" unload vx4
}

# A namespace made anew under its name, and a device of another kind with the name of the old one: reload
# leaves a device that is not the one that was loaded, the file means the one that has the name now.
test_what_has_the_name_now()
{
	local time

	lone_node
	on a ip tuntap add tun0 mode tun || skip "this kernel has no tun"
	printf '%s\n' 'load vx4' 'load tun0 --uplink up0 --uplink-netns box --outer-dscp EF --port 4799' \
		>"$T/lines"
	for time in loaded 'loaded again'; do
		ip netns add box
		nsenter --net=/run/netns/box sh -ec 'ip link add up0 type veth peer name up1
			ip link set up0 up; ip link set up1 up'
		check on a "$TOOL" apply "$T/lines"
		check_grep "^tun0: $time$" cat <<<"$OUTPUT"
		check on a "$TOOL" status
		check on a "$TOOL" apply "$T/lines"
		[ -z "$OUTPUT" ] || fail "$OUTPUT"
		ip netns del box
		# shellcheck disable=SC2016 # for another shell
		retry_until on a sh -c '"$0" status tun0 | grep "problem .*namespace of its uplinks .* is gone"' "$TOOL"
		check_exit 2 on a "$TOOL" reload tun0
	done
	check_exit 2 on a "$TOOL" apply "$T/lines"
	check_grep "--uplink-netns 'box': No such file or directory" cat <<<"$OUTPUT"
	check on a "$TOOL" unload vx4 tun0
	# The same of a device of another kind.
	echo 'load tun0 --uplink eth0 --outer-dscp EF --port 4799' >"$T/lines"
	check on a "$TOOL" apply "$T/lines"
	on a sh -ec 'ip link del tun0; ip link add tun0 type vxlan id 9 remote 192.0.2.2 dstport 4799
		ip link set tun0 up'
	check_exit 2 on a "$TOOL" reload
	check on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = 'tun0: loaded again' ] || fail "$OUTPUT"
	check on a "$TOOL" status
	check on a "$TOOL" unload tun0
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}

# made_in_blue: the namespace blue, which a process keeps as well, and the tunnel blue7 that was made there
made_in_blue()
{
	ip netns add blue
	nsenter --net=/run/netns/blue sh -ec 'ip link add up0 type veth peer name up1
		ip link set up0 up; ip link set up1 up; ip address add 192.0.2.1/24 dev up0
		ip link add blue7 type vxlan id 7 remote 192.0.2.2 dstport 4791'
	background nsenter --net=/run/netns/blue sleep 1000
	on a sh -ec 'ip netns exec blue ip link set blue7 netns $$; ip link set blue7 up'
}

# --uplink-netns of a list is a name. If that name and the tunnel are made anew, the new ones are meant, also
# while the former namespace is there.
test_uplinks_in_the_new_netns_of_the_name()
{
	local old

	lone_node
	made_in_blue
	echo 'load blue7 --uplink-netns blue --egress-map *=CS0 --attach clsact' >"$T/lines"
	check on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = 'blue7: loaded' ] || fail "$OUTPUT"
	old=$(stat -Lc %i /run/netns/blue)
	ip netns del blue
	on a ip link del blue7
	made_in_blue
	[ "$(stat -Lc %i /run/netns/blue)" != "$old" ]
	check_exit 2 on a "$TOOL" reload blue7
	grep -q 'not in the named one: say --uplink-netns' <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" apply "$T/lines"
	[ "$OUTPUT" = 'blue7: loaded again' ] || fail "$OUTPUT"
	check on a "$TOOL" status
	check_grep egress_outer nsenter --net=/run/netns/blue tc filter show dev up0 egress
	check on a "$TOOL" unload blue7
	ip netns del blue
}

# load --dry-run: the command, and the changes that it would make, and no change.
test_dry_run_of_load()
{
	lone_node
	remember
	check on a "$TOOL" load vx4 --dry-run -d both -m EF=CS1
	[ "$OUTPUT" = "dscp-tool load vx4 --direction both --egress-map 'EF=CS1'" ] || fail "$OUTPUT"
	check_exit 2 on a "$TOOL" load nope --dry-run
	same_as_before
	check on a "$TOOL" load vx4 --direction both
	everything >"$T/everything"
	check on a "$TOOL" load vx4 --dry-run
	check diff - <(echo "$OUTPUT") <<-SAID
	# vx4: direction: egress (was both)
	dscp-tool load vx4
	SAID
	on a ip tuntap add tun0 mode tun
	check_exit 2 on a "$TOOL" load tun0 --port 4789 --uplink eth0 --outer-dscp EF --dry-run
	grep -q "tun0: port 4789 is vx4's already" <<<"$OUTPUT" || fail "$OUTPUT"
	on a ip link del tun0
	check diff "$T/everything" <(everything)
	# A tunnel that load takes away is named.
	check on a "$TOOL" load vx4 --egress-map '*=CS0'
	check diff - <(echo "$OUTPUT") <<-SAID
	vx4: direction: egress (was both)
	vx4: egress-map: '*=CS0' (was copy)
	SAID
	check on a "$TOOL" unload vx4
	same_as_before
}

# Names that a shell would take apart.
test_odd_names()
{
	local name

	lone_node
	for name in "it's" '$(id)' '-x' 'a;b' '"q"' 'st*r' 'b\s'; do
		on a ip link add name "$name" type vxlan id 5 remote 192.0.2.2 dstport 4795
		check on a "$TOOL" load --egress-map EF=CS1 -- "$name"
		saved >"$T/lines"
		check on a "$TOOL" unload -- "$name"
		check on a "$TOOL" apply "$T/lines"
		[ "$OUTPUT" = "$name: loaded" ] || fail "$OUTPUT"
		check diff "$T/lines" <(saved)
		sed "s|^dscp-tool|'$TOOL'|" "$T/lines" >"$T/script"
		check on a "$TOOL" unload -- "$name"
		check on a sh -e "$T/script"
		check diff "$T/lines" <(saved)
		on a "$TOOL" apply /dev/null --dry-run | sed "s|^dscp-tool|'$TOOL'|" >"$T/script"
		check on a sh -e "$T/script"
		[ -z "$(saved)" ]
		on a ip link del dev "$name"
	done
}

# A tunnel that was renamed is saved by its present name.
test_renamed()
{
	lone_node
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	on a sh -ec 'ip link set vx4 down; ip link set vx4 name office; ip link set office up'
	[ "$(saved)" = "dscp-tool load office --egress-map 'EF=CS1'" ] || fail "$(saved)"
	saved >"$T/lines"
	check on a "$TOOL" apply "$T/lines"
	check on a "$TOOL" status office
	check on a "$TOOL" unload office
}

# A tunnel without its device, with a name that another one has since: a file has one line for the name.
test_two_of_one_name()
{
	local time

	lone_node
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	check on a "$TOOL" load vx6 --egress-map EF=CS2
	on a sh -ec 'ip link del vx4; ip link set vx6 down; ip link set vx6 name vx4; ip link set vx4 up'
	for time in renamed applied; do
		saved >"$T/lines"
		check diff - "$T/lines" <<-LINES
		# vx4: the device is gone, and its name is another loaded tunnel's now:
		# dscp-tool load vx4 --egress-map 'EF=CS1'
		dscp-tool load vx4 --egress-map 'EF=CS2'
		LINES
		check on a "$TOOL" apply "$T/lines"
		[ "$(on a "$TOOL" status --json | jq -c '[.tunnels[].egress_map.EF]')" = '["CS1","CS2"]' ]
	done
	check on a "$TOOL" unload vx4
	[ "$(saved)" = "dscp-tool load vx4 --egress-map 'EF=CS1'" ] || fail "$(saved)"
	check on a "$TOOL" unload vx4
	check_exit 2 on a ls /sys/fs/bpf/dscp-tool
}
