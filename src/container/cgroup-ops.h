/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-ops.h - what a kind of cgroup host implements, and the file helpers both kinds share.
 * Private to container/cgroup*.c and their tests.
 *
 * The host's root directory is a parameter, so that tests can stand a directory of ordinary files
 * in for /sys/fs/cgroup.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "container/cgroup-stats.h"
#include "container/cgroup.h"

struct cgroup_ops;

struct cgroup_host {
	const struct cgroup_ops *ops;
	const char *root; /* "/sys/fs/cgroup" */
};

/* NULL slots: the kind cannot do that; cgroup.c says so. Paths were checked by cgroup.c. */
struct cgroup_ops {
	const char *name;
	bool (*counts_swap)(const struct cgroup_host *host);
	int (*check)(const struct cgroup_host *host, const struct cgroup_limits *limits,
		struct error *err);
	/* `how` is never NULL. With a unit, systemd has made the cgroup already. */
	int (*create)(const struct cgroup_host *host, const char *path,
		const struct cgroup_limits *limits, const struct cgroup_creation *how,
		struct error *err);
	/* `limits`: those it was made with just now; NULL when anything may have joined since. */
	int (*enter)(const struct cgroup_host *host, const char *path,
		const struct cgroup_limits *limits, struct error *err);
	int (*update)(const struct cgroup_host *host, const char *path,
		const struct cgroup_limits *limits, struct error *err);
	/* Ask for it; then .is_frozen is polled. */
	int (*freeze)(
		const struct cgroup_host *host, const char *path, bool frozen, struct error *err);
	/* 1 frozen, 0 running or on the way, negative errno. */
	int (*is_frozen)(const struct cgroup_host *host, const char *path);
	int (*pids)(const struct cgroup_host *host, const char *path, pid_t **ret,
		size_t *ret_count, struct error *err);
	/* Send SIGKILL to everything in it, frozen or not. */
	int (*kill)(const struct cgroup_host *host, const char *path, struct error *err);
	int (*read_stats)(const struct cgroup_host *host, const char *path,
		struct cgroup_stats *ret, struct error *err);
	/* Into zeroed statistics; the caller frees them, failure or not. */
	int (*read_full_stats)(
		const struct cgroup_host *host, const char *path, struct cgroup_full_stats *stats);
	uint64_t (*read_oom_kills)(const struct cgroup_host *host, const char *path);
	int (*open_oom_events)(const struct cgroup_host *host, const char *path);
	/* rmdir, bottom-up; -EBUSY while something lives in it. A missing one is fine. */
	int (*remove)(const struct cgroup_host *host, const char *path);
};

extern const struct cgroup_ops cgroup_v1_ops, cgroup_v2_ops;

/* cgroup_v1_takes_part() */
bool v1_takes_part(
	const struct cgroup_host *host, const struct cgroup_limits *limits, const char *name);

/* Zero asks for nothing where the kernel has no such limit: engines write what nobody gave. */
static inline bool cgroup_is_set(int64_t value)
{
	return value != CGROUP_UNSET && value != 0;
}

static inline bool cgroup_has_text(const char *text)
{
	return text && *text;
}

/* --- cgroup-delegate.c ----------------------------------------------------------------------- */

/* The cgroup we are in, if we may divide it ("/user.slice/..."); *ret is malloc'd. -ENOTSUP. */
int cgroup_v2_delegated(const char *root, char **ret);
int cgroup_v2_parse_self(const char *text, char **ret);
/* Likewise, in systemd's own hierarchy on a host with v1 controllers. */
int cgroup_parse_systemd(const char *text, char **ret);
/* Does a systemd of this user's run, which gives its user delegated scopes? */
bool cgroup_v2_user_manager(void);
/* Where on a v2 host our containers' cgroups go, "" for the root; made ready for it by moving its
 * processes, us included, to a leaf. */
int cgroup_v2_base(const char *root, char **ret, struct error *err);
/* cgroup_path_for() on a v2 host. */
int cgroup_v2_path_for(const char *root, const char *id, char **ret, struct error *err);

/* --- cgroup-limits.c ------------------------------------------------------------------------- */

/* The first limit that was asked for, by the name its user knows; NULL: none. Device rules are not
 * a limit a user asks for: without cgroups nobody but root could open those devices anyway. */
