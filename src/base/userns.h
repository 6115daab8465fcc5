/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns.h - user namespaces for an ordinary user: which ids they may map, how the maps are
 * written, and how to do one piece of work as that namespace's root (unpack a layer with its
 * owners, remove what a container's users left behind).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct userns_map {
	uint32_t inside, outside, count;
};

struct userns_maps {
	struct userns_map *uid, *gid;
	size_t nr_uid, nr_gid;
	bool single; /* only the user's own id is mapped: there is no subordinate range */
};

/*
 * The maps of the calling user: inside 0 is the user, 1.. their subordinate ranges of
 * /etc/subuid and /etc/subgid when newuidmap and newgidmap are there to write them, else the
 * single mapping. Root gets the identity of everything it has.
 */
int userns_maps_of_caller(struct userns_maps *ret, struct error *err);

/* Where no range is set aside for root's containers: far above what useradd(8) hands out (its
 * SUB_UID_MAX is 600100000) and below 2^31, which not every tool can count beyond. */
#define USERNS_PRIVATE_FIRST UINT32_C(1073741824)
#define USERNS_PRIVATE_COUNT UINT32_C(65536)

/*
 * Maps that share no id with the host. As root: the subordinate ranges of root, else of "strata",
 * else of "containers" (the first that has both kinds), else the private range above. An ordinary
 * user gets what userns_maps_of_caller() says.
 */
int userns_maps_private(struct userns_maps *ret, struct error *err);
void userns_maps_free(struct userns_maps *maps);

/* The first name /etc/passwd gives this uid; NULL when there is none (or no such file, or no
 * memory). */
char *userns_user_name(uid_t uid);

#define USERNS_NO_ID ((uid_t)-1)

/*
 * The ranges that the text of a subuid(5) file gives to `user` (NULL: to no name) or to `uid`
 * (USERNS_NO_ID: to no number), one after the other from first_inside on. Lines that make no sense
 * or go beyond 32 bits are passed over. 0 or -errno.
 */
int userns_parse_ranges(const char *text, const char *user, uid_t uid, uint32_t first_inside,
	struct userns_map **ret, size_t *ret_count);

/*
 * Give process `pid`, which has just entered a fresh user namespace, those maps: directly where we
 * may (setgroups is denied first where the kernel asks for it), through newuidmap and newgidmap
 * where we must.
 */
int userns_write_maps(pid_t pid, const struct userns_maps *maps, struct error *err);

/*
 * Run fn in a child process that is root of a fresh user (and mount) namespace with the caller's
 * maps, and hand back what it returned and said. As real root it is a plain call.
 */
int userns_call(int (*fn)(void *context, struct error *err), void *context, struct error *err);

/* Likewise, but in a user namespace of the caller's that there is already (-1: a fresh one). */
int userns_call_in(int userns_fd, int (*fn)(void *context, struct error *err), void *context,
	struct error *err);
