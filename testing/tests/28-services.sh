# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The starters of the tool at boot: units, and the scripts of OpenWrt and NetworkManager; and the scripts of
# packages at their upgrade and removal.

# It installs and tries the files of packaging/.
# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

. testing/tunnels.sh

kind=vxlan

map_out() { on a "$TOOL" status "$1" --json | jq -c '.tunnels[0].egress_map'; }

# own_etc NODE: an empty one
own_etc() { on "$1" sh -ec 'mount -t tmpfs etc /etc && mkdir /etc/dscp-tool /etc/init.d'; }

# write_file NODE FILE LINE...
write_file() { printf '%s\n' "${@:3}" | on "$1" tee "$2" >"$T/written"; }

# with_tool COMMAND...: on node a, and finds the tool by its name
with_tool() { on a env "PATH=$T/bin:${TOOL%/*}:$PATH" "$@"; }

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
	[ "$(find "$units" -type f | wc -l)" = 3 ]
	check test -f "$T/dest/usr/share/bash-completion/completions/dscp-tool"
	check_grep '^ExecStart=/usr/sbin/dscp-tool load %I [$]OPTIONS$' cat "$units/dscp-tool@.service"
	check_grep '^ExecStop=-/usr/sbin/dscp-tool unload %I$' cat "$units/dscp-tool@.service"
	check_grep '^ExecStart=/usr/sbin/dscp-tool apply /etc/dscp-tool.conf$' cat "$units/dscp-tool.service"
	# With the program of this tree, and an instance, which verify wants.
	for unit in dscp-tool dscp-tool@ dscp-tool-monitor; do
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

#
# A boot: vx6 is there, and the things that vx4 needs come bit by bit. A step in place of each pause
# between two tries, so that nothing waits.
#

boot_steps=('ip link add vx4 type vxlan id 44 remote 198.51.100.2 dstport 4789 && ip link set vx4 up'
	'ip address add 192.0.2.1/24 dev eth0' 'ip route add default via 192.0.2.2')

# early_node: a, as it is before the first step
early_node()
{
	required
	node_add_netns a
	on a sh -ec 'ip link add eth0 type veth peer name peer0; ip link set eth0 up; ip link set peer0 up
		ip address add 2001:db8::1/64 dev eth0 nodad
		ip link add vx6 type vxlan id 66 remote 2001:db8::2 dstport 4790; ip link set vx6 up'
	own_etc a
	mkdir "$T/bin"
}

# setting UNIT KEY: the unit's value
setting() { sed -n "s/^$2=//p" "packaging/systemd/$1.service"; }

# unit_runs UNIT KEY INSTANCE: the command of that key, as systemd would run it
unit_runs()
{
	local line options word words=()
	line=$(setting "$1" "$2")

	# shellcheck disable=SC2016 # for another shell
	options=$(on a sh -c 'OPTIONS=; [ ! -e "$0" ] || . "$0"; echo "$OPTIONS"' "/etc/dscp-tool/$3.conf")
	# Only a word that is the variable alone is split, at blanks; nothing else means anything in it.
	read -ra line <<<"${line//%I/$3}"
	read -ra options <<<"$options"
	for word in "${line[@]}"; do
		# shellcheck disable=SC2016 # systemd's
		case $word in
		'$OPTIONS') words+=("${options[@]}") ;;
		*) words+=("$word") ;;
		esac
	done
	with_tool "${words[0]#-}" "${words[@]:1}"
}

# unit_boots UNIT INSTANCE STEP...: starts it as systemd would, which tries again and again; with the
# last step, and no sooner, it is started
unit_boots()
{
	local unit=$1 instance=$2 step

	[ "$(setting "$unit" Restart)" = on-failure ] || fail "it does not try again"
	[ "$(setting "$unit" StartLimitIntervalSec)" = 0 ] || fail "it does not try for ever"
	[ "$(setting "$unit" RestartPreventExitStatus)" = 1 ] || fail "2 ends it"
	! grep -E '^(BindsTo|Requires|Requisite)=' "packaging/systemd/$unit.service" || fail "it waits"
	for step in "${@:3}"; do
		check_exit 2 unit_runs "$unit" ExecStart "$instance"
		check on a sh -ec "$step"
	done
	check unit_runs "$unit" ExecStart "$instance"
}

test_boot()
{
	early_node
	write_file a /etc/dscp-tool.conf '# vx4 comes later' "load vx4 --egress-map '*=CS0,EF=EF'" '' 'load vx6'
	# Tunnels that can be loaded are, from the first try on.
	check_exit 2 unit_runs dscp-tool ExecStart ''
	check on a "$TOOL" status vx6
	check_exit 3 on a "$TOOL" status vx4
	unit_boots dscp-tool '' "${boot_steps[@]}"
	[ "$OUTPUT" = 'vx4: loaded' ] || fail "$OUTPUT"
	check on a "$TOOL" status vx4 vx6
	[ "$(map_out vx4 | jq length)" = 62 ]
	write_file a /etc/dscp-tool.conf 'load vx4'
	check unit_runs dscp-tool ExecReload ''
	[ "$(map_out vx4)" = '{}' ]
	check_exit 3 on a "$TOOL" status vx6
	# A bad line is not tried again, and changes nothing.
	write_file a /etc/dscp-tool.conf 'lod vx6'
	check_exit 1 unit_runs dscp-tool ExecStart ''
	check on a "$TOOL" status vx4
	check unit_runs dscp-tool ExecStop ''
	[ "$(on a "$TOOL" status)" = 'no tunnel is loaded' ]
}

