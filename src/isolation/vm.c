/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.c - adapts machines to the isolation contract: an instance with a kernel of its own (vm.h).
 */
#include "isolation/isolation.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/process.h"
#include "isolation/vm.h"

/* --- starting a session
 * --------------------------------------------------------------------------- */

/* A terminal whose master is the caller's, as a container's is. */
static int open_terminal(
	const struct container_process *process, int *ret_master, int *ret_slave, struct error *err)
{
	struct winsize size = { .ws_row = process->rows, .ws_col = process->columns };
	_cleanup_close_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0, slave;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "cannot open a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_errno(err, errno, "cannot open the terminal");
	if (size.ws_row || size.ws_col)
		ioctl(master, TIOCSWINSZ, &size);
	*ret_master = steal_fd(&master);
	*ret_slave = slave;
	return 0;
}

/* The parent's end of the channel is in the handle; the child never returns. */
static int fork_session(
	struct vm_session *session, struct container_handle *handle, struct error *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	pid = fork();
	if (pid == 0) {
		session->sync_fd = pair[1];
		vm_session_run(session);
	}
	close(pair[1]);
	handle->sync_fd = pair[0];
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	handle->pid = pid;
	handle->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return handle->pidfd < 0 ? error_errno(err, errno, "cannot watch the session") : 0;
}

