/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - what strata and the first process of a guest (guest/init/) say to each other.
 *
 * A connection is a stream of bytes, most often virtio-vsock. The guest listens at AGENT_PORT, and
 * connects to that port of the host once it can serve; either way the connection is a *session*:
 * any number of requests, and at most one process, whose streams it carries and which is hung up
 * when it ends. A frame is a header and `len` bytes:
 *
 *   len u32 | type u16 | stream u16       (little-endian, as everything here)
 *
 * Both sides begin with HELLO; another version ends the session.
 *
 * Host to guest
 *   EXEC        agent_exec and what follows it; answered with STARTED or FAILED
 *   STDIN       bytes; no more than AGENT_STDIN_WINDOW that STDIN_TAKEN has not told of
 *   STDIN_EOF
 *   DATA        bytes of what PUT unpacks, in the same window; without any: that is all
 *   RESIZE      agent_resize
 *   SIGNAL      i32; to the session's process. Nothing is answered
 *  and, each answered with RESULT,
 *   BEGIN       agent_begin: the disks are those of the instance: mount the image. Before all that
 * has to do with the root filesystem; later ones do nothing CLOCK       agent_clock: the time it is
 *   ENTROPY     bytes, taken as random ones
 *   HOSTNAME    name NUL domain NUL
 *   NETWORK     agent_network
 *   FILE        agent_file, path NUL, bytes: this is in the file of the root filesystem now
 *   SYSCTL      key NUL value NUL
 *   MOUNT       agent_mount and four strings; for every process that is started after it
 *   LIMITS      agent_limits, of the main process and all that it starts
 *   FREEZE      u8: stop or go on, likewise
 *   SHUTDOWN    agent_shutdown; the answer comes when everything is written
 *  and with STATS,
 *   STATS
 *  and by a child of the agent, in the root filesystem as the main process sees it,
 *   LOOK        path NUL: RESULT, whose sentence is "folder", "file" or "missing"
 *   GET         path NUL: DATA, which are a tar archive with the last part of the path at its top,
 *               then RESULT
 *   PUT         path NUL: then DATA, a tar archive, is unpacked in that folder; RESULT
 *   LIST        NUL: DATA, which are an agent_process for each process that the main one can see,
 *               then RESULT
 *
 * Guest to host
 *   HELLO, RESULT (agent_result, then a sentence), STATS (agent_stats), DATA (bytes)
 *   STARTED     i32, the process's number in the guest
 *   FAILED      agent_result, then a sentence. Of stream 1: the command cannot be executed (ENOENT:
 *               there is none); of stream 0: it did not come to that
 *   OUTPUT      bytes of `stream` 1 or 2
 *   STDIN_TAKEN u32, how many bytes more may be sent
 *   EXITED      i32, as wait(2) has it; comes after all output
 *
 * The host does not trust the guest: agent_frame_next() and the agent_*_parse() functions refuse
 * whatever is not as it says here. Sentences are at most AGENT_MESSAGE_MAX bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_MAGIC	   0x61727473u /* "stra" */
#define AGENT_VERSION	   3u
#define AGENT_PORT	   1024u
#define AGENT_REQUEST_MAX  (1u << 20) /* bytes of a frame's payload to the guest */
#define AGENT_REPLY_MAX	   (64u << 10) /* and from it */
#define AGENT_STDIN_WINDOW (64u << 10)
#define AGENT_MESSAGE_MAX  512u
#define AGENT_MOUNTS_MAX   64u
#define AGENT_LIMITS_MAX   16u /* resource limits of a process */
#define AGENT_GROUPS_MAX   1024u
#define AGENT_STRINGS_MAX  65536u /* of an EXEC */
#define AGENT_USER_MAX	   64u
#define AGENT_STAT_MAX	   1024u /* bytes of /proc/PID/stat */
#define AGENT_LIST_MAX	   (64u << 20) /* bytes of all that a LIST answers */

