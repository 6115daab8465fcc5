/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - a container's directory: made, locked, read, checked, removed.
 */
#include "front/runtime/record.h"

#include <assert.h>
#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "front/runtime/bundle.h"

#define STATE_FILE	 "state.json"
#define STATE_MAX	 (4u << 20) /* annotations have no bound of their own */
#define ID_MAX		 200 /* a file name, with room for what a cgroup's adds */
#define LOCK_POLL_NS	 2000000L
#define LOCK_TIMEOUT_NS	 INT64_C(10000000000)
#define DEATH_TIMEOUT_MS 10000

static const char *const status_names[] = {
	[RECORD_CREATING] = "creating",
	[RECORD_CREATED] = "created",
	[RECORD_RUNNING] = "running",
	[RECORD_PAUSED] = "paused",
	[RECORD_STOPPED] = "stopped",
};
static_assert(ARRAY_SIZE(status_names) == RECORD_STATUS_COUNT, "every status has a name");

const char *record_status_name(enum record_status status)
{
	return status_names[status];
}

/* The characters runc allows; the ID becomes a file name. */
static bool id_is_valid(const char *id)
{
	size_t len = strlen(id);

	if (len == 0 || len > ID_MAX || streq(id, ".") || streq(id, ".."))
		return false;
	for (const char *p = id; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_+-.", *p))
			return false;
	return true;
}

static int check_id(const char *id, struct error *err)
{
	if (id_is_valid(id))
		return 0;
	return error_set(err, EINVAL,
		"invalid container ID format: \"%s\" (at most %d of letters, digits, '_', '+', '-' and '.')",
		id, ID_MAX);
}

void record_close(struct record *record)
{
	free(record->id);
	cleanup_close(&record->dir_fd);
	free(record->bundle);
	free(record->rootfs);
	free(record->cgroup);
	cgroup_unit_free(&record->unit);
	strv_free(record->annotations);
	*record = (struct record)RECORD_INIT;
}

/* --- state.json ---------------------------------------------------------------------------- */

int record_save(const struct record *record, struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;

	json_begin_object(&w, NULL);
	json_write_int(&w, "pid", record->pid);
	json_write_uint(&w, "start_ticks", record->start_ticks);
	json_write_string(&w, "boot_id", record->boot_id);
	json_write_string(&w, "bundle", record->bundle);
	json_write_string(&w, "rootfs", record->rootfs);
	json_write_string(&w, "cgroup", record->cgroup);
	json_write_string(&w, "unit", record->unit.name);
	json_write_string(&w, "slice", record->unit.slice);
	json_write_bool(&w, "user_unit", record->unit.user);
	json_write_bool(&w, "shares_mounts", record->shares_mounts);
	json_write_bool(&w, "shares_pids", record->shares_pids);
	json_write_bool(&w, "has_class", record->has_class);
	json_write_bool(&w, "has_late_hooks", record->has_late_hooks);
	json_write_int(&w, "created_ns", record->created_ns);
	json_write_uint(&w, "owner", record->owner);
	json_write_strv(&w, "annotations", record->annotations);
	json_end_object(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	/* It dies with the boot, as the container does. */
	return io_replace_file(
		record->dir_fd, STATE_FILE, 0600, text, strlen(text), IO_VOLATILE, err);
}

static int get_number(
	const json_t *document, const char *field, int64_t max, int64_t *ret, struct error *err)
{
	int r = json_get_int(document, field, ret, STATE_FILE, err);

	if (r == 0 && (*ret < 0 || *ret > max))
		return error_set(err, EINVAL, STATE_FILE ": %s is out of range", field);
	return r;
}

static int get_copy(const json_t *document, const char *field, char **ret, struct error *err)
{
	const char *value = NULL;
	int r = json_get_string(document, field, &value, STATE_FILE, err);

	if (r < 0 || !value)
		return r;
	*ret = strdup(value);
	return *ret ? 0 : error_oom(err);
}

static int parse_state(const json_t *document, struct record *record, struct error *err)
{
	int64_t pid = 0, ticks = 0, owner = 0;
	const char *boot_id = "";
	int r;

	if ((r = get_number(document, "pid", INT32_MAX, &pid, err)) < 0 ||
		(r = get_number(document, "start_ticks", INT64_MAX, &ticks, err)) < 0 ||
		(r = get_number(document, "owner", UINT32_MAX, &owner, err)) < 0 ||
		(r = get_number(document, "created_ns", INT64_MAX, &record->created_ns, err)) < 0 ||
		(r = json_get_string(document, "boot_id", &boot_id, STATE_FILE, err)) < 0 ||
		(r = get_copy(document, "bundle", &record->bundle, err)) < 0 ||
		(r = get_copy(document, "rootfs", &record->rootfs, err)) < 0 ||
		(r = get_copy(document, "cgroup", &record->cgroup, err)) < 0 ||
		(r = get_copy(document, "unit", &record->unit.name, err)) < 0 ||
		(r = get_copy(document, "slice", &record->unit.slice, err)) < 0 ||
		(r = json_get_bool(document, "user_unit", &record->unit.user, STATE_FILE, err)) <
			0 ||
		(r = json_get_bool(
			 document, "shares_mounts", &record->shares_mounts, STATE_FILE, err)) < 0 ||
		(r = json_get_bool(
			 document, "shares_pids", &record->shares_pids, STATE_FILE, err)) < 0 ||
		(r = json_get_bool(document, "has_class", &record->has_class, STATE_FILE, err)) <
			0 ||
		(r = json_get_bool(document, "has_late_hooks", &record->has_late_hooks, STATE_FILE,
			 err)) < 0 ||
		(r = json_get_strv(
			 document, "annotations", &record->annotations, STATE_FILE, err)) < 0)
		return r;
	if (strlen(boot_id) >= sizeof(record->boot_id))
		return error_set(err, EINVAL, STATE_FILE ": boot_id is too long");
	memcpy(record->boot_id, boot_id, strlen(boot_id) + 1);
	record->pid = (pid_t)pid;
	record->start_ticks = (uint64_t)ticks;
	record->owner = (uid_t)owner;
	return 0;
}

static int read_state(struct record *record, struct error *err)
{
	_cleanup_json_ json_t *document = NULL;
	struct error why = { 0 };
	int r;

	r = json_read_file(record->dir_fd, STATE_FILE, STATE_MAX, &document, &why);
	if (r == 0)
		r = parse_state(document, record, &why);
	if (r < 0 && r != -ENOENT)
		return error_set(err, r, "the state of container %s is damaged: %s", record->id,
			why.message);
	return 0;
}

/* --- making, locking, removing ------------------------------------------------------------- */

static int wait_for_lock(const struct record *record, struct error *err)
{
	int64_t deadline = clock_monotonic_ns() + LOCK_TIMEOUT_NS;
	struct stat st;

	while (flock(record->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		struct timespec nap = { .tv_nsec = LOCK_POLL_NS };

		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return error_errno(err, errno, "cannot lock container %s", record->id);
		if (clock_monotonic_ns() >= deadline)
			return error_set(err, EBUSY,
				"container %s is being created, started or deleted by another process",
				record->id);
		nanosleep(&nap, NULL);
	}
	/* Its last holder may have removed it. */
	if (fstat(record->dir_fd, &st) < 0 || st.st_nlink == 0)
		return error_set(err, ENOENT, "container %s does not exist", record->id);
	return 0;
}

static int open_directory(
	struct runtime *runtime, const char *id, struct record *ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	path = strf("%s/%s", runtime->cli.root, id);
	ret->id = strdup(id);
	if (!path || !ret->id)
		return error_oom(err);
	r = ret->dir_fd = io_open_dir(AT_FDCWD, path);
	/* containerd, podman and Docker know this case by these words. */
	if (r == -ENOENT)
		return error_set(err, ENOENT, "container %s does not exist", id);
	return r < 0 ? error_errno(err, r, "cannot open container %s", id) : 0;
}

static int open_record(
	struct runtime *runtime, const char *id, bool lock, struct record *ret, struct error *err)
{
	_cleanup_record_ struct record record = RECORD_INIT;
	int r = open_directory(runtime, id, &record, err);

	if (r == 0 && lock)
		r = wait_for_lock(&record, err);
	record.locked = lock;
	if (r == 0)
		r = read_state(&record, err);
	if (r < 0)
		return r;
	*ret = record;
	record = (struct record)RECORD_INIT;
	return 0;
}

int record_open(struct runtime *runtime, const char *id, struct record *ret, struct error *err)
{
	return open_record(runtime, id, false, ret, err);
}

int record_open_locked(
	struct runtime *runtime, const char *id, struct record *ret, struct error *err)
{
	return open_record(runtime, id, true, ret, err);
}

void record_unlock(struct record *record)
{
	flock(record->dir_fd, LOCK_UN);
	record->locked = false;
}

int record_create(struct runtime *runtime, const char *id, struct record *ret, struct error *err)
{
	_cleanup_record_ struct record record = { .dir_fd = -1, .owner = geteuid() };
	_cleanup_free_ char *path = NULL;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	record.id = strdup(id);
	path = strf("%s/%s", runtime->cli.root, id);
	if (!record.id || !path)
		return error_oom(err);
	if (mkdir(path, 0700) < 0) {
		if (errno == ENOENT) {
			r = io_make_dirs(AT_FDCWD, runtime->cli.root, 0700, err);
			if (r < 0)
				return r;
			errno = mkdir(path, 0700) < 0 ? errno : 0;
		}
		if (errno == EEXIST)
			return error_set(
				err, EEXIST, "container with given ID already exists: %s", id);
		if (errno)
			return error_errno(err, errno, "cannot make %s", path);
	}
	record.dir_fd = io_open_dir(AT_FDCWD, path);
	if (record.dir_fd < 0)
		return error_errno(err, record.dir_fd, "cannot open %s", path);
	r = wait_for_lock(&record, err);
	if (r < 0)
		return r;
	record.locked = true;
	*ret = record;
	record = (struct record)RECORD_INIT;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int record_list(struct runtime *runtime, char ***ret, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir(runtime->cli.root);
	_cleanup_strv_ char **ids = NULL;
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		return error_errno(err, errno, "cannot read %s", runtime->cli.root);
	while (dir && (entry = readdir(dir)))
		if (id_is_valid(entry->d_name) && entry->d_type == DT_DIR &&
			strv_push(&ids, entry->d_name) < 0)
			return error_oom(err);
	if (ids)
		qsort(ids, strv_length(ids), sizeof(*ids), compare_ids);
	*ret = steal_ptr(&ids);
	return 0;
}

static int copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

/* The cgroup as it was chosen then, with whatever manager. */
static int set_cgroup(struct container_config *config, const struct record *record)
{
	free(steal_ptr(&config->cgroup_path));
	config->cgroup_unit.user = record->unit.user;
	if (copy_text(record->cgroup, &config->cgroup_path) < 0 ||
		copy_text(record->unit.name, &config->cgroup_unit.name) < 0 ||
		copy_text(record->unit.slice, &config->cgroup_unit.slice) < 0)
		return -ENOMEM;
	return 0;
}

int record_load_config(const struct record *record, struct container_config *ret, struct error *err)
{
	struct container_config config;
	int r;

	if (!record->bundle)
		return error_set(err, ENOENT, "container %s was never whole", record->id);
	r = bundle_load(record->dir_fd, record->bundle, &config, NULL, err);
	if (r < 0)
		return r;
	if (set_cgroup(&config, record) < 0) {
		container_config_free(&config);
		return error_oom(err);
	}
	*ret = config;
	return 0;
}

int record_run_poststart(const struct record *record, struct error *err)
{
	const struct container_identity identity = { record->id, record->bundle };
	struct container_config config;
	int r = record->has_late_hooks ? record_load_config(record, &config, err) : 0;

	if (r < 0 || !record->has_late_hooks)
		return r;
	r = container_run_hooks(
		&config, CONTAINER_HOOK_POSTSTART, &identity, "running", record->pid, err);
	container_config_free(&config);
	return r;
}

/* A configuration that cannot be read any more is a warning. */
static bool load_for_poststop(const struct record *record, struct container_config *ret)
{
	struct error err = { 0 };

	if (record->has_late_hooks && record_load_config(record, ret, &err) == 0)
		return true;
	if (record->has_late_hooks)
		log_warning("cannot run the hooks of container %s: %s", record->id, err.message);
	return false;
}

static void run_poststop(const struct record *record, const struct container_config *config)
{
	const struct container_identity identity = { record->id, record->bundle };
	struct error err = { 0 };

	if (container_run_hooks(config, CONTAINER_HOOK_POSTSTOP, &identity, "stopped", 0, &err) < 0)
		log_warning("%s", err.message);
}

/* What the process mounted in the host's mount namespace is on top of what was there before. */
static void unmount_shared_root(const struct record *record)
{
	char boot_id[37] = "";

	if (record->shares_mounts && record->pid && process_boot_id(boot_id) == 0 &&
		streq(boot_id, record->boot_id))
		umount2(record->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int remove_files(struct runtime *runtime, struct record *record, struct error *err)
{
	static const char *const files[] = { RECORD_NEW_SOCKET, RECORD_SOCKET, RECORD_CONFIG,
		STATE_FILE };
	_cleanup_free_ char *path = strf("%s/%s", runtime->cli.root, record->id);

	if (!path)
		return error_oom(err);
	unmount_shared_root(record);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(record->dir_fd, files[i], 0);
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	/* What a killed writer left beside them. */
	return io_remove_tree(AT_FDCWD, path, err);
}

int record_remove(struct runtime *runtime, struct record *record, struct error *err)
{
	struct container_config config;
	bool has_config = load_for_poststop(record, &config);
	int r = remove_files(runtime, record, err);

	if (r == 0 && has_config)
		run_poststop(record, &config);
	if (has_config)
		container_config_free(&config);
	return r;
}

int record_set_cgroup(
	struct record *record, const struct container_config *config, struct error *err)
{
	record->unit.user = config->cgroup_unit.user;
	if (copy_text(config->cgroup_path, &record->cgroup) < 0 ||
		copy_text(config->cgroup_unit.name, &record->unit.name) < 0 ||
		copy_text(config->cgroup_unit.slice, &record->unit.slice) < 0)
		return error_oom(err);
	return 0;
}

static void leave_class(const struct record *record)
{
	struct container_config config;

	if (!record->has_class || record_load_config(record, &config, NULL) < 0)
		return;
	container_leave_class(&config, record->id);
	container_config_free(&config);
}

int record_remove_cgroup(const struct record *record, struct error *err)
{
	int r = container_cleanup(record->cgroup, err);

	leave_class(record);
	return r < 0 ? r : cgroup_unit_stop(&record->unit, err);
}

/* --- what is true -------------------------------------------------------------------------- */

/* Nobody knows its process yet: is somebody at it still? */
static bool is_being_made(const struct record *record)
{
	if (record->locked)
		return false;
	if (flock(record->dir_fd, LOCK_SH | LOCK_NB) < 0)
		return true;
	flock(record->dir_fd, LOCK_UN);
	return false;
}

enum record_status record_status(const struct record *record)
{
	char boot_id[37] = "";

	if (!record->pid)
		return is_being_made(record) ? RECORD_CREATING : RECORD_STOPPED;
	if (process_boot_id(boot_id) < 0 || !streq(boot_id, record->boot_id) ||
		!process_alive(record->pid, record->start_ticks))
		return RECORD_STOPPED;
	if (record->cgroup && cgroup_is_frozen(record->cgroup))
		return RECORD_PAUSED;
	if (faccessat(record->dir_fd, RECORD_SOCKET, F_OK, 0) == 0)
		return RECORD_CREATED;
	if (faccessat(record->dir_fd, RECORD_NEW_SOCKET, F_OK, 0) == 0)
		return RECORD_CREATING;
	return RECORD_RUNNING;
}

int record_kill(const struct record *record, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(record->pid, record->start_ticks);
	struct pollfd p = { pidfd, POLLIN, 0 };
	int r;

	if (pidfd == -ESRCH)
		return 0;
	if (pidfd < 0)
		return error_errno(err, pidfd, "cannot find its first process");
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_errno(err, errno, "cannot kill its first process");
	if (record->cgroup && cgroup_is_frozen(record->cgroup)) {
		r = cgroup_freeze(record->cgroup, false, err);
		if (r < 0)
			return r;
	}
	do {
		r = poll(&p, 1, DEATH_TIMEOUT_MS);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return error_set(err, EBUSY,
			"its first process is still there 10 seconds after it was killed");
	return 0;
}

char *record_describe(const struct record *record)
{
	enum record_status status = record_status(record);
	_cleanup_free_ char *owner = userns_user_name(record->owner);
	char created[CLOCK_TEXT_MAX];
	struct json_writer w = { 0 };

	clock_format(created, record->created_ns);
	json_begin_object(&w, NULL);
	json_write_string(&w, "ociVersion", CONTAINER_SPEC_VERSION);
	json_write_string(&w, "id", record->id);
	json_write_int(&w, "pid", status == RECORD_STOPPED ? 0 : record->pid);
	json_write_string(&w, "status", status_names[status]);
	json_write_string(&w, "bundle", record->bundle ? record->bundle : "");
	json_write_string(&w, "rootfs", record->rootfs ? record->rootfs : "");
	json_write_string(&w, "created", created);
	json_write_map(&w, "annotations", record->annotations);
	json_write_string(&w, "owner", owner ? owner : "");
	json_end_object(&w);
	return json_writer_finish(&w);
}
