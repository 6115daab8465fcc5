/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c - fork the monitor, and stay attached to it if asked to.
 *
 * The socket to the monitor is made before the fork, so that a foreground run is connected before
 * the first instruction and needs no name to find it. All signals are blocked across the fork: the
 * monitor keeps them so, we wait for ours in a signalfd.
 */
#include "instance/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "instance/monitor.h"
#include "instance/network.h"

/* The next frame that is no warning; those are passed on. */
static int next_frame(int fd, void *buffer, struct frame *ret)
{
	for (;;) {
		int r = frame_receive(fd, buffer, ret, 0);

		if (r <= 0 || ret->type != FRAME_WARNING)
			return r;
		log_message(ret->stream, "%.*s", (int)ret->len, (const char *)ret->payload);
	}
}

int client_await_start(int fd, int *ret_exit_code, struct error *err)
{
	_cleanup_free_ void *buffer = malloc(FRAME_MAX);
	const struct frame_failed *failed;
	struct frame frame;
	int r;

	*ret_exit_code = INSTANCE_EXIT_STRATA;
	if (!buffer)
		return error_oom(err);
	r = next_frame(fd, buffer, &frame);
	if (r == 0)
		return error_set(err, EPIPE, "the monitor ended before the command ran");
	if (r < 0)
		return error_errno(err, r, "cannot hear from the monitor");
	if (frame.type == FRAME_STARTED) {
		*ret_exit_code = 0;
		return 0;
	}
	if (frame.type != FRAME_FAILED)
		return error_set(err, EPROTO, "the monitor speaks another protocol");
	failed = frame.payload;
	*ret_exit_code = failed->exit_code;
	return error_set(
		err, failed->result.code ? failed->result.code : EIO, "%s", failed->result.message);
}

void client_send_failed(int fd, int exit_code, const struct error *why)
{
	struct frame_failed failed = { .exit_code = exit_code };

	failed.result.code = why->code ? why->code : EIO;
	snprintf(failed.result.message, sizeof(failed.result.message), "%.*s",
		(int)FRAME_MESSAGE_MAX - 1, why->message);
	frame_send(fd, FRAME_FAILED, 0, &failed, sizeof(failed), 0);
}

int instance_lock_idle(struct instance *instance, struct error *err)
{
	int r = instance_lock(instance, 0, err);

	if (r != -EBUSY)
		return r;
	if (instance_refresh(instance, err) == 0 && instance_is_live(instance) &&
		instance_has_monitor(instance))
		return -EALREADY;
	error_clear(err);
	return instance_lock(instance, INSTANCE_LOCK_TIMEOUT_NS, err);
}

int instance_prepare_start(struct instance *instance, struct error *err)
{
	const struct isolation_ops *ops;
	int r;

	r = instance_load_config(instance, err);
	if (r < 0)
		return r;
	/* Just created by us: nobody else knew it. */
	if (instance->state.status == INSTANCE_CREATED && !instance->state.boot_id[0])
		return 0;
	r = instance_refresh(instance, err);
	if (r < 0)
		return r;
	if (instance_is_live(instance))
		return error_set(err, EBUSY,
			"instance %s still runs, but its monitor is gone: stop it first",
			instance_label(instance));
	/* What a crash left on the host would be in the way. */
	instance_networks_leave(instance, NULL);
	ops = instance_isolation(instance, err);
	if (!ops)
		return -err->code;
	return ops->cleanup ? ops->cleanup(&instance->config, err) : 0;
}

/* The lock is the monitor's alone from now on: we look at the directory through a new opening. */
static void leave_lock(struct instance *instance)
{
	int fresh = openat(instance->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(instance->dir_fd);
	instance->dir_fd = fresh;
}

static int fork_monitor(struct instance *instance, const struct instance_attach_options *attach,
	int *ret_fd, struct error *err)
{
	sigset_t all, old;
	int fds[2], r = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, errno, "cannot make a socket to the monitor");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		monitor_run(instance, fds[1], attach);
	if (pid < 0)
		r = error_errno(err, errno, "cannot fork the monitor");
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fds[1]);
	if (r < 0)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return r;
}

/* Already running: as in Docker that is no mistake, and attaching to it is possible. */
static int start_running(struct instance *instance, const struct instance_attach_options *attach,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err)
{
	if (attach)
		return instance_attach(instance, attach, ret_end, ret_exit_code, err);
	*ret_exit_code = 0;
	*ret_end = INSTANCE_ATTACH_DETACHED;
	return 0;
}

int instance_start(struct instance *instance, const struct instance_attach_options *attach,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err)
{
	_cleanup_close_ int fd = -1, signal_fd = -1;
	struct container_process *process = &instance->config.process;
	sigset_t old;
	int r;

	*ret_exit_code = INSTANCE_EXIT_STRATA;
	r = instance_lock_idle(instance, err);
	if (r == -EALREADY)
		return start_running(instance, attach, ret_end, ret_exit_code, err);
	if (r < 0)
		return r;
	r = instance_prepare_start(instance, err);
	if (r < 0) {
		instance_unlock(instance);
		return r;
	}
	if (attach && attach->terminal)
		terminal_size(&process->rows, &process->columns);
	/* Before the fork, so that no signal finds us between the two. */
	if (attach) {
		signal_fd = client_signals(attach, &old);
		if (signal_fd < 0) {
			instance_unlock(instance);
			return error_errno(err, signal_fd, "cannot watch signals");
		}
	}
	r = fork_monitor(instance, attach, &fd, err);
	leave_lock(instance);
	if (instance->image_lock_fd > 0)
		close(instance->image_lock_fd); /* the monitor has it */
	instance->image_lock_fd = 0;
	if (r == 0)
		r = client_await_start(fd, ret_exit_code, err);
	if (r == 0 && attach)
		r = client_run(fd, attach, signal_fd, ret_end, ret_exit_code, err);
	else if (r == 0)
		*ret_end = INSTANCE_ATTACH_DETACHED;
	if (attach)
		sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