test_boot_of_one_tunnel()
{
	early_node
	# Also where no device unit starts it.
	[[ " $(setting dscp-tool@ WantedBy) " = *' multi-user.target '* ]]
	write_file a /etc/dscp-tool/vx4.conf 'OPTIONS="--egress-map *=CS0,EF=EF"'
	check on a "$TOOL" load vx6
	unit_boots dscp-tool@ vx4 "${boot_steps[@]}"
	[ "$(map_out vx4 | jq length)" = 62 ]
	write_file a /etc/dscp-tool/vx4.conf 'OPTIONS="--egress-map"'
	check_exit 1 unit_runs dscp-tool@ ExecReload vx4
	on a rm /etc/dscp-tool/vx4.conf
	check unit_runs dscp-tool@ ExecReload vx4
	[ "$(map_out vx4)" = '{}' ]
	# Foreign files stay.
	check unit_runs dscp-tool@ ExecStop vx4
	check on a "$TOOL" status vx6
	check_exit 3 on a "$TOOL" status vx4
	check_exit 3 unit_runs dscp-tool@ ExecStop vx4
	[[ $(setting dscp-tool@ ExecStop) = -* ]]
}

# openwrt: the init script on node a, with stand-ins for rc.common and procd. The environment has
# SECTION_OPTION=VALUE, which is UCI, and STEPS, a file of commands: sleep runs the next one of them.
openwrt()
{
	# shellcheck disable=SC2016 # for another shell
	printf '%s\n' >"$T/rc.common" 'extra_command() { :; }' \
		'config_load() { [ "$1" = dscp-tool ]; }' \
		'config_foreach() { for s in a b; do "$1" "$s"; done; }' \
		'config_get() { eval "$1=\${$2_$3-}"; }' \
		'config_get_bool() { eval "$1=\${$2_$3-$4}"; }' \
		'procd_open_instance() { echo "procd instance $1"; }' 'procd_close_instance() { :; }' \
		'procd_set_param() { echo "procd $*"; }' \
		'logger() { cat; }' \
		'sleep() { [ "$1" = 5 ] && [ -s "$STEPS" ] && sh -ec "$(head -n 1 "$STEPS")" && sed -i 1d "$STEPS"; }' \
		'start() { start_service; }' \
		'stop() { stop_service; service_stopped; }' \
		'. "$1"' "PROG=$TOOL" '"$2"'
	on a cp "$T/rc.common" /etc/rc.common
	on a cp packaging/openwrt/dscp-tool.init /etc/init.d/dscp-tool
}

# init COMMAND [VARIABLE=VALUE...]: as OpenWrt calls it
init() { on a env "${uci[@]}" "${@:2}" /etc/init.d/dscp-tool "$1"; }

# hotplug ACTION
hotplug() { on a env "${uci[@]}" ACTION="$1" INTERFACE=wan DEVICE=eth0 sh packaging/openwrt/dscp-tool.hotplug; }