const char *cgroup_first_limit(const struct cgroup_limits *limits);
/* -EINVAL for values that no kernel takes, whatever its kind. */
int cgroup_check_ranges(const struct cgroup_limits *limits, struct error *err);

/* --- cgroup-unit.c: the systemd driver ------------------------------------------------------- */

/* cgroup_place() with systemd. */
int cgroup_unit_place(const char *cgroups_path, const char *id, char **ret_path,
	struct cgroup_unit *ret_unit, struct error *err);
int cgroup_unit_expand_slice(const char *slice, char **ret, struct error *err);
/* Append what systemd has words for, NAME=VALUE. */
int cgroup_unit_properties(
	const struct cgroup_limits *limits, bool v2, char ***list, struct error *err);
/* Make the unit and move the process into it. */
int cgroup_unit_start(const struct cgroup_unit *unit, pid_t pid, const struct cgroup_limits *limits,
	bool v2, struct error *err);
int cgroup_unit_set(const struct cgroup_unit *unit, const struct cgroup_limits *limits, bool v2,
	struct error *err);

/* Move a process into the unit. */
int cgroup_unit_attach(const struct cgroup_unit *unit, pid_t pid, struct error *err);

/* --- cgroup-file.c -------------------------------------------------------------------------- */

/* Largest file read into the stack: memory.stat is 1.5 to 4 KiB. */
#define CGROUP_TEXT_MAX 8192
/* Text of `*.procs`: about 300,000 processes. */
#define CGROUP_PROCS_MAX (2u << 20)
/* How deep cgroups made by a container may nest before we stop following. */
#define CGROUP_DEPTH_MAX 64

/* buf = parts joined; a NULL ends the list. -ENAMETOOLONG. */
int cgroup_join(char buf[PATH_MAX], const char *const parts[]);
#define cgroup_path_of(buf, ...) cgroup_join(buf, (const char *const[]){ __VA_ARGS__, NULL })

/* One open, read, close; what does not fit is cut. Returns the length or -errno. */
int cgroup_read_text(const char *path, char *buf, size_t size);
/* "123\n" -> 123, "max\n" -> UINT64_MAX; -EINVAL. */
int cgroup_parse_number(const char *text, uint64_t *ret);
/* The number on the line "KEY NUMBER"; false when there is no such line. */
bool cgroup_parse_keyed(const char *text, const char *key, uint64_t *ret);
/* Sums over all devices: v1 "8:0 Read 123", v2 "8:0 rbytes=123 wbytes=4 ...". */
void cgroup_parse_io_v1(const char *text, uint64_t *read_bytes, uint64_t *written_bytes);
void cgroup_parse_io_v2(const char *text, uint64_t *read_bytes, uint64_t *written_bytes);
/* Number of lines, for `tasks`. */
size_t cgroup_count_lines(const char *text);

int cgroup_read_number(const char *path, uint64_t *ret);

struct cgroup_pid_list {
	const char *file; /* "cgroup.procs", or v1's "tasks" for threads */
	pid_t *pids;
	size_t count, capacity;
};

static inline void cleanup_pid_list(struct cgroup_pid_list *list)
{
	free(list->pids);
}

#define _cleanup_pid_list_ _cleanup_(cleanup_pid_list)

/* Append the pids of `dir`/FILE and of every directory below. A missing dir adds none. */
int cgroup_collect_pids(const char *dir, struct cgroup_pid_list *list);
/* Likewise, of dir alone. */
int cgroup_list_pids(const char *dir, struct cgroup_pid_list *list);

/* rmdir `dir`, its children first where it has some. 0 when it is gone. */
int cgroup_remove_dirs(const char *dir);

/* mkdir with missing parents below `base_len` characters of dir; a racing remover of a parent is
 * met by trying again. -EEXIST when it is in use. */
int cgroup_make_dir(const char *dir, size_t base_len, enum cgroup_existing existing);

/* Sum of /proc/PID/io over the pids: bytes of them and of the children they have waited for. */
void cgroup_sum_process_io(
	const pid_t *pids, size_t count, uint64_t *read_bytes, uint64_t *written_bytes);

/* Memory of this machine in bytes. */
uint64_t cgroup_host_memory(void);

/* --- cgroup-stats.c -------------------------------------------------------------------------- */

