# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
#
# testing/callgraph itself: the faults that it finds, in trees made for the purpose.

# shellcheck disable=SC2034 # read by testing/Makefile
needs_source=yes

# tree FILE TEXT...: C files in a new tree, beside a main that calls run_load()
tree()
{
	rm -rf "$T/tree"
	mkdir -p "$T/tree/dscp-tool/hook" "$T/tree/lib/util" "$T/tree/headers"
	printf 'int run_load(void);\n' >"$T/tree/dscp-tool/load.h"
	# shellcheck disable=SC2016 # no shell's
	printf '#include "load.h"\nint main(void)\n{\n\treturn run_load();\n}\n' >"$T/tree/dscp-tool/main.c"
	while [ $# -gt 0 ]; do
		printf '%b' "$2" >"$T/tree/$1"
		shift 2
	done
}

calls() { printf '#include "load.h"\nint run_load(void)\n{\n\treturn %s;\n}\n' "$1"; }

# chain N: the functions f1 to fN, each of which calls the one before
chain()
{
	printf 'static int f1(void)\n{\n\treturn 1;\n}\n'
	for n in $(seq 2 "$1"); do
		printf 'static int f%d(void)\n{\n\treturn f%d();\n}\n' "$n" $((n - 1))
	done
}

test_depth()
{
	tree dscp-tool/load.c "$(chain 17)\n$(calls 'f17()')"
	check testing/callgraph "$T/tree"
	check_grep 'run_load: the deepest chain has 19 functions' echo "$OUTPUT"
	tree dscp-tool/load.c "$(chain 18)\n$(calls 'f18()')"
	check_exit 1 testing/callgraph "$T/tree"
	check_grep 'run_load: a chain of 20 functions' echo "$OUTPUT"
}

# A function in a table is called where the member is, not where the table is named.
test_members_of_a_table()
{
	tree dscp-tool/load.c "$(chain 16)
struct way {\n\tint (*go)(void);\n};\nstatic const struct way way = { .go = f16 };
static int pass(const struct way *w)\n{\n\treturn w->go();\n}\n$(calls 'pass(&way)')"
	check testing/callgraph "$T/tree"
	check_grep 'run_load: the deepest chain has 19 functions' echo "$OUTPUT"
	check_grep 'load.c: pass' echo "$OUTPUT"
}

test_recursion()
{
	tree dscp-tool/load.c "static int again(int n)\n{\n\treturn n ? again(n - 1) : 0;\n}\n$(calls 'again(2)')"
	check_exit 1 testing/callgraph "$T/tree"
	check_grep 'dscp-tool: recursion' echo "$OUTPUT"
}

test_cycle_of_files()
{
	tree dscp-tool/load.c "$(printf '#include "one.h"\n'; calls 'one()')" \
		dscp-tool/one.h 'int one(void);\nint more(void);\n' dscp-tool/two.h 'int two(void);\n' \
		dscp-tool/one.c '#include "one.h"\n#include "two.h"\nint more(void)\n{\n\treturn 1;\n}\nint one(void)\n{\n\treturn two();\n}\n' \
		dscp-tool/two.c '#include "two.h"\n#include "one.h"\nint two(void)\n{\n\treturn more();\n}\n'
	check_exit 1 testing/callgraph "$T/tree"
	check_grep 'a cycle of 2 files' echo "$OUTPUT"
	check_grep 'dscp-tool/two.c calls dscp-tool/one.c: two -> more' echo "$OUTPUT"
}

test_call_against_the_layers()
{
	tree dscp-tool/load.c "$(printf '#include "low.h"\n'; calls 'low()')" \
		lib/util/low.h 'int low(void);\n' dscp-tool/high.h 'int high(void);\n' \
		dscp-tool/high.c '#include "high.h"\nint high(void)\n{\n\treturn 1;\n}\n' \
		lib/util/low.c '#include "low.h"\n#include "high.h"\nint low(void)\n{\n\treturn high();\n}\n'
	sed -i 's|low.h|util/low.h|' "$T/tree/dscp-tool/load.c"
	check_exit 1 testing/callgraph "$T/tree"
	check_grep 'a call against the layers: lib/util/low.c calls dscp-tool/high.c: low -> high' echo "$OUTPUT"
}
