/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu-options.c - what a dump and a restore tell criu alike: directories, and the plain options.
 */
#include "container/criu.h"

#include <sched.h>

#include "base/io.h"

/* criu(8) -v4: what it logs is what we quote from. */
#define LOG_LEVEL 4

/* Read by criu when it is there: the file of runc, which administrators know, unless the container
 * names another one (or none) by this annotation. */
#define CONFIG_FILE	  "/etc/criu/runc.conf"
#define CONFIG_ANNOTATION "org.criu.config="

/* criu_cg_mode of images/rpc.proto */
static const struct {
	const char *name;
	unsigned mode;
} cgroup_modes[] = {
	{ "ignore", 0 },
	{ "soft", 3 },
	{ "full", 4 },
	{ "strict", 5 },
};

static int open_directory(
	const char *path, bool make, const char *what, int *ret_fd, struct error *err)
{
	int fd, r = 0;

	if (make)
		r = io_make_dirs(AT_FDCWD, path, 0700, err);
	if (r < 0)
		return r;
	fd = io_open_dir(AT_FDCWD, path);
	if (fd < 0)
		return error_errno(
			err, fd, "cannot open the directory %s of criu's %s", path, what);
	*ret_fd = fd;
	return 0;
}

int criu_open_directories(const struct checkpoint_options *options, bool make, int *ret_images_fd,
	int *ret_work_fd, struct error *err)
{
	_cleanup_close_ int images_fd = -1;
	int r;

	r = open_directory(options->image_path, make, "images", &images_fd, err);
	if (r == 0 && options->work_path)
		r = open_directory(options->work_path, true, "log", ret_work_fd, err);
	else
		*ret_work_fd = -1;
	if (r == 0)
		*ret_images_fd = steal_fd(&images_fd);
	return r;
}

static int find_mode(const char *name, unsigned *ret, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_modes); i++)
		if (streq(cgroup_modes[i].name, name ? name : "soft")) {
			*ret = cgroup_modes[i].mode;
			return 0;
		}
	return error_set(err, EINVAL,
		"there is no mode \"%s\" of managing cgroups: soft, full, strict or ignore", name);
}

static const char *config_file(const struct container_config *config)
{
	strv_for_each (annotation, config->annotations) {
		const char *value = str_after_prefix(*annotation, CONFIG_ANNOTATION);

		if (value)
			return *value ? value : NULL;
	}
	return CONFIG_FILE;
}

/* A new network namespace has what hooks and engines put into it: criu saves none of its links. */
static bool has_own_network(const struct container_config *config)
{
	const struct container_namespace_config *network =
		&config->namespaces[CONTAINER_NS_NETWORK];

	return network->wanted && !network->path;
}

int criu_put_common(struct str *message, const struct container_config *config,
	const struct checkpoint_options *options, int images_fd, int work_fd, const char *log_file,
	struct error *err)
{
	const struct {
		enum criu_option_field field;
		bool value;
	} flags[] = {
		{ CRIU_TCP_ESTABLISHED, options->tcp_established },
		{ CRIU_EXT_UNIX_SK, options->ext_unix_sk },
		{ CRIU_SHELL_JOB, options->shell_job },
		{ CRIU_FILE_LOCKS, options->file_locks },
		{ CRIU_AUTO_DEDUP, options->auto_dedup },
		{ CRIU_LAZY_PAGES, options->lazy_pages },
		{ CRIU_NOTIFY_SCRIPTS, true },
		{ CRIU_ORPHAN_PTS_MASTER, true },
		{ CRIU_MANAGE_CGROUPS, true },
	};
	unsigned mode = 0;
	int r;

	r = find_mode(options->cgroups_mode, &mode, err);
	if (r < 0)
		return r;
	criu_put_uint(message, CRIU_IMAGES_DIR_FD, (unsigned)images_fd);
	if (work_fd >= 0)
		criu_put_uint(message, CRIU_WORK_DIR_FD, (unsigned)work_fd);
	criu_put_uint(message, CRIU_LOG_LEVEL, LOG_LEVEL);
	criu_put_text(message, CRIU_LOG_FILE, log_file);
	criu_put_text(message, CRIU_CONFIG_FILE, config_file(config));
	criu_put_uint(message, CRIU_MANAGE_CGROUPS_MODE, mode);
	if (has_own_network(config))
		criu_put_uint(message, CRIU_EMPTY_NAMESPACES, CLONE_NEWNET);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		criu_put_uint(message, flags[i].field, flags[i].value);
	return 0;
}
