/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-session.c - the process that stands for a process of the guest: it starts the machine, if it
 * is the first, has the guest start its command, and is between its streams and ours until it ends.
 *
 * All signals are blocked and arrive through a signalfd, to be passed on; what cannot be blocked
 * ends us, and the machine with us, as does VM_KILL_SIGNAL until the command runs. Later that one
 * kills the command in the guest, and the machine if that does not help. There is one frame of
 * output at most that was not written yet: a reader that is slow slows the guest's command down,
 * and nothing here.
 */
#include "isolation/vm.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"

#define CABLES_MAX	    16 /* more cards than a machine can have */
#define EXIT_LOST	    125 /* the machine ended before its command did */
#define SHUTDOWN_TIMEOUT_MS 20000
#define RESUME_TIMEOUT_MS   20000
#define KILL_TIMEOUT_NS	    (INT64_C(5) * 1000000000) /* for a guest that is told to kill */
#define CODE_AFTER_NS	    INT64_C(3000000000) /* of a command that does not end before */
#define WRITE_MAX	    4096 /* PIPE_BUF: what poll(2) promises room for */

struct running {
	struct vm_session *session;
	struct vm_link link;
	int folder_fd, signal_fd;
	char *golden; /* what its machine has begun with, or has become; NULL: nothing */
	int64_t code_due_ns; /* when it is told what that has translated; 0: it was */
	int console_fd; /* what the machine's kernel says; -1: not ours, or over */
	char console[VM_CONSOLE_TAIL + 1]; /* the end of it, without NUL inside */
	size_t console_len;
	pid_t machine; /* 0: not ours */
	uint32_t window; /* bytes of stdin that the guest takes */
	bool stdin_open;
	const uint8_t *pending; /* output that was not written yet, in the link's buffer */
	size_t pending_len;
	int pending_fd;
	int64_t kill_ns; /* when the machine is ended, if its command has not been; 0: never */
	int status; /* of the command, as wait(2) has it */
	bool ended;
	struct vm_volumes volumes; /* locked until the command has started */
};

/* --- beginning -----------------------------------------------------------------------------------
 */

static void fail(struct vm_session *session, const struct error *err, bool command_failed)
	__attribute__((noreturn));

static void fail(struct vm_session *session, const struct error *err, bool command_failed)
{
	struct vm_failure failure = { .code = err->code, .command_failed = command_failed };

	snprintf(failure.message, sizeof(failure.message), "%s", err->message);
	(void)!write(session->sync_fd, &failure, sizeof(failure));
	_exit(EXIT_LOST);
}

/* So that nothing of ours is number 0, 1 or 2 by chance. */
static void fill_standard_fds(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd < 3)
		;
	cleanup_close(&fd);
}

/* The terminal's other side is the guest's terminal: what is typed goes there as it is. */
static int take_terminal(int fd, struct error *err)
{
	struct termios raw;

	if (ioctl(fd, TIOCSCTTY, 0) < 0 || tcgetattr(fd, &raw) < 0)
		return error_errno(err, errno, "cannot take the terminal");
	cfmakeraw(&raw);
	return tcsetattr(fd, TCSANOW, &raw) < 0
		? error_errno(err, errno, "cannot set the terminal up")
		: 0;
}

/* VM_KILL_SIGNAL without its value: the guest's, when there is a command. */
static volatile sig_atomic_t early_signals;

static bool means_kill(int code, int value)
{
	return code == SI_QUEUE && value == VM_KILL_VALUE;
}

/* There is nothing yet that could be lost. */
static void end_early(int signo, siginfo_t *info, void *context)
{
	if (means_kill(info->si_code, info->si_value.sival_int))
		_exit(128 + SIGKILL);
	early_signals++;
}

static void block_signals(bool the_kill_signal_too)
{
	sigset_t set;

	sigfillset(&set);
	if (!the_kill_signal_too)
		sigdelset(&set, VM_KILL_SIGNAL);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static int become_session(struct running *r, struct error *err)
{
	const struct sigaction early = { .sa_sigaction = end_early,
		.sa_flags = SA_SIGINFO | SA_RESTART };
	struct vm_session *s = r->session;
	const struct container_machine *m = s->config->machine;
	int kept[6 + CABLES_MAX] = { s->stdio[0], s->stdio[1], s->stdio[2], s->terminal_fd,
		s->sync_fd, s->lock_fd };
	size_t nr_kept = 6;
	sigset_t all;

	for (size_t i = 0; i < m->nr_networks && i < CABLES_MAX; i++)
		if (!*m->networks[i].tap)
			kept[nr_kept++] = m->networks[i].cable_fd;

	/* Our parent's sockets and files are none of our business, and must not be kept open by us.
	 */
	io_keep_only(kept, nr_kept);
	fill_standard_fds();
	setsid();
	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	r->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0 || sigaction(VM_KILL_SIGNAL, &early, NULL) < 0)
		return error_errno(err, errno, "cannot watch signals");
	block_signals(false);
	return s->terminal_fd >= 0 ? take_terminal(s->terminal_fd, err) : 0;
}

