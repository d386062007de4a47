/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The system that the tool meets here: pins and maps as fuzz_maps says, one device, two network
 * namespaces. Nothing here reaches the kernel, and a descriptor is only a number.
 */
#include "stand_ins.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>

#include <sanitizer/asan_interface.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>

#include "state/balance.h"
#include "state/objects.h"
#include "state/pins.h"
#include "state/present.h"
#include "state/root.h"
#include "fuzz.h"

#undef stat
#undef statfs
#undef sigaction
#undef scandir

enum { FD_MAP = 1000, FD_PROGRAM = 1100, FD_LINK = 1200, FD_OTHER = 1300, FD_FOREIGN = 1400 };
#define OTHER_PATH "/run/netns/blue"
#define PADDING 32 /* nl_core.c has room behind, and zeroes it */

const struct fuzz_maps *fuzz_maps;
const uint8_t *fuzz_answers;
const char *fuzz_file;
size_t fuzz_answers_len;

/* Slots of fuzz_maps->tunnels. */
static const uint32_t slots[] = { 1, 2, DSCP_MAX_TUNNELS - 1 };

static int failure(int error)
{
	errno = error;
	return -1;
}

/* Files */

int stand_in_missing(void)
{
	return failure(ENOENT);
}

/* The directory of all sets. */
static bool root_made;

static bool is_root(const char *path)
{
	return !strcmp(path, STATE_ROOT);
}

static bool has_root(void)
{
	return fuzz_maps || root_made;
}

int stand_in_open(const char *path)
{
	if (is_root(path) && !has_root())
		return failure(ENOENT);
	return strcmp(path, OTHER_PATH) ? FD_OTHER : FD_FOREIGN;
}

int stand_in_mkdir(const char *path)
{
	root_made |= is_root(path);
	return 0;
}

int stand_in_rmdir(const char *path)
{
	root_made &= !is_root(path);
	return 0;
}

/* As fstat() of it says. */
int stand_in_lstat(const char *path, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = OWN_NETNS;
	st->st_mode = S_IFDIR | 0700;
	return is_root(path) && has_root() ? 0 : failure(ENOENT);
}

static struct dirent *new_entry(const char *name)
{
	struct dirent *entry = calloc(1, sizeof(*entry));

	strcpy(entry->d_name, name);
	return entry;
}

/* One set or two, where something is loaded, and no hooks. */
int stand_in_scandir(const char *path, struct dirent ***names)
{
	int n = 0;

	if (!is_root(path) || !has_root())
		return failure(ENOENT);
	*names = calloc(2, sizeof(**names));
	if (fuzz_maps)
		(*names)[n++] = new_entry("1");
	if (fuzz_maps && fuzz_maps->other_set)
		(*names)[n++] = new_entry("2");
	return n;
}

int stand_in_stat(const char *path, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = strcmp(path, OTHER_PATH) ? OWN_NETNS : OTHER_NETNS;
	return 0;
}

int stand_in_fstat(int fd, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = fd == FD_FOREIGN ? OTHER_NETNS : OWN_NETNS;
	return 0;
}

int stand_in_statfs(const char *path, struct statfs *fs)
{
	memset(fs, 0, sizeof(*fs));
	fs->f_type = strncmp(path, "/sys", 4) ? NSFS_MAGIC : BPF_FS_MAGIC;
	return 0;
}

int stand_in_glob(glob_t *paths)
{
	static char *found[] = { OTHER_PATH, NULL };

	paths->gl_pathc = 1;
	paths->gl_pathv = found;
	return 0;
}

/* Answers for files. In /proc: the kind of a descriptor. Elsewhere: the file that there is. */
FILE *stand_in_fopen(const char *path)
{
	static char text[] = "pos:\t0\nlink_type:\ttcx\n";
	bool link = !fuzz_maps || !fuzz_maps->clsact;

	if (strncmp(path, "/proc/", 6) && fuzz_file)
		return fmemopen((char *)fuzz_file, strlen(fuzz_file), "r");
	errno = ENOENT;
	return !strncmp(path, "/proc/", 6) && link ? fmemopen(text, strlen(text), "r") : NULL;
}

/* The same file; an empty one, if there is none. */
FILE *stand_in_stdin(void)
{
	static char nothing[] = "";
	static FILE *file;
	const char *text = fuzz_file ? fuzz_file : nothing;

	if (file)
		fclose(file);
	file = fmemopen((char *)text, strlen(text), "r");
	return file;
}

static void (*on_sigterm)(int number);