test_openwrt()
{
	local uci=(a_device=vx4 'a_egress_map=*=CS0,EF=EF' a_direction=both a_uplink=eth0 a_flows=1024
		b_device=vx6
		'a_priority_map=pfifo_fast,AF41=6'
		'a_peer_map=10.0.0.5/32:*=CS0 fd00:7::/64:EF=keep' "b_egress_map=it's" b_enabled=0)
	local option n=0

	lone_node
	own_etc a
	openwrt
	# The configuration knows each option of load but those for a person at a terminal.
	for option in $("$TOOL" load --help | sed -nE 's/^ +(-.,)? +--([a-z-]+).*/\2/p'); do
		case $option in dry-run | verbose | help) continue ;; esac
		check_grep "[ 	]${option//-/_}( |;|\$)" cat packaging/openwrt/dscp-tool.init
		n=$((n + 1))
	done
	[ $n -gt 9 ] || fail "$n options"
	# An installation starts the service, whose sections are not enabled: it leaves a tunnel alone.
	check on a "$TOOL" load vx4
	check init start a_enabled=0
	[ -z "$OUTPUT" ] || fail "$OUTPUT"
	check hotplug ifup
	check on a "$TOOL" status vx4
	# The one that tries ends when all is loaded, and procd does not start it again.
	check init start
	[ "$OUTPUT" = "procd instance load
procd command /etc/init.d/dscp-tool retry
procd file /var/run/dscp-tool.conf
procd stderr 1
procd instance monitor
procd command $TOOL monitor
procd respawn
procd stderr 1" ] || fail "$OUTPUT"
	check init retry
	[ "$(map_out vx4 | jq 'length')" = 62 ]
	[ "$(counter a vx4 'peer_maps|map(.prefix)|join(" ")')" = '"fd00:7::/64 10.0.0.5/32"' ]
	[ "$(counter a vx4 priority_map_text)" = '"pfifo_fast,AF41=6"' ]
	check_grep ' --flows 1024$' on a "$TOOL" save
	check_exit 3 on a "$TOOL" status vx6
	# A wrong value is not tried again, and nothing changes.
	uci+=(b_enabled=1)
	check init start
	check_exit 1 init retry
	grep -q "it's" <<<"$OUTPUT" || fail "$OUTPUT"
	check on a "$TOOL" status vx4
	# An upgrade goes on with the loaded tunnels.
	check init stop PKG_UPGRADE=1
	check on a "$TOOL" status vx4
	uci+=(a_enabled=0 b_egress_map=)
	check init start
	check init retry
	[ "$OUTPUT" = 'vx4: unloaded
vx6: loaded' ] || fail "$OUTPUT"
	check init stop
	[ "$(on a "$TOOL" status)" = 'no tunnel is loaded' ]
	check hotplug ifup
	[ "$(on a "$TOOL" status)" = 'no tunnel is loaded' ] || fail "an interface has started it"
}

test_boot_of_openwrt()
{
	local uci=(a_device=vx4 'a_egress_map=*=CS0,EF=EF' b_device=vx6 "STEPS=$T/steps")

	early_node
	openwrt
	printf '%s\n' "${boot_steps[@]:0:2}" true true "${boot_steps[@]:2}" >"$T/steps"
	check init start
	check init retry
	[ ! -s "$T/steps" ] || fail "loaded before: $(cat "$T/steps")"
	# An obstacle is said once, however often it is tried.
	[ "$(grep -c vx4 <<<"$OUTPUT")" = 3 ] || fail "$OUTPUT"
	check on a "$TOOL" status vx4 vx6
	[ "$(map_out vx4 | jq length)" = 62 ]
	# An interface that comes up is a try at once.
	check on a "$TOOL" unload vx4
	check hotplug ifdown
	check_exit 3 on a "$TOOL" status vx4
	check hotplug ifup
	[ "$OUTPUT" = 'vx4: loaded' ] || fail "$OUTPUT"
}

# recorders NAME...: programs which only write down how they are called
recorders()
{
	local name

	mkdir -p "$T/bin"
	for name; do
		# shellcheck disable=SC2016 # for another shell
		printf '%s\n' '#!/bin/sh' "echo ${name##*/} \"\$*\" >>'$T/calls'" >"$T/bin/$name"
		chmod 755 "$T/bin/$name"
	done
}

# calls LINES COMMAND...: its calls of the recorders
calls()
{
	: >"$T/calls"
	check with_tool "${@:2}"
	[ "$(cat "$T/calls")" = "$1" ] || fail "not \"$1\", but \"$(cat "$T/calls")\": ${*:2}"
}

test_networkmanager()
{
	local script=packaging/networkmanager/90-dscp-tool

	early_node
	recorders systemctl
	command -v systemd-escape || skip "no systemd-escape here"
	write_file a /etc/dscp-tool/vx4.conf 'OPTIONS="--egress-map *=CS0,EF=EF"'
	write_file a /etc/dscp-tool/wg-home.conf ''
	# The unit does the work, with the same file, and waits for devices that are not there yet.
	calls 'systemctl --no-block reload-or-restart dscp-tool@vx4.service' $script vx4 up
	unit_boots dscp-tool@ vx4 "${boot_steps[@]}"
	[ "$(map_out vx4 | jq 'length')" = 62 ]
	calls 'systemctl --no-block stop dscp-tool@vx4.service' $script vx4 down
	calls 'systemctl --no-block stop dscp-tool@wg\x2dhome.service' $script wg-home down
	calls '' $script vx4 dhcp4-change
	calls '' $script vx6 up
	calls '' $script '' hostname
}

# The calls of the packages' scripts do it. The calls of each script: testing/packages, packaging/check-deb.
test_upgrade_and_removal()
{
	local attach

	lone_node
	remember
	for attach in $(attach_kinds); do
		check on a "$TOOL" load vx4 --egress-map '*=CS0,EF=EF' --attach "$attach"
		check on a "$TOOL" load vx6 --direction both --attach "$attach"
		on a "$TOOL" save >"$T/saved"
		check with_tool sh packaging/alpine/dscp-tool.post-upgrade
		on a "$TOOL" save | diff "$T/saved" -
		check on a "$TOOL" status vx4 vx6
		check with_tool sh packaging/alpine/dscp-tool.pre-deinstall
		inventory | diff "$T/before" -
	done
}
