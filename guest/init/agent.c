/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - sessions with the host (lib/agent.h): one loop, which waits for nobody.
 *
 * What a session's process writes is read only when all that was sent before has been taken; what
 * the host sends, only when there is room for an answer. So neither side's slowness costs memory,
 * and a session that stands still does not hold up another.
 *
 *   HELLO awaited -> IDLE          requests are answered
 *   IDLE          -> STARTING      EXEC: the child has not executed its command yet
 *   STARTING      -> RUNNING       it has
 *   STARTING      -> IDLE          it could not, and that was told
 *   RUNNING       -> IDLE          it ended, its output and its status are sent
 *   IDLE          -> TRANSFERRING  LOOK, GET, PUT: a child does that
 *   TRANSFERRING  -> IDLE          it ended, and RESULT is sent
 */
#include "internal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>

#define SESSIONS_MAX   64
#define ROOM_TO_ANSWER 2048 /* bytes of any answer with its header */
#define IN_SIZE	       (AGENT_REQUEST_MAX + sizeof(struct agent_header))
#define OUT_SIZE       (AGENT_REPLY_MAX + sizeof(struct agent_header) + ROOM_TO_ANSWER)
#define SIGNALFD_INFO  128
#define SIGHUP_NUMBER  1
#define SIGCHLD_NUMBER 17

enum phase {
	PHASE_NEW,
	PHASE_IDLE,
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_TRANSFERRING,
};

struct session {
	int fd; /* -1: the slot is free */
	enum phase phase;
	bool ended; /* the host is gone, or makes no sense */
	struct process process;
	uint8_t *in, *out; /* IN_SIZE and OUT_SIZE */
	size_t in_len, out_at, out_len;
	uint8_t stdin_bytes[AGENT_STDIN_WINDOW];
	size_t stdin_at, stdin_len;
	bool stdin_ends;
	char report[sizeof(struct report) + AGENT_MESSAGE_MAX];
	size_t report_len;
};

static struct session *sessions[SESSIONS_MAX];
static int listener = -1, children = -1;

/* --- sending ---------------------------------------------------------------------------------- */

static size_t out_room(const struct session *s)
{
	return OUT_SIZE - s->out_len;
}

static void flush(struct session *s)
{
	while (s->out_at < s->out_len) {
		long n = sys(SYS_write, s->fd, s->out + s->out_at, s->out_len - s->out_at);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			s->ended = true;
			return;
		}
		s->out_at += (size_t)n;
	}
	s->out_at = s->out_len = 0;
}

/* There is room: see the loop. */
static void *reserve(struct session *s, enum agent_type type, unsigned stream, size_t len)
{
	struct agent_header head = {
		.len = (uint32_t)len, .type = (uint16_t)type, .stream = (uint16_t)stream
	};
	uint8_t *at = s->out + s->out_len;

	memcpy(at, &head, sizeof(head));
	s->out_len += sizeof(head) + len;
	return at + sizeof(head);
}

static void reply(struct session *s, enum agent_type type, const void *payload, size_t len)
{
	memcpy(reserve(s, type, 0, len), payload, len);
}

static void reply_result(struct session *s, enum agent_type type, long code, const char *why)
{
	char buffer[sizeof(struct agent_result) + AGENT_MESSAGE_MAX];
	struct agent_result result = { .code = (int32_t)(code < 0 ? -code : code) };
	struct text text = { .at = buffer + sizeof(result), .size = AGENT_MESSAGE_MAX };

	memcpy(buffer, &result, sizeof(result));
	if (code)
		text_add(&text, "%s: %s", why, error_text(code));
	reply(s, type, buffer, sizeof(result) + text.len);
}

/* --- a process's streams ---------------------------------------------------------------------- */

static void close_stream(int *fd)
{
	if (*fd >= 0)
		sys(SYS_close, *fd);
	*fd = -1;
}