/* DIR/FILE as a fresh text; -ENOENT and others quietly. */
int cgroup_read_stats_text(const char *dir, const char *file, char **ret);
/* Likewise a number; *ret stays as it is where there is none. */
void cgroup_read_stats_number(const char *dir, const char *file, uint64_t *ret);
void cgroup_read_psi(const char *dir, const char *file, struct cgroup_psi *ret);
/* hugetlb.SIZE.{usage,max,failcnt}; `max` NULL: v2, which has events instead. */
int cgroup_read_hugetlb(
	const char *dir, const char *usage, const char *max, struct cgroup_full_stats *stats);
int cgroup_read_rdma(const char *dir, struct cgroup_full_stats *stats);

/* The parsers append to their lists: 0 or -ENOMEM. Numbers end with what is none. */
int cgroup_parse_numbers(const char *text, uint64_t **ret, size_t *ret_count);
int cgroup_parse_members(const char *text, uint16_t **ret, size_t *ret_count);
int cgroup_parse_raw(const char *text, struct cgroup_named_number **ret, size_t *ret_count);
int cgroup_push_io(struct cgroup_io_list *list, uint64_t major, uint64_t minor, const char *op,
	uint64_t value);
/* "hugepages-2048kB" -> "2MB" */
int cgroup_hugepage_name(const char *folder, char *buf, size_t size);

/* cgroup_ops.read_full_stats of v2, and the part of it that a hybrid host's v2 hierarchy has. */
int v2_read_full_stats(
	const struct cgroup_host *host, const char *path, struct cgroup_full_stats *stats);
int v2_read_full_stats_extra(const char *dir, struct cgroup_full_stats *stats);

/* --- cgroup-convert.c: pure functions -------------------------------------------------------- */

/* "0-2,8" -> bit n of byte n / 8. -EINVAL, -ERANGE. */
#define CGROUP_SET_MAX 8192
int cgroup_parse_set(const char *text, uint8_t *bits, size_t size);
/* cpu.shares (2..262144) -> cpu.weight (1..10000), io weights 10..1000 -> 1..10000. */
uint64_t cgroup_weight_from_shares(uint64_t shares);
uint64_t cgroup_io_weight_from_blkio(uint64_t weight);
/* memory + swap -> swap alone; CGROUP_UNLIMITED and CGROUP_UNSET pass through. */
int cgroup_swap_from_total(int64_t memory, int64_t total, int64_t *ret, struct error *err);

/* "mlx4_0 hca_handle=2 hca_object=2000", for rdma.max; malloc'd, NULL without memory. */
char *cgroup_rdma_line(const struct cgroup_rdma_limit *limit);

/*
 * A device policy as both kernels' interfaces can hold it: a default and exceptions to it, at most
 * one exception for a (type, major, minor), in the order in which they were first named.
 */
#define CGROUP_DEVICE_RULES_MAX 1024

enum cgroup_access {
	CGROUP_ACCESS_MKNOD = 1, /* the numbers of BPF_DEVCG_ACC_* */
	CGROUP_ACCESS_READ = 2,
	CGROUP_ACCESS_WRITE = 4,
	CGROUP_ACCESS_ALL = 7,
};

struct cgroup_device_exception {
	char type;
	int64_t major, minor;
	unsigned access;
};

struct cgroup_device_policy {
	bool allow_by_default;
	struct cgroup_device_exception *exceptions;
	size_t count;
};

/* KEY=VALUE -> the file's name and (in place) its value; a key is "controller.file", never a path.
 */
int cgroup_split_unified(
	const char *setting, char *key, size_t size, const char **value, struct error *err);

unsigned cgroup_access_parse(const char *text, size_t len);
/* The rules in order, as the runtime-spec means them -> a policy. -ENOTSUP where a later rule cuts
 * a hole into a wider earlier one, which v1 cannot hold. Free exceptions. */
int cgroup_device_policy(const struct cgroup_device_rule *rules, size_t count,
	struct cgroup_device_policy *ret, struct error *err);

/* --- device-bpf.c ---------------------------------------------------------------------------- */

/* Let a program of type CGROUP_DEVICE judge every access to a device in the cgroup; it replaces
 * one of an earlier call. -EPERM where the caller may load none. */
int cgroup_device_attach(int cgroup_fd, const struct cgroup_device_rule *rules, size_t count);
