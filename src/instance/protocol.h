/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h - what a monitor and its clients say to each other over RUN_ROOT/ID.sock.
 *
 * The socket is SOCK_SEQPACKET: one packet is one frame, and a frame is sent whole or not at all,
 * so neither side ever holds half of one. A frame is an 8-byte header and its payload:
 *
 *   type u8 | stream u8 | zero u16 | len u32      (this machine's byte order: both ends are here)
 *
 * Client to monitor
 *   ATTACH    u8 mask of streams (1 << 0 stdin, 1 << 1 stdout, 1 << 2 stderr)
 *   STDIN     bytes; the next one only after STDIN_TAKEN, so that signals overtake a full stdin
 *   STDIN_EOF
 *   RESIZE    frame_resize
 *   SIGNAL    i32; answered with RESULT when stream is 1
 *   STOP      frame_stop; answered with RESULT when it has ended
 *   PAUSE     u8; RESULT
 *   RELOAD    instance.json or config.json was rewritten; RESULT
 *   WAIT      u8 enum instance_wait_for; answered with EXIT
 *   CLOSED    u8 mask: these streams are no longer wanted (stdout of the client is a broken pipe)
 *   LIST      answered with RESULT and, when that is well, a descriptor: the instance's list of
 *             translations (translations.h)
 *
 * Monitor to client
 *   STARTED   i32 pid: the command runs
 *   FAILED    frame_failed: it could not be started
 *   OUTPUT    bytes, stream 1 or 2
 *   STDIN_TAKEN
 *   EXIT      i32 exit code; nothing follows it
 *   RESULT    frame_result
 *   WARNING   text without NUL, stream is its enum log_level; to the starter, before STARTED
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define FRAME_PAYLOAD_MAX 65536u
#define FRAME_MESSAGE_MAX 1000u /* of an error sentence, its NUL included */

enum frame_type {
	FRAME_ATTACH = 1,
	FRAME_STDIN,
	FRAME_STDIN_EOF,
	FRAME_RESIZE,
	FRAME_SIGNAL,
	FRAME_STOP,
	FRAME_PAUSE,
	FRAME_RELOAD,
	FRAME_WAIT,
	FRAME_CLOSED,
	FRAME_LIST,
	FRAME_STARTED,
	FRAME_FAILED,
	FRAME_OUTPUT,
	FRAME_STDIN_TAKEN,
	FRAME_EXIT,
	FRAME_RESULT,
	FRAME_WARNING,
	FRAME_TYPE_COUNT,
};

struct frame_header {
	uint8_t type;
	uint8_t stream;
	uint16_t zero;
	uint32_t len;
};

#define FRAME_MAX (sizeof(struct frame_header) + FRAME_PAYLOAD_MAX)

struct frame_resize {
	uint16_t rows, columns;
};

struct frame_stop {
	int32_t signo; /* 0 = the instance's own */
	int32_t zero;
	int64_t timeout_s; /* -1 = the instance's own */
};

/* How something ended: a positive errno value (0 = well) and the sentence, NUL-ended. */
struct frame_result {
	int32_t code;
	char message[FRAME_MESSAGE_MAX];
};

struct frame_failed {
	int32_t exit_code; /* 125, 126, 127 */
	struct frame_result result;
};

struct frame {
	enum frame_type type;
	uint8_t stream;
	size_t len;
	const void *payload; /* into the buffer it was received in; aligned to 8 */
};

/* Take a packet apart: -EBADMSG unless type, length and payload are as documented above. */
int frame_parse(const void *bytes, size_t size, struct frame *ret);

/* Send one frame. `flags` of sendmsg(2): MSG_DONTWAIT gives -EAGAIN when it does not fit. */
int frame_send(
	int fd, enum frame_type type, uint8_t stream, const void *payload, size_t len, int flags);
int frame_send_i32(int fd, enum frame_type type, int32_t value, int flags);
int frame_send_result(int fd, int code, const char *message, int flags);

/* Receive one frame into buf (at least FRAME_MAX bytes, aligned to 8). Returns 1, 0 at the end of
 * the connection, or a negative errno. */
int frame_receive(int fd, void *buf, struct frame *ret, int flags);

/* With a descriptor beside it. */
int frame_send_fd(
	int fd, enum frame_type type, const void *payload, size_t len, int passed_fd, int flags);
/* *ret_fd: the descriptor that came with it, or -1. */
int frame_receive_fd(int fd, void *buf, struct frame *ret, int *ret_fd, int flags);

static inline int32_t frame_i32(const struct frame *frame)
{
	return *(const int32_t *)frame->payload;
}

static inline uint8_t frame_u8(const struct frame *frame)
{
	return *(const uint8_t *)frame->payload;
}