int stand_in_sigaction(int number, const struct sigaction *action)
{
	if (number == SIGTERM)
		on_sigterm = action->sa_handler;
	return 0;
}

/* It is monitor that waits: one look at all is enough. */
int stand_in_ppoll(void)
{
	on_sigterm(SIGTERM);
	return failure(EINTR);
}

/* capget() fails: then the tool takes it that it may. bpf(): a link. */
long stand_in_syscall(long number)
{
	return number == SYS_capget ? failure(EPERM) : FD_LINK;
}

char *stand_in_indextoname(unsigned int ifindex, char *name)
{
	if ((ifindex != DEVICE && ifindex != UPLINK) || !fuzz_maps)
		return NULL;
	snprintf(name, IF_NAMESIZE, "%.15s",
		 ifindex == DEVICE ? fuzz_maps->link_name : UPLINK_NAME);
	return name;
}

/* The tunnel is wg0 too, whatever it is called. */
unsigned int stand_in_nametoindex(const char *name)
{
	if (fuzz_maps && !strcmp(name, UPLINK_NAME))
		return UPLINK;
	return fuzz_maps && (!strncmp(name, fuzz_maps->link_name, IF_NAMESIZE) ||
			     !strcmp(name, "wg0"))
		       ? DEVICE
		       : 0;
}

/* Maps */

int bpf_obj_get(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	if (!fuzz_maps)
		return failure(ENOENT);
	for (int i = 0; i < N_MAPS; i++)
		if (strstr(path, "/maps/") && !strcmp(name, objects_map_name(i)))
			return FD_MAP + i;
	for (int i = 0; i < N_PROGRAMS; i++)
		if (strstr(path, "/programs/") && !strcmp(name, programs[i].pin))
			return FD_PROGRAM + i;
	return fuzz_maps->pinned ? FD_LINK : failure(ENOENT);
}

static const void *find(int map, const void *key, size_t *size)
{
	static const struct dscp_tunnel none;
	static const uint32_t device = DEVICE;

	const uint32_t *slot = key;

	switch (map) {
	case MAP_CONFIG:
		*size = sizeof(fuzz_maps->config);
		return &fuzz_maps->config;
	case MAP_TUNNELS:
		*size = sizeof(none);
		for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++)
			if (*slot == slots[i])
				return &fuzz_maps->tunnels[i];
		return &none;
	case MAP_REQUESTS:
		*size = sizeof(struct request);
		for (unsigned int i = 0; i < ARRAY_SIZE(fuzz_maps->requests); i++)
			if (*slot == fuzz_maps->requests[i].slot)
				return &fuzz_maps->requests[i].request;
		return NULL;
	case MAP_PRESENT:
		*size = sizeof(device);
		return fuzz_maps->gone ? NULL : &device;
	case MAP_COUNTERS:
	case MAP_INGRESS_COUNTERS:
		*size = sizeof(fuzz_maps->counters);
		return &fuzz_maps->counters;
	case MAP_PREFIXES:
		*size = sizeof(struct dscp_policy);
		for (unsigned int i = 0; i < ARRAY_SIZE(fuzz_maps->prefixes); i++)
			if (!memcmp(key, &fuzz_maps->prefixes[i].prefix,
				    sizeof(struct dscp_prefix)))
				return &fuzz_maps->prefixes[i].policy;
	}
	return NULL;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	size_t size;
	const void *found = find(fd - FD_MAP, key, &size);

	if (!found)
		return failure(ENOENT);
	memcpy(value, found, size);
	return 0;
}

/* Keys of prefixes alone: in their order, so that two that are equal do not make a circle. */
int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	static unsigned int at;

	(void)fd;
	at = key ? at + 1 : 0;
	if (at >= ARRAY_SIZE(fuzz_maps->prefixes))
		return failure(ENOENT);
	memcpy(next, &fuzz_maps->prefixes[at].prefix, sizeof(struct dscp_prefix));
	return 0;
}

/* Another version of the tool has longer ones or shorter ones. */
static uint32_t requests_size(void)
{
	const uint32_t size = sizeof(struct request) ^ (fuzz_maps->requests_size & 0x3ff);

	return size ? size : 1;
}

static void copy_request(void *to, unsigned int i)
{
	const size_t size = requests_size();

	memset(to, 0xa5, size);
	memcpy(to, &fuzz_maps->requests[i].request,
	       size < sizeof(struct request) ? size : sizeof(struct request));
}