/* --- the machine ---------------------------------------------------------------------------------
 */

static int listen_for_guest(int folder_fd, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" VM_SOCKET "_%u",
		folder_fd, AGENT_PORT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 1) < 0)
		return error_errno(err, errno, "cannot listen for the machine");
	return steal_fd(&fd);
}

/* The older half goes when there is no room. */
static void read_console(struct running *r)
{
	ssize_t n;

	if (r->console_len > VM_CONSOLE_TAIL / 2) {
		size_t cut = r->console_len - VM_CONSOLE_TAIL / 2;

		memmove(r->console, r->console + cut, r->console_len - cut);
		r->console_len -= cut;
	}
	n = read(r->console_fd, r->console + r->console_len, VM_CONSOLE_TAIL - r->console_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(steal_fd(&r->console_fd));
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (!r->console[r->console_len + (size_t)i])
			r->console[r->console_len + (size_t)i] = '?';
	r->console_len += (size_t)n;
	r->console[r->console_len] = '\0';
}

static void end_machine(struct running *r)
{
	if (!r->machine)
		return;
	kill(r->machine, SIGKILL);
	while (waitpid(r->machine, NULL, 0) < 0 && errno == EINTR)
		;
	r->machine = 0;
}

static int machine_ended(struct running *r, struct error *err)
{
	struct pollfd p = { .fd = r->console_fd, .events = POLLIN };
	char words[256];

	/* What it said last may not have been read yet; a guest that goes on saying something is
	 * not waited for. */
	for (int i = 0; i < 64 && r->console_fd >= 0 && poll(&p, 1, i ? 0 : 200) > 0; i++)
		read_console(r);
	vm_machine_last_words(r->folder_fd, r->console, words, sizeof(words));
	return error_set(err, EIO, "the machine ended before its command did%s%s",
		*words ? ": " : "", words);
}

/* The guest connects when it can serve us. */
static int await_guest(struct running *r, int listener, struct error *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, r->machine, 0);
	struct pollfd p[3] = { { .fd = listener, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN }, { .fd = r->console_fd, .events = POLLIN } };
	int64_t end = clock_monotonic_ns() + VM_BOOT_TIMEOUT_MS * INT64_C(1000000);
	int fd;

	for (;;) {
		int64_t left = (end - clock_monotonic_ns()) / 1000000;
		int n = left > 0 ? poll(p, 3, (int)left) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(err, ETIMEDOUT, "the machine's kernel does not come up");
		if (p[2].revents && r->console_fd >= 0)
			read_console(r);
		p[2].fd = r->console_fd;
		if (p[0].revents & POLLIN)
			break;
		if (p[1].revents)
			return machine_ended(r, err);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot accept the machine's connection");
	return vm_link_open(fd, &r->link, err);
}

/* Its process; `golden` as vm_machine_start() has it. */
static int start_process(struct running *r, const char *golden, struct error *err)
{
	const struct vm_session *s = r->session;
	_cleanup_close_ int console = -1;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	r->console_fd = pair[0];
	console = pair[1];
	fcntl(r->console_fd, F_SETFL, O_NONBLOCK);
	return vm_machine_start(
		s->config, s->kernel, golden, r->folder_fd, console, &r->machine, err);
}

/* From the kernel's first instruction on. What it is then is kept at `golden`, if that is wanted
 * and not there. */
static int boot(struct running *r, const char *golden, struct error *err)
{
	const struct container_machine *m = r->session->config->machine;
	_cleanup_close_ int listener = listen_for_guest(r->folder_fd, err);
	int n = listener < 0 ? listener : start_process(r, NULL, err);

	if (n == 0)
		n = await_guest(r, listener, err);
	if (n < 0 || !golden)
		return n;
	vm_link_hang_up(&r->link);
	if (vm_golden_save(r->folder_fd, m, golden))
		r->golden = strdup(golden);
	return vm_link_connect(m, &r->link, err);
}

/* Nobody says when its process listens. */
static int connect_resumed(struct running *r, struct error *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, r->machine, 0);
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN },
		{ .fd = r->console_fd, .events = POLLIN } };
	int64_t end = clock_monotonic_ns() + RESUME_TIMEOUT_MS * INT64_C(1000000);
	int n;

	while ((n = vm_link_connect(r->session->config->machine, &r->link, err)) < 0) {
		if (poll(p, 2, 1) < 0 || p[0].revents || clock_monotonic_ns() > end)
			return n;
		if (p[1].revents && r->console_fd >= 0)
			read_console(r);
		p[1].fd = r->console_fd;
	}
	return 0;
}

