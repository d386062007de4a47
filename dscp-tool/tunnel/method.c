/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Chooses the method by which a tunnel's ingress finds the outer DSCP. */
#include "tunnel/method.h"

#include <errno.h>

#include "hook/libxdp.h"
#include "state/objects.h"
#include "tunnel/kinds.h"
#include "util/kernel.h"
#include "util/macros.h"
#include "util/privileges.h"
#include "util/reason.h"

const char *method_name(enum dscp_method method)
{
	static const char *const names[] = {
		[DSCP_METHOD_NONE] = "auto",
		[DSCP_METHOD_TC] = "tc",
		[DSCP_METHOD_PEEK] = "peek",
		[DSCP_METHOD_XDP] = "xdp",
	};

	return method < ARRAY_SIZE(names) ? names[method] : "unknown";
}

const char *method_reason(const struct dscp_tunnel *tunnel)
{
	if (tunnel->method == DSCP_METHOD_PEEK)
		return "wireguard, and the kernel has BTF";
	if (!kinds_can(tunnel->kind, DSCP_METHOD_PEEK))
		return "the only method for other tunnels than wireguard";
	if (!objects_has(OBJECT_PEEK))
		return "built without CO-RE, which peek needs";
	return "the kernel has no BTF, which peek needs";
}

/* peek and xdp know WireGuard's header, and each needs something that may be missing. */
static int check_method(const struct request *request, const struct dscp_tunnel *tunnel)
{
	if (request->method == DSCP_METHOD_TC || request->method == DSCP_METHOD_NONE)
		return 0;
	if (!kinds_can(tunnel->kind, request->method))
		return failed(TUNNEL_USAGE,
			      "%s: --ingress-method %s is for wireguard, this is %s: use tc",
			      request->name, method_name(request->method), tunnel->link_kind);
	if (request->method == DSCP_METHOD_PEEK && !objects_has(OBJECT_PEEK))
		return failed(-EOPNOTSUPP,
			      "%s: built without CO-RE, which --ingress-method peek needs: use "
			      "--ingress-method tc",
			      request->name);
	if (request->method == DSCP_METHOD_PEEK && !kernel_has_btf())
		return failed(-EOPNOTSUPP,
			      "%s: --ingress-method peek needs the kernel's BTF, and " BTF_FILE
			      " cannot be read: use --ingress-method tc",
			      request->name);
	if (request->method == DSCP_METHOD_XDP && !libxdp_supported())
		return failed(
			-EOPNOTSUPP,
			"%s: built without libxdp, which --ingress-method xdp needs: use %stc",
			request->name, objects_has(OBJECT_PEEK) ? "peek or " : "");
	/* The load would succeed, and unload not find the program by its number. */
	if (request->method == DSCP_METHOD_XDP && !privileges_sys_admin())
		return failed(-EPERM,
			      "%s: not permitted without CAP_SYS_ADMIN, which --ingress-method xdp "
			      "needs: use peek or tc",
			      request->name);
	return 0;
}

static bool can_peek(void)
{
	return objects_has(OBJECT_PEEK) && kernel_has_btf();
}

int method_choose(const struct request *request, struct dscp_tunnel *tunnel)
{
	const char *reason;
	bool knows_peek;
	int err;

	if (!kinds_can(tunnel->kind, DSCP_METHOD_TC))
		return failed(TUNNEL_USAGE, "%s: %s: --direction egress is all there is",
			      request->name,
			      tunnel->kind == DSCP_KIND_UDP
				      ? "a user space tunnel, whose packets come out without their "
					"outer header"
				      : "the length of amneziawg's headers is not known, so outer "
					"headers cannot be found again");
	err = check_method(request, tunnel);
	if (err)
		return err;
	reason = kernel_no_probe_read();
	if (reason)
		return failed(
			-EOPNOTSUPP,
			"%s: no ingress on this kernel, whose programs may not read what is in "
			"front of a packet: %s. Use --direction egress",
			request->name, reason);
	tunnel->flags |= DSCP_TUNNEL_INGRESS;
	tunnel->method = request->method;
	if (tunnel->method != DSCP_METHOD_NONE)
		return 0;
	knows_peek = kinds_can(tunnel->kind, DSCP_METHOD_PEEK);
	tunnel->method = knows_peek && can_peek() ? DSCP_METHOD_PEEK : DSCP_METHOD_TC;
	if (knows_peek && tunnel->method == DSCP_METHOD_TC)
		advise("%s: ingress by tc: %s", request->name, method_reason(tunnel));
	return 0;
}
