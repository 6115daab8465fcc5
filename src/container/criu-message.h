/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu-message.h - the messages of criu's RPC, as far as we speak it: criu's images/rpc.proto in
 * Protocol Buffers' encoding. Private to container/criu*.c.
 *
 * Requests are built by appending fields to a `struct str`; the one kind of answer is parsed into
 * a plain struct.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

enum criu_type {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
	CRIU_FEATURE_CHECK = 9,
};

enum criu_request_field {
	CRIU_REQUEST_TYPE = 1,
	CRIU_REQUEST_OPTIONS = 2,
	CRIU_REQUEST_NOTIFY_SUCCESS = 3,
	CRIU_REQUEST_FEATURES = 5,
};

enum criu_feature_field {
	CRIU_FEATURE_MEM_TRACK = 1,
	CRIU_FEATURE_LAZY_PAGES = 2,
};

/* criu_opts */
enum criu_option_field {
	CRIU_IMAGES_DIR_FD = 1,
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_EVASIVE_DEVICES = 6,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11, /* message: address 1, port 2 */
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMAGE = 14,
	CRIU_TRACK_MEM = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_WORK_DIR_FD = 17,
	CRIU_LINK_REMAP = 18,
	CRIU_EXTERNAL_MOUNT = 23, /* message: key 1, value 2 */
	CRIU_MANAGE_CGROUPS = 24,
	CRIU_CGROUP_ROOT = 25, /* message: controllers 1, path 2 */
	CRIU_RESTORE_SIBLING = 26,
	CRIU_INHERIT_FD = 27, /* message: key 1, number 2 */
	CRIU_MANAGE_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NAMESPACES = 38,
	CRIU_JOIN_NAMESPACE = 39, /* message: kind 1, file 2 */
	CRIU_FREEZE_CGROUP = 44,
	CRIU_TCP_SKIP_IN_FLIGHT = 46,
	CRIU_LAZY_PAGES = 48,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_CONFIG_FILE = 51,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63,
};

/* Append a field. A NULL text appends nothing. Failures are kept in the str (str_finish()). */
void criu_put_uint(struct str *message, unsigned field, uint64_t value);
void criu_put_text(struct str *message, unsigned field, const char *text);
void criu_put_message(struct str *message, unsigned field, const struct str *inner);
/* A message whose field 1 is a text and field 2 a text or a number. */
void criu_put_texts(struct str *message, unsigned field, const char *first, const char *second);
void criu_put_numbered(struct str *message, unsigned field, const char *first, uint64_t second);

struct criu_answer {
	int type;
	bool success;
	pid_t pid; /* CRIU_RESTORE: of the first process; CRIU_NOTIFY: see criu(8) */
	char script[32]; /* CRIU_NOTIFY: which */
	int errno_code; /* 0 = none */
	char message[512]; /* criu's first "Error" line; may be empty */
	bool mem_track, lazy_pages; /* CRIU_FEATURE_CHECK */
};

/* 0 or -EPROTO. */
int criu_parse_answer(const void *bytes, size_t len, struct criu_answer *ret);
