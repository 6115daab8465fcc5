/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propagation.c - mounts that appear on both sides: `-v …:rslave`, `-v …:rshared`
 * (mount_namespaces(7), shared subtrees; child).
 *
 * The kernel says nothing when nothing can propagate: slave and shared of a private mount are
 * simply alone. So the source can be looked at first. And what is to be seen by the host must still
 * be of its peer group when it is cloned: before our mounts are separated from the host's.
 */
#include "container/mounts.h"

#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/str.h"

#define MOUNTINFO_MAX (16u << 20)

/* The last word counts. */
static unsigned long asked_for(const struct container_mount *mount)
{
	unsigned long asked = 0;

	strv_for_each (word, mount->options) {
		unsigned long p = mount_propagation_from_name(*word);

		if (p)
			asked = p;
	}
	return asked & (MS_SLAVE | MS_SHARED);
}

/* The line of /proc/self/mountinfo (proc(5)) about this mount, and where it is mounted. */
static char *find_line(char *text, uint64_t id)
{
	char *line, number[24];
	int len = snprintf(number, sizeof(number), "%llu ", (unsigned long long)id);

	while ((line = strsep(&text, "\n")))
		if (strncmp(line, number, (size_t)len) == 0)
			return line;
	return NULL;
}

static int check_source(const struct container_mount *mount, unsigned long asked, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct statx st;
	char *line, *end, point[PATH_MAX];
	int r;

	if (statx(AT_FDCWD, mount->source, 0, STATX_MNT_ID, &st) < 0)
		return error_errno(
			err, errno, "cannot bind %s on %s", mount->source, mount->destination);
	r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	line = find_line(text, st.stx_mnt_id);
	end = line ? strstr(line, " - ") : NULL;
	if (!end || sscanf(line, "%*u %*u %*s %*s %4095s", point) != 1)
		return error_set(err, EIO, "cannot find the mount that %s is on", mount->source);
	*end = '\0';
	/* In a user namespace of our own the host's shared mounts are our masters. */
	if (strstr(line, " shared:") || (asked == MS_SLAVE && strstr(line, " master:")))
		return 0;
	return error_set(err, EINVAL,
		"mounts cannot %s %s: it is on %s, which is not a shared mount of the host (mount --make-shared)",
		asked == MS_SLAVE ? "reach" : "spread from", mount->source, point);
}

int container_check_propagation(const struct container_config *config, struct error *err)
{
	for (size_t i = 0; i < config->nr_mounts; i++) {
		const struct container_mount *mount = &config->mounts[i];
		unsigned long asked = asked_for(mount);
		int r;

		if (!asked || !mount->source || mount->source[0] != '/')
			continue;
		if (asked == MS_SHARED && config->namespaces[CONTAINER_NS_USER].wanted)
			return error_set(err, EPERM,
				"mounts cannot spread from %s: the host does not take them from a user namespace",
				mount->source);
		r = check_source(mount, asked, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keep_peer(struct child *child, size_t i, struct error *err)
{
	const struct container_mount *mount = &child->config->mounts[i];
	bool recursive = strv_contains(mount->options, "rbind");
	int r = mount_sources_allocate(child, err), fd;

	/* Its ids are mapped: cloned already. */
	if (r < 0 || child->source_fds[i] >= 0)
		return r;
	fd = open_tree(AT_FDCWD, mount->source,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
	if (fd < 0)
		return error_errno(
			err, errno, "cannot bind %s on %s", mount->source, mount->destination);
	child->source_fds[i] = fd;
	return 0;
}

int mounts_keep_peers(struct child *child, struct error *err)
{
	/* Never the peer of a less privileged namespace's mount: shared among its own, then. */
	if (child->in_userns)
		return 0;
	for (size_t i = 0; i < child->config->nr_mounts; i++) {
		const struct container_mount *mount = &child->config->mounts[i];
		struct error reason = { 0 };
		int r;

		if (asked_for(mount) != MS_SHARED || !mount->source || mount->source[0] != '/')
			continue;
		/* One that has no peers is bound with the others: mountinfo lists by age. */
		r = check_source(mount, MS_SHARED, &reason);
		if (r == -EINVAL)
			continue;
		if (r < 0)
			*err = reason;
		else
			r = keep_peer(child, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}
