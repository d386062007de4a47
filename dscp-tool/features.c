/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <json-c/json.h>
#include <linux/magic.h>

#include "command.h"
#include "state/objects.h"
#include "hook/hook.h"
#include "hook/libxdp.h"
#include "util/kernel.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/privileges.h"

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
	.help = "what this kernel allows, and what is missing for what",
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

static bool has_bpffs(void)
{
	struct statfs fs;

	return !statfs("/sys/fs/bpf", &fs) && fs.f_type == BPF_FS_MAGIC;
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

static bool has_probe_read(void)
{
	return !kernel_no_probe_read();
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

enum need { OPTIONAL, FOR_INGRESS, FOR_ALL };

static const struct {
	const char *name;
	bool (*present)(void);
	enum need need;
	const char *without; /* what follows when it is missing */
} features[] = {
	{ "tc_programs", has_tc_programs, FOR_ALL,
	  "no BPF program can run at TC (CONFIG_NET_CLS_ACT)" },
	{ "lru_hash", has_lru_maps, FOR_ALL, "no map of flows (Linux 4.10)" },
	{ "set_hash", has_set_hash, FOR_ALL, "no stamp on packets (Linux 4.13)" },
	{ "load_bytes_relative", has_relative_load, FOR_ALL,
	  "no look at the network header (Linux 4.18)" },
	{ "tcx", tcx_supported, OPTIONAL,
	  "programs are attached by clsact (TCX came with Linux 6.6)" },
	{ "clsact", has_clsact, OPTIONAL,
	  "only TCX can attach programs (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)" },
	{ "bpffs", has_bpffs, OPTIONAL, "load mounts one at /sys/fs/bpf" },
	{ "jit", has_jit, OPTIONAL,
	  "programs are interpreted, which is slow (net.core.bpf_jit_enable)" },
	{ "btf", kernel_has_btf, OPTIONAL, "ingress of wireguard by tc instead of peek" },
	{ "probe_read_kernel", has_probe_read, FOR_INGRESS, "no ingress" },
	{ "co_re", has_core, OPTIONAL,
	  "no --ingress-hook peek: built with a BPF compiler that lacks CO-RE" },
	{ "libxdp", libxdp_supported, OPTIONAL, "no --ingress-hook xdp: built without libxdp" },
	{ "wireguard", nl_wireguard_present, OPTIONAL,
	  "no WireGuard in this kernel, or its module is not loaded" },
};

#define N_FEATURES (sizeof(features) / sizeof(*features))
#define MAX_TEXT 200

/* Is all there for ALL, or for what more needs ingress has? */
static bool able_to(const bool *present, enum need need)
{
	for (unsigned int i = 0; i < N_FEATURES; i++)
		if (!present[i] && features[i].need >= need && features[i].need != OPTIONAL)
			return false;
	return true;
}

/* What follows when it is missing, and why it is. */
static void describe(unsigned int i, char *text, size_t size)
{
	const char *reason = features[i].present == has_probe_read ? kernel_no_probe_read() : NULL;

	snprintf(text, size, "%s%s%s", features[i].without, reason ? ": " : "",
		 reason ? reason : "");
}

static void print_json(const bool *present)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_object();
	struct json_object *missing = json_object_new_object();
	char text[MAX_TEXT];

	for (unsigned int i = 0; i < N_FEATURES; i++) {
		json_object_object_add(list, features[i].name, json_object_new_boolean(present[i]));
		if (present[i])
			continue;
		describe(i, text, sizeof(text));
		json_object_object_add(missing, features[i].name, json_object_new_string(text));
	}
	json_object_object_add(root, "egress", json_object_new_boolean(able_to(present, FOR_ALL)));
	json_object_object_add(root, "ingress",
			       json_object_new_boolean(able_to(present, FOR_INGRESS)));
	json_object_object_add(root, "features", list);
	json_object_object_add(root, "missing", missing);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
}

static void print_text(const bool *present)
{
	char text[MAX_TEXT];

	for (unsigned int i = 0; i < N_FEATURES; i++) {
		if (!present[i])
			describe(i, text, sizeof(text));
		printf("%-20s %s%s%s\n", features[i].name, present[i] ? "yes" : "no",
		       present[i] ? "" : ": ", present[i] ? "" : text);
	}
	printf("%-20s %s\n", "egress", able_to(present, FOR_ALL) ? "possible" : "not possible");
	printf("%-20s %s\n", "ingress",
	       able_to(present, FOR_INGRESS) ? "possible" : "not possible");
}

int run_features(int argc, char **argv)
{
	struct features_config config = {};
	bool present[N_FEATURES];
	unsigned int n_args;
	int status = parsed(args_parse(&features_command, argc, argv, &config, NULL, &n_args));

	if (status >= 0)
		return status;
	if (may_not_probe()) {
		log_error("features are probed with small programs: root is needed, "
			  "or " PRIVILEGES);
		return EXIT_REFUSED;
	}
	for (unsigned int i = 0; i < N_FEATURES; i++)
		present[i] = features[i].present();
	if (config.json)
		print_json(present);
	else
		print_text(present);
	return able_to(present, FOR_ALL) ? EXIT_DONE : EXIT_REFUSED;
}
