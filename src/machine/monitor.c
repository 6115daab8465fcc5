/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c - the questions, one row each, and the connection that they come by. All of it happens
 * on the event loop's thread.
 */
#include "machine/monitor.h"

#include <jansson.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/passing.h"
#include "base/str.h"
#include "base/unix.h"
#include "device/virtio/balloon.h"
#include "machine/porter.h"
#include "machine/pressure.h"
#include "machine/snapshot.h"
#include "machine/virtio.h"

#define SEND_TIMEOUT_S 5 /* who reads nothing is gone */
#define WORDS_MAX      3
#define BACKLOG	       8 /* they are asked one after the other */

/* --- questions: the words behind the name; a new reference, NULL with a sentence in err ------ */

static json_t *oom(struct error *err)
{
	error_oom(err);
	return NULL;
}

static int parse_vcpu(
	const struct machine *m, char *const words[], unsigned *ret, struct error *err)
{
	uint64_t index = 0;

	if (words[0] && parse_u64(words[0], m->config.nr_vcpus - 1, &index) < 0)
		return error_set(err, EINVAL, "there is no hart %s", words[0]);
	*ret = (unsigned)index;
	return 0;
}

static json_t *not_told(const struct machine_monitor *monitor, const char *word, struct error *err)
{
	error_set(err, ENOTSUP, "%s: a machine \"%s\" does not tell that", word,
		monitor->machine->board->name);
	return NULL;
}

static json_t *show_status(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	struct machine *m = monitor->machine;
	json_t *harts = json_array(), *result;

	for (unsigned i = 0; i < m->config.nr_vcpus; i++)
		json_array_append_new(harts, json_string(m->vcpus[i].is_off ? "off" : "on"));
	result = json_pack("{s:s, s:b, s:I, s:o}", "board", m->board->name, "paused",
		monitor->is_paused, "memory_bytes", (json_int_t)m->config.memory_bytes, "harts",
		harts);
	return result ? result : oom(err);
}

static json_t *show_registers(
	struct machine_monitor *monitor, char *const words[], struct error *err)
{
	unsigned index = 0;

	if (parse_vcpu(monitor->machine, words, &index, err) < 0)
		return NULL;
	if (!monitor->machine->board->show_registers)
		return not_told(monitor, "registers", err);
	return monitor->machine->board->show_registers(monitor->machine, index, err);
}

static json_t *show_traps(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	unsigned index = 0;

	if (parse_vcpu(monitor->machine, words, &index, err) < 0)
		return NULL;
	if (!monitor->machine->board->show_traps)
		return not_told(monitor, "traps", err);
	return monitor->machine->board->show_traps(monitor->machine, index, err);
}

/* "walk ADDRESS [HART]" */
static json_t *show_walk(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	unsigned index = 0;
	uint64_t address;
	char *end = NULL;

	errno = 0;
	address = words[0] ? strtoull(words[0], &end, 16) : 0;
	if (!words[0] || *end || errno) {
		error_set(err, EINVAL, "walk wants an address in hexadecimal digits");
		return NULL;
	}
	if (parse_vcpu(monitor->machine, words + 1, &index, err) < 0)
		return NULL;
	if (!monitor->machine->board->show_walk)
		return not_told(monitor, "walk", err);
	return monitor->machine->board->show_walk(monitor->machine, index, address, err);
}

/* The blob in hexadecimal digits. */
static json_t *show_tree(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	_cleanup_free_ uint8_t *blob = NULL;
	_cleanup_str_ struct str text = { 0 };
	void *tree = NULL;
	size_t size = 0;
	json_t *result;

	if (!monitor->machine->board->describe_tree)
		return not_told(monitor, "tree", err);
	if (monitor->machine->board->describe_tree(monitor->machine, &tree, &size, err) < 0)
		return NULL;
	blob = tree;
	for (size_t i = 0; i < size; i++)
		str_appendf(&text, "%02x", blob[i]);
	result = text.failed ? NULL : json_pack("{s:s}", "tree", text.data);
	return result ? result : oom(err);
}

static json_t *pause_machine(
	struct machine_monitor *monitor, char *const words[], struct error *err)
{
	if (!monitor->is_paused)
		machine_pause(monitor->machine, &monitor->pause);
	monitor->is_paused = true;
	return show_status(monitor, words, err);
}

static json_t *resume_machine(
	struct machine_monitor *monitor, char *const words[], struct error *err)
{
	if (monitor->is_paused)
		machine_unpause(monitor->machine, &monitor->pause);
	monitor->is_paused = false;
	return show_status(monitor, words, err);
}