/* What a machine that has ended leaves behind, so that another one can be started. */
static void clear(struct running *r)
{
	end_machine(r);
	vm_link_close(&r->link);
	cleanup_close(&r->console_fd);
	r->console_fd = -1;
	unlinkat(r->folder_fd, VM_SOCKET, 0);
	unlinkat(r->folder_fd, VM_MONITOR, 0);
}

/* From what is kept at `golden`. One that does not work is removed, and no failure. */
static bool resume(struct running *r, const char *golden)
{
	struct error err = { 0 };
	int n;

	if (!vm_golden_use(golden))
		return false;
	n = start_process(r, golden, &err);
	if (n == 0)
		n = connect_resumed(r, &err);
	if (n == 0) {
		r->golden = strdup(golden);
		return true;
	}
	log_debug("the machine that was kept does not go on: %s", err.message);
	vm_golden_remove(golden);
	clear(r);
	return false;
}

static int start_machine(struct running *r, struct error *err)
{
	const struct vm_session *s = r->session;
	const struct container_machine *m = s->config->machine;
	_cleanup_free_ char *golden = NULL;
	int n = m->boots ? 0 : vm_golden_path(s->config, s->kernel, &golden, err);

	if (n < 0)
		return n;
	r->folder_fd = io_open_dir(AT_FDCWD, m->folder);
	if (r->folder_fd < 0)
		return error_errno(err, r->folder_fd, "cannot open %s", m->folder);
	if (!golden || !resume(r, golden))
		n = boot(r, golden, err);
	if (n == 0)
		n = vm_volumes_lock(s->config, &r->volumes, err);
	if (n == 0)
		n = vm_set_up_guest(&r->link, s->config, &r->volumes, err);
	/* What a guest that is gone could not say itself. */
	if (n == -EPIPE)
		n = machine_ended(r, err);
	return n;
}

/* --- the command ---------------------------------------------------------------------------------
 */

static uint32_t wanted_flags(const struct vm_session *s)
{
	uint32_t flags = (s->stdio[0] >= 0 ? AGENT_EXEC_STDIN : 0) |
		(s->stdio[1] >= 0 ? AGENT_EXEC_STDOUT : 0) |
		(s->stdio[2] >= 0 ? AGENT_EXEC_STDERR : 0);

	if (!s->kernel)
		return flags;
	return flags | AGENT_EXEC_MAIN | (s->config->init ? AGENT_EXEC_INIT : 0) |
		(s->config->rootfs.read_only ? AGENT_EXEC_READ_ONLY : 0);
}

/* Until it executes its command, or could not. */
static int start_command(struct running *r, bool *ret_command_failed, struct error *err)
{
	struct vm_session *s = r->session;
	struct agent_frame frame;
	int n = vm_send_process(&r->link, s->process, wanted_flags(s), err);

	if (n == 0)
		n = vm_link_receive(&r->link, VM_TALK_TIMEOUT_MS, &frame, err);
	if (n == -EPIPE && r->machine)
		return machine_ended(r, err);
	if (n < 0)
		return n;
	if (frame.type == AGENT_STARTED)
		return 0;
	if (frame.type != AGENT_FAILED)
		return error_set(err, EPROTO, "the machine's agent answers another question");
	*ret_command_failed = frame.stream == 1;
	return vm_link_result(&frame, err);
}

/* --- streams -------------------------------------------------------------------------------------
 */

static void take_output(struct running *r, const struct agent_frame *frame)
{
	const struct vm_session *s = r->session;
	int fd = s->terminal_fd >= 0 ? s->terminal_fd : s->stdio[frame->stream];

	if (fd < 0)
		return;
	r->pending = frame->payload;
	r->pending_len = frame->len;
	r->pending_fd = fd;
}

/* What nobody reads any more is dropped, as the guest's command cannot be told. */
static void write_pending(struct running *r)
{
	size_t want = r->pending_len < WRITE_MAX ? r->pending_len : WRITE_MAX;
	ssize_t n = write(r->pending_fd, r->pending, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0)
		n = (ssize_t)r->pending_len;
	r->pending += n;
	r->pending_len -= (size_t)n;
}