int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	(void)in;
	(void)opts;
	memset(out, 0, sizeof(uint32_t));
	*count = 0;
	if (fd == FD_MAP + MAP_TUNNELS)
		for (; *count < ARRAY_SIZE(slots); ++*count) {
			((uint32_t *)keys)[*count] = slots[*count];
			((struct dscp_tunnel *)values)[*count] = fuzz_maps->tunnels[*count];
		}
	else if (fd == FD_MAP + MAP_REQUESTS)
		for (; *count < ARRAY_SIZE(fuzz_maps->requests); ++*count) {
			((uint32_t *)keys)[*count] = fuzz_maps->requests[*count].slot;
			copy_request((char *)values + *count * requests_size(), *count);
		}
	else if (fd == FD_MAP + MAP_STAMPS)
		for (; *count < ARRAY_SIZE(fuzz_maps->stamps); ++*count) {
			((uint32_t *)keys)[*count] = fuzz_maps->stamps[*count].stamp;
			((struct dscp_stamp *)values)[*count] = fuzz_maps->stamps[*count].flow;
		}
	else if (fd == FD_MAP + MAP_NOTE_CACHE)
		for (; *count < ARRAY_SIZE(fuzz_maps->note_cache); ++*count)
			((struct dscp_bucket *)values)[*count] = fuzz_maps->note_cache[*count];
	else if (fd == FD_MAP + MAP_NOTES)
		for (; *count < ARRAY_SIZE(fuzz_maps->notes); ++*count) {
			((struct dscp_note_key *)keys)[*count] = fuzz_maps->notes[*count].key;
			((struct dscp_note *)values)[*count] = fuzz_maps->notes[*count].note;
		}
	return failure(ENOENT); /* that was all */
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	(void)fd;
	(void)key;
	(void)value;
	(void)flags;
	return 0;
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	(void)fd;
	(void)keys;
	(void)values;
	(void)count;
	(void)opts;
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	(void)fd;
	(void)key;
	return 0;
}

int libbpf_num_possible_cpus(void)
{
	return 1;
}

/* Programs and links */

/* Answers about each map as the objects declare it: others are refused unread. */
#define MAP_INFO(t, k, v, n)                                                                       \
	{                                                                                          \
		.type = BPF_MAP_TYPE_##t, .key_size = k, .value_size = v, .max_entries = n         \
	}
static const struct bpf_map_info map_infos[N_MAPS] = {
	[MAP_CONFIG] = MAP_INFO(ARRAY, 4, sizeof(struct dscp_config), 1),
	[MAP_TUNNELS] = MAP_INFO(ARRAY, 4, sizeof(struct dscp_tunnel), DSCP_MAX_TUNNELS),
	[MAP_PORTS] = MAP_INFO(ARRAY, 4, sizeof(struct dscp_port), 65536),
	[MAP_ENDPOINTS] = MAP_INFO(HASH, sizeof(struct dscp_endpoint), 4, DSCP_MAX_ENDPOINTS),
	[MAP_DEVICES] = MAP_INFO(HASH, 4, 4, DSCP_MAX_TUNNELS),
	[MAP_PREFIXES] = MAP_INFO(LPM_TRIE, sizeof(struct dscp_prefix), sizeof(struct dscp_policy),
				  DSCP_PREFIXES),
	[MAP_STAMPS] = MAP_INFO(LRU_HASH, 4, sizeof(struct dscp_stamp), DSCP_DEFAULT_FLOWS),
	[MAP_STAMP_CACHE] = MAP_INFO(ARRAY, 4, 4, DSCP_STAMP_CACHE),
	[MAP_FRAGMENTS] = MAP_INFO(LRU_HASH, sizeof(struct dscp_fragment_key),
				   sizeof(struct dscp_fragment), DSCP_FRAGMENTS),
	[MAP_COUNTERS] = MAP_INFO(PERCPU_ARRAY, 4, sizeof(struct dscp_counters), DSCP_MAX_TUNNELS),
	[MAP_PRESENT] = MAP_INFO(DEVMAP, 4, 4, PRESENT_ENTRIES),
	[MAP_REQUESTS] = MAP_INFO(HASH, 4, sizeof(struct request), DSCP_MAX_TUNNELS),
	[MAP_BALANCE] = MAP_INFO(HASH, 4, sizeof(struct balance), DSCP_MAX_TUNNELS),
	[MAP_NOTE_CACHE] = MAP_INFO(ARRAY, 4, sizeof(struct dscp_bucket), DSCP_NOTE_CACHE),
	[MAP_NOTES] = MAP_INFO(LRU_HASH, sizeof(struct dscp_note_key), sizeof(struct dscp_note),
			       DSCP_NOTES),
	[MAP_INGRESS_COUNTERS] =
		MAP_INFO(PERCPU_ARRAY, 4, sizeof(struct dscp_counters), DSCP_MAX_TUNNELS),
	[MAP_CARRIED] = MAP_INFO(HASH, 4, sizeof(struct dscp_carried), DSCP_CARRIED),
};

