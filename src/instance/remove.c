/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.c - the end of an instance.
 *
 * First it becomes invisible (the name's link goes, the directory is renamed to .gone-ID), then it
 * is deleted. Whoever deletes holds the directory's lock; a .gone-ID that nobody has locked is
 * swept by any later listing. In a rootless store files may belong to subordinate users: those are
 * deleted as root of the user's own namespace.
 */
#include "instance/internal.h"
#include "instance/network.h"

#include <limits.h>
#include <signal.h>
#include <sys/file.h>

#include "base/io.h"
#include "base/log.h"
#include "base/userns.h"
#include "instance/volume.h"

struct tree {
	int dir_fd;
	const char *path;
};

static int remove_tree(void *context, struct error *err)
{
	const struct tree *tree = context;

	return io_remove_tree(tree->dir_fd, tree->path, err);
}

/* As ourselves first: an instance that wrote nothing, or only as its root, needs no namespace. */
static int delete_tree(const struct instance_roots *roots, const char *path, struct error *err)
{
	struct tree tree = { .dir_fd = AT_FDCWD, .path = path };
	struct error why = { 0 };
	int r = remove_tree(&tree, &why);

	if (r < 0 && roots->rootless)
		return userns_call(remove_tree, &tree, err);
	return r < 0 ? error_set(err, r, "%s", why.message) : 0;
}

int instance_discard_tree(
	const struct instance_roots *roots, int dir_fd, const char *id, struct error *err)
{
	static const char *const files[] = { INSTANCE_CONFIG_FILE, INSTANCE_SPEC_FILE,
		INSTANCE_STATE_FILE, "hostname", "hosts" };
	static const char *const dirs[] = { "work/work", "work", "upper" };
	char path[PATH_MAX];

	if (instance_path(roots, path, sizeof(path), INSTANCE_GONE_PREFIX, id, NULL) < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	/* What every instance has, and most have nothing else: no walk is needed for it. */
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(dir_fd, files[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		unlinkat(dir_fd, dirs[i], AT_REMOVEDIR);
	return delete_tree(roots, path, err);
}

int instance_discard(struct instance *instance, struct error *err)
{
	char path[PATH_MAX], gone[PATH_MAX];
	int r;

	r = instance_path(&instance->roots, path, sizeof(path), "", instance->id, NULL);
	if (r == 0)
		r = instance_path(&instance->roots, gone, sizeof(gone), INSTANCE_GONE_PREFIX,
			instance->id, NULL);
	if (r < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	if (rename(path, gone) < 0)
		return error_errno(
			err, errno, "cannot remove instance %s", instance_label(instance));
	instance_name_drop(&instance->roots, instance->spec.name, instance->id);
	return 0;
}

void instance_remove_volumes(const struct instance *instance)
{
	strv_for_each (name, instance->spec.anonymous_volumes) {
		struct error why = { 0 };
		int r = volume_remove(instance->roots.root, *name, &why);

		if (r < 0 && r != -ENOENT)
			log_warning("%s", why.message);
	}
}

/* Remove what the host holds for an instance that is dead: its cgroup and its socket. */
static int release_host(struct instance *instance, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	struct container_config minimal = { 0 };
	char path[PATH_MAX];
	int r;

	if (!ops)
		return -err->code;
	instance_networks_leave(instance, NULL);
	if (snprintf(path, sizeof(path), "%s/%s.sock", instance->roots.run_root, instance->id) <
		(int)sizeof(path))
		unlink(path);
	if (!ops->cleanup)
		return 0;
	/* The path of the cgroup is all it takes, so a damaged config.json is no obstacle. */
	r = instance_get_cgroup(instance, &minimal.cgroup_path, err);
	if (r < 0)
		return r;
	r = ops->cleanup(&minimal, err);
	free(minimal.cgroup_path);
	return r;
}

/* Its remover was killed half way, or its monitor before it could say so: it may have left a cgroup
 * too. */
static void release_gone(const struct instance_roots *roots, const char *id, int dir_fd)
{
	struct instance gone = { .roots = *roots, .dir_fd = dir_fd };
	struct error why = { 0 };
	char isolation[] = "container";

	if (snprintf(gone.id, sizeof(gone.id), "%s", id) != INSTANCE_ID_LEN)
		return;
	gone.spec.isolation = isolation;
	instance_state_load(dir_fd, &gone.state, NULL);
	if (release_host(&gone, &why) < 0)
		log_warning("%s", why.message);
	instance_state_free(&gone.state);
}

static bool was_filled(int dir_fd)
{
	return faccessat(dir_fd, INSTANCE_SPEC_FILE, F_OK, 0) == 0 ||
		faccessat(dir_fd, INSTANCE_STATE_FILE, F_OK, 0) == 0;
}

/* One attempt for each; what cannot be deleted now is tried again by the next listing. */
bool instance_sweep(const struct instance_roots *roots, const char *entry)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct error why = { 0 };
	const char *id = entry;

	if (instance_path(roots, path, sizeof(path), "", entry, NULL) < 0)
		return false;
	fd = io_open_dir(AT_FDCWD, path);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (instance_id_is_valid(entry) && was_filled(fd))
		return false;
	log_debug("sweeping %s", path);
	if (instance_id_is_valid(entry) || (id = str_after_prefix(entry, INSTANCE_GONE_PREFIX)))
		release_gone(roots, id, fd);
	if (delete_tree(roots, path, &why) < 0)
		log_warning("%s", why.message);
	return true;
}

static int finish_removal(struct instance *instance, bool volumes, struct error *err)
{
	int r;

	r = release_host(instance, err);
	if (r == 0)
		r = instance_discard(instance, err);
	if (r < 0)
		return r;
	instance_event(instance, "destroy", NULL);
	if (volumes)
		instance_remove_volumes(instance);
	return instance_discard_tree(&instance->roots, instance->dir_fd, instance->id, err);
}

int instance_settle(struct instance *instance, struct error *err)
{
	int r = instance_lock(instance, 0, err);

	if (r < 0)
		return r;
	/* Under the lock, since another process may have settled or started it meanwhile. */
	r = instance_refresh(instance, err);
	if (r == 0 && instance->state.status == INSTANCE_EXITED) {
		if (instance->spec.auto_remove)
			return finish_removal(instance, true, err) < 0 ? -err->code : 1;
		r = release_host(instance, err);
		if (r == 0)
			r = instance_state_save(instance->dir_fd, &instance->state, true, err);
	}
	instance_unlock(instance);
	return r;
}

/* Has it been removed while we waited for its lock (a --rm that was stopped)? */
static bool is_gone(const struct instance *instance)
{
	char path[PATH_MAX];

	return instance_path(&instance->roots, path, sizeof(path), "", instance->id, NULL) == 0 &&
		access(path, F_OK) < 0 && errno == ENOENT;
}

int instance_remove(struct instance *instance, bool force, bool volumes, struct error *err)
{
	int r;

	r = instance_refresh(instance, err);
	if (r < 0 && !force)
		return r;
	if (instance_is_live(instance)) {
		if (!force)
			return error_set(err, EBUSY,
				"instance %s is %s: stop it first, or remove it with --force",
				instance_label(instance),
				instance_status_name(instance->state.status));
		r = instance_stop(instance, SIGKILL, 0, err);
		if (r < 0 && !is_gone(instance))
			return r;
	}
	error_clear(err);
	r = instance_lock(instance, INSTANCE_LOCK_TIMEOUT_NS, err);
	if (r < 0)
		return r;
	if (is_gone(instance))
		return 0;
	return finish_removal(instance, volumes, err);
}

int instance_remove_broken(const struct instance_roots *roots, const char *id, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .roots = *roots, .dir_fd = -1 };
	char path[PATH_MAX], names[PATH_MAX], holder[INSTANCE_ID_LEN + 1];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r;

	if (!instance_id_is_valid(id))
		return error_set(err, EINVAL, "\"%s\" is not the whole ID of an instance", id);
	memcpy(instance.id, id, sizeof(instance.id));
	r = instance_path(roots, path, sizeof(path), "", id, NULL);
	if (r == 0)
		r = instance.dir_fd = io_open_dir(AT_FDCWD, path);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "no such instance: %s", id);
	if (r < 0)
		return error_errno(err, r, "cannot open %s", path);
	/* Its monitor, if it has one, ends when the cgroup is emptied under it. */
	instance.spec.isolation = strdup("container");
	r = release_host(&instance, err);
	if (r == 0)
		r = instance_lock(&instance, INSTANCE_LOCK_TIMEOUT_NS, err);
	if (r == 0 && !is_gone(&instance))
		r = instance_discard(&instance, err);
	if (r < 0)
		return r;
	snprintf(names, sizeof(names), "%s/names", roots->root);
	dir = opendir(names);
	while (dir && (entry = readdir(dir)))
		if (instance_name_resolve(roots, entry->d_name, holder) == 0 && streq(holder, id))
			unlinkat(dirfd(dir), entry->d_name, 0);
	return instance_discard_tree(roots, instance.dir_fd, id, err);
}