static json_t *reset_machine(
	struct machine_monitor *monitor, char *const words[], struct error *err)
{
	monitor->machine->power.ops->reset(&monitor->machine->power);
	return show_status(monitor, words, err);
}

static json_t *save_as(
	struct machine_monitor *monitor, char *const words[], bool is_difference, struct error *err)
{
	if (!words[0] || monitor->nr_fds != SNAPSHOT_FILES_MAX) {
		error_set(err, EINVAL, "%s wants a folder", is_difference ? "save-diff" : "save");
		return NULL;
	}
	return machine_save(monitor->machine, monitor->fds, words[0], is_difference, err) < 0
		? NULL
		: show_status(monitor, words, err);
}

/* "save FOLDER" */
static json_t *save_machine(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	return save_as(monitor, words, false, err);
}

/* "save-diff FOLDER" */
static json_t *save_difference(
	struct machine_monitor *monitor, char *const words[], struct error *err)
{
	return save_as(monitor, words, true, err);
}

/* What the next difference would be one to; who asks looks whether that is there. */
static json_t *show_base(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	const struct machine_snapshot *base = &monitor->machine->base;
	json_t *result;

	if (machine_check_base(monitor->machine, err) < 0)
		return NULL;
	result = json_pack("{s:s, s:s}", "folder", base->folder, "id", base->id);
	return result ? result : oom(err);
}

/* "balloon [BYTES]": what the guest is to give up, and what it has. */
static json_t *size_balloon(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	struct virtio_balloon *balloon = machine_virtio_find(
		monitor->machine, &machine_virtio_balloon);
	const uint64_t memory = monitor->machine->config.memory_bytes;
	uint64_t bytes;
	json_t *result;

	if (!balloon) {
		error_set(err, ENODEV, "the machine has no balloon");
		return NULL;
	}
	if (words[0] && (parse_size_bytes(words[0], &bytes) < 0 || bytes > memory)) {
		error_set(err, EINVAL, "balloon wants a size up to the %llu bytes of the machine",
			(unsigned long long)memory);
		return NULL;
	}
	if (words[0])
		machine_ask_balloon(monitor->machine, bytes);
	result = json_pack("{s:I, s:I, s:I}", "balloon_bytes",
		(json_int_t)virtio_balloon_bytes(balloon), "taken_bytes",
		(json_int_t)monitor->machine->pressure.state.taken_bytes, "memory_bytes",
		(json_int_t)memory);
	return result ? result : oom(err);
}

/* "code [places]" */
static json_t *show_code(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	if (!monitor->machine->board->show_code)
		return not_told(monitor, "code", err);
	if (words[0] && !streq(words[0], "places")) {
		error_set(err, EINVAL, "code has no %s", words[0]);
		return NULL;
	}
	return monitor->machine->board->show_code(monitor->machine, words[0] != NULL, err);
}

static json_t *press_power(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	struct machine *m = monitor->machine;

	if (!m->board->press_power) {
		error_set(err, ENOTSUP, "a machine \"%s\" has no power button", m->board->name);
		return NULL;
	}
	m->board->press_power(m);
	return show_status(monitor, words, err);
}

static json_t *quit_machine(struct machine_monitor *monitor, char *const words[], struct error *err)
{
	machine_stop(monitor->machine);
	return show_status(monitor, words, err);
}

static const struct question {
	const char *name;
	json_t *(*answer)(struct machine_monitor *monitor, char *const words[], struct error *err);
	bool takes_rest; /* of the line, as one word */
} questions[] = {
	{ "status", show_status },
	{ "registers", show_registers },
	{ "traps", show_traps },
	{ "walk", show_walk },
	{ "tree", show_tree },
	{ "pause", pause_machine },
	{ "resume", resume_machine },
	{ "reset", reset_machine },
	{ "save", save_machine, true },
	{ "save-diff", save_difference, true },
	{ "base", show_base },
	{ "balloon", size_balloon },
	{ "code", show_code },
	{ "power", press_power },
	{ "quit", quit_machine },
};

static json_t *answer(struct machine_monitor *monitor, struct error *err)
{
	char *words[WORDS_MAX] = { 0 }, *rest = NULL;
	const char *name = strtok_r(monitor->line, " ", &rest);
	const struct question *q = questions;

	while (name && q < questions + ARRAY_SIZE(questions) && !streq(name, q->name))
		q++;
	if (!name || q == questions + ARRAY_SIZE(questions)) {
		error_set(err, EINVAL, "no such command: %s", name ? name : "");
		return NULL;
	}
	if (q->takes_rest)
		words[0] = rest && *rest ? rest : NULL;
	for (unsigned i = 0; !q->takes_rest && i < WORDS_MAX - 1; i++)
		words[i] = strtok_r(NULL, " ", &rest);
	return q->answer(monitor, words, err);
}