/* As much as goes into the pipe; the host may send as much again. */
static void feed_stdin(struct session *s)
{
	uint32_t taken = 0;

	while (s->stdin_len > 0) {
		long n = s->stdin_len;

		if (s->process.stdin_fd >= 0)
			n = sys(SYS_write, s->process.stdin_fd, s->stdin_bytes + s->stdin_at,
				s->stdin_len);
		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n < 0) { /* nobody reads it any more */
			close_stream(&s->process.stdin_fd);
			continue;
		}
		s->stdin_at += (size_t)n;
		s->stdin_len -= (size_t)n;
		taken += (uint32_t)n;
	}
	if (taken)
		reply(s, AGENT_STDIN_TAKEN, &taken, sizeof(taken));
	if (s->stdin_len > 0)
		return;
	s->stdin_at = 0;
	if (s->stdin_ends)
		close_stream(&s->process.stdin_fd);
}

static void take_stdin(struct session *s, const void *bytes, size_t len)
{
	if (s->stdin_at > 0)
		memmove(s->stdin_bytes, s->stdin_bytes + s->stdin_at, s->stdin_len);
	s->stdin_at = 0;
	if (len > sizeof(s->stdin_bytes) - s->stdin_len) {
		s->ended = true; /* more than the window */
		return;
	}
	memcpy(s->stdin_bytes + s->stdin_len, bytes, len);
	s->stdin_len += len;
	feed_stdin(s);
}

/* One read of stream i, which is sent; false when there is nothing more now, or ever. */
static bool pass_output(struct session *s, int i)
{
	bool data = s->phase == PHASE_TRANSFERRING;
	enum agent_type type = data ? AGENT_DATA : AGENT_OUTPUT;
	unsigned stream = data ? 0 : (unsigned)i + 1;
	size_t at = s->out_len;
	uint8_t *to;
	long n;

	if (s->process.output_fds[i] < 0)
		return false;
	to = reserve(s, type, stream, AGENT_REPLY_MAX);
	do {
		n = sys(SYS_read, s->process.output_fds[i], to, AGENT_REPLY_MAX);
	} while (n == -EINTR);
	s->out_len = at;
	if (n > 0) {
		reserve(s, type, stream, (size_t)n);
		flush(s);
		return true;
	}
	/* -EIO: a terminal without any process on its other side. One may open it again, but not
	 * before the command, which holds it, has ended. */
	if (n != -EAGAIN)
		close_stream(&s->process.output_fds[i]);
	return false;
}

/* --- what becomes of a process ---------------------------------------------------------------- */

static void start_process(struct session *s, const struct agent_frame *frame)
{
	struct agent_exec_parts parts;
	const char *why;
	long r;

	if (!agent_exec_parse(frame->payload, frame->len, &parts)) {
		s->ended = true;
		return;
	}
	r = process_start(&parts, &s->process, &why);
	if (r < 0) {
		reply_result(s, AGENT_FAILED, r, why);
		return;
	}
	s->phase = PHASE_STARTING;
	s->report_len = 0;
	s->stdin_at = s->stdin_len = 0;
	s->stdin_ends = false;
}

static void start_transfer(struct session *s, const struct agent_frame *frame)
{
	long r;

	if (s->phase != PHASE_IDLE || !agent_strings_are_valid(frame->payload, frame->len, 1)) {
		s->ended = true;
		return;
	}
	r = process_start_transfer((enum agent_type)frame->type, frame->payload, &s->process);
	if (r < 0) {
		reply_result(s, AGENT_RESULT, r, "cannot start a process");
		return;
	}
	s->phase = PHASE_TRANSFERRING;
	s->report_len = 0;
	s->stdin_at = s->stdin_len = 0;
	s->stdin_ends = false;
}

static void forget_process(struct session *s)
{
	if (s->process.main)
		process_forget_main();
	process_close(&s->process);
	s->process = (struct process){ .report_fd = -1, .stdin_fd = -1, .output_fds = { -1, -1 } };
	s->phase = PHASE_IDLE;
}

