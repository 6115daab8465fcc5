/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - the parent's side of making a container.
 *
 *   parent                                child (child.c)
 *   clone3: mount, pid, uts, ipc, user
 *   make the cgroup, write id maps        join or make the network, mount the root, ...
 *   SYNC_PREPARED  ------------------->   enter the cgroup, the rest, pivot_root
 *   return         <-------------------   SYNC_READY (with the terminal's master)
 *   container_release: SYNC_GO  ------>   drop rights, execve
 *   return         <-------------------   end of file: close-on-exec closed it
 *
 * With options->start_fd the parent says SYNC_DETACH before the child is ready, and SYNC_GO comes
 * from another program, over a connection there.
 *
 * One clone and no intermediate process: the namespaces that take effect for children only (a
 * joined pid namespace, a new time namespace) are set on ourselves for the moment of the clone.
 */
#include "container/intel-rdt.h"
#include "container/rootfs.h"
#include "container/spawn.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"

/* --- children in other namespaces than ours ----------------------------------------------- */

/* Ourselves, put back by restore_namespaces(). */
struct saved_namespaces {
	int pid_fd, time_fd;
};

static int restore_namespaces(struct saved_namespaces *saved)
{
	int r = 0;

	if (saved->pid_fd >= 0 && setns(saved->pid_fd, CLONE_NEWPID) < 0)
		r = -errno;
	if (saved->time_fd >= 0 && setns(saved->time_fd, CLONE_NEWTIME) < 0)
		r = -errno;
	cleanup_close(&saved->pid_fd);
	cleanup_close(&saved->time_fd);
	return r;
}

static int save_namespace(const char *path, int *ret_fd, struct error *err)
{
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? error_errno(err, errno, "cannot open %s", path) : 0;
}

/* What clone(2) gives the next child beside its flags. */
static int set_namespaces_for_child(const struct container_config *config,
	const int fds[CONTAINER_NS_COUNT], struct saved_namespaces *saved, struct error *err)
{
	bool new_time = namespaces_new(config) & CLONE_NEWTIME;
	int r = 0;

	*saved = (struct saved_namespaces){ -1, -1 };
	if (fds[CONTAINER_NS_PID] >= 0) {
		r = save_namespace("/proc/self/ns/pid", &saved->pid_fd, err);
		if (r == 0 && setns(fds[CONTAINER_NS_PID], CLONE_NEWPID) < 0)
			r = error_errno(err, errno, "cannot join the namespace %s",
				config->namespaces[CONTAINER_NS_PID].path);
	}
	if (r == 0 && (new_time || fds[CONTAINER_NS_TIME] >= 0)) {
		r = save_namespace("/proc/self/ns/time", &saved->time_fd, err);
		if (r == 0 && new_time && unshare(CLONE_NEWTIME) < 0)
			r = error_errno(err, errno, "cannot make a time namespace");
		if (r == 0 && new_time)
			r = namespaces_write_time_offsets(config, err);
		if (r == 0 && !new_time && setns(fds[CONTAINER_NS_TIME], CLONE_NEWTIME) < 0)
			r = error_errno(err, errno, "cannot join the namespace %s",
				config->namespaces[CONTAINER_NS_TIME].path);
	}
	if (r < 0)
		restore_namespaces(saved);
	return r;
}

/* Is there no way back for us from the namespaces that the child joins? Our own pid namespace is of
 * the machine's root, and root of a user namespace may not enter it again. */
static bool needs_helper(const struct child *child)
{
	return child->namespace_fds[CONTAINER_NS_USER] >= 0 ||
		(child->namespace_fds[CONTAINER_NS_PID] >= 0 && !cgroup_is_real_root()) ||
		(child->in_userns && namespaces_joins_any(child));
}

/* In the helper. What belongs to our own user namespace can be joined only before we leave that,
 * and what belongs to the container's only after: namespaces_join() finds what is left. */
static int enter_namespaces(struct child *child, int unused)
{
	const int *fds = child->namespace_fds;
	struct saved_namespaces saved;
	struct error error = { 0 };
	int r;

	namespaces_join_ours(child);
	if (fds[CONTAINER_NS_USER] >= 0 && setns(fds[CONTAINER_NS_USER], CLONE_NEWUSER) < 0)
		return -errno;
	r = set_namespaces_for_child(child->config, fds, &saved, &error);
	cleanup_close(&saved.pid_fd);
	cleanup_close(&saved.time_fd);
	return r;
}

/* --- the conversation --------------------------------------------------------------------- */

/* "was killed by signal 9" for a child that said nothing. */
static int explain_death(pid_t pid, const char *what, struct error *err)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
		return error_errno(err, errno, "%s is gone", what);
	if (info.si_code == CLD_EXITED)
		return error_set(err, EIO, "%s ended early with status %d", what, info.si_status);
	return error_set(err, EIO, "%s was killed by signal %s%s", what,
		process_signal_name(info.si_status),
		info.si_status == SIGKILL ? " (its memory limit may be too small)" : "");
}

