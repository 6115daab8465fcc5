/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl.c - kernel parameters of a container (runtime-spec config-linux.md, "Sysctl"): only those
 * that the kernel keeps per namespace, and only where the namespace is not the caller's, which
 * would change the whole host.
 *
 * As sysctl(8) has it, the first separator of a name tells how it is written: with dots
 * ("net.ipv4.conf.eth0/1.rp_filter", where a slash stands for a dot in a name), or with slashes.
 */
#include "container/internal.h"

#include "base/io.h"
#include "base/str.h"

/* Paths below /proc/sys; with a slash at its end, everything below. */
static const struct {
	const char *path;
	enum container_namespace owner;
} namespaced[] = {
	{ "kernel/msgmax", CONTAINER_NS_IPC },
	{ "kernel/msgmnb", CONTAINER_NS_IPC },
	{ "kernel/msgmni", CONTAINER_NS_IPC },
	{ "kernel/sem", CONTAINER_NS_IPC },
	{ "kernel/shmall", CONTAINER_NS_IPC },
	{ "kernel/shmmax", CONTAINER_NS_IPC },
	{ "kernel/shmmni", CONTAINER_NS_IPC },
	{ "kernel/shm_rmid_forced", CONTAINER_NS_IPC },
	{ "fs/mqueue/", CONTAINER_NS_IPC },
	{ "kernel/domainname", CONTAINER_NS_UTS },
	{ "net/", CONTAINER_NS_NETWORK },
	{ "user/", CONTAINER_NS_USER },
};

/* The path below /proc/sys; NULL when memory ran out. */
static char *path_of(const char *name)
{
	char *path = strdup(name);
	size_t first = strcspn(name, "./");

	if (path && name[first] == '.')
		for (char *p = path; *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	return path;
}

static bool has_odd_parts(const char *path)
{
	while (true) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n <= 2 && strspn(path, ".") >= n))
			return true;
		if (!path[n])
			return false;
		path += n + 1;
	}
}

static int check_one(const struct container_config *config,
	const struct container_key_value *sysctl, struct error *err)
{
	const char *name = sysctl->key;
	_cleanup_free_ char *path = path_of(name);

	if (!path)
		return error_oom(err);
	if (has_odd_parts(path))
		return error_set(err, EINVAL, "sysctl %s: not a name with single dots", name);
	if (streq(path, "kernel/hostname"))
		return error_set(
			err, EINVAL, "sysctl %s: a container's name is set by \"hostname\"", name);
	if (streq(path, "kernel/domainname") && config->domainname &&
		!streq(config->domainname, sysctl->value))
		return error_set(err, EINVAL, "sysctl %s: \"domainname\" says another one", name);
	for (size_t i = 0; i < ARRAY_SIZE(namespaced); i++) {
		const char *known = namespaced[i].path;

		if (str_has_suffix(known, "/") ? !str_after_prefix(path, known)
					       : !streq(path, known))
			continue;
		if (namespaces_is_shared(config, namespaced[i].owner))
			return error_set(err, EPERM,
				"sysctl %s: it would change the host, whose %s namespace this container shares",
				name, container_namespace_files[namespaced[i].owner]);
		return 0;
	}
	return error_set(err, EPERM, "sysctl %s: it is not kept per container by the kernel", name);
}

int sysctl_check(const struct container_config *config, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->nr_sysctls; i++)
		r = check_one(config, &config->sysctls[i], err);
	return r;
}

int sysctl_apply(struct child *child, struct error *err)
{
	_cleanup_close_ int dir = -1;

	if (!child->config->nr_sysctls)
		return 0;
	dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_errno(err, errno, "cannot open /proc/sys");
	for (size_t i = 0; i < child->config->nr_sysctls; i++) {
		const struct container_key_value *sysctl = &child->config->sysctls[i];
		_cleanup_free_ char *path = path_of(sysctl->key);
		int r;

		if (!path)
			return error_oom(err);
		r = io_write_kernel_file(dir, path, sysctl->value);
		if (r < 0)
			return error_errno(err, r, "cannot set sysctl %s to \"%s\"", sysctl->key,
				sysctl->value);
	}
	return 0;
}
