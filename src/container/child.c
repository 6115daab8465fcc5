/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - the life of a container's process from clone(2) to execve(2), stage by stage.
 *
 * The order is the security of the thing; each stage may rely on the ones above it:
 *   - The host's file system is visible until rootfs_enter(). Until then every path below the new
 *     root is resolved with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): the image is
 *     hostile, and a link in it must not lead out.
 *   - PR_SET_DUMPABLE is cleared before a namespace with other processes in it is entered
 *     (process_hide()), see there.
 *   - Rights are dropped only in process_execute(), last of all the seccomp filter and the
 *     capability to install it.
 * An error leaves through the sync socket; there is nothing to clean up, since all of it lives in
 * namespaces that die with us (but for a root in a mount namespace that is not ours).
 */
#include "container/internal.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/io.h"

/* Realtime signals, which nobody ignores for others, begin after it. */
#define LAST_CLASSIC_SIGNAL SIGSYS

struct stage {
	int (*run)(struct child *child, struct error *err);
	const char *doing; /* put in front of an error that would not say it itself */
};

/*
 * CVE-2019-5736: whoever can open /proc/PID/exe of a process of ours holds the strata binary of the
 * host, and may overwrite it once nobody runs it. A process that is not dumpable shows its
 * /proc/PID/exe (and memory, and descriptors) only to those with CAP_SYS_PTRACE over the user
 * namespace the program was started in, which is the host's. Not sooner than here: for an ordinary
 * user's process it also hides uid_map from newuidmap(1) and makes oom_score_adj read-only.
 * The other half is command_find(), which refuses to execute ourselves inside.
 */
static int process_hide(struct child *child, struct error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "cannot make the process undumpable");
	return 0;
}

/* Descriptors we did not mean to pass on must not survive the exec (CVE-2024-21626). */
static int seal_descriptors(struct child *child, struct error *err)
{
	unsigned first = 3 + (unsigned)child->options->listen_fds;

	cpus_roam(&child->cpus);
	if (child->options->lock_fd > 0)
		close(child->options->lock_fd);
	if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot mark descriptors close-on-exec");
	return 0;
}

/* What only the host's file system can give. */
static int look_at_host(struct child *child, struct error *err)
{
	struct stat st;
	int r;

	child->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (child->null_fd < 0)
		return error_errno(err, errno, "cannot open /dev/null");
	if (stat("/proc/self/exe", &st) < 0)
		return error_errno(err, errno, "cannot find our own program");
	child->own_device = st.st_dev;
	child->own_inode = st.st_ino;
	/* Modes below are meant as they stand; process_execute() sets the command's mask. */
	umask(0);
	r = translation_keep(child, err);
	if (r == 0)
		r = labels_open(child, err);
	return r < 0 ? r : seccomp_listener_open(child, err);
}

static const struct stage spawn_stages[] = {
	{ seal_descriptors, NULL },
	/* 1. namespaces: those clone(2) did not make, ids, names */
	{ namespaces_join, NULL },
	{ namespaces_become_root, NULL },
	{ namespaces_set_names, NULL },
	{ sysctl_apply, NULL },
	{ process_set_oom_score, NULL },
	{ process_hide, NULL },
	/* 2. the file system, seen from the host */
	{ look_at_host, NULL },
	{ namespaces_join_mounts, NULL },
	{ mounts_keep_peers, NULL },
	{ rootfs_isolate_mounts, NULL },
	{ translation_open, NULL },
	{ rootfs_mount, NULL },
	{ mounts_make, NULL },
	{ devices_make, NULL },
	{ terminal_open, NULL },
	{ terminal_make_console, NULL },
	{ mounts_seal, NULL },
	{ mounts_hide_paths, NULL },
	{ namespaces_join_network, NULL },
	/* 3. the cgroup, as late as its own mount allows: the parent is still making it */
	{ namespaces_enter_cgroup, NULL },
	{ hooks_create, NULL },
	/* 4. the file system, seen from inside */
	{ rootfs_enter, "cannot change the root" },
	{ process_prepare, NULL },
	{ rootfs_protect, NULL },
};

/* The namespaces are joined already (child_exec_main()). */
static const struct stage exec_stages[] = {
	{ seal_descriptors, NULL },
	{ terminal_open, NULL },
	{ process_prepare, NULL },
};

static void fail(struct child *child, const struct error *error) __attribute__((noreturn));

static void fail(struct child *child, const struct error *error)
{
	const struct sync_message message = {
		.type = SYNC_FAILED,
		.command_failed = child->command_failed,
		.error = *error,
	};

	rootfs_unmount_shared(child);
	sync_send(child->sync_fd, &message, -1);
	_exit(125);
}

static void run_stages(struct child *child, const struct stage *stages, size_t count)
{
	struct error error = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (stages[i].run(child, &error) == 0)
			continue;
		if (stages[i].doing)
			error_prefix(&error, "%s", stages[i].doing);
		fail(child, &error);
	}
}

int child_await_prepared(struct child *child, struct error *err)
{
	struct sync_message message;
	int r;

	if (child->prepared)
		return 0;
	r = sync_receive(child->sync_fd, &message, &child->layer_root_fd);
	if (r <= 0 || message.type != SYNC_PREPARED)
		return error_set(err, EPIPE, "the parent gave up");
	child->prepared = true;
	return 0;
}

