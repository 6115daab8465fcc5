/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - a ring of output, a little input, and the keys that are for us.
 */
#include "device/console.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define KEY_PREFIX     1 /* Ctrl-A */
#define PAUSE_NS       2000000 /* output that follows other output is collected for so long */
#define LAST_WORDS_MS  500 /* a reader has to take something within this when we end */
#define CHARACTER_HELP 'h'

static const char help[] = "\r\n"
			   "Ctrl-A h   this help\r\n"
			   "Ctrl-A x   turn the machine off and leave\r\n"
			   "Ctrl-A p   press its power button, if it has one (x86-64)\r\n"
			   "Ctrl-A s   save it, if it was told where (--snapshot)\r\n"
			   "Ctrl-A b   send a break (Linux: the magic SysRq key)\r\n"
			   "Ctrl-A Ctrl-A   send Ctrl-A\r\n";

/* Watch for nothing at all: a descriptor whose other end is gone is always "ready". */
static int ask(struct console *console, struct loop_source *source, uint32_t events)
{
	if (events)
		return loop_change(console->loop, source, events);
	loop_remove(console->loop, source);
	return 0;
}

/* --- output ---------------------------------------------------------------------------------- */

static void wake(struct console *console)
{
	uint64_t one = 1;

	/* A counter that is full wakes as well. */
	(void)!write(console->wake.fd, &one, sizeof(one));
}

size_t console_write(struct console *console, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;
	bool is_news = false;

	if (console->out_fd < 0)
		return size;
	pthread_mutex_lock(&console->lock);
	if (size > CONSOLE_OUTPUT_BYTES - console->nr_output) {
		size = CONSOLE_OUTPUT_BYTES - console->nr_output;
		console->was_full = true;
	}
	for (size_t i = 0; i < size; i++)
		console->output[(console->output_start + console->nr_output++) %
			CONSOLE_OUTPUT_BYTES] = from[i];
	if (console->nr_output > 0 && !console->is_awake)
		console->is_awake = is_news = true;
	pthread_mutex_unlock(&console->lock);
	if (is_news)
		wake(console);
	return size;
}

/* Write one piece: 0, or -EAGAIN when the descriptor takes nothing now. */
static int write_some(struct console *console)
{
	size_t start, size;
	ssize_t n;

	pthread_mutex_lock(&console->lock);
	start = console->output_start;
	size = console->nr_output;
	pthread_mutex_unlock(&console->lock);
	if (size > CONSOLE_OUTPUT_BYTES - start)
		size = CONSOLE_OUTPUT_BYTES - start;
	if (size == 0)
		return 0;
	/* Nobody else moves the start, and these bytes stay as they are. */
	n = write(console->out_fd, console->output + start, size);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0 && errno == EINTR)
		n = 0;
	if (n < 0)
		n = (ssize_t)size; /* nobody is there any more: the guest need not know */
	pthread_mutex_lock(&console->lock);
	console->output_start = (start + (size_t)n) % CONSOLE_OUTPUT_BYTES;
	console->nr_output -= (size_t)n;
	pthread_mutex_unlock(&console->lock);
	return 0;
}

/* Write what there is, and see to it that what comes later will be. */
static void flush(struct console *console)
{
	bool has_drained = false, has_more;
	int r = write_some(console);

	pthread_mutex_lock(&console->lock);
	has_more = console->nr_output > 0;
	if (console->was_full && console->nr_output <= CONSOLE_OUTPUT_BYTES / 2) {
		console->was_full = false;
		has_drained = true;
	}
	pthread_mutex_unlock(&console->lock);
	if (r == -EAGAIN && ask(console, &console->out, EPOLLOUT) == 0)
		return;
	ask(console, &console->out, 0);
	loop_timer_start(console->loop, &console->pause, has_more && r == 0 ? 0 : PAUSE_NS);
	if (has_drained && console->guest && console->guest->ops->drained)
		console->guest->ops->drained(console->guest);
}

static void out_ready(struct loop_source *source, uint32_t events)
{
	flush(container_of(source, struct console, out));
}

static void pause_expired(struct loop_timer *timer)
{
	struct console *console = container_of(timer, struct console, pause);
	bool has_more;

	pthread_mutex_lock(&console->lock);
	has_more = console->is_awake = console->nr_output > 0;
	pthread_mutex_unlock(&console->lock);
	if (has_more)
		flush(console);
}

/* --- input ----------------------------------------------------------------------------------- */

static void deliver(struct console *console)
{
	struct console_guest *guest = console->guest;
	size_t taken;

	if (console->nr_input == 0 || !guest)
		return;
	taken = guest->ops->input(guest, console->input, console->nr_input);
	console->nr_input -= taken;
	memmove(console->input, console->input + taken, console->nr_input);
}

static void keep(struct console *console, uint8_t byte)
{
	if (console->nr_input < CONSOLE_INPUT_BYTES)
		console->input[console->nr_input++] = byte;
}

static void do_key(struct console *console, uint8_t key)
{
	struct console_guest *guest = console->guest;

	if (key == KEY_PREFIX)
		keep(console, key);
	else if (key == CHARACTER_HELP || key == '?')
		console_write(console, help, sizeof(help) - 1);
	else if (key == 'b' && guest && guest->ops->send_break)
		guest->ops->send_break(guest);
	else if (console->config.key)
		console->config.key(console->config.context, (char)key);
}

static void take_byte(struct console *console, uint8_t byte)
{
	if (console->is_key) {
		console->is_key = false;
		do_key(console, byte);
	} else if (console->config.has_keys && byte == KEY_PREFIX) {
		console->is_key = true;
	} else {
		keep(console, byte);
	}
}