/* What the child said before it ended. */
static void reply_report(struct session *s, enum agent_type type)
{
	struct agent_result result = { .code = EIO };
	struct report report = { 0 };
	size_t len = s->report_len;
	uint8_t *to;

	if (len >= sizeof(report)) {
		memcpy(&report, s->report, sizeof(report));
		result.code = report.code;
		len -= sizeof(report);
	} else {
		len = 0;
	}
	to = reserve(s, type, report.of_command ? 1 : 0, sizeof(result) + len);
	memcpy(to, &result, sizeof(result));
	memcpy(to + sizeof(result), s->report + sizeof(report), len);
}

/* The child has executed its command, or has said why it could not. */
static void read_report(struct session *s)
{
	long n = sys(SYS_read, s->process.report_fd, s->report + s->report_len,
		sizeof(s->report) - s->report_len);
	int32_t pid = s->process.pid;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0) {
		s->report_len += (size_t)n;
		return;
	}
	close_stream(&s->process.report_fd);
	if (s->phase == PHASE_TRANSFERRING)
		return;
	if (s->report_len) {
		reply_report(s, AGENT_FAILED);
		forget_process(s);
		return;
	}
	if (s->process.main)
		process_main_executes(&s->process);
	reply(s, AGENT_STARTED, &pid, sizeof(pid));
	s->phase = PHASE_RUNNING;
}

/* It has ended: the rest of its output, then how. What others keep open is not waited for. */
static void finish(struct session *s)
{
	if (!s->process.reaped || s->out_len > 0 || s->process.report_fd >= 0)
		return;
	for (int i = 0; i < 2; i++)
		if (pass_output(s, i))
			return;
	if (s->out_len > 0)
		return;
	if (s->phase == PHASE_TRANSFERRING)
		reply_report(s, AGENT_RESULT);
	else
		reply(s, AGENT_EXITED, &s->process.status, sizeof(int32_t));
	forget_process(s);
	flush(s);
}

static void reap(void)
{
	int status;
	long pid;

	while ((pid = sys(SYS_wait4, -1, &status, 1 /* WNOHANG */, NULL)) > 0)
		for (size_t i = 0; i < SESSIONS_MAX; i++)
			if (sessions[i] && sessions[i]->process.pid == pid) {
				sessions[i]->process.reaped = true;
				sessions[i]->process.status = status;
			}
}

/* --- frames ----------------------------------------------------------------------------------- */

static void resize(struct session *s, const struct agent_frame *frame)
{
	struct agent_resize wanted;
	struct winsize size = { 0 };

	if (frame->len != sizeof(wanted) || !s->process.terminal)
		return;
	memcpy(&wanted, frame->payload, sizeof(wanted));
	size.ws_row = wanted.rows;
	size.ws_col = wanted.columns;
	sys(SYS_ioctl, s->process.output_fds[0], TIOCSWINSZ, &size);
}

static void shut_down(struct session *s, const struct agent_frame *frame)
{
	struct agent_shutdown wanted;

	if (frame->len != sizeof(wanted)) {
		s->ended = true;
		return;
	}
	memcpy(&wanted, frame->payload, sizeof(wanted));
	sys(SYS_sync);
	reply_result(s, AGENT_RESULT, 0, "");
	flush(s);
	boot_shut_down(wanted.how);
}

static void send_signal(struct session *s, const struct agent_frame *frame)
{
	int32_t signo;

	if (frame->len != sizeof(signo) || !s->process.pid || s->process.reaped)
		return;
	memcpy(&signo, frame->payload, sizeof(signo));
	sys(SYS_kill, s->process.pid, signo);
}

static void greet(struct session *s, const struct agent_frame *frame)
{
	struct agent_hello hello;

	if (frame->type != AGENT_HELLO || frame->len != sizeof(hello)) {
		s->ended = true;
		return;
	}
	memcpy(&hello, frame->payload, sizeof(hello));
	s->ended = hello.magic != AGENT_MAGIC || hello.version != AGENT_VERSION;
	s->phase = PHASE_IDLE;
}

static void reply_stats(struct session *s)
{
	struct agent_stats stats;

	request_stats(&stats);
	reply(s, AGENT_STATS, &stats, sizeof(stats));
}