/* --- connections ----------------------------------------------------------------------------- */

static void send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		left -= (size_t)n;
	}
}

static void close_files(struct machine_monitor *monitor)
{
	while (monitor->nr_fds > 0)
		close(monitor->fds[--monitor->nr_fds]);
}

static void hang_up(struct machine_monitor *monitor)
{
	close_files(monitor);
	loop_remove(&monitor->machine->loop, &monitor->connection);
	cleanup_close(&monitor->connection.fd);
	monitor->connection.fd = -1;
	loop_add(&monitor->machine->loop, &monitor->listener, EPOLLIN);
}

/* All vcpus stand. */
static void quiet(struct machine_pause *pause)
{
	struct machine_monitor *monitor = container_of(pause, struct machine_monitor, look);
	_cleanup_free_ char *text = NULL;
	struct error err = { 0 };
	json_t *result = answer(monitor, &err);

	if (!result)
		result = json_pack("{s:s}", "error", err.message);
	text = json_dumps(result, JSON_COMPACT);
	if (text)
		send_all(monitor->connection.fd, text);
	json_decref(result);
	hang_up(monitor);
	machine_unpause(monitor->machine, &monitor->look);
}

static void stays_quiet(struct machine_pause *pause)
{
}

static void connection_ready(struct loop_source *source, uint32_t events)
{
	struct machine_monitor *monitor = container_of(source, struct machine_monitor, connection);
	size_t room = MONITOR_LINE_MAX - monitor->nr_line;
	unsigned nr_fds = SNAPSHOT_FILES_MAX - monitor->nr_fds;
	ssize_t n = passing_receive(source->fd, monitor->line + monitor->nr_line, room,
		monitor->fds + monitor->nr_fds, &nr_fds, MSG_DONTWAIT);
	char *end;

	monitor->nr_fds += nr_fds;
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		hang_up(monitor);
		return;
	}
	monitor->nr_line += (size_t)n;
	end = memchr(monitor->line, '\n', monitor->nr_line);
	if (end) {
		*end = '\0';
		loop_remove(&monitor->machine->loop, source);
		machine_pause(monitor->machine, &monitor->look);
	} else if (monitor->nr_line == MONITOR_LINE_MAX) {
		hang_up(monitor);
	}
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct machine_monitor *monitor = container_of(source, struct machine_monitor, listener);
	const struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	monitor->nr_line = 0;
	monitor->connection = (struct loop_source){ .ready = connection_ready, .fd = fd };
	loop_remove(&monitor->machine->loop, source);
	if (loop_add(&monitor->machine->loop, &monitor->connection, EPOLLIN) < 0)
		hang_up(monitor);
}

/* It is its owner's alone. */
static int listen_at(const char *path, struct error *err)
{
	int fd = unix_listen(path, 0600, BACKLOG);

	return fd < 0 ? error_errno(err, fd, "--monitor %s", path) : fd;
}

int machine_monitor_open(struct machine *m, const char *path, struct error *err)
{
	struct machine_monitor *monitor = calloc(1, sizeof(*monitor));
	int fd, r;

	if (!monitor)
		return error_oom(err);
	monitor->machine = m;
	monitor->look.quiet = quiet;
	monitor->pause.quiet = stays_quiet;
	monitor->listener.fd = monitor->connection.fd = -1;
	m->monitor = monitor;
	fd = listen_at(path, err);
	if (fd < 0)
		return fd;
	monitor->path = path;
	monitor->listener = (struct loop_source){ .ready = listener_ready, .fd = fd };
	r = loop_add(&m->loop, &monitor->listener, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot wait for who asks") : 0;
}

void machine_monitor_close(struct machine *m)
{
	struct machine_monitor *monitor = m->monitor;

	if (!monitor)
		return;
	close_files(monitor);
	loop_remove(&m->loop, &monitor->connection);
	cleanup_close(&monitor->connection.fd);
	loop_remove(&m->loop, &monitor->listener);
	cleanup_close(&monitor->listener.fd);
	if (monitor->path)
		porter_remove(m->porter, PORTER_MONITOR);
	free(monitor);
	m->monitor = NULL;
}
