# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The man pages are right: each example runs as it stands, and prints the lines that are shown; each metric is
# described. The comment above an example says how it is tried:
#
#   try: sh [NEED...]     a shell runs it, on a node with the devices that the page names
#   try: output           the last lines that the example before it has printed
#   try: prints COMMANDS  the output of these, on standard error too
#   try: wg-quick         lines of a configuration, KEY = COMMAND, with %i for wg0
#   try: apply            a list of tunnels
#   try: options          OPTIONS= of a unit for one tunnel
#   try: metrics          expressions with names of metrics
#   try: alone [NEED...]  a script that makes its own namespaces
#   try: not, REASON
#
# NEED: wireguard, cake, xdp, peek (skipped without); objects (built ones); loaded (wg0 is); more (all is
# as the example before it has left it).

. testing/tunnels.sh

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes
# shellcheck disable=SC2034 # read by testing/run
timeout=900

# take_examples: $T/examples/NUMBER has the text of an example, NUMBER.try how it is tried
take_examples()
{
	mkdir -p "$T/examples" "$T/prom"
	awk -v dir="$T/examples/" '
		/^; try: / { try = substr($0, 8) }
		/^```$/ && inside { inside = 0; try = ""; close(file); next }
		/^```$/ {
			inside = 1
			file = dir sprintf("%03d", ++n)
			printf "" >file
			print FILENAME ": " (try == "" ? "?" : try) >(file ".try")
			close(file ".try")
			next
		}
		inside { print >file }' dscp-tool/*.scd
	sed -i -e "s|/usr/lib/bpf .*|$PWD/dscp-tool/bpf|" \
		-e "s|/var/lib/prometheus/node-exporter|$T/prom|" "$T"/examples/???
}

# The devices of the pages on a. Nothing is sent but an example's packets. wg0 is a VXLAN where the kernel
# need not have WireGuard.
example_nodes()
{
	local n peer

	node_add_netns a
	node_add_netns b
	ip link add eth0 netns a type veth peer name eth0 netns b
	for n in a:1:2 b:2:1; do
		peer=${n##*:}
		# shellcheck disable=SC2016 # for another shell
		on "${n%%:*}" sh -ec '
			for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
				[ ! -e "$file" ] || echo 1 >"$file"
			done
			ip address add "192.0.2.$0/24" dev eth0
			ip link set eth0 up
			ip route add default via "192.0.2.$1"
			ip link add vx7 address "02:00:00:00:07:0$0" type vxlan id 7 remote "192.0.2.$1" dstport 4789
			ip address add "10.0.0.$0/24" dev vx7
			ip link set vx7 up
			ip neighbour add "10.0.0.$1" lladdr "02:00:00:00:07:0$1" dev vx7
			ip tuntap add tun0 mode tun' "${n:2:1}" "$peer"
	done
	if [ $kind = wireguard ]; then
		wireguard_keys
		# shellcheck disable=SC2016 # for another shell
		on a sh -ec 'ip link add wg0 type wireguard
			wg set wg0 listen-port 51820 private-key "$0/key1" peer "$(cat "$0/public2")" \
				endpoint 192.0.2.2:51820 allowed-ips 10.0.1.0/24' "$T"
	else
		on a ip link add wg0 type vxlan id 99 remote 192.0.2.2 dstport 51820
	fi
	on a ip link set wg0 up
	on a ip link set tun0 up
}

# has NEED
has()
{
	case $1 in
	wireguard) [ $kind = wireguard ] ;;
	cake) on a sh -c 'tc qdisc add dev lo root cake && tc qdisc del dev lo root' ;;
	xdp) [ $kind = wireguard ] && "$TOOL" features --json | jq -e .features.libxdp ;;
	peek) [ -e dscp-tool/bpf/dscp_ingress_peek.bpf.o ] && [ -e /sys/kernel/btf/vmlinux ] ;;
	objects) [ -e dscp-tool/bpf/dscp_egress.bpf.o ] ;;
	loaded) on a "$TOOL" load wg0 ;;
	more) true ;;
	*) fail "the need '$1' is not known" ;;
	esac
} >/dev/null 2>&1