enum agent_type {
	AGENT_HELLO = 1,
	AGENT_EXEC,
	AGENT_STDIN,
	AGENT_STDIN_EOF,
	AGENT_RESIZE,
	AGENT_SIGNAL,
	AGENT_DATA,
	AGENT_BEGIN,
	AGENT_CLOCK,
	AGENT_ENTROPY,
	AGENT_HOSTNAME,
	AGENT_NETWORK,
	AGENT_FILE,
	AGENT_SYSCTL,
	AGENT_MOUNT,
	AGENT_LIMITS,
	AGENT_FREEZE,
	AGENT_SHUTDOWN,
	AGENT_STATS,
	AGENT_LOOK,
	AGENT_GET,
	AGENT_PUT,
	AGENT_RESULT,
	AGENT_STARTED,
	AGENT_FAILED,
	AGENT_OUTPUT,
	AGENT_STDIN_TAKEN,
	AGENT_EXITED,
	AGENT_LIST, /* the last: the others keep the numbers that they had without it */
	AGENT_TYPE_COUNT,
};

struct agent_header {
	uint32_t len;
	uint16_t type;
	uint16_t stream;
};

struct agent_hello {
	uint32_t magic, version;
};

enum agent_exec_flag {
	AGENT_EXEC_MAIN = 1 << 0, /* the machine is for this one: it gets namespaces of its own,
				   * which the others join, and all of them end with it */
	AGENT_EXEC_TERMINAL = 1 << 1, /* its streams are one terminal: STDIN and OUTPUT 1 */
	AGENT_EXEC_STDIN = 1 << 2, /* these streams are the session's; the others are /dev/null */
	AGENT_EXEC_STDOUT = 1 << 3,
	AGENT_EXEC_STDERR = 1 << 4,
	AGENT_EXEC_NO_NEW_PRIVILEGES = 1 << 5,
	AGENT_EXEC_READ_ONLY = 1 << 6, /* of the MAIN one: it cannot write to the root filesystem */
	AGENT_EXEC_OOM_SCORE = 1 << 7, /* oom_score_adj is meant */
	AGENT_EXEC_INIT = 1 << 8, /* of the MAIN one: reap what it leaves behind */
	AGENT_EXEC_DETACHED = 1 << 9, /* goes on when the session ends */
	AGENT_EXEC_FLAGS = (1 << 10) - 1,
};

/* Followed by nr_limits agent_limit, nr_groups u32, and strings that each end with NUL: working
 * directory, user as container_process.user has it ("": the numbers), nr_args, nr_env,
 * nr_group_names. */
struct agent_exec {
	uint32_t flags;
	uint32_t uid, gid, umask;
	int32_t oom_score_adj;
	uint16_t rows, columns; /* 0: not known */
	uint32_t nr_limits, nr_groups, nr_args, nr_env, nr_group_names;
	uint32_t zero;
	uint64_t cap_bounding, cap_effective, cap_inheritable, cap_permitted, cap_ambient;
};

struct agent_limit {
	uint32_t resource, zero; /* RLIMIT_*, as most architectures number them */
	uint64_t soft, hard;
};

struct agent_resize {
	uint16_t rows, columns;
};

struct agent_begin {
	uint64_t disk_sectors[2]; /* that the first and the second have, in units of 512 bytes */
};

struct agent_clock {
	int64_t seconds;
	int64_t nanoseconds;
};

/* IPv4 in network byte order, zero: none. */
struct agent_network {
	uint32_t address, gateway;
	uint32_t prefix_bits, mtu; /* mtu 0: as it is */
	char interface[16]; /* "eth0"; "": the first that is no loopback */
	uint8_t mac[6], zero[2]; /* all 0: as it is */
};

enum agent_file_flag {
	AGENT_FILE_ONLY_NEW = 1 << 0, /* one that is there stays as it is */
};

struct agent_file {
	uint32_t mode, flags;
};

enum agent_mount_flag {
	AGENT_MOUNT_FILE = 1 << 0, /* the source is a file, to be put on one */
	AGENT_MOUNT_BESIDE = 1 << 1, /* the target is beside the root filesystem, where later
				      * mounts may have their sources */
	AGENT_MOUNT_FILL = 1 << 2, /* the source is a folder: while it is empty, and the instance's
				    * disk is new, what the target has is copied there first */
};