/* The child's next word, warnings passed on: 1 with *ret, 0 when it is gone, negative errno. */
static int next_message(int sync_fd, struct sync_message *ret, int *ret_fd, struct error *err)
{
	for (;;) {
		int r = sync_receive(sync_fd, ret, ret_fd);

		if (r < 0)
			return error_errno(err, r, "cannot hear from the container's process");
		if (r == 0)
			return 0;
		if (ret->type == SYNC_FAILED)
			return error_set(err, ret->error.code, "%s", ret->error.message);
		if (ret->type != SYNC_WARNING)
			return 1;
		log_warning("%s", ret->error.message);
	}
}

/* The child's overlay was refused: `request` holds fuse-overlayfs' options. */
static int answer_fuse(const struct container_handle *handle, struct sync_message *request)
{
	struct sync_message answer = { .type = SYNC_FUSE };
	_cleanup_close_ int tree = -1;

	spawn_mount_fuse(handle->pidfd, request->error.message, &tree, &answer.error);
	return sync_send(handle->sync_fd, &answer, tree);
}

/* The child has its namespaces and its root: what its engine does with them. */
static int answer_hooks(
	const struct child *child, const struct container_handle *handle, struct error *err)
{
	static const enum container_hook_kind kinds[] = { CONTAINER_HOOK_PRESTART,
		CONTAINER_HOOK_CREATE_RUNTIME };
	int r = net_devices_move(child->config, handle->pid, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		r = container_run_hooks(child->config, kinds[i], child->options->identity,
			"created", handle->pid, err);
		if (r < 0)
			return r;
	}
	r = sync_send_type(handle->sync_fd, SYNC_HOOKS, -1);
	return r < 0 ? error_errno(err, r, "cannot talk to the container's process") : 0;
}

int spawn_await_ready(const struct child *child, struct container_handle *handle, struct error *err)
{
	struct sync_message message;
	int fd = -1, r;

	for (;;) {
		r = next_message(handle->sync_fd, &message, &fd, err);
		if (r < 0)
			return r;
		if (r == 0)
			return explain_death(handle->pid, "the container's first process", err);
		if (message.type == SYNC_READY) {
			handle->terminal_fd = fd;
			return 0;
		}
		if (message.type == SYNC_NETWORK) {
			cleanup_close(&handle->network_fd);
			handle->network_fd = fd;
			continue;
		}
		if (message.type == SYNC_HOOKS) {
			r = answer_hooks(child, handle, err);
			if (r < 0)
				return r;
			continue;
		}
		if (message.type != SYNC_FUSE)
			return error_set(err, EPROTO, "the container's process speaks nonsense");
		r = answer_fuse(handle, &message);
		if (r < 0)
			return error_errno(err, r, "cannot talk to the container's process");
	}
}