static void serve_request(struct session *s, const struct agent_frame *frame)
{
	const char *why = "no such request";
	long code = EINVAL;

	if (!request_serve(frame, &code, &why)) {
		s->ended = true;
		return;
	}
	reply_result(s, AGENT_RESULT, code, why);
}

static void serve_frame(struct session *s, const struct agent_frame *frame)
{
	if (s->phase == PHASE_NEW) {
		greet(s, frame);
		return;
	}
	switch (frame->type) {
	case AGENT_EXEC:
		if (s->phase == PHASE_IDLE)
			start_process(s, frame);
		else
			s->ended = true;
		break;
	case AGENT_STDIN:
		take_stdin(s, frame->payload, frame->len);
		break;
	case AGENT_DATA:
		if (frame->len)
			take_stdin(s, frame->payload, frame->len);
		s->stdin_ends = frame->len == 0;
		feed_stdin(s);
		break;
	case AGENT_LOOK:
	case AGENT_GET:
	case AGENT_PUT:
	case AGENT_LIST:
		start_transfer(s, frame);
		break;
	case AGENT_STDIN_EOF:
		s->stdin_ends = true;
		feed_stdin(s);
		break;
	case AGENT_RESIZE:
		resize(s, frame);
		break;
	case AGENT_SIGNAL:
		send_signal(s, frame);
		break;
	case AGENT_STATS:
		reply_stats(s);
		break;
	case AGENT_SHUTDOWN:
		shut_down(s, frame);
		break;
	default:
		serve_request(s, frame);
	}
}

/* Frames that are there, as long as their answers find room. */
static void serve_input(struct session *s)
{
	size_t at = 0;

	while (!s->ended && out_room(s) >= ROOM_TO_ANSWER) {
		struct agent_frame frame;
		long n = agent_frame_next(s->in + at, s->in_len - at, AGENT_REQUEST_MAX, &frame);

		if (n < 0)
			s->ended = true;
		if (n <= 0)
			break;
		serve_frame(s, &frame);
		at += (size_t)n;
	}
	if (at > 0)
		memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
	flush(s);
}

static void read_input(struct session *s)
{
	long n = sys(SYS_read, s->fd, s->in + s->in_len, IN_SIZE - s->in_len);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		s->ended = true;
	else
		s->in_len += (size_t)n;
}

/* --- sessions --------------------------------------------------------------------------------- */

static void free_session(struct session *s)
{
	if (s->in)
		unmap_memory(s->in, IN_SIZE);
	if (s->out)
		unmap_memory(s->out, OUT_SIZE);
	unmap_memory(s, sizeof(*s));
}

