/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.c - a running container to files (checkpoint.h).
 */
#include "container/criu.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "container/criu-mounts.h"

#define LOG_FILE "dump.log"

/* --- options --------------------------------------------------------------------------------- */

/* The features that criu(8) has on some kernels only. */
static int check_features(const struct container_dump_options *o, struct error *err)
{
	_cleanup_str_ struct str wanted = { 0 };
	const struct criu_call call = { .type = CRIU_FEATURE_CHECK, .features = &wanted };
	bool track = o->pre_dump || o->parent_path;
	struct criu_answer answer;
	int r;

	if (!track && !o->common.lazy_pages)
		return 0;
	criu_put_uint(&wanted, CRIU_FEATURE_MEM_TRACK, track);
	criu_put_uint(&wanted, CRIU_FEATURE_LAZY_PAGES, o->common.lazy_pages);
	r = criu_call(&call, &answer, err);
	if (r < 0)
		return r;
	if (track && !answer.mem_track)
		return error_set(err, ENOTSUP,
			"criu cannot tell changed memory on this kernel: no --pre-dump and no --parent-path");
	if (o->common.lazy_pages && !answer.lazy_pages)
		return error_set(
			err, ENOTSUP, "criu cannot fetch memory on this kernel: no --lazy-pages");
	return 0;
}

static int put_page_server(struct str *message, const char *text, struct error *err)
{
	_cleanup_free_ char *address = strdup(text);
	char *colon;
	uint64_t port;

	if (!address)
		return error_oom(err);
	colon = strrchr(address, ':');
	if (!colon || colon == address || parse_u64(colon + 1, UINT16_MAX, &port) < 0 || port == 0)
		return error_set(err, EINVAL, "the page server is ADDRESS:PORT, not \"%s\"", text);
	*colon = '\0';
	/* [::1]:1234 */
	if (address[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		memmove(address, address + 1, strlen(address));
	}
	criu_put_numbered(message, CRIU_PAGE_SERVER, address, port);
	return 0;
}

static int put_parent(struct str *message, const char *parent, int images_fd, struct error *err)
{
	struct stat st;

	if (parent[0] == '/')
		return error_set(err, EINVAL,
			"the parent %s must be relative to the directory of the images", parent);
	if (fstatat(images_fd, parent, &st, 0) < 0)
		return error_errno(err, errno, "cannot find the parent %s", parent);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "the parent %s is not a directory", parent);
	criu_put_text(message, CRIU_PARENT_IMAGE, parent);
	return 0;
}

/* Processes are stopped by it instead of one by one. On v1 the container need not have a part in
 * the freezer. */
static void put_freezer(struct str *message, const struct container_config *config)
{
	const char *path = config->cgroup_path;
	char host[PATH_MAX];

	if (!path ||
		snprintf(host, sizeof(host), "/sys/fs/cgroup%s%s",
			cgroup_host_kind() == CGROUP_V2 ? "" : "/freezer",
			path) >= (int)sizeof(host) ||
		access(host, F_OK) < 0)
		return;
	criu_put_text(message, CRIU_FREEZE_CGROUP, host);
}

/* Namespaces that are others' are not dumped: criu knows them by a name only. */
static int put_namespaces(
	struct str *message, const struct container_config *config, struct error *err)
{
	static const struct {
		enum container_namespace ns;
		const char *word, *key;
	} shared[] = {
		{ CONTAINER_NS_NETWORK, "net", CRIU_NETWORK_KEY },
		{ CONTAINER_NS_PID, "pid", CRIU_PID_KEY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		const char *path = config->namespaces[shared[i].ns].path;
		char text[64];
		struct stat st;

		if (!path)
			continue;
		if (stat(path, &st) < 0)
			return error_errno(err, errno, "cannot find the namespace %s", path);
		snprintf(text, sizeof(text), "%s[%llu]:%s", shared[i].word,
			(unsigned long long)st.st_ino, shared[i].key);
		criu_put_text(message, CRIU_EXTERNAL, text);
	}
	return 0;
}

/* --- standard streams ------------------------------------------------------------------------ */

/* The ID of the mount a descriptor's file is on. */
static int read_mount_id(pid_t pid, int fd, unsigned *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	r = io_read_file(AT_FDCWD, path, 64u << 10, &text, NULL, err);
	if (r < 0)
		return r;
	line = strstr(text, "mnt_id:");
	if (!line || sscanf(line, "mnt_id: %u", ret) != 1)
		return error_set(err, EIO, "cannot tell which mount descriptor %d is on", fd);
	return 0;
}

/*
 * What a standard stream was, in the words criu has for it: a pipe by its number; a file of the
 * host, or a terminal of it, as an external one. Restored as whatever is there then.
 */
static int describe_stream(
	struct str *message, pid_t pid, int fd, char ret[PATH_MAX], struct error *err)
{
	unsigned mount_id = 0;
	bool inside = false;
	char path[64];
	struct stat st;
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, ret, PATH_MAX - 1);
	ret[n < 0 ? 0 : n] = '\0';
	/* Closed, a pipe or a socket. */
	if (n < 0 || ret[0] != '/')
		return 0;
	r = read_mount_id(pid, fd, &mount_id, err);
	if (r == 0)
		r = criu_mounts_has_id(pid, mount_id, &inside, err);
	if (r < 0 || inside)
		return r;
	if (stat(path, &st) < 0)
		return error_errno(err, errno, "cannot look at descriptor %d", fd);
	if (str_after_prefix(ret, "/dev/pts/"))
		snprintf(ret, PATH_MAX, "tty[%llx:%llx]", (unsigned long long)st.st_rdev,
			(unsigned long long)st.st_dev);
	else
		snprintf(ret, PATH_MAX, "file[%x:%llx]", mount_id, (unsigned long long)st.st_ino);
	criu_put_text(message, CRIU_EXTERNAL, ret);
	return 0;
}

