/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * As much of wg(8) as the tests use, for test machines of architectures that Debian does not have:
 * genkey, pubkey, and set with listen-port, fwmark, private-key, peer, remove, endpoint,
 * persistent-keepalive and allowed-ips. The kernel computes the public key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <sys/random.h>

#define KEY_TEXT 44
/* The device that pubkey makes, and removes. */
#define PROBE "wg-pubkey"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char buffer[16384];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wg: %s\n", what);
	exit(1);
}

/* 32 bytes are ten groups of three and one of two. */
static void key_print(const uint8_t *key)
{
	unsigned int i, bits;

	for (i = 0; i < WG_KEY_LEN; i += 3) {
		bits = key[i] << 16 | key[i + 1] << 8 | (i + 2 < WG_KEY_LEN ? key[i + 2] : 0);
		printf("%c%c%c%c", digits[bits >> 18], digits[bits >> 12 & 63],
		       digits[bits >> 6 & 63], i + 2 < WG_KEY_LEN ? digits[bits & 63] : '=');
	}
	putchar('\n');
}

static void key_parse(const char *text, uint8_t *key)
{
	unsigned int i, bits = 0, n = 0;
	const char *digit;

	for (i = 0; i < KEY_TEXT - 1; i++) {
		digit = text[i] ? strchr(digits, text[i]) : NULL;
		if (!digit)
			die("that is no key");
		bits = bits << 6 | (unsigned int)(digit - digits);
		if (i % 4 && n < WG_KEY_LEN)
			key[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
}

static void key_read(const char *file, uint8_t *key)
{
	char text[KEY_TEXT + 1] = "";
	FILE *in = strcmp(file, "-") ? fopen(file, "r") : stdin;

	if (!in || !fgets(text, sizeof(text), in))
		die("cannot read the key");
	key_parse(text, key);
	fclose(in);
}

/* Sends the message in the buffer; each message of the answer goes to read, if there is one. */
static void talk(int bus, mnl_cb_t read, void *ctx)
{
	struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	struct mnl_socket *nl = mnl_socket_open(bus);
	int ret = 1;

	header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = (uint32_t)time(NULL);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, header, header->nlmsg_len) < 0)
		die(strerror(errno));
	while (ret > 0) {
		ret = (int)mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
		if (ret > 0)
			ret = mnl_cb_run(buffer, (size_t)ret, 0, mnl_socket_get_portid(nl), read,
					 ctx);
	}
	if (ret < 0)
		die(strerror(errno));
	mnl_socket_close(nl);
}

/* An attribute of a generic message, copied: ctx is one of these. */
struct wanted {
	uint16_t type, len;
	void *to;
};

static int read_wanted(const struct nlmsghdr *header, void *ctx)
{
	const struct wanted *wanted = ctx;
	const struct nlattr *attr;

	mnl_attr_for_each (attr, header, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == wanted->type)
			memcpy(wanted->to, mnl_attr_get_payload(attr), wanted->len);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *generic_message(uint16_t type, uint8_t command)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));

	header->nlmsg_type = type;
	generic->cmd = command;
	generic->version = 1;
	return header;
}

static uint16_t family(void)
{
	uint16_t id = 0;
	struct wanted wanted = { CTRL_ATTR_FAMILY_ID, sizeof(id), &id };

	mnl_attr_put_strz(generic_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY), CTRL_ATTR_FAMILY_NAME,
			  WG_GENL_NAME);
	talk(NETLINK_GENERIC, read_wanted, &wanted);
	return id;
}

static void put_endpoint(struct nlmsghdr *header, char *text)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	char *colon = strrchr(text, ':');

	if (!colon)
		die("an endpoint has a port");
	*colon = '\0';
	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(colon + 1));
	if (*text == '[')
		text[strlen(text) - 1] = '\0';
	if (*text == '[' && inet_pton(AF_INET6, text + 1, &v6.sin6_addr) == 1)
		mnl_attr_put(header, WGPEER_A_ENDPOINT, sizeof(v6), &v6);
	else if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		mnl_attr_put(header, WGPEER_A_ENDPOINT, sizeof(v4), &v4);
	else
		die("that is no endpoint");
}

static void put_allowed(struct nlmsghdr *header, char *list)
{
	struct nlattr *one, *all = mnl_attr_nest_start(header, WGPEER_A_ALLOWEDIPS);
	char *text, *slash;
	uint8_t ip[16];
	int v6;

	while ((text = strsep(&list, ","))) {
		slash = strchr(text, '/');
		if (slash)
			*slash = '\0';
		v6 = !!strchr(text, ':');
		if (inet_pton(v6 ? AF_INET6 : AF_INET, text, ip) != 1)
			die("that is no address");
		one = mnl_attr_nest_start(header, 0);
		mnl_attr_put_u16(header, WGALLOWEDIP_A_FAMILY, v6 ? AF_INET6 : AF_INET);
		mnl_attr_put(header, WGALLOWEDIP_A_IPADDR, v6 ? 16 : 4, ip);
		mnl_attr_put_u8(header, WGALLOWEDIP_A_CIDR_MASK,
				(uint8_t)(slash ? atoi(slash + 1)
					  : v6	? 128
						: 32));
		mnl_attr_nest_end(header, one);
	}
	mnl_attr_nest_end(header, all);
}

