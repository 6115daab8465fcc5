/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etc.c - /etc/hostname, /etc/hosts and /etc/resolv.conf of an instance.
 *
 * They are files of the instance's directory, bind-mounted, as Docker does it: what is edited in
 * them stays with the instance and is never part of its layers. The caller knows the network and
 * so what belongs into the last two.
 */
#include "instance/internal.h"

#include <limits.h>

#include "base/io.h"

static bool is_mounted_by_user(const struct container_config *config, const char *destination)
{
	for (size_t i = 0; i < config->nr_mounts; i++)
		if (config->mounts[i].destination &&
			streq(config->mounts[i].destination, destination))
			return true;
	return false;
}

static int write_new(int dir_fd, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

static int provide(int dir_fd, const char *final_path, struct container_config *config,
	const char *name, const char *text, struct error *err)
{
	char source[PATH_MAX], destination[32];
	int r;

	snprintf(destination, sizeof(destination), "/etc/%s", name);
	if (is_mounted_by_user(config, destination))
		return 0;
	r = write_new(dir_fd, name, text);
	if (r < 0)
		return error_errno(err, r, "cannot write %s/%s", final_path, name);
	if (snprintf(source, sizeof(source), "%s/%s", final_path, name) >= (int)sizeof(source))
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	return container_config_add_mount(
		config, "bind", source, destination, "bind,rprivate", err);
}

/* Without networks the instance's name is nobody else's business: it is an address of its
 * loopback, as Debian has it. */
static int provide_hosts(int dir_fd, const char *final_path, const struct instance_spec *spec,
	struct container_config *config, struct error *err)
{
	const struct container_namespace_config *net = &config->namespaces[CONTAINER_NS_NETWORK];
	_cleanup_free_ char *hosts = NULL;

	if (config->hostname && net->wanted && !net->path && !spec->networks)
		hosts = strf("%s127.0.1.1\t%s\n", spec->hosts, config->hostname);
	else
		hosts = strdup(spec->hosts);
	if (!hosts)
		return error_oom(err);
	return provide(dir_fd, final_path, config, "hosts", hosts, err);
}

int instance_etc_create(int dir_fd, const char *final_path, const struct instance_spec *spec,
	struct container_config *config, struct error *err)
{
	int r = 0;

	if (config->hostname) {
		_cleanup_free_ char *hostname = strf("%s\n", config->hostname);

		if (!hostname)
			return error_oom(err);
		r = provide(dir_fd, final_path, config, "hostname", hostname, err);
	}
	if (r == 0 && spec->hosts)
		r = provide_hosts(dir_fd, final_path, spec, config, err);
	if (r == 0 && spec->resolv_conf)
		r = provide(dir_fd, final_path, config, "resolv.conf", spec->resolv_conf, err);
	return r;
}
