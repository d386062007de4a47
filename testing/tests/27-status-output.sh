# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The forms that status has: the chart, the fill of the map stamps, OpenMetrics, and again and again.
# The others say the same as one form.

. testing/tunnels.sh

kind=vxlan

# Packets both ways through vx4, loaded on a in both directions; then no more, so that two calls see
# the same numbers.
counted_and_still()
{
	two_nodes
	check on a "$TOOL" load vx4 --direction both --egress-map AF11=CS3
	through a b --dst 10.0.4.2 --dscp 10 --count 7 --no-marker
	through a b --dst 10.0.4.2 --dscp 46 --count 300 --no-marker
	through a b --dst 10.0.4.2 --dscp 8 --count 100 --no-marker
	through a b --dst 10.0.4.2 --dscp 2 --count 1 --no-marker
	through b a --dst 10.0.4.1 --dscp 34 --count 50 --no-marker
	check on a ip link set vx4 down
}

# chart TITLE: its lines from the DSCP on
chart() { sed -n "s/^  $1 *\([A-Z0-9]* .*\)/\1/p" "$T/text"; }

dscps() { jq -r ".tunnels[0].counters.$1 | to_entries[] | \"\\(.key) \\(.value)\"" "$T/json"; }

# chart_is TITLE HISTOGRAM: the numbers of --json, and share and bar follow from them
chart_is()
{
	diff <(chart "$1" | awk '{ print $1, $2 }') <(dscps "$2")
	chart "$1" | awk '
		{ n[NR] = $2; share[NR] = $3; bar[NR] = $4; total += $2 }
		$4 !~ /^#+$/ || NF != 4 { print "no bar: " $0; exit 1 }
		END {
			for (i = 1; i <= NR; i++) {
				columns = int(30 * n[i] / total + 0.5)
				if (share[i] != sprintf("%.1f%%", 100 * n[i] / total) ||
				    length(bar[i]) != (columns ? columns : 1))
					exit 1
			}
			exit !NR
		}' || fail "wrong shares or bars: $(chart "$1")"
}

test_chart()
{
	counted_and_still
	on a "$TOOL" status vx4 >"$T/text"
	on a "$TOOL" status vx4 --json >"$T/json"
	chart_is 'left with' egress.dscp
	chart_is 'now with' ingress.dscp
	check_grep '^  came with AF11 +7 +[0-9.]+% #+$' cat "$T/text"
	chart_is 'came with' egress.came_with
	chart_is 'outer was' ingress.came_with
	check_grep '^  outer was CS0 +50 +[0-9.]+% #+$' cat "$T/text"
	check_grep '^  left with CS3 +7 +[0-9.]+% #+$' cat "$T/text"
	! grep -q '^  left with AF11' "$T/text" || fail "AF11 has left: $(<"$T/text")"
	check_grep '^  left with EF +300 +[0-9.]+% #+$' cat "$T/text"
	check_grep '^  left with CS1 +100 +[0-9.]+% #+$' cat "$T/text"
	check_grep '^  left with 2 +1 +0\.[0-9]% #$' cat "$T/text"
	check_grep '^  now with +AF41 +50 +[0-9.]+% #+$' cat "$T/text"
}

# flows_are ENTRIES CAPACITY: in both forms, and as dump-map and bpftool count them
flows_are()
{
	[ "$(on a "$TOOL" status --json | jq -c .flows)" = "{\"entries\":$1,\"capacity\":$2}" ] ||
		fail "not $1 of $2 flows: $(on a "$TOOL" status --json | jq -c .flows)"
	check_grep "^flows +$1 of $2, " on a "$TOOL" status vx4
	[ "$(on a "$TOOL" dump-map | grep -c ^0x)" = "$1" ]
	[ "$(on a bpftool -j map dump pinned "$(pins a)/maps/stamps" | jq length)" = "$1" ]
}

# More than one batch of them; and they are all there in a map of another size.
test_flows()
{
	lone_node
	[ "$(on a "$TOOL" status)" = 'no tunnel is loaded' ]
	check on a "$TOOL" load vx4
	check on a ip link set vx4 down
	flows_are 0 65536
	check on a testing/bpf/fill "$(pins a)/maps/stamps" 10000 7
	flows_are 10000 65536
	check on a "$TOOL" load vx4 --flows 100000
	flows_are 10000 100000
}