int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	struct bpf_prog_info *program = info;

	memset(info, 0, *len);
	if (fd >= FD_MAP && fd < FD_MAP + N_MAPS) {
		memcpy(info, &map_infos[fd - FD_MAP], sizeof(*map_infos));
		if (fd == FD_MAP + MAP_REQUESTS)
			((struct bpf_map_info *)info)->value_size = requests_size();
	} else if (fd >= FD_PROGRAM && fd < FD_LINK) {
		program->id = fd;
		program->type = BPF_PROG_TYPE_SCHED_CLS;
		if (fd < FD_PROGRAM + N_PROGRAMS)
			snprintf(program->name, sizeof(program->name), "%s",
				 programs[fd - FD_PROGRAM].name);
	}
	if (fd == FD_LINK && fuzz_maps)
		memcpy(info, fuzz_maps->info,
		       *len < sizeof(fuzz_maps->info) ? *len : sizeof(fuzz_maps->info));
	return 0;
}

int bpf_prog_get_fd_by_id(__u32 id)
{
	return id ? FD_LINK : failure(ENOENT);
}

int bpf_prog_query(int target, enum bpf_attach_type type, __u32 query, __u32 *flags, __u32 *ids,
		   __u32 *count)
{
	__u32 n = fuzz_maps ? ARRAY_SIZE(fuzz_maps->ahead) : 0;

	(void)target;
	(void)type;
	(void)query;
	*flags = 0;
	for (__u32 i = 0; i < n && i < *count; i++)
		ids[i] = fuzz_maps->ahead[i];
	if (n > *count) {
		*count = n;
		return failure(ENOSPC);
	}
	*count = n;
	return 0;
}

int bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
		  const struct bpf_insn *insns, size_t count, const struct bpf_prog_load_opts *opts)
{
	(void)type;
	(void)name;
	(void)license;
	(void)insns;
	(void)count;
	(void)opts;
	return FD_PROGRAM;
}

struct bpf_object *bpf_object__open_mem(const void *buffer, size_t size,
					const struct bpf_object_open_opts *opts)
{
	(void)buffer;
	(void)size;
	(void)opts;
	failure(EPERM);
	return NULL;
}

int bpf_obj_pin(int fd, const char *path)
{
	(void)fd;
	(void)path;
	return 0;
}

int bpf_map_create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
		   __u32 max_entries, const struct bpf_map_create_opts *opts)
{
	(void)type;
	(void)name;
	(void)key_size;
	(void)value_size;
	(void)max_entries;
	(void)opts;
	return -EPERM;
}

int bpf_link_detach(int fd)
{
	(void)fd;
	return 0;
}

int bpf_link_update(int fd, int program, const struct bpf_link_update_opts *opts)
{
	(void)fd;
	(void)program;
	(void)opts;
	return 0;
}

int bpf_tc_hook_create(struct bpf_tc_hook *hook)
{
	(void)hook;
	return -EPERM;
}

int bpf_tc_hook_destroy(struct bpf_tc_hook *hook)
{
	(void)hook;
	return -EPERM;
}

int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	(void)hook;
	(void)opts;
	return -EPERM;
}

int bpf_tc_detach(const struct bpf_tc_hook *hook, const struct bpf_tc_opts *opts)
{
	(void)hook;
	(void)opts;
	return -EPERM;
}

int libbpf_probe_bpf_prog_type(enum bpf_prog_type type, const void *opts)
{
	(void)type;
	(void)opts;
	return 1;
}

int libbpf_probe_bpf_map_type(enum bpf_map_type type, const void *opts)
{
	(void)type;
	(void)opts;
	return 1;
}

int libbpf_probe_bpf_helper(enum bpf_prog_type type, enum bpf_func_id helper, const void *opts)
{
	(void)type;
	(void)helper;
	(void)opts;
	return 1;
}

/* Netlink */

static union {
	struct nlmsghdr header;
	char room[256]; /* of any request */
} asked;