/* A terminal is always read, or its keys would not be seen: what is too much is lost. All else
 * waits. */
static size_t room(const struct console *console)
{
	return console->config.has_keys ? CONSOLE_INPUT_BYTES
					: CONSOLE_INPUT_BYTES - console->nr_input;
}

static void in_ready(struct loop_source *source, uint32_t events)
{
	struct console *console = container_of(source, struct console, in);
	uint8_t bytes[CONSOLE_INPUT_BYTES];
	ssize_t n = 0;

	if (room(console) > 0) {
		n = read(console->in_fd, bytes, room(console));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) { /* no more will come; the guest goes on */
			loop_remove(console->loop, source);
			close(console->in_fd);
			console->in_fd = -1;
			return;
		}
	}
	for (ssize_t i = 0; i < n; i++)
		take_byte(console, bytes[i]);
	deliver(console);
	if (!console->is_file)
		ask(console, source, room(console) > 0 ? EPOLLIN : 0);
}

void console_has_room(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	console->has_room = true;
	pthread_mutex_unlock(&console->lock);
	wake(console);
}

static void woken(struct loop_source *source, uint32_t events)
{
	struct console *console = container_of(source, struct console, wake);
	bool has_room, has_output;
	uint64_t count;

	(void)!read(source->fd, &count, sizeof(count));
	pthread_mutex_lock(&console->lock);
	has_room = console->has_room;
	console->has_room = false;
	has_output = console->nr_output > 0;
	pthread_mutex_unlock(&console->lock);
	if (has_output && console->pause.deadline_ns == 0 && !console->out.active)
		flush(console);
	if (!has_room)
		return;
	deliver(console);
	if (console->in_fd >= 0 && console->is_file)
		in_ready(&console->in, EPOLLIN);
	else if (console->in_fd >= 0)
		ask(console, &console->in, room(console) > 0 ? EPOLLIN : 0);
}

/* --- opening and closing --------------------------------------------------------------------- */

void console_attach(struct console *console, struct console_guest *guest)
{
	struct winsize size;

	console->guest = guest;
	if (guest->ops->resized && ioctl(console->out_fd, TIOCGWINSZ, &size) == 0)
		guest->ops->resized(guest, size.ws_col, size.ws_row);
}

void console_resized(struct console *console)
{
	if (console->guest)
		console_attach(console, console->guest);
}

/* A copy that does not wait, and leaves the original as it is for those who share it. A socket
 * cannot be opened again, and may wait; a file never does, and goes on where it is. */
static int reopen(int fd, int flags)
{
	char path[32];
	struct stat st;
	int copy = -1;

	if (fd == CONSOLE_NONE)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		copy = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return copy >= 0 ? copy : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void make_raw(struct console *console)
{
	struct termios raw;

	if (console->in_fd < 0 || tcgetattr(console->in_fd, &console->saved) < 0)
		return;
	raw = console->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* for what we print ourselves */
	console->is_raw = tcsetattr(console->in_fd, TCSANOW, &raw) == 0;
}

int console_open(struct console *console, const struct console_config *config, struct loop *loop,
	struct error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	memset(console, 0, offsetof(struct console, output));
	console->output_start = console->nr_output = 0;
	console->is_awake = console->was_full = console->has_room = false;
	console->config = *config;
	console->loop = loop;
	pthread_mutex_init(&console->lock, NULL);
	console->in_fd = reopen(config->in_fd, O_RDONLY);
	console->out_fd = reopen(config->out_fd, O_WRONLY);
	console->in = (struct loop_source){ .ready = in_ready, .fd = console->in_fd };
	console->out = (struct loop_source){ .ready = out_ready, .fd = console->out_fd };
	console->wake = (struct loop_source){ .ready = woken, .fd = fd };
	console->pause.expired = pause_expired;
	if (fd < 0 || (config->in_fd >= 0 && console->in_fd < 0) ||
		(config->out_fd >= 0 && console->out_fd < 0)) {
		r = error_errno(err, errno, "cannot open the console");
		console_close(console);
		return r;
	}
	r = loop_add(loop, &console->wake, EPOLLIN);
	if (r == 0 && console->in_fd >= 0)
		r = loop_add(loop, &console->in, EPOLLIN);
	console->is_file = r == -EPERM; /* and the like: always ready, and epoll does not want it */
	if (r < 0 && !console->is_file) {
		console_close(console);
		return error_errno(err, r, "cannot watch the console");
	}
	if (console->is_file)
		console_has_room(console);
	make_raw(console);
	return 0;
}

static void write_last_words(struct console *console)
{
	struct pollfd p = { .fd = console->out_fd, .events = POLLOUT };

	while (console->out_fd >= 0 && console->nr_output > 0) {
		if (write_some(console) == -EAGAIN && poll(&p, 1, LAST_WORDS_MS) <= 0)
			break;
	}
}

void console_close(struct console *console)
{
	write_last_words(console);
	loop_remove(console->loop, &console->in);
	loop_remove(console->loop, &console->out);
	loop_remove(console->loop, &console->wake);
	loop_timer_cancel(console->loop, &console->pause);
	if (console->is_raw)
		tcsetattr(console->in_fd >= 0 ? console->in_fd : console->config.in_fd, TCSANOW,
			&console->saved);
	cleanup_close(&console->wake.fd);
	cleanup_close(&console->in_fd);
	cleanup_close(&console->out_fd);
	pthread_mutex_destroy(&console->lock);
	console->loop = NULL;
}