# metrics_valid FILE FORM: the rules of the text format that counters, gauges and infos can break, of
# "openmetrics" or of "prometheus", where each TYPE and HELP has the samples' name, and there is no end
metrics_valid()
{
	local name='[a-zA-Z_][a-zA-Z0-9_]*' label types='counter|gauge'

	[ "$2" = prometheus ] || types+='|info'
	label="$name=\"([^\"\\\\]|\\\\[\"\\\\n])*\""
	! grep -vE -e "^# TYPE $name ($types)\$" -e "^# HELP $name [^\\\\]+\$" -e '^# EOF$' \
		-e "^$name(\\{$label(,$label)*\\})? [0-9]+\$" "$1" || return 1
	if [ "$2" = openmetrics ]; then
		[ "$(tail -c 6 "$1")" = '# EOF' ] || return 1
	fi
	[ -z "$(tail -c 1 "$1")" ] || return 1
	awk -v form="$2" '
		function suffix(type)
		{
			if (form == "prometheus")
				return ""
			return type == "counter" ? "_total" : type == "info" ? "_info" : ""
		}
		ended { exit bad = 1 } # something after EOF
		$2 == "EOF" { ended = 1 }
		$2 == "TYPE" { family = $3; sample = $3 suffix($4)
			if (families[family]++ || (form == "prometheus" && (family ~ /_total$/) != ($4 == "counter")))
				exit bad = 1 }
		$2 == "HELP" && ($3 != family || helps[family]++) { exit bad = 1 }
		/^#/ { next }
		{ series = $0; sub(/ [0-9]+$/, "", series); metric = $0; sub(/[{ ].*/, "", metric) }
		metric != sample || seen[series]++ { exit bad = 1 }
		END {
			for (family in families)
				bad = bad || !helps[family]
			exit bad || ended != (form == "openmetrics")
		}' "$1"
}

samples() { grep -v '^#' "$T/$1" | sort; }

# metrics STATUS [TUNNEL]: valid in both forms, and the same as in JSON
metrics()
{
	local form

	# shellcheck disable=SC2016 # for another shell
	for form in openmetrics prometheus json; do
		check_exit "$1" on a sh -c 'form=$1; shift; exec "$0" status "$@" --$form >"$T/$form"' \
			"$TOOL" $form "${@:2}"
	done
	for form in openmetrics prometheus; do
		metrics_valid "$T/$form" $form || fail "not $form: $(<"$T/$form")"
	done
	check diff <(samples openmetrics) <(samples prometheus)
	jq -r '
		def sample(name; value):
			"\(name){" + ([to_entries[] | "\(.key)=\(.value | @json)"] | join(",")) + "} \(value)";
		def gauge: if . then 1 else 0 end;
		(.tunnels[] | .tunnel as $tunnel | .direction as $loaded |
			(.healthy | gauge as $n | {$tunnel} | sample("dscp_tool_healthy"; $n)),
			(.problems[] | {$tunnel, reason: .} | sample("dscp_tool_problem_info"; 1)),
			(.counters | to_entries[] | .key as $direction | .value |
				select($loaded == $direction or $loaded == "both") |
				(to_entries[] | select(.key | IN("marked", "unchanged", "skipped")) |
					.value as $n | {$tunnel, $direction, result: .key} |
					sample("dscp_tool_packets_total"; $n)),
				(.unknown | to_entries[] | select(.key != "total") |
					.value as $n | {$tunnel, $direction, result: "unknown", reason: .key} |
					sample("dscp_tool_packets_total"; $n)),
				(.bytes as $n | {$tunnel, $direction} | sample("dscp_tool_bytes_total"; $n)),
				(.came_with | to_entries[] |
					.value as $n | {$tunnel, $direction, dscp: .key} |
					sample("dscp_tool_came_with_packets_total"; $n)),
				(.dscp | to_entries[] |
					.value as $n | {$tunnel, $direction, dscp: .key} |
					sample("dscp_tool_dscp_packets_total"; $n))),
			(.hooks[] | (.state == "ok" | gauge) as $ok |
				{$tunnel, device: .dev, hook, program} | sample("dscp_tool_hook_ok"; $ok))),
		(.flows | values | "dscp_tool_flows \(.entries)", "dscp_tool_flows_capacity \(.capacity)"),
		"dscp_tool_build_info{version=\"'"$(version)"'\"} 1"
		' "$T/json" | sort >"$T/expected"
	check diff "$T/expected" <(samples openmetrics)
}

version() { "$TOOL" --version | awk 'NR == 1 { print $2 }'; }

test_openmetrics()
{
	local change

	counted_and_still
	check on a "$TOOL" load vx6
	check on a ip link set vx6 down
	metrics 0
	check_grep '^dscp_tool_dscp_packets_total\{tunnel="vx4",direction="egress",dscp="EF"\} 300$' \
		cat "$T/openmetrics"
	check_grep '^dscp_tool_hook_ok\{tunnel="vx6",device="eth0",hook="egress",program="egress_outer"\} 1$' \
		cat "$T/openmetrics"
	metrics 0 vx6
	check_exit 1 grep vx4 "$T/openmetrics"
	# The check of the format finds something.
	# shellcheck disable=SC2016 # for sed
	for change in '$d' '1d' 's/} /} -/' 's/"vx6"/"vx\\6"/' 's/packets_total/packets/' \
		'$a# more' '/_hook_ok{/p' '/HELP dscp_tool_healthy/d'; do
		sed "$change" "$T/openmetrics" >"$T/broken"
		! metrics_valid "$T/broken" openmetrics || fail "valid after $change"
	done
	! metrics_valid "$T/openmetrics" prometheus
	! metrics_valid "$T/prometheus" openmetrics
	# Not healthy, and all is there.
	check on a sh -c 'rm /sys/fs/bpf/dscp-tool/*/hooks/*egress_outer'
	metrics 4
	[ "$(grep -c '^dscp_tool_hook_ok{.*egress_outer"} 0$' "$T/openmetrics")" = 2 ]
	[ "$(grep -c '^dscp_tool_healthy{.*} 0$' "$T/openmetrics")" = 2 ]
	check on a "$TOOL" unload --all
	metrics 0
	[ "$(samples openmetrics)" = "dscp_tool_build_info{version=\"$(version)\"} 1" ]
	check_exit 3 on a "$TOOL" status vx4 --openmetrics
	check_exit 3 on a "$TOOL" status vx4 --prometheus
}

# The problems but for the hooks, and why.
test_metrics_of_a_problem()
{
	lone_node
	check on a "$TOOL" load vx4
	on a sh -ec 'ip link add eth1 type veth peer name peer1; ip link set eth1 up
		ip link set peer1 up; ip route add 192.0.2.2/32 dev eth1'
	metrics 4
	check_grep '^dscp_tool_healthy\{tunnel="vx4"\} 0$' cat "$T/prometheus"
	check_grep '^dscp_tool_problem_info\{tunnel="vx4",reason="packets of vx4 now leave by eth1: reload it"\} 1$' \
		cat "$T/prometheus"
	[ "$(grep -c '^dscp_tool_hook_ok{.*} 1$' "$T/prometheus")" = 1 ]
	check_exit 1 grep '^dscp_tool_hook_ok{.*} 0$' "$T/prometheus"
	check on a "$TOOL" reload vx4
	metrics 0
	check_exit 1 grep '^dscp_tool_problem_info' "$T/prometheus"
}

# Names of devices can be unusual, and the same in two network namespaces.
test_openmetrics_names()
{
	lone_node
	node_add_netns b
	check on a ip link add 'v"x\n' type vxlan id 7 remote 192.0.2.2 dstport 4799
	check on a "$TOOL" load 'v"x\n'
	check on a "$TOOL" load vx4
	check on a ip link set vx4 down
	metrics 0
	grep -F '{tunnel="v\"x\\n",direction="egress",result="marked"} 0' "$T/openmetrics"
	# shellcheck disable=SC2016 # for another shell
	check on a nsenter --net=/run/netns/b sh -ec '
		ip link add eth0 type veth peer name peer0
		ip address add 192.0.2.1/24 dev eth0
		ip link set eth0 up
		ip link set peer0 up
		ip link add vx4 type vxlan id 9 remote 192.0.2.2 dstport 4800
		"$0" load vx4 --attach clsact' "$TOOL"
	# shellcheck disable=SC2016 # for another shell
	check on a sh -c '"$0" status --openmetrics >"$T/metrics"' "$TOOL"
	check_exit 1 grep netns= "$T/metrics"
	# shellcheck disable=SC2016 # for another shell
	check on a sh -c '"$0" status --all-netns --openmetrics >"$T/metrics"' "$TOOL"
	metrics_valid "$T/metrics" openmetrics || fail "not OpenMetrics: $(<"$T/metrics")"
	[ "$(grep -cE '^dscp_tool_packets_total\{tunnel="vx4",netns="[0-9]+",.*"marked"' "$T/metrics")" = 1 ]
	[ "$(grep -cE '^dscp_tool_packets_total\{tunnel="vx4",direction.*"marked"' "$T/metrics")" = 1 ]
	[ "$(grep -cE '^dscp_tool_hook_ok\{tunnel="vx4",netns="[0-9]+",.*\} 1' "$T/metrics")" = 1 ]
	# A filter in there cannot be judged by everybody.
	# shellcheck disable=SC2016 # for another shell
	check on a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin sh -c \
		'"$0" status --all-netns --openmetrics >"$T/metrics"' "$TOOL"
	check_exit 1 grep 'hook_ok.*netns' "$T/metrics"
}

# The name of a device that is gone is another's now.
test_openmetrics_same_name()
{
	lone_node
	check on a "$TOOL" load vx4
	check on a "$TOOL" load vx6
	on a sh -ec 'ip link del vx4; ip link set vx6 down; ip link set vx6 name vx4'
	# shellcheck disable=SC2016 # for another shell
	check_exit 4 on a sh -c '"$0" status --openmetrics >"$T/metrics"' "$TOOL"
	metrics_valid "$T/metrics" openmetrics || fail "not OpenMetrics: $(<"$T/metrics")"
	[ "$(grep -cE '^dscp_tool_packets_total\{tunnel="vx4",ifindex="[0-9]+",.*"marked"' \
		"$T/metrics")" = 2 ]
}

# watched SIGNAL ERE OPTIONS...: two lines that match at least, then that signal, which is no error.
# It has slept in between.
watched()
{
	local began=$SECONDS

	: >"$T/blocks"
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'echo $$ >"$T/pid"; exec "$0" status --watch 1 "$@" >"$T/blocks"' \
		"$TOOL" "${@:3}"
	retry_until has_blocks "$2"
	kill -s "$1" "$(<"$T/pid")"
	wait $!
	[ "$(grep -cE "$2" "$T/blocks")" -le $((SECONDS - began + 2)) ]
}

has_blocks() { [ "$(grep -cE "$1" "$T/blocks")" -ge 2 ]; }

test_watch()
{
	lone_node
	watched INT '^no tunnel is loaded$'
	check on a "$TOOL" load vx4
	watched TERM '^vx4: vxlan'
	# One block after another, with an empty line in between.
	[ "$(grep -c '^flows ' "$T/blocks")" = "$(grep -c ^vx4: "$T/blocks")" ]
	[ "$(grep -c '^$' "$T/blocks")" = $(($(grep -c ^vx4: "$T/blocks") - 1)) ]
	watched INT '^\{"tunnels":\[\{.*\}$' --json vx4
	[ "$(jq -c '.tunnels[0].tunnel' "$T/blocks" | sort | uniq -c | awk '{ print $2 }')" = '"vx4"' ]
	[ "$(jq -c . "$T/blocks" | wc -l)" = "$(wc -l <"$T/blocks")" ]
}

# For people, a block has the counts since the one before.
test_watch_shows_rates()
{
	lone_node
	check on a "$TOOL" load vx4
	# shellcheck disable=SC2016 # for another shell
	background on a bash -c 'while :; do echo >/dev/udp/10.0.4.2/9; sleep 0.02; done'
	watched TERM '^  egress +seen [0-9]+\.[0-9]/s, marked [0-9.]+/s, .*, bytes [0-9.]+/s$' vx4
	[ "$(grep -cE '^  egress +seen [0-9]+, ' "$T/blocks")" = 1 ]
	check_exit 1 grep -qE '/s' <(sed '/^$/q' "$T/blocks")
}

# The ends of it: there is nothing to show any more, or nobody to take it.
test_watch_ends()
{
	lone_node
	check_exit 3 on a "$TOOL" status vx4 --watch 1
	check on a "$TOOL" load vx4
	: >"$T/blocks"
	# shellcheck disable=SC2016 # for another shell
	check_exit 3 on a sh -c '
		"$0" status vx4 --watch 1 >"$T/blocks" &
		until grep -q ^flows "$T/blocks"; do sleep 0.1; done
		"$0" unload vx4
		wait $!' "$TOOL"
	[ "$OUTPUT" = 'dscp-tool: vx4: not loaded' ]
	# shellcheck disable=SC2016 # for another shell
	check_exit 2 on a sh -c '"$0" status --watch 1 >/dev/full' "$TOOL"
}

# first_screen ERE OPTIONS...: of --watch on a terminal, up to a line that matches; then SIGTERM
first_screen()
{
	rm -f "$T/screen"
	# shellcheck disable=SC2016 # for another shell
	background on a sh -c 'exec script -qec "echo \$\$ >$T/pid; exec $*" /dev/null >"$T/screen"' \
		sh "$TOOL" status "${@:2}"
	retry_until grep -qE "$1" "$T/screen"
	kill "$(<"$T/pid")"
	wait $!
	OUTPUT=$(<"$T/screen")
}

test_watch_on_a_terminal()
{
	local clear=$'\e[H\e[2J'

	command -v script >/dev/null || skip "no script(1) here"
	lone_node
	check on a "$TOOL" load vx4
	first_screen '^flows ' --watch 1
	[[ $OUTPUT = "$clear"vx4:* ]] || fail "the screen is not cleared: $OUTPUT"
	# JSON is for programs wherever it goes.
	first_screen '"flows":' -w 1 -j
	[[ $OUTPUT = '{"tunnels":'* ]]
	check on a script -qec "$TOOL status" /dev/null
	[[ $OUTPUT = vx4:* ]]
}