void spawn_kill(struct container_handle *handle)
{
	if (handle->pid > 0) {
		kill(handle->pid, SIGKILL);
		while (waitpid(handle->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	container_handle_close(handle);
}

/* --- container_spawn ---------------------------------------------------------------------- */

static int find_single_mapping(struct child *child, struct error *err)
{
	struct userns_maps maps = { 0 };
	int r;

	child->single_mapping = child->in_userns && child->config->id_maps.single;
	/* A joined user namespace was made by the same user, with the maps they have. */
	if (!child->rootless || child->config->id_maps.nr_uid)
		return 0;
	r = userns_maps_of_caller(&maps, err);
	child->single_mapping = r == 0 && maps.single;
	userns_maps_free(&maps);
	return r;
}

static bool has_hooks(const struct container_config *config)
{
	for (int kind = 0; kind < CONTAINER_HOOK_COUNT; kind++)
		if (config->hooks[kind].count)
			return true;
	return false;
}

static int check_config(const struct container_config *config,
	const struct container_spawn_options *options, struct error *err)
{
	const struct container_namespace_config *ns = config->namespaces;
	int r = net_devices_check(config, err);

	if (r == 0)
		r = labels_check(&config->process, err);
	if (r == 0)
		r = labels_check_mounts(config, err);
	if (r == 0)
		r = intel_rdt_check(config, err);
	if (r == 0)
		r = sysctl_check(config, err);
	if (r < 0)
		return r;
	if ((has_hooks(config) || config->intel_rdt.wanted) && !options->identity)
		return error_set(
			err, ENOTSUP, "hooks and intelRdt are for containers of an OCI runtime");
	/* runtime-spec config.md: "process" is needed when start is called. */
	if (!options->start_fd && (!config->process.args || !config->process.args[0]))
		return error_set(err, EINVAL, "there is no command to run");
	if (namespaces_share_mounts(config) && ns[CONTAINER_NS_USER].wanted)
		return error_set(err, ENOTSUP,
			"a container with a user namespace needs a mount namespace of its own");
	if (ns[CONTAINER_NS_USER].wanted && !ns[CONTAINER_NS_USER].path && !config->id_maps.nr_uid)
		return error_set(err, EINVAL, "a user namespace needs id maps");
	if (geteuid() != 0 && !ns[CONTAINER_NS_USER].wanted)
		return error_set(err, EPERM, "an ordinary user's container needs a user namespace");
	if (geteuid() != 0 && ns[CONTAINER_NS_TIME].wanted)
		return error_set(err, EPERM, "only root can make a time namespace");
	if (geteuid() != 0 && ns[CONTAINER_NS_PID].path && !ns[CONTAINER_NS_USER].path)
		return error_set(err, EPERM,
			"joining a pid namespace needs the user namespace it belongs to");
	return 0;
}

/* Does every id mean the same inside and outside? */
static bool is_identity(const struct userns_map *maps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (maps[i].inside != maps[i].outside)
			return false;
	return true;
}

/* Root's overlay for a user namespace: inside, trusted.overlay.* could not be read. */
static int open_layers(
	const struct container_config *config, pid_t pid, int *ret_root, struct error *err)
{
	_cleanup_close_ int userns = -1;
	char path[40];

	if (!is_identity(config->id_maps.uid, config->id_maps.nr_uid) ||
		!is_identity(config->id_maps.gid, config->id_maps.nr_gid)) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		userns = open(path, O_RDONLY | O_CLOEXEC);
		if (userns < 0)
			return error_errno(err, errno, "cannot open the new user namespace");
	}
	return rootfs_open_mapped(config, userns, ret_root, NULL, err);
}

static int open_mount_namespace(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A container that sees its cgroup as the root of a tree it may write to divides it further, with
 * the rights of its own root. */
static bool divides_cgroup(const struct container_config *config)
{
	const struct container_namespace_config *cgroup = &config->namespaces[CONTAINER_NS_CGROUP];

	if (geteuid() != 0 || !(namespaces_new(config) & CLONE_NEWUSER) || !cgroup->wanted ||
		cgroup->path)
		return false;
	for (size_t i = 0; i < config->nr_mounts; i++)
		if (streq_ptr(config->mounts[i].type, "cgroup") &&
			!strv_contains(config->mounts[i].options, "ro"))
			return true;
	return false;
}

/* Whom its root is outside; ours where it has none. */
static uid_t outer_root(const struct container_config *config)
{
	for (size_t i = 0; i < config->id_maps.nr_uid; i++)
		if (config->id_maps.uid[i].inside == 0)
			return config->id_maps.uid[i].outside;
	return 0;
}

/* The parent's part while the child works: cgroup, id maps, the root of a root's user namespace. */
static int prepare_for_child(const struct container_config *config,
	const struct container_spawn_options *options, struct container_handle *handle,
	bool *ret_cgroup_made, struct error *err)
{
	const struct cgroup_creation how = {
		.existing = options->adopt_cgroup ? CGROUP_ADOPT : CGROUP_REPLACE,
		.unit = &config->cgroup_unit,
		.pid = handle->pid,
		.delegate = divides_cgroup(config),
		.owner = outer_root(config),
	};
	bool in_userns = namespaces_new(config) & CLONE_NEWUSER;
	_cleanup_close_ int root = -1;
	int r;

	if (config->cgroup_path) {
		r = cgroup_create(config->cgroup_path, &config->limits, &how, err);
		if (r < 0)
			return r;
		*ret_cgroup_made = true;
	}
	if (in_userns) {
		r = userns_write_maps(handle->pid, &config->id_maps, err);
		if (r < 0)
			return r;
	}
	if (in_userns && geteuid() == 0 && config->rootfs.layers) {
		r = open_layers(config, handle->pid, &root, err);
		if (r < 0)
			return r;
	}
	handle->mount_ns_fd = open_mount_namespace(handle->pid);
	r = sync_send_type(handle->sync_fd, SYNC_PREPARED, root);
	/* A child that is gone has left the reason: spawn_await_ready() reads it. */
	return r == -EPIPE ? 0 : r;
}

static pid_t clone_directly(const struct child *child, int flags, int *ret_pidfd, struct error *err)
{
	struct saved_namespaces saved;
	pid_t pid;
	int r;

	r = set_namespaces_for_child(child->config, child->namespace_fds, &saved, err);
	if (r < 0)
		return r;
	pid = spawn_clone((uint64_t)flags, ret_pidfd);
	if (pid == 0)
		return 0;
	if (pid < 0)
		pid = error_errno(err, errno, "cannot make the container's namespaces");
	if (restore_namespaces(&saved) < 0 && pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = error_set(err, EIO, "cannot return to our own namespaces");
	}
	return pid;
}

static int start_child(struct child *child, struct container_handle *handle, struct error *err)
{
	/* Network and cgroup namespaces are the child's own business (namespaces.c). */
	int flags = namespaces_new(child->config) &
		~(CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME);
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	handle->sync_fd = pair[0];
	child->sync_fd = pair[1];
	if (needs_helper(child))
		handle->pid = spawn_clone_by_helper(
			enter_namespaces, child, -1, (uint64_t)flags, &handle->pidfd, err);
	else {
		cpus_stay(&child->cpus);
		handle->pid = clone_directly(child, flags, &handle->pidfd, err);
	}
	if (handle->pid == 0) {
		close(pair[0]);
		child_spawn_main(child);
	}
	cpus_make_room(&child->cpus);
	close(pair[1]);
	r = handle->pid;
	return r < 0 ? r : 0;
}

/* A child that is gone has left the reason on the channel. */
static int tell_child(struct container_handle *handle, enum sync_type type, struct error *err)
{
	int r = sync_send_type(handle->sync_fd, type, -1);

	return r < 0 && r != -EPIPE ? error_errno(err, r, "cannot talk to the container's process")
				    : 0;
}

static int send_go(struct container_handle *handle, struct error *err)
{
	handle->released = true;
	return tell_child(handle, SYNC_GO, err);
}

int container_spawn(const struct container_config *config,
	const struct container_spawn_options *options, struct container_handle *ret,
	struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct child child = SPAWN_CHILD_INIT;
	bool cgroup_made = false, class_entered = false;
	int r;

	r = check_config(config, options, err);
	if (r < 0)
		return r;
	child.config = config;
	child.shares_mounts = namespaces_share_mounts(config);
	child.process = &config->process;
	child.options = options;
	child.is_first = true;
	child.rootless = geteuid() != 0;
	child.in_userns = config->namespaces[CONTAINER_NS_USER].wanted;
	/* Whoever chose the path has found out that we may. */
	child.has_cgroup = config->cgroup_path != NULL;
	r = find_single_mapping(&child, err);
	if (r < 0)
		return r;
	r = translation_prepare(&child, err);
	if (r < 0)
		return r;
	r = namespaces_open_paths(config, child.namespace_fds, err);
	if (r == 0)
		r = mounts_map_ids(&child, err);
	if (r == 0)
		r = devices_make_outside(&child, err);
	if (r == 0)
		r = start_child(&child, &handle, err);
	mounts_close_sources(&child);
	cleanup_close(&child.nodes_fd);
	namespaces_close(child.namespace_fds);
	translation_close(&child);
	if (r == 0)
		r = prepare_for_child(config, options, &handle, &cgroup_made, err);
	if (r == 0 && config->intel_rdt.wanted) {
		r = intel_rdt_enter(
			INTEL_RDT_ROOT, &config->intel_rdt, options->identity->id, handle.pid, err);
		class_entered = r == 0;
	}
	if (r == 0 && options->meanwhile)
		r = options->meanwhile(options->meanwhile_context, handle.pid, err);
	if (r == 0 && options->start_fd)
		r = tell_child(&handle, SYNC_DETACH, err);
	if (r == 0 && options->release_at_once)
		r = send_go(&handle, err);
	if (r == 0)
		r = spawn_await_ready(&child, &handle, err);
	cpus_roam(&child.cpus);
	if (r < 0) {
		spawn_kill(&handle);
		if (cgroup_made) {
			cgroup_remove(config->cgroup_path, NULL);
			cgroup_unit_stop(&config->cgroup_unit, NULL);
		}
		if (class_entered)
			container_leave_class(config, options->identity->id);
		return r;
	}
	*ret = handle;
	return 0;
}

int container_release(struct container_handle *handle, struct error *err)
{
	struct sync_message message = { 0 };
	int r;

	r = handle->released ? 0 : send_go(handle, err);
	if (r < 0)
		return r;
	r = next_message(handle->sync_fd, &message, NULL, err);
	if (r < 0)
		handle->command_failed = message.type == SYNC_FAILED && message.command_failed;
	close(steal_fd(&handle->sync_fd));
	return r > 0 ? error_set(err, EPROTO, "the container's process speaks nonsense") : r;
}

void container_handle_close(struct container_handle *handle)
{
	cleanup_close(&handle->pidfd);
	cleanup_close(&handle->terminal_fd);
	cleanup_close(&handle->mount_ns_fd);
	cleanup_close(&handle->sync_fd);
	cleanup_close(&handle->network_fd);
	handle->pidfd = handle->terminal_fd = handle->mount_ns_fd = handle->sync_fd = -1;
	handle->network_fd = -1;
}

int container_cleanup(const char *cgroup_path, struct error *err)
{
	return cgroup_path ? cgroup_remove(cgroup_path, err) : 0;
}