static int send_number(struct running *r, enum agent_type type, int32_t number)
{
	return vm_link_send(&r->link, type, &number, sizeof(number));
}

static void read_stdin(struct running *r)
{
	const struct vm_session *s = r->session;
	int fd = s->terminal_fd >= 0 ? s->terminal_fd : s->stdio[0];
	static uint8_t bytes[AGENT_STDIN_WINDOW];
	ssize_t n = read(fd, bytes, r->window);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		r->window -= (uint32_t)n;
		vm_link_send(&r->link, AGENT_STDIN, bytes, (size_t)n);
		return;
	}
	r->stdin_open = false;
	if (s->terminal_fd < 0)
		vm_link_send(&r->link, AGENT_STDIN_EOF, NULL, 0);
}

static void pass_signal(struct running *r)
{
	struct signalfd_siginfo info;
	struct winsize size;

	if (read(r->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == VM_KILL_SIGNAL && means_kill(info.ssi_code, info.ssi_int)) {
		r->kill_ns = clock_monotonic_ns() + KILL_TIMEOUT_NS;
		send_number(r, AGENT_SIGNAL, SIGKILL);
		return;
	}
	if (info.ssi_signo == SIGWINCH && r->session->terminal_fd >= 0) {
		struct agent_resize resize;

		if (ioctl(r->session->terminal_fd, TIOCGWINSZ, &size) < 0)
			return;
		resize = (struct agent_resize){ size.ws_row, size.ws_col };
		vm_link_send(&r->link, AGENT_RESIZE, &resize, sizeof(resize));
		return;
	}
	send_number(r, AGENT_SIGNAL, (int32_t)info.ssi_signo);
}

/* --- the loop ------------------------------------------------------------------------------------
 */

static int serve_frame(struct running *r, const struct agent_frame *frame, struct error *err)
{
	uint32_t taken;

	switch (frame->type) {
	case AGENT_OUTPUT:
		take_output(r, frame);
		return 0;
	case AGENT_STDIN_TAKEN:
		memcpy(&taken, frame->payload, sizeof(taken));
		if (taken > AGENT_STDIN_WINDOW - r->window)
			break;
		r->window += taken;
		return 0;
	case AGENT_EXITED:
		memcpy(&r->status, frame->payload, sizeof(r->status));
		r->ended = true;
		return 0;
	default:
		break;
	}
	return error_set(err, EPROTO, "the machine's agent speaks nonsense");
}

/* Frames that are here, up to one whose output must be written first. */
static int serve_frames(struct running *r, struct error *err)
{
	while (!r->ended && r->pending_len == 0) {
		struct agent_frame frame;
		int n = vm_link_receive(&r->link, 0, &frame, err);

		if (n <= 0)
			return n;
		n = serve_frame(r, &frame, err);
		if (n < 0)
			return n;
	}
	return 0;
}

/* Of its machine, once: vm-code.c. One that runs on the host's CPU has none. */
static void keep_code(struct running *r)
{
	const struct container_machine *m = r->session->config->machine;

	if (machine_architecture_find(m->architecture)->is_emulated && r->code_due_ns &&
		r->machine && r->golden)
		vm_code_keep(r->folder_fd, r->golden);
	r->code_due_ns = 0;
}

/* Until the moment, for poll(2); 0: there is none, -1. */
static int time_left_ms(int64_t due_ns)
{
	int64_t left_ns = due_ns - clock_monotonic_ns();

	return due_ns == 0 ? -1 : left_ns > 0 ? (int)(left_ns / 1000000) + 1 : 0;
}

/* Until the command's death is not waited for any longer, or its code is due. */
static int timeout_ms(const struct running *r)
{
	int kill = time_left_ms(r->kill_ns), code = time_left_ms(r->code_due_ns);

	return kill < 0 || (code >= 0 && code < kill) ? code : kill;
}

static int relay(struct running *r, struct error *err)
{
	const struct vm_session *s = r->session;
	int in = s->terminal_fd >= 0 ? s->terminal_fd : s->stdio[0], n;

	block_signals(true);
	for (; early_signals > 0; early_signals--)
		send_number(r, AGENT_SIGNAL, VM_KILL_SIGNAL);

	r->window = AGENT_STDIN_WINDOW;
	r->stdin_open = in >= 0;
	r->code_due_ns = r->golden ? clock_monotonic_ns() + CODE_AFTER_NS : 0;
	while (!r->ended || r->pending_len) {
		struct pollfd p[5] = {
			{ .fd = r->signal_fd, .events = POLLIN },
			{ .fd = r->pending_len ? -1 : r->link.fd, .events = POLLIN },
			{ .fd = r->pending_len ? r->pending_fd : -1, .events = POLLOUT },
			{ .fd = r->stdin_open && r->window ? in : -1, .events = POLLIN },
			{ .fd = r->console_fd, .events = POLLIN },
		};

		n = serve_frames(r, err);
		if (n < 0)
			return n;
		if (r->ended && !r->pending_len)
			break;
		if (r->pending_len && p[2].fd < 0)
			p[2].fd = r->pending_fd, p[1].fd = -1;
		n = poll(p, 5, timeout_ms(r));
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot wait for the machine");
		if (n == 0 && time_left_ms(r->kill_ns) == 0) {
			end_machine(r);
			r->status = SIGKILL;
			return 0;
		}
		if (time_left_ms(r->code_due_ns) == 0)
			keep_code(r);
		if (p[0].revents)
			pass_signal(r);
		if (p[2].revents)
			write_pending(r);
		if (p[3].revents)
			read_stdin(r);
		if (p[4].revents)
			read_console(r);
	}
	return 0;
}

/* --- the end -------------------------------------------------------------------------------------
 */

/* What the guest has written is on its disk when the machine ends by itself; false: it does not. */
static bool shut_down(struct running *r)
{
	const struct agent_shutdown wanted = { .how = AGENT_SHUTDOWN_POWER_OFF };
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, r->machine, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return vm_link_request(&r->link, AGENT_SHUTDOWN, &wanted, sizeof(wanted), NULL) == 0 &&
		poll(&p, 1, SHUTDOWN_TIMEOUT_MS) == 1;
}

/* For its files alone: others connect with its agent, until the parent's end of the channel is
 * closed. Signals are read and mean nothing. */
static void serve_files(struct running *r) __attribute__((noreturn));

static void serve_files(struct running *r)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, r->machine, 0);
	const struct vm_session *s = r->session;
	struct signalfd_siginfo info;
	bool served = false, gone = false;

	if (write(s->sync_fd, "", 1) == 1) {
		while (!served && !gone) {
			struct pollfd p[4] = {
				{ .fd = s->sync_fd, .events = POLLIN },
				{ .fd = pidfd, .events = POLLIN },
				{ .fd = r->signal_fd, .events = POLLIN },
				{ .fd = r->console_fd, .events = POLLIN },
			};

			if (poll(p, 4, -1) < 0 && errno != EINTR)
				break;
			served = p[0].revents;
			gone = p[1].revents;
			if (p[2].revents)
				(void)!read(r->signal_fd, &info, sizeof(info));
			if (p[3].revents)
				read_console(r);
		}
	}
	served = served && shut_down(r);
	end_machine(r);
	_exit(served ? 0 : EXIT_LOST);
}

