# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# What starts the tool at boot: units, and the scripts of OpenWrt and NetworkManager.

# It installs and tries what is in packaging/.
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

. testing/tunnels.sh

kind=vxlan

map_out() { on a "$TOOL" status "$1" --json | jq -c '.tunnels[0].egress_map'; }

# packaged TARGET [ARGUMENT...]: of packaging/ in a tree that configure was given these arguments in
packaged()
{
	local target=$1

	shift
	(cd "$T/tree" && { [ $# = 0 ] || ./configure "$@"; } &&
		make -C packaging "$target" DESTDIR="$T/dest")
}

test_units()
{
	local units=$T/dest/usr/lib/systemd/system unit

	mkdir "$T/tree" "$T/verify"
	tar -c configure version.mk lib/*.mk packaging | tar -x -C "$T/tree"
	check packaged install --prefix=/usr --with-systemdsystemunitdir=/usr/lib/systemd/system
	[ "$(find "$units" -type f | wc -l)" = 2 ]
	check test -f "$T/dest/usr/share/bash-completion/completions/dscp-tool"
	check_grep '^ExecStart=/usr/sbin/dscp-tool load %I [$]OPTIONS$' cat "$units/dscp-tool@.service"
	# With the program of this tree, and an instance, which verify wants.
	for unit in dscp-tool@ dscp-tool-monitor; do
		sed "s|=\(-*\)/usr/sbin/dscp-tool |=\1$TOOL |" "$units/$unit.service" \
			>"$T/verify/${unit/@/@wg0}.service"
	done
	check packaged uninstall
	[ -z "$(find "$T/dest" -type f)" ]
	check packaged install --prefix=/usr --without-systemdsystemunitdir
	[ -z "$(find "$T/dest" -name '*.service')" ]
	command -v systemd-analyze || skip "no systemd-analyze here"
	check systemd-analyze verify --man=no "$T"/verify/*.service
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
}

# rc_common COMMAND [DEVICE]: as that of OpenWrt would call our script; SECTION_OPTION=VALUE is UCI
rc_common()
{
	# shellcheck disable=SC2016 # for another shell
	on a env "${uci[@]}" sh -c '
		extra_command() { :; }
		config_load() { [ "$1" = dscp-tool ]; }
		config_foreach() { for s in a b; do "$1" "$s" $3; done; }
		config_get() { eval "$1=\${$2_$3-}"; }
		config_get_bool() { eval "$1=\${$2_$3-$4}"; }
		procd_open_instance() { :; }
		procd_close_instance() { :; }
		procd_set_param() { echo procd "$@"; }
		logger() { cat >&2; }
		. packaging/openwrt/dscp-tool.init
		PROG=$0
		"$@"' "$TOOL" "$@"
}

test_openwrt()
{
	local uci=(a_device=vx4 'a_egress_map=*=CS0,EF=EF' a_direction=both a_uplink=eth0 b_device=vx6
		'a_peer_map=10.0.0.5/32:*=CS0 fd00:7::/64:EF=keep'
		b_enabled=0)

	lone_node
	check_grep "^procd command $TOOL monitor$" rc_common start_service
	[ "$(map_out vx4 | jq 'length')" = 62 ]
	[ "$(counter a vx4 'peer_maps|map(.prefix)|join(" ")')" = '"fd00:7::/64 10.0.0.5/32"' ]
	check_exit 3 on a "$TOOL" status vx6
	check rc_common service_stopped
	check_exit 3 on a "$TOOL" status vx4
	uci+=(b_enabled=1)
	check rc_common up vx6
	[ "$(map_out vx6)" = '{}' ]
	check_exit 3 on a "$TOOL" status vx4
	check on a "$TOOL" unload --all
}

test_networkmanager()
{
	local script=packaging/networkmanager/90-dscp-tool

	lone_node
	on a sh -ec 'mount -t tmpfs etc /etc && mkdir /etc/dscp-tool'
	# shellcheck disable=SC2016 # for another shell
	on a sh -c "echo 'OPTIONS=\"--egress-map *=CS0,EF=EF\"' >/etc/dscp-tool/vx4.conf"
	check on a env "PATH=${TOOL%/*}:$PATH" $script vx4 up
	[ "$(map_out vx4 | jq 'length')" = 62 ]
	check on a env "PATH=${TOOL%/*}:$PATH" $script vx6 up
	check_exit 3 on a "$TOOL" status vx6
	on a ip link delete vx4
	check on a env "PATH=${TOOL%/*}:$PATH" $script vx4 down
	[ "$(on a "$TOOL" status)" = 'no tunnel is loaded' ]
	check on a env "PATH=${TOOL%/*}:$PATH" $script vx4 down
}