static void open_session(int fd)
{
	const struct agent_hello hello = { AGENT_MAGIC, AGENT_VERSION };
	struct session *s = map_memory(sizeof(*s));
	size_t slot = 0;

	while (slot < SESSIONS_MAX && sessions[slot])
		slot++;
	if (s) {
		s->in = map_memory(IN_SIZE);
		s->out = map_memory(OUT_SIZE);
	}
	if (slot == SESSIONS_MAX || !s || !s->in || !s->out) {
		if (s)
			free_session(s);
		sys(SYS_close, fd);
		return;
	}
	s->fd = fd;
	s->process = (struct process){ .report_fd = -1, .stdin_fd = -1, .output_fds = { -1, -1 } };
	sys(SYS_fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK);
	sys(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	sessions[slot] = s;
	reply(s, AGENT_HELLO, &hello, sizeof(hello));
	flush(s);
}

/* Its process is hung up. A machine whose main process nobody waits for is of no use. */
static void close_session(size_t slot)
{
	struct session *s = sessions[slot];

	if (s->process.pid && !s->process.reaped && !s->process.detached)
		sys(SYS_kill, s->process.pid, SIGHUP_NUMBER);
	if (s->process.main)
		boot_shut_down(AGENT_SHUTDOWN_POWER_OFF);
	process_close(&s->process);
	sys(SYS_close, s->fd);
	free_session(s);
	sessions[slot] = NULL;
}

/* --- the loop --------------------------------------------------------------------------------- */

struct waiting {
	struct pollfd fds[2 + 5 * SESSIONS_MAX];
	size_t count;
};

static void wait_for(struct waiting *w, int fd, short events)
{
	if (fd >= 0 && events)
		w->fds[w->count++] = (struct pollfd){ .fd = fd, .events = events };
}

static void wait_for_session(struct waiting *w, const struct session *s)
{
	bool idle = s->out_len == 0;
	bool answers = out_room(s) >= ROOM_TO_ANSWER && s->in_len < IN_SIZE;

	wait_for(w, s->fd, (short)((answers ? POLLIN : 0) | (idle ? 0 : POLLOUT)));
	wait_for(w, s->process.report_fd, answers ? POLLIN : 0);
	wait_for(w, s->process.stdin_fd, answers && s->stdin_len ? POLLOUT : 0);
	for (int i = 0; i < 2; i++)
		wait_for(w, s->process.output_fds[i],
			idle && s->phase != PHASE_STARTING ? POLLIN : 0);
}

static short found(const struct waiting *w, int fd)
{
	for (size_t i = 0; fd >= 0 && i < w->count; i++)
		if (w->fds[i].fd == fd)
			return w->fds[i].revents;
	return 0;
}

static void serve_session(const struct waiting *w, struct session *s)
{
	if (found(w, s->fd) & POLLOUT)
		flush(s);
	if (found(w, s->fd) & (POLLIN | POLLHUP | POLLERR))
		read_input(s);
	serve_input(s);
	if (!s->ended && s->process.report_fd >= 0 && found(w, s->process.report_fd))
		read_report(s);
	if (!s->ended && found(w, s->process.stdin_fd))
		feed_stdin(s);
	for (int i = 0; i < 2 && !s->ended; i++)
		if (s->out_len == 0 && found(w, s->process.output_fds[i]))
			pass_output(s, i);
	flush(s);
	if (!s->ended)
		finish(s);
}

static bool serve_all(const struct waiting *w)
{
	bool any = false;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (!sessions[i])
			continue;
		serve_session(w, sessions[i]);
		if (sessions[i]->ended)
			close_session(i);
		else
			any = true;
	}
	return any;
}

static void watch_children(void)
{
	uint64_t mask = UINT64_C(1) << (SIGCHLD_NUMBER - 1), pipe = UINT64_C(1) << (13 - 1);
	uint64_t blocked = mask | pipe;

	sys(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &blocked, NULL, sizeof(blocked));
	children = (int)sys(SYS_signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC | O_NONBLOCK);
}

static void open_listener(void)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_port = AGENT_PORT, .svm_cid = VMADDR_CID_ANY
	};
	long fd = sys(SYS_socket, AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (sys(SYS_bind, fd, &address, sizeof(address)) < 0 || sys(SYS_listen, fd, 16) < 0)
		sys(SYS_close, fd);
	else
		listener = (int)fd;
}

static void accept_session(void)
{
	long fd = sys(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		open_session((int)fd);
}

void agent_serve(int fd, bool only)
{
	static struct waiting w;
	char info[SIGNALFD_INFO];

	watch_children();
	if (!only)
		open_listener();
	if (fd >= 0)
		open_session(fd);
	for (;;) {
		long r;

		w.count = 0;
		wait_for(&w, children, POLLIN);
		wait_for(&w, listener, POLLIN);
		for (size_t i = 0; i < SESSIONS_MAX; i++)
			if (sessions[i])
				wait_for_session(&w, sessions[i]);
		r = sys(SYS_ppoll, w.fds, w.count, NULL, NULL, 0);
		if (r < 0)
			continue;
		if (found(&w, children)) {
			sys(SYS_read, children, info, sizeof(info));
			reap();
		}
		if (found(&w, listener))
			accept_session();
		if (!serve_all(&w) && only)
			return;
	}
}
