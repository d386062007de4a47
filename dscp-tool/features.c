/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool features: whether this kernel and this build can mark packets, and what is missing. */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "command.h"
#include "hook/libxdp.h"
#include "hook/tcx.h"
#include "state/objects.h"
#include "state/root.h"
#include "util/json.h"
#include "util/kernel.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/privileges.h"
#include "util/reason.h"

struct features_config {
	bool json;
};

static const struct arg_option features_options[] = {
	{ JSON_OPTION(struct features_config) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command features_command = {
	.name = "features",
	.synopsis = "",
	.help = "what this kernel allows, and what is missing",
	.options = features_options,
	.min_args = 0,
	.max_args = 0,
};

static bool has_tc_programs(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
}

static bool has_lru_maps(void)
{
	return libbpf_probe_bpf_map_type(BPF_MAP_TYPE_LRU_HASH, NULL) == 1;
}

static bool has_set_hash(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_set_hash, NULL) == 1;
}

static bool has_relative_load(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_load_bytes_relative,
				       NULL) == 1;
}

/* Tried for real, on the loopback device of a network namespace that only a child is in. */
static bool has_clsact(void)
{
	struct bpf_tc_hook hook;
	int status;
	pid_t child = fork();

	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = 1;
	hook.attach_point = BPF_TC_EGRESS;
	if (child < 0)
		return false;
	if (!child)
		_exit(unshare(CLONE_NEWNET) || bpf_tc_hook_create(&hook));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool has_core(void)
{
	return objects_has(OBJECT_PEEK);
}

/* A program with no instruction but "return 0". */
static int load_nothing(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", program, 2, NULL);
}

static bool may_not_probe(void)
{
	int fd = load_nothing();

	if (fd < 0)
		return errno == EPERM || errno == EACCES;
	close(fd);
	return false;
}

/* Does the kernel keep machine code of it? The sysctl would tell less, and is not to be seen in
 * other network namespaces. */
static bool has_jit(void)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = load_nothing();

	if (fd < 0)
		return false;
	bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return info.jited_prog_len;
}

static const char *no_bpffs(void)
{
	const bool can_mount = !root_reach();

	reason_clear();
	if (kernel_has_bpffs())
		return NULL;
	return can_mount ? "load mounts one at " BPFFS : "mount -t bpf bpf " BPFFS;
}

enum need { OPTIONAL, FOR_INGRESS, FOR_ALL };

static const struct {
	const char *name;
	bool (*present)(void);
	enum need need;
	const char *without; /* what follows when it is missing */
	const char *(*why_not)(void); /* in place of present(): why it is missing, or NULL */
} rows[] = {
	{ "tc_programs", has_tc_programs, FOR_ALL,
	  .without = "no BPF program can run at TC (CONFIG_NET_CLS_ACT)" },
	{ "lru_hash", has_lru_maps, FOR_ALL, .without = "no map of flows (Linux 4.10)" },
	{ "set_hash", has_set_hash, FOR_ALL, .without = "no stamp on packets (Linux 4.13)" },
	{ "load_bytes_relative", has_relative_load, FOR_ALL,
	  .without = "no look at the network header (Linux 4.18)" },
	{ "tcx", tcx_supported, OPTIONAL,
	  .without = "programs are attached by clsact (TCX came with Linux 6.6)" },
	{ "clsact", has_clsact, OPTIONAL,
	  .without = "only TCX can attach programs (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)" },
	{ "bpffs", NULL, OPTIONAL, .without = "nowhere to pin", .why_not = no_bpffs },
	{ "jit", has_jit, OPTIONAL,
	  .without = "programs are interpreted, which is slow (net.core.bpf_jit_enable)" },
	{ "btf", kernel_has_btf, OPTIONAL,
	  .without = "ingress of wireguard by tc instead of peek" },
	{ "probe_read_kernel", NULL, FOR_INGRESS, .without = "no ingress",
	  .why_not = kernel_no_probe_read },
	{ "co_re", has_core, OPTIONAL,
	  .without = "no --ingress-hook peek: built with a BPF compiler that lacks CO-RE" },
	{ "libxdp", libxdp_supported, OPTIONAL,
	  .without = "no --ingress-hook xdp: built without libxdp" },
	{ "wireguard", nl_wireguard_present, OPTIONAL,
	  .without = "no WireGuard in this kernel, or its module is not loaded" },
};

/* All that is known when it is printed. */
struct features {
	struct feature {
		bool present;
		char without[200]; /* what follows when it is missing, and why it is */
	} list[ARRAY_SIZE(rows)];
	bool egress, ingress; /* are possible */
};

static void find(struct feature *feature, unsigned int i)
{
	const char *reason = rows[i].why_not ? rows[i].why_not() : NULL;

	feature->present = rows[i].present ? rows[i].present() : !reason;
	snprintf(feature->without, sizeof(feature->without), "%s%s%s", rows[i].without,
		 reason ? ": " : "", reason ? reason : "");
}

static void collect(struct features *features)
{
	features->egress = features->ingress = true;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		find(&features->list[i], i);
		features->egress &= features->list[i].present || rows[i].need != FOR_ALL;
		features->ingress &= features->list[i].present || rows[i].need == OPTIONAL;
	}
}

static void print_json(const struct features *features)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_object();
	struct json_object *missing = json_object_new_object();

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		json_boolean(list, rows[i].name, features->list[i].present);
		if (!features->list[i].present)
			json_string(missing, rows[i].name, features->list[i].without);
	}
	json_boolean(root, "egress", features->egress);
	json_boolean(root, "ingress", features->ingress);
	json_object_object_add(root, "features", list);
	json_object_object_add(root, "missing", missing);
	json_print(root);
	putchar('\n');
}

static void print_text(const struct features *features)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct feature *feature = &features->list[i];

		printf("%-20s %s%s\n", rows[i].name,
		       feature->present ? "yes" : "no: ", feature->present ? "" : feature->without);
	}
	printf("%-20s %s\n", "egress", features->egress ? "possible" : "not possible");
	printf("%-20s %s\n", "ingress", features->ingress ? "possible" : "not possible");
}

int run_features(int argc, char **argv)
{
	struct features_config config = {};
	struct features features;
	unsigned int n_args;
	int status = parsed(&features_command,
			    args_parse(&features_command, argc, argv, &config, NULL, &n_args));

	if (status >= 0)
		return status;
	if (may_not_probe()) {
		log_error("features are probed with small programs: root is needed, "
			  "or " PRIVILEGES);
		return EXIT_REFUSED;
	}
	collect(&features);
	if (config.json)
		print_json(&features);
	else
		print_text(&features);
	return features.egress ? EXIT_DONE : EXIT_REFUSED;
}