/* The guest has ended on its own: its command cannot say anything any more, so we do. */
static void tell_loss(struct running *r, struct error *err)
{
	const struct vm_session *s = r->session;
	int fd = s->terminal_fd >= 0 ? s->terminal_fd : s->stdio[2];

	if (r->machine)
		machine_ended(r, err);
	if (fd >= 0)
		dprintf(fd, "strata: %s%s", err->message, s->terminal_fd >= 0 ? "\r\n" : "\n");
}

void vm_session_run(struct vm_session *session)
{
	static struct running r; /* large */
	struct error err = { 0 };
	bool command_failed = false;
	int n;

	r = (struct running){
		.session = session, .link = VM_LINK_INIT, .folder_fd = -1, .console_fd = -1
	};
	n = become_session(&r, &err);
	if (n == 0)
		n = session->kernel ? start_machine(&r, &err)
				    : vm_link_connect(session->config->machine, &r.link, &err);
	if (n == 0 && !session->process)
		serve_files(&r);
	if (n == 0)
		n = start_command(&r, &command_failed, &err);
	if (n < 0) {
		end_machine(&r);
		fail(session, &err, command_failed);
	}
	vm_volumes_unlock(&r.volumes);
	close(session->sync_fd);
	n = relay(&r, &err);
	if (n < 0) {
		tell_loss(&r, &err);
		end_machine(&r);
		_exit(EXIT_LOST);
	}
	keep_code(&r);
	if (r.machine && !session->config->rootfs.ephemeral)
		shut_down(&r);
	end_machine(&r);
	_exit(process_exit_code(r.status));
}
