/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - find what the arguments of `cp` name.
 */
#include "front/cli/place.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/process.h"
#include "container/container.h"
#include "isolation/isolation.h"

#define LINKS_MAX 40 /* symbolic links followed at the end of a path, as in the kernel */

void place_close(struct place *place)
{
	if (place->root_fd >= 0)
		close(place->root_fd);
	if (place->userns_fd >= 0)
		close(place->userns_fd);
	free(place->path);
	free(place->typed);
	*place = (struct place){ .root_fd = -1, .userns_fd = -1 };
}

int place_split(const char *typed, char **ret_name, const char **ret_path, struct error *err)
{
	const char *colon = strchr(typed, ':');

	*ret_name = NULL;
	*ret_path = typed;
	if (!colon || *typed == '/' || *typed == '.')
		return 0;
	if (colon == typed)
		return error_set(err, EINVAL, "\"%s\" has no name before its colon", typed);
	*ret_name = strndup(typed, (size_t)(colon - typed));
	*ret_path = colon + 1;
	return *ret_name ? 0 : error_oom(err);
}

/* Everything in an instance is below its "/", so a relative path starts there. */
static char *absolute(const char *path, const char *base)
{
	return *path == '/' ? strdup(path) : strf("%s/%s", base, path);
}

int place_open_host(const char *path, struct place *ret, struct error *err)
{
	_cleanup_place_ struct place place = { .root_fd = -1, .userns_fd = -1 };
	char cwd[PATH_MAX];

	if (!*path)
		return error_set(err, EINVAL, "a path must not be empty");
	if (!getcwd(cwd, sizeof(cwd)))
		return error_errno(err, errno, "cannot find the current directory");
	place.path = absolute(path, cwd);
	place.typed = strdup(path);
	if (!place.path || !place.typed)
		return error_oom(err);
	place.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place.root_fd < 0)
		return error_errno(err, errno, "cannot open /");
	*ret = place;
	place = (struct place){ .root_fd = -1, .userns_fd = -1 };
	return 0;
}

/* --- instances --- */

/* Its root shows the ids of the host that stand for the image's: neither what we write there nor
 * what we read would belong to whom it should. */
static int refuse_mapped_ids(struct instance *instance, struct error *err)
{
	int r = instance_load_config(instance, err);

	if (r == 0 && geteuid() == 0 && instance->config.namespaces[CONTAINER_NS_USER].wanted)
		return error_set(err, ENOTSUP,
			"instance %s has user ids of its own (--userns private): stop it first, or use exec",
			instance->spec.name);
	return r;
}

/* What fuse-overlayfs shows to a user namespace of ours, no process outside it may look at. */
static int open_user_namespace(const struct instance *instance, int root_fd)
{
	struct statfs st;
	char path[40];

	/* In a pid namespace of its own it cannot see, and so not trace, who enters. */
	if (geteuid() == 0 || !instance->config.namespaces[CONTAINER_NS_PID].wanted ||
		fstatfs(root_fd, &st) < 0 || st.f_type != FUSE_SUPER_MAGIC)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)instance->state.pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Its processes on the host have the host's root, and its files are on a disk of its own. */
static int refuse_machine(const struct instance *instance, struct error *err)
{
	const struct isolation_ops *ops = isolation_find(instance->spec.isolation, err);

	if (!ops)
		return -EINVAL;
	if (ops->has_kernel)
		return error_set(err, ENOTSUP,
			"the files of instance %s are in its machine (--isolation %s), where only exec and -v reach them",
			instance->spec.name, ops->name);
	return 0;
}

static int open_running(struct instance *instance, struct place *place, struct error *err)
{
	_cleanup_close_ int fd = -1, userns_fd = -1;
	char path[40];
	int r = refuse_mapped_ids(instance, err);

	if (r < 0)
		return r;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)instance->state.pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(
			err, errno, "cannot open the root of instance %s", instance->spec.name);
	userns_fd = open_user_namespace(instance, fd);
	/* With the root held, a process that is still the same one was so before. */
	if (!process_alive(instance->state.pid, instance->state.start_ticks))
		return error_set(err, ESRCH, "instance %s has just ended", instance->spec.name);
	place->root_fd = steal_fd(&fd);
	place->userns_fd = steal_fd(&userns_fd);
	return 0;
}

/* The rest of `path` below a mount's destination, or NULL. Compared as text: the path of a stopped
 * instance is looked at before anything is mounted. */
static const char *below(const char *path, const char *destination)
{
	const char *rest = str_after_prefix(path, destination);

	return rest && (!*rest || *rest == '/') ? rest : NULL;
}

/* A stopped instance's volumes and directories are reached at their source. */
static int open_mount(const struct instance *instance, struct place *place, struct error *err)
{
	const struct container_mount *found = NULL;

	for (size_t i = 0; i < instance->config.nr_mounts; i++) {
		const struct container_mount *m = &instance->config.mounts[i];

		if (m->source && *m->source == '/' && below(place->path, m->destination))
			found = m;
	}
	if (!found)
		return 0;
	place->root_fd = open(found->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->root_fd < 0 && errno != ENOTDIR)
		return error_errno(err, errno, "cannot open %s, which instance %s has at %s",
			found->source, instance->spec.name, found->destination);
	if (place->root_fd >= 0) {
		const char *rest = below(place->path, found->destination);
		char *path = strdup(*rest ? rest : "/");

		if (!path)
			return error_oom(err);
		free(place->path);
		place->path = path;
	}
	return 0;
}