static int note_streams(struct str *message, pid_t pid, int images_fd, struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;
	char stream[PATH_MAX];

	json_begin_array(&w, NULL);
	for (int fd = 0; fd < CRIU_STANDARD_FDS; fd++) {
		int r = describe_stream(message, pid, fd, stream, err);

		if (r < 0) {
			str_free(&w.out);
			return r;
		}
		json_write_string(&w, NULL, stream);
	}
	json_end_array(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	return io_replace_file(
		images_fd, CRIU_DESCRIPTORS, 0600, text, strlen(text), IO_VOLATILE, err);
}

/* --- the dump -------------------------------------------------------------------------------- */

static int on_notify(void *context, const char *script, pid_t pid, int fd, struct error *err)
{
	const struct container_dump_options *o = context;

	if (streq(script, "status-ready") && o->status_fd >= 0 && write(o->status_fd, "", 1) != 1)
		return error_errno(err, errno, "cannot write to --status-fd %d", o->status_fd);
	return 0;
}

/* What a pre-dump, which saves memory only, does not want to know. */
static int put_outside(struct str *message, const struct container_config *config, pid_t init_pid,
	int images_fd, struct error *err)
{
	_cleanup_criu_mounts_ struct criu_mounts mounts = { 0 };
	int r;

	r = criu_mounts_find(config, init_pid, &mounts, err);
	if (r == 0)
		r = criu_mounts_save(&mounts, images_fd, err);
	if (r == 0)
		r = note_streams(message, init_pid, images_fd, err);
	for (size_t i = 0; r == 0 && i < mounts.count; i++)
		criu_put_texts(
			message, CRIU_EXTERNAL_MOUNT, mounts.items[i].point, mounts.items[i].name);
	return r;
}

static int put_dump(struct str *message, const struct container_config *config, pid_t init_pid,
	const struct container_dump_options *o, int images_fd, struct error *err)
{
	int r = 0;

	criu_put_uint(message, CRIU_PID, (uint64_t)init_pid);
	criu_put_text(message, CRIU_ROOT, config->rootfs.path);
	criu_put_uint(message, CRIU_LEAVE_RUNNING, o->leave_running);
	criu_put_uint(message, CRIU_TCP_SKIP_IN_FLIGHT, o->tcp_skip_in_flight);
	criu_put_uint(message, CRIU_LINK_REMAP, o->link_remap);
	criu_put_uint(message, CRIU_TRACK_MEM, o->pre_dump || o->parent_path);
	put_freezer(message, config);
	r = put_namespaces(message, config, err);
	if (r == 0 && o->page_server)
		r = put_page_server(message, o->page_server, err);
	if (r == 0 && o->parent_path)
		r = put_parent(message, o->parent_path, images_fd, err);
	if (r == 0 && !o->pre_dump)
		r = put_outside(message, config, init_pid, images_fd, err);
	return r;
}

int container_checkpoint(const struct container_config *config, pid_t init_pid,
	const struct container_dump_options *o, struct error *err)
{
	_cleanup_str_ struct str message = { 0 };
	_cleanup_close_ int images_fd = -1, work_fd = -1;
	const struct criu_call call = {
		.type = o->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP,
		.options = &message,
		.log_dir = o->common.work_path ? o->common.work_path : o->common.image_path,
		.log_file = LOG_FILE,
		.notify = on_notify,
		.context = (void *)o,
	};
	struct criu_answer answer;
	int r;

	r = criu_check(err);
	if (r == 0)
		r = check_features(o, err);
	if (r == 0)
		r = criu_open_directories(&o->common, true, &images_fd, &work_fd, err);
	if (r == 0)
		r = criu_put_common(
			&message, config, &o->common, images_fd, work_fd, LOG_FILE, err);
	if (r == 0)
		r = put_dump(&message, config, init_pid, o, images_fd, err);
	return r < 0 ? r : criu_call(&call, &answer, err);
}
