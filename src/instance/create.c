/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create.c - make an instance: a directory under a private name, filled, and then renamed.
 *
 * This is on the path of every `run`. While the directory is called .new-ID nobody looks into it,
 * so its files are simply written; the name's symbolic link comes before the rename, so that an
 * instance is never visible without its name. A --rm instance that is started at once has its own
 * name from the beginning, and is invisible for want of its documents: the monitor writes them, and
 * takes the name, while the child works (instance_complete()). The lock on the directory is kept in
 * ret->dir_fd: a monitor that is started right away has it without another system call.
 */
#include "instance/internal.h"

#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define RANDOM_NAME_TRIES 8
#define HOSTNAME_LEN	  12

static int make_directory(const struct instance_roots *roots, const char *id, const char *path,
	int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char parent[PATH_MAX];
	int r;

	if (mkdir(path, 0711) < 0) {
		if (errno != ENOENT)
			return error_errno(err, errno, "cannot create %s", path);
		r = instance_path(roots, parent, sizeof(parent), "", "", NULL);
		if (r == 0)
			r = io_make_dirs(AT_FDCWD, parent, 0711, err);
		if (r < 0)
			return r;
		if (mkdir(path, 0711) < 0)
			return error_errno(err, errno, "cannot create %s", path);
	}
	fd = io_open_dir(AT_FDCWD, path);
	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_errno(err, errno, "cannot lock %s", path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* `text` NULL: memory ran out when it was made. */
static int write_document(
	int dir_fd, const char *name, const char *text, bool durable, struct error *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!text)
		return error_oom(err);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot create %s", name);
	r = io_write_full(fd, text, strlen(text));
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot write %s", name) : 0;
}

static int write_documents(const struct instance *instance, struct error *err)
{
	_cleanup_free_ char *config = container_config_write(&instance->config);
	_cleanup_free_ char *spec = instance_spec_write(&instance->spec);
	bool durable = !instance->spec.auto_remove;
	int r;

	r = write_document(instance->dir_fd, INSTANCE_CONFIG_FILE, config, durable, err);
	/* Where the directory has its own name already, this one makes it visible: whole or not. */
	if (r == 0 && spec && instance->documents_due)
		return io_replace_file(instance->dir_fd, INSTANCE_SPEC_FILE, 0600, spec,
			strlen(spec), IO_VOLATILE, err);
	return r == 0 ? write_document(instance->dir_fd, INSTANCE_SPEC_FILE, spec, durable, err)
		      : r;
}

/* The host name is the ID's beginning unless somebody chose one; $HOSTNAME says it, as in Docker.
 */
static int name_host(struct instance *instance, struct error *err)
{
	struct container_config *config = &instance->config;

	if (!config->hostname && config->namespaces[CONTAINER_NS_UTS].wanted) {
		config->hostname = strndup(instance->id, HOSTNAME_LEN);
		if (!config->hostname)
			return error_oom(err);
	}
	if (!config->hostname)
		return 0;
	strv_for_each (pair, config->process.env)
		if (str_after_prefix(*pair, "HOSTNAME="))
			return 0;
	return strv_pushf(&config->process.env, "HOSTNAME=%s", config->hostname) < 0
		? error_oom(err)
		: 0;
}

/* The writable overlay and the documents. `final_path` is where the directory will be. */
static int fill(struct instance *instance, const char *final_path, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	struct container_config *config = &instance->config;
	bool durable = !instance->spec.auto_remove;
	int r;

	if (!ops)
		return -EINVAL;
	/* The overlay's root takes its mode from upper/: whoever calls us must not decide it. */
	if (instance->spec.layers && !ops->has_kernel &&
		(mkdirat(instance->dir_fd, "upper", 0755) < 0 ||
			mkdirat(instance->dir_fd, "work", 0755) < 0))
		return error_errno(
			err, errno, "cannot create the writable layer in %s", final_path);
	r = name_host(instance, err);
	if (r == 0)
		r = instance_derive_config(instance, err);
	if (r == 0 && instance->spec.layers)
		r = instance_etc_create(instance->dir_fd, final_path, &instance->spec, config, err);
	if (r == 0 && !instance->documents_due)
		r = write_documents(instance, err);
	if (r == 0 && durable && fsync(instance->dir_fd) < 0)
		r = error_errno(err, errno, "cannot sync %s", final_path);
	return r;
}

static int take_name(struct instance *instance, struct error *err)
{
	char name[INSTANCE_NAME_MAX];
	int r;

	if (instance->spec.name) {
		if (!instance_name_is_valid(instance->spec.name))
			return error_set(err, EINVAL,
				"\"%s\" is no name for an instance: at least two of [a-zA-Z0-9_.-], the first a letter or digit",
				instance->spec.name);
		return instance_name_take(&instance->roots, instance->spec.name, instance->id, err);
	}
	for (unsigned i = 0;; i++) {
		instance_name_random(name, sizeof(name), i);
		r = instance_name_take(&instance->roots, name, instance->id, err);
		if (r != -EEXIST || i == RANDOM_NAME_TRIES)
			break;
		error_clear(err);
	}
	if (r < 0)
		return r;
	instance->spec.name = strdup(name);
	if (!instance->spec.name) {
		instance_name_drop(&instance->roots, name, instance->id);
		return error_oom(err);
	}
	return 0;
}

static int publish(const struct instance *instance, const char *private_path,
	const char *final_path, struct error *err)
{
	_cleanup_close_ int parent = -1;
	char path[PATH_MAX];

	if (rename(private_path, final_path) < 0)
		return error_errno(err, errno, "cannot rename %s", private_path);
	if (instance->spec.auto_remove)
		return 0;
	instance_path(&instance->roots, path, sizeof(path), "", "", NULL);
	parent = io_open_dir(AT_FDCWD, path);
	if (parent < 0 || fsync(parent) < 0)
		return error_errno(err, errno, "cannot sync %s", path);
	return 0;
}

int instance_complete(struct instance *instance, struct error *err)
{
	int r;

	if (!instance->documents_due)
		return 0;
	r = take_name(instance, err);
	if (r == 0)
		r = write_documents(instance, err);
	if (r < 0)
		return r;
	instance->documents_due = false;
	instance_event(instance, "create", NULL);
	return 0;
}

static int create(struct instance *instance, struct error *err)
{
	char new_path[PATH_MAX], final_path[PATH_MAX];
	const char *path = instance->documents_due ? final_path : new_path;
	bool named = false;
	int r;

	if (instance->spec.id)
		memcpy(instance->id, instance->spec.id, sizeof(instance->id));
	else
		io_random_hex(instance->id, INSTANCE_ID_LEN / 2);
	r = instance_path(&instance->roots, new_path, sizeof(new_path), INSTANCE_NEW_PREFIX,
		instance->id, NULL);
	if (r == 0)
		r = instance_path(
			&instance->roots, final_path, sizeof(final_path), "", instance->id, NULL);
	if (r < 0)
		return error_set(err, ENAMETOOLONG, "the state root's path is too long");
	r = make_directory(&instance->roots, instance->id, path, &instance->dir_fd, err);
	if (r < 0)
		return r;
	if (!instance->documents_due) {
		r = take_name(instance, err);
		named = r == 0;
	}
	if (r == 0)
		r = fill(instance, final_path, err);
	if (r == 0 && !instance->documents_due)
		r = publish(instance, new_path, final_path, err);
	if (r < 0) {
		if (named)
			instance_name_drop(&instance->roots, instance->spec.name, instance->id);
		io_remove_tree(AT_FDCWD, path, NULL);
	}
	return r;
}

int instance_create(const struct instance_roots *roots, struct instance_spec *spec,
	struct container_config *config, struct instance *ret, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .roots = *roots, .dir_fd = -1 };
	mode_t mask;
	int r;

	instance.spec = *spec;
	*spec = (struct instance_spec){ 0 };
	instance.config = *config;
	*config = (struct container_config){ 0 };
	instance.has_config = true;
	instance.documents_due = instance.spec.auto_remove && instance.spec.starts_at_once;
	if (!instance.spec.created_ns)
		instance.spec.created_ns = clock_realtime_ns();
	mask = umask(022);
	r = create(&instance, err);
	umask(mask);
	free(steal_ptr(&instance.spec.hosts));
	free(steal_ptr(&instance.spec.resolv_conf));
	instance.spec.id = NULL;
	if (r < 0)
		return r;
	if (!instance.documents_due)
		instance_event(&instance, "create", NULL);
	*ret = instance;
	instance = (struct instance){ .dir_fd = -1 };
	return 0;
}
