/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - from a bundle to a process that waits for its command.
 *
 * Whenever we are killed, `delete --force` must find everything:
 *   1. the record's directory, locked by us
 *   2. state.json names the cgroup
 *   3. the process; it ends by itself when we do
 *   4. state.json names the process
 *   5. container_detach(): from now on it lives without us
 */
#include "front/runtime/launch.h"

#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "front/cli/cli.h"
#include "front/runtime/bundle.h"

#define PRESERVE_FDS_MAX 4096

/* One descriptor with `name` as the packet's text: what runc's callers expect on their sockets. */
static int send_descriptor(const char *path, const char *name, int fd, struct error *err)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)name, strlen(name) };
	struct msghdr packet = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes) };
	_cleanup_close_ int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "the socket's path %s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	if (socket_fd < 0 ||
		connect(socket_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		sendmsg(socket_fd, &packet, MSG_NOSIGNAL) < 0)
		return error_errno(err, errno, "cannot send to the socket %s", path);
	return 0;
}

static int send_terminal(const char *path, int master, struct error *err)
{
	char name[32];
	int number;

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return error_errno(err, errno, "cannot name the terminal");
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	return send_descriptor(path, name, master, err);
}

/* Numbers that are free would be taken by descriptors of ours. */
static int check_preserved(int64_t count, struct error *err)
{
	if (count < 0 || count > PRESERVE_FDS_MAX)
		return error_set(
			err, EINVAL, "--preserve-fds must be between 0 and %d", PRESERVE_FDS_MAX);
	for (int fd = 3; fd < 3 + count; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return error_set(
				err, EBADF, "--preserve-fds: descriptor %d is not open", fd);
	return 0;
}

static int open_bundle(const char *option, char ret_path[PATH_MAX], struct error *err)
{
	const char *path = option ? option : ".";
	int fd;

	if (!realpath(path, ret_path))
		return error_errno(err, errno, "cannot find the bundle %s", path);
	fd = io_open_dir(AT_FDCWD, ret_path);
	return fd < 0 ? error_errno(err, fd, "cannot open the bundle %s", path) : fd;
}

static int check_terminal(const struct container_config *config,
	const struct launch_options *options, bool detached, struct error *err)
{
	if (config->process.terminal && detached && !options->console_socket)
		return error_set(err, EINVAL,
			"process.terminal is set: a detached container needs --console-socket");
	if (!config->process.terminal && options->console_socket)
		return error_set(
			err, EINVAL, "--console-socket is given, but process.terminal is not set");
	return 0;
}

/* The record as it is known before there is a process. */
static int fill_record(struct record *record, const struct container_config *config,
	const char *bundle, struct error *err)
{
	const struct container_namespace_config *pids = &config->namespaces[CONTAINER_NS_PID];

	record->bundle = strdup(bundle);
	record->rootfs = strdup(config->rootfs.path ? config->rootfs.path : "");
	record->cgroup = config->cgroup_path ? strdup(config->cgroup_path) : NULL;
	record->annotations = strv_copy(config->annotations);
	if (!record->bundle || !record->rootfs || (config->cgroup_path && !record->cgroup) ||
		(config->annotations && !record->annotations))
		return error_oom(err);
	record->shares_pids = !pids->wanted || pids->path;
	record->created_ns = clock_realtime_ns();
	process_boot_id(record->boot_id);
	return 0;
}

static int write_config(const struct record *record, const char *text, struct error *err)
{
	_cleanup_close_ int fd = openat(
		record->dir_fd, RECORD_CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	return r < 0 ? error_errno(err, r, "cannot write " RECORD_CONFIG) : 0;
}

/* The process is there: make it known. */
static int announce(struct record *record, const struct launch_options *options,
	const struct container_handle *handle, struct error *err)
{
	char text[16];
	int r;

	record->pid = handle->pid;
	r = process_start_time(handle->pid, &record->start_ticks);
	if (r < 0)
		return error_errno(err, r, "the container's first process is gone");
	r = record_save(record, err);
	if (r == 0 && options->console_socket)
		r = send_terminal(options->console_socket, handle->terminal_fd, err);
	if (r == 0 && options->pidfd_socket)
		r = send_descriptor(options->pidfd_socket, "pidfd", handle->pidfd, err);
	if (r < 0 || !options->pid_file)
		return r;
	snprintf(text, sizeof(text), "%d", (int)handle->pid);
	return io_replace_file(
		AT_FDCWD, options->pid_file, 0644, text, strlen(text), IO_VOLATILE, err);
}

static int start_process(const struct container_config *config,
	const struct launch_options *options, bool detached, struct record *record,
	struct container_handle *handle, struct error *err)
{
	struct container_spawn_options spawn = {
		.stdio = { 0, 1, 2 },
		.new_session = true,
		.listen_fds = (int)options->preserve_fds,
	};
	_cleanup_close_ int start_fd = -1;
	int r = 0;

	if (detached) {
		r = container_listen(record->dir_fd, RECORD_SOCKET, &start_fd, err);
		spawn.start_fd = start_fd;
	}
	if (r == 0)
		r = container_spawn(config, &spawn, handle, err);
	if (r == 0)
		r = announce(record, options, handle, err);
	if (r == 0 && detached)
		r = container_detach(handle, err);
	return r;
}

void launch_undo(struct runtime *runtime, struct record *record, struct container_handle *handle)
{
	if (handle->pid > 0) {
		kill(handle->pid, SIGKILL);
		while (waitpid(handle->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	container_handle_close(handle);
	if (record->cgroup)
		cgroup_remove(record->cgroup, NULL);
	record_remove(runtime, record, NULL);
}

int launch(struct runtime *runtime, const char *id, const struct launch_options *options,
	bool detached, struct record *ret_record, struct container_config *ret_config,
	struct container_handle *ret_handle, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	_cleanup_close_ int bundle_fd = -1;
	struct container_config config;
	_cleanup_free_ char *text = NULL;
	char bundle[PATH_MAX];
	int r = check_preserved(options->preserve_fds, err);

	if (r == 0)
		r = bundle_fd = open_bundle(options->bundle, bundle, err);
	if (r >= 0)
		r = bundle_load(bundle_fd, bundle, &config, &text, err);
	if (r < 0)
		return r;
	r = check_terminal(&config, options, detached, err);
	if (r == 0)
		r = record_create(runtime, id, &record, err);
	if (r == 0) {
		r = bundle_choose_cgroup(runtime, id, &config, err);
		if (r == 0)
			r = fill_record(&record, &config, bundle, err);
		if (r == 0)
			r = record_save(&record, err);
		if (r == 0)
			r = write_config(&record, text, err);
		if (r == 0)
			r = start_process(&config, options, detached, &record, &handle, err);
		if (r < 0)
			launch_undo(runtime, &record, &handle);
	}
	if (r < 0) {
		container_config_free(&config);
		return r;
	}
	*ret_record = record;
	record = (struct record)RECORD_INIT;
	*ret_config = config;
	*ret_handle = handle;
	return 0;
}
