# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# The documents about the output are right: docs/dscp-tool.schema.json about --json, in all states
# that tell forms apart; and the names of metrics in the alerts and the dashboard of packaging/.

. testing/tunnels.sh

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes
kind=vxlan

# Documents of one definition each: our own validator would know as little of the schema as its author.
# strict: a key that the schema does not name is a fault here, though not to others.
# shellcheck disable=SC2016 # of Python
validator='
import copy, json, sys
from jsonschema import Draft202012Validator

def strict(node):
    if isinstance(node, dict):
        if "properties" in node and "required" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            strict(value)
    elif isinstance(node, list):
        for value in node:
            strict(value)
    return node

schema = json.load(open("docs/dscp-tool.schema.json"))
Draft202012Validator.check_schema(schema)
loose = Draft202012Validator(schema)
definitions = strict(copy.deepcopy(schema["$defs"]))
bad = False
for path in sys.argv[1:]:
    name = path.rsplit("/", 1)[-1].split(".")[0]
    one = Draft202012Validator({"$defs": definitions, "$ref": "#/$defs/" + name})
    for line in open(path, encoding="utf-8", errors="surrogateescape"):
        document = json.loads(line)
        faults = list(one.iter_errors(document)) + list(loose.iter_errors(document))
        for fault in faults[:3]:
            print(path + ": " + "/".join(map(str, fault.absolute_path)) + ": " + fault.message[:300])
        bad = bad or faults
sys.exit(1 if bad else 0)'

needs_validator()
{
	required
	python3 -c 'import jsonschema' || skip "no python3-jsonschema here; as root: packaging/install-deps ci"
}

# keep STATUS FILE WORDS...: the output on a goes to $T/docs/FILE, one JSON object and an end of line
keep()
{
	mkdir -p "$T/docs"
	# shellcheck disable=SC2016 # for another shell
	check_exit "$1" on a sh -c 'to=$1; shift; exec "$0" "$@" >"$to"' "$TOOL" "$T/docs/$2" "${@:3}"
	[ "$(jq -c . "$T/docs/$2" | wc -l) $(wc -l <"$T/docs/$2")" = '1 1' ] ||
		fail "not one object in a line: $(<"$T/docs/$2")"
}