/* The number of the device that the request is about; 0: there is none. */
static unsigned int asked_link(void)
{
	const struct ifinfomsg *fixed = mnl_nlmsg_get_payload(&asked.header);
	const struct nlattr *attr;

	mnl_attr_for_each (attr, &asked.header, sizeof(*fixed))
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			return stand_in_nametoindex(mnl_attr_get_str(attr));
	return fixed->ifi_index == UPLINK ? UPLINK : DEVICE;
}

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)bus;
	(void)flags;
	return (struct mnl_socket *)&asked.header;
}

int mnl_socket_setsockopt(const struct mnl_socket *socket, int type, void *option, socklen_t len)
{
	(void)socket;
	(void)type;
	(void)option;
	(void)len;
	return 0;
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket;
	(void)groups;
	(void)pid;
	return 0;
}

/* 0 goes with any message. */
unsigned int mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *message, size_t len)
{
	(void)socket;
	memcpy(&asked, message, len < sizeof(asked) ? len : sizeof(asked));
	return len;
}

/* The buffer where the tool reads its answers. Beyond the answer nothing may be read. */
void stand_in_wipe(void *buffer, size_t size)
{
	ASAN_UNPOISON_MEMORY_REGION(buffer, size);
	memset(buffer, 0, size);
}

/* The bytes in front of a message with a length that is negative to libmnl 1.0.4, which never gets
 * past it. The kernel sends none. */
static size_t before_negative(const char *datagram, size_t len)
{
	struct nlmsghdr header;

	for (size_t at = 0; at + sizeof(header) <= len; at += NLMSG_ALIGN(header.nlmsg_len)) {
		memcpy(&header, datagram + at, sizeof(header));
		if (header.nlmsg_len > INT_MAX)
			return at;
		if (header.nlmsg_len < sizeof(header))
			break;
	}
	return len;
}

static ssize_t recorded(void *buffer, size_t size)
{
	size_t len;

	ASAN_UNPOISON_MEMORY_REGION(buffer, size + PADDING);
	if (fuzz_answers_len < 2)
		return failure(ENOBUFS);
	len = fuzz_answers[0] | fuzz_answers[1] << 8;
	fuzz_answers += 2;
	fuzz_answers_len -= 2;
	len = len < fuzz_answers_len ? len : fuzz_answers_len;
	len = len < size ? len : size;
	memcpy(buffer, fuzz_answers, len);
	fuzz_answers += len;
	fuzz_answers_len -= len;
	len = before_negative(buffer, len);
	ASAN_POISON_MEMORY_REGION((char *)buffer + len + PADDING, size - len);
	return len;
}

static struct nlmsghdr *put(void *buffer, uint16_t type, size_t extra)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	mnl_nlmsg_put_extra_header(message, extra);
	return message;
}

static size_t put_uplink(char *buffer)
{
	struct nlmsghdr *message = put(buffer, RTM_NEWLINK, sizeof(struct ifinfomsg));

	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index = UPLINK;
	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_type = ARPHRD_ETHER;
	mnl_attr_put_strz(message, IFLA_IFNAME, UPLINK_NAME);
	return message->nlmsg_len;
}

static size_t put_link(char *buffer)
{
	struct nlmsghdr *message = put(buffer, RTM_NEWLINK, sizeof(struct ifinfomsg));
	struct nlattr *nest;

	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index = DEVICE;
	mnl_attr_put(message, IFLA_IFNAME, sizeof(fuzz_maps->link_name), fuzz_maps->link_name);
	nest = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put(message, IFLA_INFO_KIND, sizeof(fuzz_maps->link_kind), fuzz_maps->link_kind);
	mnl_attr_nest_end(message, nest);
	return message->nlmsg_len;
}

/* A link, where one is asked for; the end of a list; or an error, that there is no such thing. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	bool dump = asked.header.nlmsg_flags & NLM_F_DUMP;
	struct nlmsghdr *verdict;
	size_t len = 0;

	(void)socket;
	if (fuzz_answers)
		return recorded(buffer, size);
	if (fuzz_maps && asked.header.nlmsg_type == RTM_GETLINK && asked_link())
		len = asked_link() == UPLINK ? put_uplink(buffer) : put_link(buffer);
	verdict = put((char *)buffer + len, dump ? NLMSG_DONE : NLMSG_ERROR,
		      dump ? sizeof(int) : sizeof(struct nlmsgerr));
	if (!dump && !len)
		((struct nlmsgerr *)mnl_nlmsg_get_payload(verdict))->error = -ENODEV;
	return len + verdict->nlmsg_len;
}