static int open_stopped(struct instance *instance, struct place *place, struct error *err)
{
	int r = instance_load_config(instance, err);

	if (r == 0)
		r = open_mount(instance, place, err);
	if (r == 0 && place->root_fd < 0)
		r = container_open_rootfs(
			&instance->config, &place->root_fd, &place->userns_fd, err);
	return r;
}

int place_open(const struct cli *cli, const char *typed, struct place *ret, struct error *err)
{
	const struct instance_roots roots = { cli->root, cli->run_root, cli->rootless };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	_cleanup_place_ struct place place = { .root_fd = -1, .userns_fd = -1 };
	_cleanup_free_ char *name = NULL;
	const char *path;
	int r = place_split(typed, &name, &path, err);

	if (r < 0)
		return r;
	if (!name)
		return place_open_host(path, ret, err);
	place.path = absolute(path, "");
	place.typed = strdup(typed);
	if (!place.path || !place.typed)
		return error_oom(err);
	r = instance_load(&roots, name, &instance, err);
	if (r == 0)
		r = refuse_machine(&instance, err);
	if (r < 0)
		return r;
	if (instance.state.status == INSTANCE_RUNNING || instance.state.status == INSTANCE_PAUSED)
		r = open_running(&instance, &place, err);
	else
		r = open_stopped(&instance, &place, err);
	if (r < 0)
		return r;
	*ret = place;
	place = (struct place){ .root_fd = -1, .userns_fd = -1 };
	return 0;
}

/* --- resolving --- */

void place_entry_close(struct place_entry *entry)
{
	if (entry->parent_fd >= 0)
		close(entry->parent_fd);
	if (entry->dir_fd >= 0)
		close(entry->dir_fd);
	entry->parent_fd = entry->dir_fd = -1;
}

/* Cut trailing slashes and "/." off, remembering what they meant. */
static void trim(char *path, struct place_entry *entry)
{
	size_t len = strlen(path);

	for (;;) {
		if (len > 1 && path[len - 1] == '/') {
			entry->wants_folder = true;
			len--;
		} else if (len > 1 && path[len - 1] == '.' && path[len - 2] == '/') {
			entry->content = true;
			len--;
		} else {
			break;
		}
		path[len] = '\0';
	}
	if (streq(path, "/"))
		entry->content = true;
}

static bool ends_in_dots(const char *name)
{
	return streq(name, "..") || streq(name, ".") || !*name;
}

/* Open the folder that holds the last name of `path`, and note the name. */
static int open_parent(
	const struct place *place, char *path, struct place_entry *entry, struct error *err)
{
	char *slash = strrchr(path, '/');
	const char *name = slash + 1;
	int fd;

	if (ends_in_dots(name)) {
		/* "/" or "/a/..": a folder that has no name of its own here. */
		fd = io_open_in_root(place->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
		strcpy(entry->name, ".");
		entry->content = true;
	} else {
		if (strlen(name) > NAME_MAX)
			return error_errno(err, ENAMETOOLONG, "%s", place->typed);
		strcpy(entry->name, name);
		slash[slash == path] = '\0';
		fd = io_open_in_root(place->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd == -ENOENT || fd == -ENOTDIR)
		return error_set(err, ENOENT, "no such folder: %s, in which %s would be", path,
			place->typed);
	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", place->typed);
	if (entry->parent_fd >= 0)
		close(entry->parent_fd);
	entry->parent_fd = fd;
	return 0;
}

/* Replace the last name of `path` by what the link there says. */
static int follow_link(const char *path, const struct place_entry *entry, char **ret)
{
	const char *slash = strrchr(path, '/');
	char text[PATH_MAX];
	ssize_t n = readlinkat(entry->parent_fd, entry->name, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret = *text == '/' ? strdup(text) : strf("%.*s/%s", (int)(slash - path), path, text);
	return *ret ? 0 : -ENOMEM;
}

static int resolve(
	const struct place *place, bool follow, struct place_entry *entry, struct error *err)
{
	_cleanup_free_ char *path = strdup(place->path);

	for (int links = 0;; links++) {
		_cleanup_free_ char *cut = NULL, *next = NULL;
		struct stat st;
		int r;

		if (!path)
			return error_oom(err);
		trim(path, entry);
		cut = strdup(path);
		if (!cut)
			return error_oom(err);
		r = open_parent(place, cut, entry, err);
		if (r < 0)
			return r;
		if (fstatat(entry->parent_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				return 0;
			return error_errno(err, errno, "cannot look at %s", place->typed);
		}
		entry->exists = true;
		if (S_ISDIR(st.st_mode)) {
			entry->dir_fd = openat(entry->parent_fd, entry->name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (entry->dir_fd < 0)
				return error_errno(err, errno, "cannot open %s", place->typed);
			return 0;
		}
		if (!S_ISLNK(st.st_mode) || (!follow && !entry->wants_folder && !entry->content))
			return 0;
		if (links >= LINKS_MAX)
			return error_errno(err, ELOOP, "cannot follow %s", place->typed);
		r = follow_link(path, entry, &next);
		if (r < 0)
			return error_errno(err, r, "cannot follow %s", place->typed);
		free(path);
		path = steal_ptr(&next);
		entry->exists = false;
	}
}

int place_resolve(
	const struct place *place, bool follow, struct place_entry *ret, struct error *err)
{
	_cleanup_place_entry_ struct place_entry entry = { .parent_fd = -1, .dir_fd = -1 };
	int r = resolve(place, follow, &entry, err);

	if (r < 0)
		return r;
	*ret = entry;
	entry.parent_fd = entry.dir_fd = -1;
	return 0;
}