valid() { check python3 -c "$validator" "$T"/docs/*; }

test_status()
{
	needs_validator
	lone_node
	keep 0 status.none status --json
	check on a ip link add t0 up type vxlan id 70000 local 192.0.2.1 remote 192.0.2.7 dstport 4799
	check on a "$TOOL" load vx4 --direction both --attach clsact --egress-map '*=CS0,EF=keep' \
		--peer-map 'fd00::/64:copy' --peer-map 10.0.0.5:2=AF11 \
		--priority-map 802.1p,LE=1,CS7=keep
	check on a "$TOOL" load t0 --outer-dscp 7 --flows 1024 --priority-map EF=15
	check on a "$TOOL" load vx6 --direction ingress --ingress-map '*=keep,CS1-CS3=copy'
	check on a tc filter add dev eth0 egress pref 1 handle 7 bpf da obj testing/bpf/foreign.bpf.o \
		sec tc/foreign
	keep 0 status.all status --json
	jq -e '.tunnels[0].hooks | any(.ahead != [] and .priority)' "$T/docs/status.all"
	on a ip route add 192.0.2.2/32 dev vx6
	on a ip link del t0
	keep 4 status.unhealthy status --json
	node_add_netns b
	# shellcheck disable=SC2016 # for another shell
	check_exit 4 on a nsenter --net=/run/netns/b sh -c 'exec "$0" status --all-netns --json >"$1"' "$TOOL" \
		"$T/docs/status.elsewhere"
	valid
}

test_explain()
{
	needs_validator
	lone_node
	check on a "$TOOL" load vx4 --direction both --egress-map '*=CS0,EF=keep' --peer-map fd00::/64:copy
	check on a "$TOOL" load vx6 --outer-dscp 7
	on a ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:fe dev eth0
	check on a "$wire" udp --dst 10.0.4.2 --port 5000 --dscp 46 --count 9
	keep 0 explain.all explain vx4 vx6 --json
	jq -e '.tunnels[0].came_with.EF == 9' "$T/docs/explain.all"
	keep 0 explain.one explain vx4 --json --dscp 63 --to fd00::5
	on a tc qdisc replace dev eth0 root cake || on a tc qdisc replace dev eth0 root pfifo
	keep 0 explain.qdisc explain vx4 --json
	on a ip route add 192.0.2.2/32 dev vx6
	on a ip link set vx4 down
	check on a "$TOOL" load vx6 --direction ingress
	keep 4 explain.in-the-way explain vx4 vx6 --json
	keep 3 errors.not-loaded explain vx4 vx5 --json
	valid
}

test_features()
{
	needs_validator
	node_add_netns a
	keep 0 features.all features --json
	# Without that capability clsact cannot be tried.
	on a setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$TOOL" features --json \
		>"$T/docs/features.blind"
	jq -e '.features.clsact == null and .unknown.clsact' "$T/docs/features.blind"
	valid
}

test_dump_map()
{
	local hash

	needs_validator
	lone_node
	keep 0 dump-map.none dump-map --json
	check on a "$TOOL" load vx4 --direction both
	for hash in 2e 40 7f; do
		on a bpftool map update pinned "$(pins a)/maps/stamps" key hex $hash 01 02 03 value 0 0 0 0
	done
	keep 0 dump-map.flows dump-map --json
	valid
}

# The findings about a path with a hop that does not answer, or does, and changes or drops a DSCP.
test_test()
{
	needs_validator
	two_nodes wire_veth
	check on a "$TOOL" load vx4
	keep 0 test.fine test vx4 --peer 10.0.4.2 --dscp EF,CS0,1-2 --json
	on b nft 'table ip n { chain c { type filter hook prerouting priority -10; iifname eth0 jump d; }
		chain d { ip dscp ef ip dscp set cs1; ip dscp cs2 drop; }; }' ||
		skip "this kernel has no nftables"
	keep 4 test.path test vx4 --peer 10.0.4.2 --dscp EF,CS0,CS2 --path --json
	jq -e '[.dscps[].path] == ["same", "lost", "rewritten"]' "$T/docs/test.path"
	on b nft 'add rule ip n d udp dport 33434 drop'
	keep 4 test.silent test vx4 --peer 10.0.4.9 --dscp 63 --count 1 --path --json
	valid
}

# Standard output is one JSON object whatever happens, and standard error has its line.
test_errors()
{
	needs_validator
	lone_node
	keep 3 errors.not-loaded status vx4 vx6 --json
	[ "$(jq -c . "$T/docs/errors.not-loaded")" = \
		'{"errors":["vx4: not loaded","vx6: not loaded"],"exit_status":3}' ]
	[ "$OUTPUT" = $'dscp-tool: vx4: not loaded\ndscp-tool: vx6: not loaded' ] || fail "$OUTPUT"
	keep 3 errors.dump-map dump-map vx4 --json
	keep 1 errors.usage features --bogus -vj
	keep 1 errors.excluded status --json --openmetrics
	keep 2 errors.netns -n nowhere status --json
	keep 3 errors.watch status vx4 -jw1
	valid
	# A command without --json prints none.
	for words in 'status vx4' 'status vx4 -- --json' 'load vx4 --json' 'unload -j'; do
		# shellcheck disable=SC2086 # several words
		[ -z "$(on a "$TOOL" $words 2>/dev/null)" ] || fail "$words"
	done
	# Nor is a tunnel that is not healthy an error.
	check on a "$TOOL" load vx4
	check on a sh -c 'rm /sys/fs/bpf/dscp-tool/*/hooks/*egress_outer'
	keep 4 status.unhealthy status --json
	jq -e 'has("errors") | not' "$T/docs/status.unhealthy"
}

# The schema finds faults: a wrong type, a missing key, a key of an unknown name, a DSCP that is none.
test_schema_finds_faults()
{
	local change n=0

	needs_validator
	lone_node
	check on a "$TOOL" load vx4 --egress-map EF=CS1
	keep 0 status.good status --json
	valid
	for change in '.tunnels[0].ifindex |= tostring' 'del(.tunnels[0].vni)' '.tunnels[0].extra = 1' \
		'.tunnels[0].egress_map = {"EF": "CS8"}' '.tunnels[0].egress_map_text = "EF CS1"' \
		'.tunnels[0].priority_map = {"EF": 16}' '.tunnels[0].priority_map_text = "copy"' \
		'.tunnels[0].healthy = false' '.tunnels[0].hooks[0].state = "fine"' '.flows = 3'; do
		n=$((n + 1))
		jq -c "$change" "$T/docs/status.good" >"$T/docs/status.$n"
	done
	check_exit 1 python3 -c "$validator" "$T"/docs/*
	[ "$(sed -n 's|.*/docs/status\.\([0-9]*\): .*|\1|p' <<<"$OUTPUT" | sort -u | wc -l)" = $n ] ||
		fail "not all of $n are faults: $OUTPUT"
}

# The metrics that alerts and panels ask for are those that --prometheus prints, or node_exporter.
test_names_of_metrics()
{
	lone_node
	check on a "$TOOL" load vx4
	on a "$TOOL" status --prometheus | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sort >"$T/printed"
	jq -r '.panels[].targets[].expr, .templating.list[].definition // empty' \
		packaging/grafana/dscp-tool-dashboard.json >"$T/asked"
	[ "$(wc -l <"$T/asked")" -ge 10 ]
	sed -n '/expr:/,/for:/p' packaging/prometheus/dscp-tool.rules.yml >>"$T/asked"
	grep -oE '(dscp_tool|node)_[a-z_]+' "$T/asked" | sort -u |
		grep -vx node_textfile_mtime_seconds >"$T/names"
	[ "$(wc -l <"$T/names")" -ge 5 ]
	check diff /dev/null <(comm -23 "$T/names" "$T/printed")
	command -v promtool >/dev/null || return 0
	check promtool check rules packaging/prometheus/dscp-tool.rules.yml
	# shellcheck disable=SC2016 # for another shell
	check on a sh -c '"$0" status --prometheus | promtool check metrics' "$TOOL"
}