/* The command starts with no signal blocked and none ignored, whatever strata was started with: a
 * shell ignores SIGINT and SIGQUIT in what it puts in the background, nohup SIGHUP. (Handlers need
 * no reset, execve(2) does that.) */
static void default_signals(void)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };

	for (int signo = 1; signo <= LAST_CLASSIC_SIGNAL; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			sigaction(signo, &by_default, NULL);
}

/* A program that ended holds no descriptor: neither must we, who outlive it. */
static void keep_only(const int *wanted, size_t count, unsigned first)
{
	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < count; i++)
			if (wanted[i] >= (int)first && (unsigned)wanted[i] < next)
				next = (unsigned)wanted[i];
		if (next > first)
			close_range(first, next - 1, 0);
		if (next == ~0U)
			return;
		first = next + 1;
	}
}

/* The parent may have said how it goes on already, before we were ready for that. */
int child_receive_answer(struct child *child, struct sync_message *ret, int *ret_fd)
{
	for (;;) {
		int r = sync_receive(child->sync_fd, ret, ret_fd);

		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		if (ret->type != SYNC_GO && ret->type != SYNC_DETACH)
			return 0;
		child->released |= ret->type == SYNC_GO;
		child->detached |= ret->type == SYNC_DETACH;
	}
}

/* End of file: the parent is gone or has closed its handle, nobody wants us. 0 or -errno. */
static int await_word(struct child *child)
{
	struct sync_message message;
	int r;

	if (child->released || child->detached)
		return 0;
	r = sync_receive(child->sync_fd, &message, NULL);
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	child->released = message.type == SYNC_GO;
	child->detached = message.type == SYNC_DETACH;
	return child->released || child->detached ? 0 : -EPROTO;
}

/* The program that made us goes; wait for the next. 0 or -errno. */
static int wait_for_another(struct child *child)
{
	/* Everything that process_execute() looks at. */
	const int wanted[] = { child->sync_fd, child->options->start_fd, child->root_fd,
		child->terminal_fd, child->apparmor_fd, child->selinux_fd, child->selinux_key_fd,
		child->agent_fd, child->own_fds_fd, child->translator_fd, child->guest_filter_fd,
		child->translations_fd, child->translations_list_fd };
	int fd;

	keep_only(wanted, ARRAY_SIZE(wanted), 3 + (unsigned)child->options->listen_fds);
	fd = sync_accept(child->options->start_fd, child->sync_fd);
	close(child->options->start_fd);
	cleanup_close(&child->sync_fd);
	child->sync_fd = fd;
	return fd < 0 ? fd : 0;
}

/* Tell the parent that we are ready, wait for its word, execute. */
static void finish(struct child *child) __attribute__((noreturn));

static void finish(struct child *child)
{
	struct error error = { 0 };
	sigset_t none;

	default_signals();
	/* Engines take it from `create` that a command is not there, as runc tells it. */
	if (child->options->start_fd && process_check_command(child, &error) < 0)
		fail(child, &error);
	if (sync_send_type(child->sync_fd, SYNC_READY, child->terminal_master_fd) < 0)
		_exit(125);
	cleanup_close(&child->terminal_master_fd);
	if (await_word(child) < 0)
		_exit(125);
	if (child->detached) {
		child->detached = false;
		if (wait_for_another(child) < 0 || await_word(child) < 0 || !child->released)
			_exit(125);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	process_execute(child, &error);
	fail(child, &error);
}

void child_spawn_main(struct child *child)
{
	run_stages(child, spawn_stages, ARRAY_SIZE(spawn_stages));
	finish(child);
}

static int join_running(struct child *child, int pidfd, int namespaces, struct error *err)
{
	int r;

	r = look_at_host(child, err);
	if (r == 0)
		r = scheduler_set_cpus(child->process->cpus_initial, "initial", err);
	/* Into a user namespace we came by a helper, who was in the cgroup already. */
	if (r == 0 && child->has_cgroup && !child->in_userns)
		r = cgroup_enter(child->config->cgroup_path, err);
	if (r == 0)
		r = process_set_oom_score(child, err);
	if (r == 0)
		r = process_hide(child, err);
	if (r == 0)
		r = translation_join(child, namespaces, err);
	if (r < 0)
		return r;
	if (setns(pidfd, namespaces) < 0)
		return error_errno(err, errno, "cannot join the container's namespaces");
	if (child->in_userns) {
		r = namespaces_become_root(child, err);
		if (r < 0)
			return r;
		r = process_hide(child, err);
		if (r < 0)
			return r;
	}
	r = rootfs_enter_running(child, err);
	if (r < 0 || child->root_fd >= 0)
		return r;
	child->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->root_fd < 0 ? error_errno(err, errno, "cannot open the root") : 0;
}

void child_exec_main(struct child *child, int pidfd, int namespaces)
{
	struct error error = { 0 };

	child->prepared = child->in_cgroup = true;
	if (join_running(child, pidfd, namespaces, &error) < 0)
		fail(child, &error);
	run_stages(child, exec_stages, ARRAY_SIZE(exec_stages));
	finish(child);
}
