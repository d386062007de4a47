/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool features: says whether this kernel and this build can mark packets, and lists missing
 * features. */
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

/* The capabilities to try clsact are not permitted. */
static bool no_try;

/* Returns 0: there is clsact; 1: not; 2: not permitted. */
static int try_clsact(void)
{
	struct bpf_tc_hook hook;
	int err;

	memset(&hook, 0, sizeof(hook));
	hook.sz = sizeof(hook);
	hook.ifindex = 1;
	hook.attach_point = BPF_TC_EGRESS;
	err = unshare(CLONE_NEWNET) ? -EPERM : bpf_tc_hook_create(&hook);
	return err == -EPERM ? 2 : err != 0;
}

/* Tried for real, on the loopback device of a network namespace that only a child is in. */
static bool has_clsact(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return false;
	if (!child)
		_exit(try_clsact());
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	no_try = WIFEXITED(status) && WEXITSTATUS(status) == 2;
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

/* Why the answer says nothing, or NULL. */
static const char *blind_to_programs(void)
{
	return may_not_probe() ? "needs " PRIVILEGES : NULL;
}

static const char *blind_to_memory(void)
{
	return privileges_complete() ? NULL : "needs " PRIVILEGES;
}

static const char *blind_to_clsact(void)
{
	return no_try ? "needs CAP_SYS_ADMIN and CAP_NET_ADMIN, to try it in a network namespace"
		      : NULL;
}

static bool has_wireguard(void)
{
	return nl_family_present("wireguard");
}

static bool has_amneziawg(void)
{
	return nl_family_present("amneziawg");
}

static bool has_ovpn(void)
{
	return nl_family_present("ovpn");
}

enum answer { NO, YES, UNKNOWN };
enum need { OPTIONAL, FOR_INGRESS, FOR_ALL };

static const struct {
	const char *name;
	bool (*present)(void);
	enum need need;
	const char *without; /* the consequence when it is missing */
	const char *(*why_not)(void); /* in place of present(): why it is missing, or NULL */
	const char *(*blind)(void); /* NULL: the answer is always true */
} rows[] = {
	{ "tc_programs", has_tc_programs, FOR_ALL,
	  .without = "no BPF program can run at TC (CONFIG_NET_CLS_ACT)",
	  .blind = blind_to_programs },
	{ "lru_hash", has_lru_maps, FOR_ALL, .without = "no map of flows (Linux 4.10)",
	  .blind = blind_to_programs },
	{ "set_hash", has_set_hash, FOR_ALL, .without = "no stamp on packets (Linux 4.13)",
	  .blind = blind_to_programs },
	{ "load_bytes_relative", has_relative_load, FOR_ALL,
	  .without = "no look at the network header (Linux 4.18)", .blind = blind_to_programs },
	{ "tcx", tcx_supported, OPTIONAL,
	  .without = "programs are attached by clsact (TCX came with Linux 6.6)",
	  .blind = blind_to_programs },
	{ "clsact", has_clsact, OPTIONAL,
	  .without = "only TCX can attach programs (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)",
	  .blind = blind_to_clsact },
	{ "bpffs", NULL, OPTIONAL, .without = "nowhere to pin", .why_not = no_bpffs },
	{ "jit", has_jit, OPTIONAL,
	  .without = "programs are interpreted, which is slow (net.core.bpf_jit_enable)",
	  .blind = blind_to_programs },
	{ "btf", kernel_has_btf, OPTIONAL,
	  .without = "ingress of wireguard by tc instead of peek" },
	{ "probe_read_kernel", NULL, FOR_INGRESS, .without = "no ingress",
	  .why_not = kernel_no_probe_read, .blind = blind_to_memory },
	{ "co_re", has_core, OPTIONAL,
	  .without = "no --ingress-method peek: built with a BPF compiler that lacks CO-RE" },
	{ "libxdp", libxdp_supported, OPTIONAL,
	  .without = "no --ingress-method xdp: built without libxdp" },
	{ "wireguard", has_wireguard, OPTIONAL,
	  .without = "no WireGuard in this kernel, or its module is not loaded" },
	{ "amneziawg", has_amneziawg, OPTIONAL,
	  .without = "no AmneziaWG in this kernel, or its module is not loaded" },
	{ "ovpn", has_ovpn, OPTIONAL,
	  .without = "no OpenVPN in this kernel (Linux 6.16), or its module is not loaded" },
};

/* All that is known when it is printed. */
struct features {
	struct feature {
		enum answer present;
		/* Says the consequence of a missing feature, and why it is missing; or how to find
		 * out. */
		char why[200];
	} list[ARRAY_SIZE(rows)];
	enum answer egress, ingress; /* are possible */
};

static void find(struct feature *feature, unsigned int i)
{
	const char *reason = rows[i].why_not ? rows[i].why_not() : NULL;
	const bool present = rows[i].present ? rows[i].present() : !reason;
	/* Asked last. And libbpf's probes say yes, too, where they may not try. */
	const char *blind = rows[i].blind ? rows[i].blind() : NULL;

	feature->present = blind ? UNKNOWN : present ? YES : NO;
	snprintf(feature->why, sizeof(feature->why), "%s%s%s", blind ? blind : rows[i].without,
		 reason && !blind ? ": " : "", reason && !blind ? reason : "");
}

/* Nothing is possible without the needed features. */
static void require(enum answer *possible, enum answer present)
{
	if (present == NO || (present == UNKNOWN && *possible == YES))
		*possible = present;
}

static void collect(struct features *features)
{
	features->egress = features->ingress = YES;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		find(&features->list[i], i);
		if (rows[i].need == FOR_ALL)
			require(&features->egress, features->list[i].present);
		if (rows[i].need != OPTIONAL)
			require(&features->ingress, features->list[i].present);
	}
}

/* null: it cannot be told. */
static void print_answer(struct json_object *object, const char *name, enum answer answer)
{
	if (answer == UNKNOWN)
		json_string(object, name, NULL);
	else
		json_boolean(object, name, answer);
}

static void print_json(const struct features *features, int status)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_object();
	struct json_object *missing = json_object_new_object(), *unknown = json_object_new_object();

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct feature *feature = &features->list[i];

		print_answer(list, rows[i].name, feature->present);
		if (feature->present != YES)
			json_string(feature->present ? unknown : missing, rows[i].name,
				    feature->why);
	}
	print_answer(root, "egress", features->egress);
	print_answer(root, "ingress", features->ingress);
	json_object_object_add(root, "features", list);
	json_object_object_add(root, "missing", missing);
	json_object_object_add(root, "unknown", unknown);
	json_add_errors(root, status);
	json_print(root);
	putchar('\n');
}

static void print_text(const struct features *features)
{
	static const char *const possible[] = { "not possible", "possible", "cannot tell" };
	static const char *const present[] = { "no: ", "yes", "cannot tell: " };

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct feature *feature = &features->list[i];

		printf("%-20s %s%s\n", rows[i].name, present[feature->present],
		       feature->present == YES ? "" : feature->why);
	}
	printf("%-20s %s\n", "egress", possible[features->egress]);
	printf("%-20s %s\n", "ingress", possible[features->ingress]);
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
	if (may_not_probe())
		log_error("features are probed with small programs: root is needed, "
			  "or " PRIVILEGES);
	collect(&features);
	status = features.egress == YES ? EXIT_DONE : EXIT_REFUSED;
	if (config.json)
		print_json(&features, status);
	else
		print_text(&features);
	return status;
}
