/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - an isolation that isolates nothing: the first process is forked and executes its
 * arguments. With it everything of instance/ is tested without root and without a container.
 *
 * A test program includes it once and links instance, container and base, but not isolation.
 * Commands see FAKE_FAIL_CREATE etc. only through the config they were created with: hostname
 * "fail-create" fails in create().
 */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/process.h"
#include "instance/internal.h"

static void fake_child(const struct container_process *process,
	const struct container_spawn_options *options, int go_fd, int result_fd)
{
	sigset_t none;
	char c;
	int code;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	for (int i = 0; i < 3; i++) {
		int fd = options->stdio[i] >= 0 ? options->stdio[i]
						: open("/dev/null", O_RDWR | O_CLOEXEC);

		/* The monitor's ends are all above 2. */
		dup2(fd, i);
	}
	if (read(go_fd, &c, 1) != 1)
		_exit(125);
	execvp(process->args[0], process->args);
	code = errno;
	if (write(result_fd, &code, sizeof(code)) != sizeof(code))
		_exit(126);
	_exit(127);
}

static int fake_spawn(const struct container_process *process,
	const struct container_spawn_options *options, struct isolation_process *ret,
	struct error *err)
{
	int sync[2], result[2];
	pid_t pid;

	if (pipe2(sync, O_CLOEXEC) < 0 || pipe2(result, O_CLOEXEC) < 0)
		return error_errno(err, errno, "fake: pipe");
	pid = fork();
	if (pid == 0) {
		close(sync[1]);
		fake_child(process, options, sync[0], result[1]);
	}
	close(sync[0]);
	close(result[1]);
	*ret = (struct isolation_process){ 0 };
	ret->handle.pid = pid;
	ret->handle.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ret->handle.sync_fd = sync[1];
	/* The pty's place holds the channel that tells how execve went. */
	ret->handle.terminal_fd = result[0];
	ret->handle.mount_ns_fd = -1;
	return 0;
}

static int fake_create(const struct container_config *config,
	const struct container_spawn_options *options, struct isolation_process *ret,
	struct error *err)
{
	int r;

	if (config->hostname && streq(config->hostname, "fail-create"))
		return error_set(err, ENOSPC, "no room for this one");
	r = fake_spawn(&config->process, options, ret, err);

	/* Sometimes the moment is there, sometimes not: the monitor must not need it. */
	if (r == 0 && options->meanwhile && ret->handle.pid % 2)
		r = options->meanwhile(options->meanwhile_context, ret->handle.pid, err);
	return r;
}

static int fake_start(struct isolation_process *process, struct error *err)
{
	struct container_handle *handle = &process->handle;
	int code = 0;
	ssize_t n;

	if (write(handle->sync_fd, "x", 1) != 1)
		return error_errno(err, errno, "fake: release");
	n = read(handle->terminal_fd, &code, sizeof(code));
	close(steal_fd(&handle->terminal_fd));
	if (n == 0)
		return 0;
	handle->command_failed = true;
	return error_errno(err, code, "cannot execute the command");
}

static int fake_exec(const struct container_config *config, pid_t init_pid,
	const struct container_process *what, const struct container_spawn_options *options,
	struct isolation_process *ret, struct error *err)
{
	return fake_spawn(what, options, ret, err);
}

static int fake_signal(pid_t pid, uint64_t start_ticks, int signo, struct error *err)
{
	int fd = process_open(pid, start_ticks), r = 0;

	if (fd < 0)
		return error_errno(err, fd, "fake: no such process");
	if (syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) < 0)
		r = error_errno(err, errno, "fake: signal");
	close(fd);
	return r;
}

static int fake_pause(const struct container_config *config, bool paused, struct error *err)
{
	return 0;
}

static int fake_cleanup(const struct container_config *config, struct error *err)
{
	return 0;
}

static const struct isolation_ops fake_ops = {
	.name = "fake",
	.create = fake_create,
	.start = fake_start,
	.exec = fake_exec,
	.signal = fake_signal,
	.pause = fake_pause,
	.cleanup = fake_cleanup,
};

const struct isolation_ops *isolation_find(const char *name, struct error *err)
{
	if (streq(name, fake_ops.name))
		return &fake_ops;
	error_set(err, EINVAL, "there is no isolation \"%s\"", name);
	return NULL;
}

void container_handle_close(struct container_handle *handle)
{
	cleanup_close(&handle->pidfd);
	cleanup_close(&handle->sync_fd);
	cleanup_close(&handle->terminal_fd);
	handle->pidfd = handle->sync_fd = handle->terminal_fd = -1;
}

/* --- a state root of its own --------------------------------------------------------------- */

struct fake_roots {
	struct instance_roots roots;
	char root[64], run_root[80];
};

static inline int fake_setup(void **state)
{
	struct fake_roots *fake = calloc(1, sizeof(*fake));

	snprintf(fake->root, sizeof(fake->root), "/tmp/strata-unit-XXXXXX");
	if (!mkdtemp(fake->root))
		return -1;
	snprintf(fake->run_root, sizeof(fake->run_root), "%s/run", fake->root);
	fake->roots = (struct instance_roots){ fake->root, fake->run_root, false };
	*state = fake;
	return 0;
}

static inline int fake_teardown(void **state)
{
	struct fake_roots *fake = *state;
	struct instance *list = NULL;
	size_t count = 0;

	/* A failed test leaves nothing running. */
	if (instance_list(&fake->roots, &list, &count, NULL) == 0)
		for (size_t i = 0; i < count; i++)
			instance_remove(&list[i], true, false, NULL);
	instance_list_free(list, count);
	/* The monitor of a --rm may be at the same work. */
	for (int i = 0; i < 100 && io_remove_tree(AT_FDCWD, fake->root, NULL) < 0; i++)
		usleep(10000);
	free(fake);
	return 0;
}

/* A spec and a config that run `sh -c script`. */
static inline void fake_instance(struct instance_spec *spec, struct container_config *config,
	const char *name, const char *script)
{
	*spec = (struct instance_spec){
		.name = name ? strdup(name) : NULL,
		.isolation = strdup("fake"),
		.image_name = strdup("docker.io/library/none:latest"),
		.command_line = strdup(script),
		.log_driver = strdup("json-file"),
		.log_max_files = 1,
		.stop_timeout_s = 10,
	};
	*config = (struct container_config){ 0 };
	cgroup_limits_init(&config->limits);
	config->rootfs.path = strdup("/");
	config->process.umask = -1;
	config->process.cwd = strdup("/");
	strv_push(&config->process.args, "/bin/sh");
	strv_push(&config->process.args, "-c");
	strv_push(&config->process.args, script);
}
