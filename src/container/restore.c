/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - a container from files (checkpoint.h).
 *
 *   we                          criu (our child)                    the container
 *   make the cgroup
 *   helper: missing mount points
 *                               own mount namespace, root mounted
 *   request    ------------->
 *              <-- notify ---   setup-namespaces                    namespaces, nothing in them
 *   hooks, loopback
 *              <-- notify ---   orphan-pts-master, with the master
 *              <-- answer ---                                       runs; its parent are we
 *
 * criu asks that the root is a mount point with nothing over its parent. It gets that in a mount
 * namespace of its own, so nothing has to be taken down again, whoever is killed.
 */
#include "container/criu.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "container/criu-mounts.h"
#include "container/internal.h"

#define LOG_FILE	"restore.log"
#define DESCRIPTORS_MAX (64u << 10)

struct restore {
	const struct container_config *config;
	const struct container_restore_options *options;
	int namespace_fds[CONTAINER_NS_COUNT]; /* that criu inherits, in the order of `inherited` */
	size_t nr_inherited;
	int mounts_fd; /* the mount namespace that criu works in */
	int images_fd, work_fd; /* opened there */
	bool made_cgroup;
};

/* --- the root -------------------------------------------------------------------------------- */

/* Our mounts are nobody else's, and the host's still come to us. */
static int leave_host_mounts(struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_errno(err, errno, "cannot make a mount namespace");
	return 0;
}

