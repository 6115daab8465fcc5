/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - another process in a running instance, as our own child.
 *
 * No monitor is involved: the new process is ours to wait for. What stands between it and our
 * stdio: nothing, where ours is a pipe or a socket (it is handed through, and costs nothing); a
 * relay of pipes, where ours is a terminal or a file, since a process in the instance must not get
 * hold of those; a pty with -t.
 */
#include "instance/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "instance/translations.h"

#define EXIT_CODE_STRATA	 125
#define EXIT_CODE_NOT_EXECUTABLE 126
#define EXIT_CODE_NOT_FOUND	 127
#define RELAY_BLOCK		 65536

int instance_exec_defaults(
	struct instance *instance, struct container_process *ret, struct error *err)
{
	struct container_config config = { 0 };
	_cleanup_json_ json_t *document = NULL;
	int r;

	r = json_read_file(
		instance->dir_fd, INSTANCE_CONFIG_FILE, JSON_DOCUMENT_MAX, &document, err);
	if (r == 0)
		r = container_config_parse(document, &config, err);
	if (r < 0) {
		error_prefix(err, "instance %s is damaged", instance_label(instance));
		return r;
	}
	*ret = config.process;
	config.process = (struct container_process){ 0 };
	container_config_free(&config);
	ret->args = strv_free(ret->args);
	ret->terminal = false;
	return 0;
}

/* Between our stdio and the process's: descriptors of ours, -1 where there is none. */
struct relay {
	int in, out, err; /* in: to be written; out, err: to be read */
	int pidfd, signal_fd;
	bool stdin_open, detached;
	bool proxy, terminal;
	int killed_by;
	struct detach_matcher matcher;
	size_t pending_len, pending_at; /* of what was typed and is not written yet */
	char block[RELAY_BLOCK];
	char typed[RELAY_BLOCK];
	char filtered[RELAY_BLOCK + DETACH_KEYS_MAX];
};

static void close_end(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Our stdout is a broken pipe: then so is the process's. */
static void relay_output(struct relay *relay, int *from, int to)
{
	ssize_t n = read(*from, relay->block, sizeof(relay->block));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 || write_all(to, relay->block, (size_t)n) < 0)
		close_end(from);
}

static void relay_flush(struct relay *relay)
{
	ssize_t n = write(relay->in, relay->filtered + relay->pending_at,
		relay->pending_len - relay->pending_at);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		relay->pending_len = relay->pending_at = 0;
		relay->stdin_open = false;
		close_end(&relay->in);
		return;
	}
	if (n > 0)
		relay->pending_at += (size_t)n;
	if (relay->pending_at == relay->pending_len)
		relay->pending_len = relay->pending_at = 0;
}

static void relay_input(struct relay *relay)
{
	ssize_t n = read(0, relay->typed, sizeof(relay->typed));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		relay->stdin_open = false;
		if (!relay->terminal)
			close_end(&relay->in);
		return;
	}
	relay->detached = detach_matcher_feed(
		&relay->matcher, relay->typed, (size_t)n, relay->filtered, &relay->pending_len);
	relay->pending_at = 0;
	if (relay->pending_len)
		relay_flush(relay);
}

static void set_size(int fd)
{
	struct winsize size = { 0 };

	if (terminal_size(&size.ws_row, &size.ws_col))
		ioctl(fd, TIOCSWINSZ, &size);
}

