/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes.c - where the host's packets go already.
 */
#include "network/internal.h"

#include "base/netlink.h"

#define ROUTES_MAX 65536

struct list {
	struct network_route *routes;
	size_t count;
};

static int append(struct list *list, const struct network_route *route)
{
	struct network_route *grown;

	if (list->count == ROUTES_MAX)
		return 0; /* a router of the internet: what is looked for stands at its beginning */
	grown = realloc(list->routes, (list->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->routes = grown;
	grown[list->count++] = *route;
	return 0;
}

static int take_route(void *context, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	struct network_route route = { .is_direct = true };
	int len = (int)RTM_PAYLOAD(h);

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_type != RTN_UNICAST ||
		(m->rtm_family != AF_INET && m->rtm_family != AF_INET6) || !m->rtm_dst_len ||
		m->rtm_dst_len >= network_family_bits(m->rtm_family))
		return 0;
	for (const struct rtattr *a = RTM_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == RTA_DST &&
			RTA_PAYLOAD(a) <= sizeof(route.prefix.address.bytes)) {
			route.prefix.address.family = m->rtm_family;
			memcpy(route.prefix.address.bytes, RTA_DATA(a), RTA_PAYLOAD(a));
		}
		if (a->rta_type == RTA_GATEWAY || a->rta_type == RTA_VIA)
			route.is_direct = false;
	}
	route.prefix.bits = m->rtm_dst_len;
	return route.prefix.address.family ? append(context, &route) : 0;
}

int network_list_routes(struct network_route **ret, size_t *ret_count, struct error *err)
{
	const struct rtmsg any = { .rtm_family = AF_UNSPEC };
	_cleanup_close_ int fd = netlink_open();
	struct list list = { 0 };
	int r = fd < 0 ? fd : netlink_dump(fd, RTM_GETROUTE, &any, sizeof(any), take_route, &list);

	if (r < 0) {
		free(list.routes);
		return error_errno(err, r, "cannot list the host's routes");
	}
	*ret = list.routes;
	*ret_count = list.count;
	return 0;
}
