/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-monitor.c - what the process of a machine is asked, at its monitor (machine/monitor.h): a
 * line, which one JSON object answers. What it answers is of a process that a guest may have taken
 * over.
 */
#include "isolation/vm.h"

#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "machine/snapshot-folder.h"

#define TALK_TIMEOUT_S	 60 /* it may be saving its memory for somebody else */
#define ANSWER_BYTES_MAX 4096
#define PIECE_BYTES	 65536
#define CODE_TIMEOUT_S	 10 /* nobody needs it */

static int connect_monitor(int machine_fd, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval timeout = { .tv_sec = TALK_TIMEOUT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" VM_MONITOR,
		machine_fd);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot reach the machine's monitor");
	return steal_fd(&fd);
}

/* A new reference. */
static int read_answer(int fd, json_t **ret, struct error *err)
{
	char text[ANSWER_BYTES_MAX], sentence[ERROR_MESSAGE_MAX];
	size_t len = 0;
	ssize_t n;
	json_t *answer;
	const char *why;

	while (len < sizeof(text) && (n = recv(fd, text + len, sizeof(text) - len, 0)) != 0) {
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot hear the machine's monitor");
		len += n > 0 ? (size_t)n : 0;
	}
	answer = json_loadb(text, len, 0, NULL);
	why = json_string_value(json_object_get(answer, "error"));
	if (answer && !why) {
		*ret = answer;
		return 0;
	}
	vm_clean(sentence, sizeof(sentence), why ? why : "", why ? strlen(why) : 0);
	json_decref(answer);
	return error_set(
		err, EIO, "%s", *sentence ? sentence : "the machine's monitor speaks nonsense");
}

/* The connection, at which the answer comes. */
static int send_line(int machine_fd, const char *line, struct error *err)
{
	_cleanup_close_ int fd = line ? connect_monitor(machine_fd, err) : error_oom(err);

	if (fd < 0)
		return fd;
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
		return error_errno(err, errno, "cannot talk to the machine's monitor");
	return steal_fd(&fd);
}

static int ask(int machine_fd, const char *line, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = send_line(machine_fd, line, err);

	return fd < 0 ? fd : read_answer(fd, ret, err);
}

int vm_monitor_save(int machine_fd, const char *path, struct error *err)
{
	_cleanup_close_ int fd = connect_monitor(machine_fd, err);
	struct snapshot_folder files;
	json_t *answer = NULL;
	int r = fd < 0 ? fd : snapshot_folder_make(path, &files, err);

	if (r < 0)
		return r;
	r = snapshot_folder_ask(fd, &files, false, err);
	snapshot_folder_close(&files);
	if (r == 0)
		r = read_answer(fd, &answer, err);
	json_decref(answer);
	if (r == 0)
		return snapshot_folder_finish(path, NULL, true, err);
	snapshot_folder_finish(path, NULL, false, NULL);
	return r;
}

int vm_monitor_memory(int machine_fd, uint64_t *ret_bytes, struct error *err)
{
	json_t *answer = NULL;
	int r = ask(machine_fd, "status\n", &answer, err);
	json_int_t bytes = json_integer_value(json_object_get(answer, "memory_bytes"));

	json_decref(answer);
	if (r < 0)
		return r;
	if (bytes <= 0)
		return error_set(err, EIO, "the machine's monitor does not tell its memory");
	*ret_bytes = (uint64_t)bytes;
	return 0;
}

int vm_monitor_balloon(int machine_fd, uint64_t bytes, struct error *err)
{
	_cleanup_free_ char *line = strf("balloon %llu\n", (unsigned long long)bytes);
	json_t *answer = NULL;
	int r = ask(machine_fd, line, &answer, err);

	json_decref(answer);
	return r;
}

int vm_monitor_code(int machine_fd, int out_fd, size_t max_bytes, struct error *err)
{
	_cleanup_close_ int fd = send_line(machine_fd, "code places\n", err);
	const struct timeval timeout = { .tv_sec = CODE_TIMEOUT_S };
	int64_t end = clock_monotonic_ns() + CODE_TIMEOUT_S * INT64_C(1000000000);
	char piece[PIECE_BYTES];
	size_t size = 0;
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return fd < 0 ? fd : error_errno(err, errno, "cannot set a timeout");
	while (size < max_bytes && (n = recv(fd, piece, sizeof(piece), 0)) != 0) {
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "cannot hear the machine's monitor");
		if (clock_monotonic_ns() > end)
			return error_set(err, ETIMEDOUT, "the machine's monitor takes its time");
		if (n > 0 && io_write_full(out_fd, piece, (size_t)n) < 0)
			return error_errno(err, errno, "cannot write what the monitor says");
		size += n > 0 ? (size_t)n : 0;
	}
	return 0;
}