static void relay_signal(struct relay *relay)
{
	struct signalfd_siginfo info;

	if (read(relay->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		set_size(relay->out);
	else if (relay->proxy)
		syscall(SYS_pidfd_send_signal, relay->pidfd, (int)info.ssi_signo, NULL, 0);
	else
		relay->killed_by = (int)info.ssi_signo;
}

/* What the process wrote before it ended. One in the background may keep the pipe open. */
static void relay_rest(struct relay *relay)
{
	int *const from[] = { &relay->out, &relay->err };

	for (int i = 0; i < 2; i++) {
		struct pollfd p = { .fd = *from[i], .events = POLLIN };

		while (*from[i] >= 0 && poll(&p, 1, 0) > 0)
			relay_output(relay, from[i], i + 1);
	}
}

static int relay_loop(struct relay *relay)
{
	for (;;) {
		bool pending = relay->pending_at < relay->pending_len;
		struct pollfd fds[] = {
			{ .fd = relay->pidfd, .events = POLLIN },
			{ .fd = relay->signal_fd, .events = POLLIN },
			{ .fd = relay->out, .events = POLLIN },
			{ .fd = relay->err, .events = POLLIN },
			{ .fd = relay->stdin_open && !pending ? 0 : -1, .events = POLLIN },
			{ .fd = pending ? relay->in : -1, .events = POLLOUT },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents)
			relay_signal(relay);
		if (relay->killed_by)
			return 0;
		if (fds[2].revents)
			relay_output(relay, &relay->out, 1);
		if (fds[3].revents)
			relay_output(relay, &relay->err, 2);
		if (fds[4].revents)
			relay_input(relay);
		else if (fds[5].revents)
			relay_flush(relay);
		if (relay->detached)
			return 0;
		if (fds[0].revents) {
			relay_rest(relay);
			return 0;
		}
	}
}

/* A process that keeps the pty of a detached command, so that it does not hang up on it. */
static void leave_keeper(int master)
{
	pid_t pid = fork();
	char sink[4096];
	int null;

	if (pid != 0)
		return;
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	fcntl(master, F_SETFL, O_RDWR);
	while (read(master, sink, sizeof(sink)) > 0 || errno == EINTR)
		;
	_exit(0);
}

static bool may_hand_through(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Decide for one of our stdio: handed through, relayed (*ours becomes our end), or none. */
static int connect_stdio(
	int number, bool open, int *theirs, int *ours, bool *close_theirs, struct error *err)
{
	int fds[2];

	*theirs = -1;
	if (!open)
		return 0;
	if (may_hand_through(number)) {
		*theirs = number;
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	*theirs = fds[number == 0 ? 0 : 1];
	*ours = fds[number == 0 ? 1 : 0];
	*close_theirs = true;
	if (number == 0)
		fcntl(*ours, F_SETFL, O_WRONLY | O_NONBLOCK);
	return 0;
}

static int start_process(struct instance *instance, const struct isolation_ops *ops,
	const struct instance_exec_options *options, const struct translations *translations,
	struct relay *relay, struct isolation_process *process, int *ret_exit_code,
	struct error *err)
{
	const struct instance_attach_options *attach = &options->attach;
	const bool open[3] = { attach->stdin_open, attach->stdout_open, attach->stderr_open };
	struct container_spawn_options spawn = { .stdio = { -1, -1, -1 }, .new_session = true };
	int *const ours[3] = { &relay->in, &relay->out, &relay->err };
	bool close_theirs[3] = { false };
	int r = 0;

	translations_offer(translations, &spawn);
	for (int i = 0; i < 3 && r == 0 && !options->process.terminal && !options->detach; i++)
		r = connect_stdio(i, open[i], &spawn.stdio[i], ours[i], &close_theirs[i], err);
	if (r == 0)
		r = ops->exec(&instance->config, instance->state.pid, &options->process, &spawn,
			process, err);
	for (int i = 0; i < 3; i++)
		if (close_theirs[i])
			close(spawn.stdio[i]);
	if (r < 0)
		return r;
	r = ops->start(process, err);
	if (r < 0) {
		if (process->handle.command_failed)
			*ret_exit_code = r == -ENOENT ? EXIT_CODE_NOT_FOUND
						      : EXIT_CODE_NOT_EXECUTABLE;
		waitpid(process->handle.pid, NULL, 0);
		container_handle_close(&process->handle);
	}
	return r;
}

/* Everything of ours that is between us and a process that runs. */
static int attend(const struct instance_exec_options *options, struct relay *relay,
	struct isolation_process *process, int *ret_exit_code, struct error *err)
{
	_cleanup_terminal_ struct terminal terminal = { .fd = -1 };
	int status, r = 0;

	relay->pidfd = process->handle.pidfd;
	if (relay->terminal) {
		relay->out = steal_fd(&process->handle.terminal_fd);
		fcntl(relay->out, F_SETFL, O_RDWR | O_NONBLOCK);
		if (relay->stdin_open)
			relay->in = fcntl(relay->out, F_DUPFD_CLOEXEC, 3);
		set_size(relay->out);
		if (relay->stdin_open)
			r = terminal_raw(&terminal, 0, err);
	} else if (relay->in < 0) {
		relay->stdin_open = false; /* handed through: not ours to read */
	}
	if (r == 0) {
		r = relay_loop(relay);
		if (r < 0)
			error_errno(err, r, "cannot wait for the process");
	}
	if (r < 0 || relay->detached || relay->killed_by) {
		if (relay->terminal)
			leave_keeper(relay->out);
		*ret_exit_code = relay->killed_by ? 128 + relay->killed_by : 0;
		return r;
	}
	while (waitpid(process->handle.pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "cannot wait for the process");
	*ret_exit_code = process_exit_code(status);
	return 0;
}

static void write_event(
	const struct instance *instance, const char *what, char *const *args, const int *exit_code)
{
	struct instance_event_item item = { 0 };
	_cleanup_str_ struct str action = { 0 };
	char code[16];

	str_append(&action, what);
	if (!exit_code) {
		str_append_char(&action, ':');
		strv_for_each (arg, args)
			str_appendf(&action, " %s", *arg);
	} else {
		snprintf(code, sizeof(code), "%d", *exit_code);
		item.key = "exitCode";
		item.value = code;
	}
	if (action.failed)
		return;
	item.action = action.data;
	instance_events_append(instance, &item, 1);
}

/* -ESRCH or -EBUSY with the reason unless a process can join it now. */
static int check_running(struct instance *instance, struct error *err)
{
	int r = instance_refresh(instance, err);

	if (r < 0)
		return r;
	if (instance->state.status == INSTANCE_PAUSED)
		return error_set(err, EBUSY, "instance %s is paused: unpause it first",
			instance_label(instance));
	if (instance->state.status != INSTANCE_RUNNING)
		return error_set(err, ESRCH, "instance %s is %s, not running",
			instance_label(instance), instance_status_name(instance->state.status));
	return instance_load_config(instance, err);
}

static int exec_with(struct instance *instance, const struct isolation_ops *ops,
	const struct instance_exec_options *options, struct relay *relay, int *ret_exit_code,
	struct error *err)
{
	_cleanup_translations_ struct translations translations = { 0 };
	struct isolation_process process = { 0 };
	int r;

	translations_join(instance, &translations);
	write_event(instance, "exec_create", options->process.args, NULL);
	r = start_process(
		instance, ops, options, &translations, relay, &process, ret_exit_code, err);
	if (r < 0)
		return r;
	write_event(instance, "exec_start", options->process.args, NULL);
	if (options->detach) {
		if (relay->terminal)
			leave_keeper(process.handle.terminal_fd);
		*ret_exit_code = 0;
	} else {
		r = attend(options, relay, &process, ret_exit_code, err);
		if (r == 0 && !relay->detached && !relay->killed_by)
			write_event(instance, "exec_die", NULL, ret_exit_code);
	}
	container_handle_close(&process.handle);
	translations_keep(instance, &translations);
	return r;
}

int instance_exec(struct instance *instance, const struct instance_exec_options *options,
	int *ret_exit_code, struct error *err)
{
	const struct isolation_ops *ops = instance_isolation(instance, err);
	_cleanup_free_ struct relay *relay = calloc(1, sizeof(*relay));
	sigset_t old;
	int r;

	*ret_exit_code = EXIT_CODE_STRATA;
	if (!ops)
		return -err->code;
	if (!ops->exec)
		return error_set(
			err, ENOTSUP, "the isolation %s cannot run another process", ops->name);
	if (!relay)
		return error_oom(err);
	relay->in = relay->out = relay->err = relay->signal_fd = -1;
	relay->terminal = options->process.terminal;
	relay->stdin_open = options->attach.stdin_open;
	relay->proxy = options->attach.signal_proxy;
	r = detach_matcher_init(
		&relay->matcher, relay->terminal ? options->attach.detach_keys : "", err);
	if (r == 0)
		r = check_running(instance, err);
	if (r < 0)
		return r;
	relay->signal_fd = client_signals(&options->attach, &old);
	if (relay->signal_fd < 0)
		return error_errno(err, relay->signal_fd, "cannot watch signals");
	r = exec_with(instance, ops, options, relay, ret_exit_code, err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close_end(&relay->in);
	close_end(&relay->out);
	close_end(&relay->err);
	close_end(&relay->signal_fd);
	return r;
}