/* WORD VALUE; peers start with their key, and "remove" has no value. */
static char **put_peer(struct nlmsghdr *header, char **args)
{
	struct nlattr *peer = mnl_attr_nest_start(header, 0);
	uint8_t key[WG_KEY_LEN];
	uint32_t flags = 0;

	key_parse(args[1] ? args[1] : "", key);
	mnl_attr_put(header, WGPEER_A_PUBLIC_KEY, sizeof(key), key);
	for (args += 2; args[0] && strcmp(args[0], "peer"); args += 2) {
		if (!strcmp(args[0], "remove")) {
			flags |= WGPEER_F_REMOVE_ME;
			args--;
		} else if (!args[1]) {
			die("a value is missing");
		} else if (!strcmp(args[0], "endpoint")) {
			put_endpoint(header, args[1]);
		} else if (!strcmp(args[0], "persistent-keepalive")) {
			mnl_attr_put_u16(header, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
					 (uint16_t)atoi(args[1]));
		} else if (!strcmp(args[0], "allowed-ips")) {
			flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
			put_allowed(header, args[1]);
		} else {
			die("that is nothing to set for a peer");
		}
	}
	mnl_attr_put_u32(header, WGPEER_A_FLAGS, flags);
	mnl_attr_nest_end(header, peer);
	return args;
}

static void put_private_key(struct nlmsghdr *header, const char *file)
{
	uint8_t key[WG_KEY_LEN];

	key_read(file, key);
	mnl_attr_put(header, WGDEVICE_A_PRIVATE_KEY, sizeof(key), key);
}

/* DEV, then the words of wg(8). */
static void set(uint16_t id, char **args)
{
	struct nlmsghdr *header = generic_message(id, WG_CMD_SET_DEVICE);
	struct nlattr *peers;

	mnl_attr_put_strz(header, WGDEVICE_A_IFNAME, args[0]);
	for (args++; args[0] && strcmp(args[0], "peer"); args += 2) {
		if (!args[1])
			die("a value is missing");
		if (!strcmp(args[0], "listen-port"))
			mnl_attr_put_u16(header, WGDEVICE_A_LISTEN_PORT, (uint16_t)atoi(args[1]));
		else if (!strcmp(args[0], "fwmark"))
			mnl_attr_put_u32(header, WGDEVICE_A_FWMARK, (uint32_t)atol(args[1]));
		else if (!strcmp(args[0], "private-key"))
			put_private_key(header, args[1]);
		else
			die("that is nothing to set for a device");
	}
	if (args[0]) {
		peers = mnl_attr_nest_start(header, WGDEVICE_A_PEERS);
		while (args[0])
			args = put_peer(header, args);
		mnl_attr_nest_end(header, peers);
	}
	talk(NETLINK_GENERIC, NULL, NULL);
}

static void genkey(void)
{
	uint8_t key[WG_KEY_LEN];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		die("no random numbers");
	key[0] &= 248;
	key[31] = (key[31] & 127) | 64;
	key_print(key);
}

static void probe(uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct nlattr *info;

	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(header, IFLA_IFNAME, PROBE);
	info = mnl_attr_nest_start(header, IFLA_LINKINFO);
	mnl_attr_put_strz(header, IFLA_INFO_KIND, WG_GENL_NAME);
	mnl_attr_nest_end(header, info);
	talk(NETLINK_ROUTE, NULL, NULL);
}

static void pubkey(void)
{
	uint8_t key[WG_KEY_LEN] = { 0 };
	struct wanted wanted = { WGDEVICE_A_PUBLIC_KEY, sizeof(key), key };
	char device[] = PROBE, what[] = "private-key", file[] = "-";
	char *args[] = { device, what, file, NULL };
	struct nlmsghdr *header;
	uint16_t id;

	probe(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	id = family();
	set(id, args);
	header = generic_message(id, WG_CMD_GET_DEVICE);
	header->nlmsg_flags = NLM_F_DUMP;
	mnl_attr_put_strz(header, WGDEVICE_A_IFNAME, PROBE);
	talk(NETLINK_GENERIC, read_wanted, &wanted);
	probe(RTM_DELLINK, 0);
	key_print(key);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "genkey"))
		genkey();
	else if (argc == 2 && !strcmp(argv[1], "pubkey"))
		pubkey();
	else if (argc > 2 && !strcmp(argv[1], "set"))
		set(family(), argv + 2);
	else
		die("genkey, pubkey and set are all there is");
	return 0;
}