# run_on NODE COMMANDS: in $T, with dscp-tool as the shell finds it; the directory lasts from one to the next
run_on()
{
	# shellcheck disable=SC2016 # for another shell
	on "$1" env PATH="$(dirname "$TOOL"):$PATH" sh -ec 'cd "$0"; [ ! -e cwd ] || cd "$(cat cwd)"
		trap '\''pwd >"$0/cwd"'\'' EXIT
		eval "$1"' "$T" "$2"
}

# As before the first example
# shellcheck disable=SC2016 # for another shell
clean_up()
{
	rm -f "$T/cwd"
	check on a "$TOOL" unload --all
	on a sh -c '
		for dev in vx9 vx10; do ip link del $dev; done
		for dev in eth0 wg0; do tc qdisc del dev $dev clsact; tc qdisc del dev $dev root; done
		rm -f /sys/fs/bpf/tc/globals/*' 2>/dev/null || true
}

# But for numbers that are new each time, and how programs are attached to this kernel
comparable() { sed -E 's/(tcx|clsact, priority [0-9]+), id [0-9]+/ATTACHED/'; }

shows() { check diff <(comparable <<<"$1") <(comparable <"$2"); }

wg_quick()
{
	local key command

	while IFS='=' read -r key command; do
		[[ $key =~ ^(Post|Pre)(Up|Down)\ $ ]] || fail "no line of wg-quick: $key=$command"
		check run_on a "${command//%i/wg0}"
	done <"$1"
}

metrics_of_status()
{
	on a "$TOOL" status --prometheus | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p'
}

metrics_in() { grep -o 'dscp_tool_[a-z_]*' "$@" | sort -u; }

# try_example FILE HOW [WORD...]: the text in that file
# shellcheck disable=SC2016 # for another shell
try_example()
{
	local file=$1 how=$2 need

	shift 2
	case $how in
	sh)
		[[ " $* " = *' more '* ]] || clean_up
		for need; do
			has "$need" || return 0
		done
		check run_on a "$(<"$file")"
		tried=$((tried + 1))
		;;
	output) shows "$(tail -n "$(wc -l <"$file")" <<<"$OUTPUT")" "$file" ;;
	prints)
		clean_up
		OUTPUT=$(run_on a "$*" 2>&1) || true
		shows "$OUTPUT" "$file"
		;;
	wg-quick) clean_up; wg_quick "$file" ;;
	apply)
		clean_up
		check on a "$TOOL" apply "$file"
		check diff <(sed -n 's/^load/dscp-tool load/p' "$file" | sort) <(on a "$TOOL" save | sort)
		;;
	options) clean_up; check run_on a "set -f; . '$file'; dscp-tool load wg0 \$OPTIONS" ;;
	metrics)
		clean_up
		check on a "$TOOL" load vx7
		[ -z "$(comm -23 <(metrics_in "$file") <(metrics_of_status | sort))" ] || fail "$(<"$file")"
		;;
	alone)
		for need; do
			has "$need" || return 0
		done
		check run_on b "( $(<"$file") )"
		;;
	not,) ;;
	*) fail "nothing says how to try this example: $(<"$file")" ;;
	esac
}

all_examples()
{
	local file how=() tried=0

	example_nodes
	take_examples
	for file in "$T"/examples/???; do
		# The others have been tried where wg0 was a VXLAN.
		[ $kind = vxlan ] || grep -qE 'wg0|%i' "$file" || continue
		read -ra how <"$file.try"
		echo "${how[@]}"
		try_example "$file" "${how[@]:1}"
	done
	clean_up
	[ $tried -gt 8 ] || fail "only $tried were tried"
}

test_examples()
{
	required
	kind=vxlan
	all_examples
}

test_examples_of_wireguard()
{
	needs_wireguard
	kind=wireguard
	all_examples
}

# The page has all of them, and no other.
test_each_metric()
{
	kind=vxlan
	lone_node a
	check on a "$TOOL" load vx4 --direction both
	[ "$(metrics_of_status | wc -l)" -gt 5 ]
	check diff <(metrics_of_status | sort) <(metrics_in dscp-tool/dscp-tool-json.5.scd)
	check on a "$TOOL" unload vx4
}