static void kill_session(struct container_handle *handle)
{
	if (handle->pid > 0) {
		kill(handle->pid, SIGKILL);
		while (waitpid(handle->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	container_handle_close(handle);
}

static int start_session(const struct container_config *config,
	const struct container_process *process, const struct kernel *kernel, const int stdio[3],
	struct container_handle *handle, struct error *err)
{
	struct vm_session session = { .config = config,
		.process = process,
		.kernel = kernel,
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.terminal_fd = -1,
		.lock_fd = -1 };
	int r = 0;

	if (process->terminal) {
		for (int i = 0; i < 3; i++)
			session.stdio[i] = -1;
		r = open_terminal(process, &handle->terminal_fd, &session.terminal_fd, err);
	}
	if (r == 0)
		r = fork_session(&session, handle, err);
	cleanup_close(&session.terminal_fd);
	return r;
}

static int vm_create(const struct container_config *config,
	const struct container_spawn_options *options, struct isolation_process *ret,
	struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	int r = vm_check(config, err);

	if (r == 0)
		r = vm_prepare(config, &kernel, err);
	if (r == 0)
		r = start_session(config, &config->process, &kernel, options->stdio, &handle, err);
	if (r == 0 && options->meanwhile)
		r = options->meanwhile(options->meanwhile_context, handle.pid, err);
	if (r < 0) {
		kill_session(&handle);
		return r;
	}
	ret->handle = handle;
	return 0;
}

/* What the session says first: how many bytes, which are none at its end. A failure is one of ours.
 */
static ssize_t hear_session(struct container_handle *handle, struct error *err)
{
	struct vm_failure failure = { 0 };
	ssize_t n;

	do {
		n = recv(handle->sync_fd, &failure, sizeof(failure), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "cannot hear the machine's session");
	if (n != (ssize_t)sizeof(failure))
		return n;
	failure.message[sizeof(failure.message) - 1] = '\0';
	handle->command_failed = failure.command_failed;
	return error_set(err, failure.code ? failure.code : EIO, "%s", failure.message);
}

/* Until the guest runs the command: its kernel boots meanwhile. */
static int vm_start(struct isolation_process *process, struct error *err)
{
	/* Its end: the command runs, or the session was killed, which its exit status will say. */
	ssize_t n = hear_session(&process->handle, err);

	close(steal_fd(&process->handle.sync_fd));
	return n < 0 ? (int)n : 0;
}

static int vm_exec(const struct container_config *config, pid_t init_pid,
	const struct container_process *what, const struct container_spawn_options *options,
	struct isolation_process *ret, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	int r = start_session(config, what, NULL, options->stdio, &handle, err);

	if (r < 0) {
		kill_session(&handle);
		return r;
	}
	ret->handle = handle;
	return 0;
}

/* --- files of one that does not run
 * --------------------------------------------------------------- */

/* Until its agent answers. */
static int await_files(struct container_handle *handle, struct error *err)
{
	ssize_t n = hear_session(handle, err);

	if (n >= 0 && n != 1)
		return error_set(err, EIO, "the machine's session has ended");
	return n < 0 ? (int)n : 0;
}

/* A machine like its own, but that it reaches nobody, and nobody it. */
static int vm_open_files(const struct container_config *config, int lock_fd,
	struct isolation_process *ret, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	struct container_config files = *config;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	struct container_machine machine;
	struct vm_session session = { .config = &files,
		.kernel = &kernel,
		.stdio = { -1, -1, -1 },
		.terminal_fd = -1,
		.lock_fd = lock_fd };
	int r = vm_check(config, err);

	if (r < 0)
		return r;
	machine = *config->machine;
	machine.has_network = false;
	machine.nr_networks = 0;
	machine.ports = NULL;
	files.machine = &machine;
	files.nr_sysctls = 0;
	r = vm_prepare(&files, &kernel, err);
	if (r == 0)
		r = fork_session(&session, &handle, err);
	if (r == 0)
		r = await_files(&handle, err);
	if (r < 0) {
		kill_session(&handle);
		return r;
	}
	ret->handle = handle;
	return 0;
}

static int vm_close_files(struct isolation_process *files, struct error *err)
{
	struct container_handle *handle = &files->handle;
	int status = -1;

	cleanup_close(&handle->sync_fd);
	handle->sync_fd = -1;
	while (waitpid(handle->pid, &status, 0) < 0 && errno == EINTR)
		;
	container_handle_close(handle);
	return process_exit_code(status) == 0
		? 0
		: error_set(err, EIO, "the machine has not written everything to its disk");
}

/* --- what is asked of a machine that runs
 * --------------------------------------------------------- */

static int vm_signal(pid_t pid, uint64_t start_ticks, int signo, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(pid, start_ticks);
	siginfo_t kill_info = { .si_signo = VM_KILL_SIGNAL, .si_code = SI_QUEUE };
	const bool kills = signo == SIGKILL;

	if (pidfd < 0)
		return error_errno(err, pidfd, "cannot find the machine's session");
	if (signo == SIGSTOP || signo == SIGCONT)
		return error_set(err, ENOTSUP,
			"isolation vm cannot send SIG%s: use pause and unpause",
			process_signal_name(signo));
	kill_info.si_value.sival_int = VM_KILL_VALUE;
	if (syscall(SYS_pidfd_send_signal, pidfd, kills ? VM_KILL_SIGNAL : signo,
		    kills ? &kill_info : NULL, 0) < 0)
		return error_errno(err, errno, "cannot send signal %s", process_signal_name(signo));
	return 0;
}

static int vm_pause(const struct container_config *config, bool paused, struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	const uint8_t wanted = paused;
	int r = vm_link_connect(config->machine, &link, err);

	return r < 0 ? r : vm_link_request(&link, AGENT_FREEZE, &wanted, sizeof(wanted), err);
}

/* What the guest is to give up, so that it has limits->memory_bytes left. */
static int plan_balloon(
	int machine_fd, const struct cgroup_limits *limits, uint64_t *ret_bytes, struct error *err)
{
	uint64_t has, wanted;
	int r = vm_check_memory(limits, err);

	if (r == 0)
		r = vm_monitor_memory(machine_fd, &has, err);
	if (r < 0)
		return r;
	wanted = limits->memory_bytes > 0 ? (uint64_t)limits->memory_bytes : has;
	if (wanted > has)
		return error_set(err, EINVAL,
			"--memory: the machine was started with %llu bytes, and has no more until it is started again",
			(unsigned long long)has);
	*ret_bytes = has - wanted;
	return 0;
}

/* The kernel in there holds the instance to less at once; what that frees, and what is free, the
 * host has back by the balloon. */
static int vm_update(const struct container_config *config, const struct cgroup_limits *limits,
	struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	_cleanup_close_ int machine_fd = io_open_dir(AT_FDCWD, config->machine->folder);
	const bool has_memory = limits->memory_bytes != CGROUP_UNSET;
	uint64_t balloon_bytes = 0;
	int r = 0;

	if (machine_fd < 0)
		return error_errno(err, machine_fd, "cannot open %s", config->machine->folder);
	if (has_memory)
		r = plan_balloon(machine_fd, limits, &balloon_bytes, err);
	if (r == 0)
		r = vm_link_connect(config->machine, &link, err);
	if (r == 0)
		r = vm_set_limits(&link, limits,
			has_memory && !balloon_bytes ? UINT64_MAX : balloon_bytes, err);
	if (r == 0 && has_memory)
		r = vm_monitor_balloon(machine_fd, balloon_bytes, err);
	return r;
}

static int vm_stats(
	const struct container_config *config, struct cgroup_stats *ret, struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	struct agent_stats stats;
	struct agent_frame frame;
	int r = vm_link_connect(config->machine, &link, err);

	if (r == 0 && (r = vm_link_send(&link, AGENT_STATS, NULL, 0)) < 0)
		error_errno(err, r, "cannot talk to the machine");
	if (r == 0)
		r = vm_link_receive(&link, VM_TALK_TIMEOUT_MS, &frame, err);
	if (r < 0)
		return r;
	if (frame.type != AGENT_STATS)
		return error_set(err, EPROTO, "the machine's agent answers another question");
	memcpy(&stats, frame.payload, sizeof(stats));
	*ret = (struct cgroup_stats){
		.cpu_usage_ns = stats.cpu_us * 1000,
		.cpu_user_ns = stats.cpu_user_us * 1000,
		.cpu_system_ns = stats.cpu_system_us * 1000,
		.memory_bytes = stats.memory_bytes,
		.memory_limit_bytes = stats.memory_total_bytes,
		.memory_peak_bytes = stats.memory_peak_bytes,
		.oom_kills = stats.oom_kills,
		.pids = stats.pids,
		.read_bytes = stats.read_bytes,
		.written_bytes = stats.written_bytes,
	};
	return 0;
}

static int vm_cleanup(const struct container_config *config, struct error *err)
{
	return config->machine ? io_remove_tree(AT_FDCWD, config->machine->folder, err) : 0;
}

const struct isolation_ops isolation_vm = {
	.name = "vm",
	.has_kernel = true,
	.create = vm_create,
	.start = vm_start,
	.exec = vm_exec,
	.signal = vm_signal,
	.pause = vm_pause,
	.update = vm_update,
	.stats = vm_stats,
	.list = vm_list,
	.look = vm_look,
	.get = vm_get,
	.put = vm_put,
	.open_files = vm_open_files,
	.close_files = vm_close_files,
	.cleanup = vm_cleanup,
};