static int mount_root(const struct restore *restore, struct error *err)
{
	const char *root = restore->config->rootfs.path;

	if (mount(root, restore->options->scratch_dir, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_errno(err, errno, "cannot mount the root %s", root);
	return 0;
}

/* Is a mount point inside a tmpfs? criu brings back what was in that. */
static bool is_on_tmpfs(const struct container_config *config, const char *destination)
{
	for (size_t i = 0; i < config->nr_mounts; i++) {
		const struct container_mount *m = &config->mounts[i];
		const char *rest = str_after_prefix(destination, m->destination);

		if (m->type && streq(m->type, "tmpfs") && rest && *rest == '/')
			return true;
	}
	return false;
}

/* A bind that others stand on must be there when their mount points are made. */
static int make_mount_point(int root_fd, const struct container_mount *m, struct error *err)
{
	bool bind = strv_contains(m->options, "bind") || strv_contains(m->options, "rbind");
	_cleanup_close_ int target = -1;
	char path[40];
	struct stat st = { .st_mode = S_IFDIR };

	if (bind && m->source && stat(m->source, &st) < 0)
		return error_errno(err, errno, "cannot find %s", m->source);
	target = mounts_open_target(root_fd, m->destination, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	if (!bind || !m->source)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	if (mount(m->source, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_errno(err, errno, "cannot bind %s on %s", m->source, m->destination);
	return 0;
}

/* In a helper, whose mounts go with it: what a first start would have made in the root. */
static int make_mount_points(const struct restore *restore, struct error *err)
{
	const struct container_config *config = restore->config;
	_cleanup_close_ int root_fd = -1;
	int r;

	r = leave_host_mounts(err);
	if (r == 0)
		r = mount_root(restore, err);
	if (r < 0)
		return r;
	root_fd = io_open_dir(AT_FDCWD, restore->options->scratch_dir);
	if (root_fd < 0)
		return error_errno(err, root_fd, "cannot open the root");
	for (size_t i = 0; r == 0 && i < config->nr_mounts; i++) {
		const struct container_mount *m = &config->mounts[i];
		bool cgroup = m->type && str_after_prefix(m->type, "cgroup");

		if (!cgroup && !is_on_tmpfs(config, m->destination))
			r = make_mount_point(root_fd, m, err);
	}
	return r;
}

static int run_mount_point_helper(const struct restore *restore, struct error *err)
{
	_cleanup_close_ int read_end = -1, write_end = -1;
	struct error said = { 0 };
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	read_end = pair[0], write_end = pair[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0) {
		if (make_mount_points(restore, &said) < 0)
			io_write_full(write_end, &said, sizeof(said));
		_exit(0);
	}
	close(steal_fd(&write_end));
	if (io_read_full(read_end, &said, sizeof(said)) < 0)
		said.code = 0;
	waitpid(pid, NULL, 0);
	return said.code ? error_set(err, said.code, "%s", said.message) : 0;
}

/* In the process that becomes criu, and with systemd's unit starts in it. */
static int make_cgroup(const struct restore *restore, struct error *err)
{
	const struct container_config *config = restore->config;
	const struct cgroup_creation how = {
		.existing = restore->options->adopt_cgroup ? CGROUP_ADOPT : CGROUP_REPLACE,
		.unit = &config->cgroup_unit,
		.pid = getpid(),
	};
	const char *mode = restore->options->common.cgroups_mode;
	int r;

	/* "strict" is that criu makes it. */
	if (!config->cgroup_path || (mode && streq(mode, "strict")))
		return 0;
	r = cgroup_create(config->cgroup_path, &config->limits, &how, err);
	/* What criu is not to care for is inherited from it. */
	if (r == 0 && mode && streq(mode, "ignore"))
		r = cgroup_enter(config->cgroup_path, err);
	return r;
}

/* Likewise. */
static int prepare_criu(void *context, struct error *err)
{
	const struct restore *restore = context;
	int r;

	r = make_cgroup(restore, err);
	if (r == 0 && setns(restore->mounts_fd, CLONE_NEWNS) < 0)
		r = error_errno(err, errno, "cannot enter the mount namespace made for criu");
	return r;
}

/*
 * Make criu's mount namespace, with the root and with its directories opened in it: criu mounts
 * things in the directory it works in, which the kernel refuses in another namespace than its own.
 * We are in there only meanwhile, since hooks are the host's business.
 */
static int furnish(struct restore *restore, struct error *err)
{
	int r;

	r = leave_host_mounts(err);
	if (r == 0)
		r = mount_root(restore, err);
	if (r == 0)
		r = criu_open_directories(&restore->options->common, false, &restore->images_fd,
			&restore->work_fd, err);
	if (r < 0)
		return r;
	restore->mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return restore->mounts_fd < 0
		? error_errno(err, errno, "cannot open the mount namespace made for criu")
		: 0;
}

static int make_mount_namespace(struct restore *restore, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (own < 0 || cwd < 0)
		return error_errno(err, errno, "cannot remember where we are");
	r = furnish(restore, err);
	if (setns(own, CLONE_NEWNS) < 0 || fchdir(cwd) < 0)
		return error_errno(err, errno, "cannot return to the host's mounts");
	return r;
}

/* --- options --------------------------------------------------------------------------------- */

/* Namespaces of others: two kinds criu inherits as descriptors, the rest it joins. */
static int put_namespaces(struct str *message, struct restore *restore, struct error *err)
{
	for (int i = 0; i < CONTAINER_NS_COUNT; i++) {
		const char *path = restore->config->namespaces[i].path;
		const char *key = i == CONTAINER_NS_NETWORK ? CRIU_NETWORK_KEY
			: i == CONTAINER_NS_PID		    ? CRIU_PID_KEY
							    : NULL;
		int fd;

		if (!path)
			continue;
		if (i == CONTAINER_NS_CGROUP || i == CONTAINER_NS_MOUNT)
			return error_set(err, ENOTSUP,
				"criu cannot restore into a %s namespace of others",
				i == CONTAINER_NS_MOUNT ? "mount" : "cgroup");
		if (!key) {
			criu_put_texts(message, CRIU_JOIN_NAMESPACE,
				i == CONTAINER_NS_IPC		 ? "ipc"
					: i == CONTAINER_NS_UTS	 ? "uts"
					: i == CONTAINER_NS_USER ? "user"
								 : "time",
				path);
			continue;
		}
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_errno(err, errno, "cannot open the namespace %s", path);
		criu_put_numbered(
			message, CRIU_INHERIT_FD, key, CRIU_FIRST_FD + restore->nr_inherited);
		restore->namespace_fds[restore->nr_inherited++] = fd;
	}
	return 0;
}

/* Its standard streams become ours, by what they were called when it was dumped. */
static int put_streams(struct str *message, int images_fd, struct error *err)
{
	static const char *const kinds[] = { "pipe:[", "file[", "tty[" };
	_cleanup_json_ json_t *streams = NULL;
	int r;

	r = json_read_file(images_fd, CRIU_DESCRIPTORS, DESCRIPTORS_MAX, &streams, err);
	if (r < 0)
		return r;
	for (size_t fd = 0; fd < json_array_size(streams) && fd < CRIU_STANDARD_FDS; fd++) {
		const char *name = json_string_value(json_array_get(streams, fd));

		for (size_t k = 0; name && k < ARRAY_SIZE(kinds); k++)
			if (str_after_prefix(name, kinds[k]))
				criu_put_numbered(message, CRIU_INHERIT_FD, name, fd);
	}
	return 0;
}

/* Where its cgroup is now, if it had another one when it was dumped. */
static int put_cgroup(struct str *message, const struct container_config *config, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char *cursor, *line;
	int r;

	if (!config->cgroup_path)
		return 0;
	r = io_read_file(AT_FDCWD, "/proc/self/cgroup", 64u << 10, &text, NULL, err);
	cursor = text;
	/* cgroups(7): "ID:CONTROLLERS:PATH" */
	while (r == 0 && (line = strsep(&cursor, "\n"))) {
		char *controllers;

		strsep(&line, ":");
		controllers = strsep(&line, ":");
		if (!line ||
			(cgroup_host_kind() == CGROUP_V1 &&
				!cgroup_v1_takes_part(&config->limits, controllers)))
			continue;
		/* "cpu,cpuacct" are two for criu; v2 has the empty name. */
		do {
			criu_put_texts(message, CRIU_CGROUP_ROOT, strsep(&controllers, ","),
				config->cgroup_path);
		} while (controllers);
	}
	return r;
}

static int put_mounts(struct str *message, const struct container_config *config, int images_fd,
	struct error *err)
{
	_cleanup_criu_mounts_ struct criu_mounts mounts = { 0 };
	int r;

	r = criu_mounts_plan(config, images_fd, &mounts, err);
	for (size_t i = 0; r == 0 && i < mounts.count; i++)
		criu_put_texts(
			message, CRIU_EXTERNAL_MOUNT, mounts.items[i].name, mounts.items[i].source);
	return r;
}

static int put_restore(struct str *message, struct restore *restore, struct error *err)
{
	const struct container_restore_options *o = restore->options;
	int r;

	r = criu_put_common(message, restore->config, &o->common, restore->images_fd,
		restore->work_fd, LOG_FILE, err);
	criu_put_text(message, CRIU_ROOT, o->scratch_dir);
	criu_put_uint(message, CRIU_RESTORE_SIBLING, true);
	criu_put_uint(message, CRIU_EVASIVE_DEVICES, true);
	criu_put_text(message, CRIU_LSM_PROFILE, o->lsm_profile);
	criu_put_text(message, CRIU_LSM_MOUNT_CONTEXT, o->lsm_mount_context);
	if (r == 0)
		r = put_namespaces(message, restore, err);
	if (r == 0)
		r = put_streams(message, restore->images_fd, err);
	if (r == 0)
		r = put_cgroup(message, restore->config, err);
	if (r == 0)
		r = put_mounts(message, restore->config, restore->images_fd, err);
	return r;
}

/* --- while it comes back --------------------------------------------------------------------- */

/* Its links are nobody's business here but for the loopback, which a first start raises. */
static int raise_loopback(pid_t pid, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), theirs = -1;
	char path[40];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter the restored network namespace");
	r = namespaces_raise_loopback(err);
	if (setns(own, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot return to our network namespace");
	return r;
}

static int on_notify(void *context, const char *script, pid_t pid, int fd, struct error *err)
{
	const struct restore *restore = context;
	const struct container_restore_options *o = restore->options;
	int r = 0;

	if (streq(script, "setup-namespaces")) {
		if (namespaces_new(restore->config) & CLONE_NEWNET)
			r = raise_loopback(pid, err);
		return r == 0 && o->created ? o->created(o->context, pid, err) : r;
	}
	if (!streq(script, "orphan-pts-master"))
		return 0;
	if (fd < 0)
		return error_set(err, EPROTO, "criu sends no terminal");
	return o->terminal
		? o->terminal(o->context, fd, err)
		: error_set(err, EINVAL, "it had a terminal, and nobody is there to take it");
}

/* --- the restore ----------------------------------------------------------------------------- */

static int open_handle(pid_t pid, struct container_handle *ret, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;

	handle.pid = pid;
	handle.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (handle.pidfd < 0)
		return error_errno(err, errno, "the restored process is gone");
	*ret = handle;
	return 0;
}

static int call_criu(struct restore *restore, pid_t *ret_pid, struct error *err)
{
	const struct container_restore_options *o = restore->options;
	_cleanup_str_ struct str message = { 0 };
	struct criu_call call = {
		.type = CRIU_RESTORE,
		.options = &message,
		.log_dir = o->common.work_path ? o->common.work_path : o->common.image_path,
		.log_file = LOG_FILE,
		.stdio = o->stdio,
		.fds = restore->namespace_fds,
		.prepare = prepare_criu,
		.notify = on_notify,
		.context = restore,
		.ret_started = &restore->made_cgroup,
	};
	struct criu_answer answer;
	int r;

	r = put_restore(&message, restore, err);
	call.nr_fds = restore->nr_inherited;
	if (r == 0)
		r = criu_call(&call, &answer, err);
	if (r == 0)
		*ret_pid = answer.pid;
	return r;
}

int container_restore(const struct container_config *config,
	const struct container_restore_options *options, struct container_handle *ret,
	struct error *err)
{
	struct restore restore = { .config = config,
		.options = options,
		.mounts_fd = -1,
		.images_fd = -1,
		.work_fd = -1 };
	pid_t pid = -1;
	int r;

	r = criu_check(err);
	if (r == 0)
		r = run_mount_point_helper(&restore, err);
	if (r == 0)
		r = make_mount_namespace(&restore, err);
	if (r == 0)
		r = call_criu(&restore, &pid, err);
	for (size_t i = 0; i < restore.nr_inherited; i++)
		close(restore.namespace_fds[i]);
	cleanup_close(&restore.mounts_fd);
	cleanup_close(&restore.images_fd);
	cleanup_close(&restore.work_fd);
	if (r == 0)
		r = open_handle(pid, ret, err);
	if (r < 0 && restore.made_cgroup && config->cgroup_path) {
		container_cleanup(config->cgroup_path, NULL);
		cgroup_unit_stop(&config->cgroup_unit, NULL);
	}
	return r;
}