/* Followed by type, source, target and the filesystem's own options, each ending with NUL. */
struct agent_mount {
	uint64_t flags; /* MS_* of mount(2) */
	uint32_t how; /* AGENT_MOUNT_* */
	uint32_t zero;
};

/* 0: as it is; UINT64_MAX: none. The machine is about to be smaller by balloon_bytes: that much
 * less than its memory is the limit. */
struct agent_limits {
	uint64_t balloon_bytes, pids, cpu_quota_us, cpu_period_us;
};

enum agent_shutdown_how {
	AGENT_SHUTDOWN_POWER_OFF,
	AGENT_SHUTDOWN_REBOOT,
};

struct agent_shutdown {
	uint32_t how; /* enum agent_shutdown_how */
	uint32_t zero;
};

struct agent_result {
	int32_t code; /* an errno value; 0: done */
};

struct agent_stats {
	uint64_t cpu_us, cpu_user_us, cpu_system_us; /* of the main process and all it starts */
	uint64_t memory_bytes, memory_peak_bytes, memory_total_bytes;
	uint64_t pids, oom_kills;
	uint64_t read_bytes, written_bytes; /* of disks */
	uint64_t received_bytes, sent_bytes; /* of the network */
};

/* One process, in a stream of them. Followed by the name of its user and by what /proc/PID/stat and
 * /proc/PID/cmdline say, of which the latter two may be cut short. None of them ends with NUL. */
struct agent_process {
	uint64_t uptime_ms; /* of the machine, as the list was begun */
	uint32_t pid;
	uint16_t user_len, stat_len, command_len, zero;
	uint32_t zeros;
};

_Static_assert(sizeof(struct agent_header) == 8, "as it goes over the wire");
_Static_assert(sizeof(struct agent_exec) == 88, "as it goes over the wire");
_Static_assert(sizeof(struct agent_limit) == 24, "as it goes over the wire");
_Static_assert(sizeof(struct agent_network) == 40, "as it goes over the wire");
_Static_assert(sizeof(struct agent_mount) == 16, "as it goes over the wire");
_Static_assert(sizeof(struct agent_stats) == 96, "as it goes over the wire");
_Static_assert(sizeof(struct agent_process) == 24, "as it goes over the wire");

/* One frame inside a buffer. */
struct agent_frame {
	uint16_t type; /* enum agent_type, never 0 */
	uint16_t stream;
	uint32_t len;
	const void *payload; /* aligned only as its frame is */
};

/*
 * The first frame of the `len` bytes at `buffer`, whose payload is at most `max` bytes: how long
 * it is with its header; 0 when it is not all there; -1 when it is none.
 */
long agent_frame_next(const void *buffer, size_t len, uint32_t max, struct agent_frame *ret);

/* Does `frame`, from the guest, have a payload as its type wants it? */
bool agent_reply_is_valid(const struct agent_frame *frame);

/* The strings that `count` times end with NUL in exactly [bytes, bytes + len). */
bool agent_strings_are_valid(const char *bytes, size_t len, size_t count);

/* The strings of an EXEC; *ret_strings has nr_args + nr_env + nr_group_names + 2 of them. */
struct agent_exec_parts {
	struct agent_exec head;
	const struct agent_limit *limits; /* perhaps not aligned */
	const uint32_t *groups;
	const char *strings;
	uint32_t nr_strings;
};

/* One process inside a buffer; no text ends with NUL. */
struct agent_process_parts {
	struct agent_process head;
	const char *user, *stat, *command;
};

/*
 * The first process of the `len` bytes at `buffer`: how long it is; 0 when it is not all there; -1
 * when it is none.
 */
long agent_process_next(const void *buffer, size_t len, struct agent_process_parts *ret);

bool agent_exec_parse(const void *payload, size_t len, struct agent_exec_parts *ret);
