# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The tool's abilities with the capabilities that the man page names, and with one of them missing.

. testing/tunnels.sh

kind=vxlan
all=(bpf net_admin perfmon)

# with "CAPABILITY..." COMMAND...: as root, with these and no other, as a systemd unit has it
with()
{
	local -; set +x
	local name set=

	for name in $1; do
		set+=,+$name
	done
	shift
	on a setpriv --no-new-privs --inh-caps="-all$set" --ambient-caps="-all$set" \
		--bounding-set="-all$set" "$@"
}

# As a system has them.
closed_directories() { on a sh -ec 'chmod 0755 /run; chmod 0700 /sys/fs/bpf'; }

test_they_are_enough()
{
	local how args

	lone_node
	closed_directories
	for how in $(attach_kinds); do
		for args in '' '--direction both' '--direction ingress' '--outer-dscp EF'; do
			remember
			# shellcheck disable=SC2086 # several words
			check with "${all[*]}" "$TOOL" load vx4 --attach "$how" $args
			check on a "$TOOL" status vx4
			check_grep healthy with "${all[*]}" "$TOOL" status vx4
			check with "${all[*]}" "$TOOL" dump-map
			check with "${all[*]}" "$TOOL" unload vx4
			inventory >"$T/after"
			check diff "$T/before" "$T/after"
		done
	done
}

test_they_are_enough_for_monitor()
{
	lone_node
	closed_directories
	check on a "$TOOL" load vx4 --direction both
	background with "${all[*]}" "$TOOL" monitor
	on a ip link del vx6
	on a ip link del vx4
	vxlan a 1 2
	retry_until on a "$TOOL" status vx4
}

# The kernel then names no program by its id; a filter has a separate name.
test_filters_of_others_are_named()
{
	lone_node
	closed_directories
	check on a "$TOOL" load vx4 --attach clsact
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	check_grep 'before it +foreign, clsact, priority 1, ' on a "$TOOL" status vx4
	check_grep 'before it +foreign.bpf.o:.*, clsact, priority 1, ' \
		with "${all[*]}" "$TOOL" status vx4
}

# Nothing is done by halves.
test_each_is_needed()
{
	local how left missing sentence

	lone_node
	for how in $(attach_kinds); do
		for missing in "${all[@]}"; do
			left=" ${all[*]} "
			left=${left/ $missing / }
			sentence="^dscp-tool: not permitted without CAP_${missing^^}: run as root"
			remember
			refused_with "$left" "$sentence" load vx4 --attach "$how"
			refused_with "$left" "$sentence" load vx4 --attach "$how" --direction both
			check diff "$T/before" <(inventory)
			check on a "$TOOL" load vx4 --attach "$how" --direction both
			inventory >"$T/loaded"
			refused_with "$left" "$sentence" load vx4 --attach "$how"
			refused_with "$left" "$sentence" unload vx4
			refused_with "$left" "$sentence" monitor
			check diff "$T/loaded" <(inventory)
			check on a "$TOOL" unload vx4
		done
	done
}

# refused_with "CAPABILITY..." ERE ARGUMENT...
refused_with()
{
	local caps=$1 sentence=$2

	shift 2
	check_exit 2 with "$caps" timeout 120 "$TOOL" "$@"
	grep -qE "$sentence" <<<"$OUTPUT" || fail "no such sentence of $*: $OUTPUT"
	[ "$(wc -l <<<"$OUTPUT")" = 1 ] || fail "not one line: $OUTPUT"
}

# Without it the load would succeed, and a change or the unload would be done by halves.
test_xdp_needs_one_more()
{
	local method

	modprobe wireguard || true
	ip link add wg4 type wireguard || skip "no WireGuard in this kernel"
	"$TOOL" features --json | jq -e .features.libxdp || skip "built without libxdp"
	lone_node
	on a ip link add wg4 type wireguard
	on a wg set wg4 listen-port 51820
	on a ip link set wg4 up
	remember
	refused_with "${all[*]}" '^dscp-tool: wg4: not permitted without CAP_SYS_ADMIN' \
		load wg4 --uplink eth0 --direction both --ingress-method xdp
	check diff "$T/before" <(inventory)
	for method in auto tc; do
		check with "${all[*]}" "$TOOL" load wg4 --uplink eth0 --direction both --ingress-method $method
		check with "${all[*]}" "$TOOL" unload wg4
	done
	check with "${all[*]} sys_admin" "$TOOL" load wg4 --uplink eth0 --direction both \
		--ingress-method xdp
	inventory >"$T/loaded"
	refused_with "${all[*]}" '^dscp-tool: wg4: not permitted without CAP_SYS_ADMIN' unload wg4
	refused_with "${all[*]}" '^dscp-tool: wg4: not permitted without CAP_SYS_ADMIN' \
		load wg4 --uplink eth0 --direction both --ingress-method tc
	check diff "$T/loaded" <(inventory)
	check with "${all[*]} sys_admin" "$TOOL" unload wg4
	check diff "$T/before" <(inventory)
}

# The pins are files of root's, and their directory is the lock.
test_another_user_cannot()
{
	local set

	lone_node
	closed_directories
	set=$(printf ',+%s' "${all[@]}")
	check_exit 2 on a setpriv --reuid=65534 --clear-groups --inh-caps="-all$set" \
		--ambient-caps="-all$set" "$TOOL" load vx4
	grep -qE '/sys/fs/bpf/dscp-tool: Permission denied .root is needed: .* not enough' <<<"$OUTPUT"
}
