/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu-mounts.c - which mounts of a container come from the host.
 *
 * The configuration does not tell it all: a recursive bind brings mounts that nobody named, masked
 * files are binds of /dev/null, v1 cgroups are binds. The kernel does: a mount comes from the host
 * if its file system (major:minor) is mounted there, too. /proc, /sys, message queues and cgroup2
 * are one file system per namespace; criu makes those by itself.
 */
#include "container/criu-mounts.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/str.h"
#include "container/criu.h"

#define MOUNTINFO_MAX (16u << 20)
#define MOUNTS_MAX    4096 /* of one container */
#define NOTES_MAX     (4u << 20) /* bytes of strata-mounts.json */

/* --- lists ----------------------------------------------------------------------------------- */

static void free_one(struct criu_mount *m)
{
	free(m->point);
	free(m->name);
	free(m->source);
}

void criu_mounts_free(struct criu_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		free_one(&mounts->items[i]);
	free(mounts->items);
	*mounts = (struct criu_mounts){ 0 };
}

static int add(struct criu_mounts *mounts, const char *point, const char *name, const char *source,
	bool cgroup, struct error *err)
{
	struct criu_mount m = { strdup(point), strdup(name), strdup(source), cgroup };
	struct criu_mount *grown;

	if (mounts->count >= MOUNTS_MAX) {
		free_one(&m);
		return error_set(
			err, E2BIG, "more than %d mounts of it come from the host", MOUNTS_MAX);
	}
	grown = reallocarray(mounts->items, mounts->count + 1, sizeof(*grown));
	if (grown)
		mounts->items = grown;
	if (!grown || !m.point || !m.name || !m.source) {
		free_one(&m);
		return error_oom(err);
	}
	mounts->items[mounts->count++] = m;
	return 0;
}

static bool has_name(const struct criu_mounts *mounts, const char *name)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (streq(mounts->items[i].name, name))
			return true;
	return false;
}

/* --- /proc/PID/mountinfo --------------------------------------------------------------------- */

/* proc(5): "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS] - TYPE SOURCE OPTIONS". Points into the
 * text, which is cut up. */
struct line {
	unsigned id;
	const char *device, *root, *point, *type;
};

/* The kernel writes blanks, tabs, newlines and backslashes as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The next line; false at the end. What cannot be understood is passed over. */
static bool next_line(char **cursor, struct line *ret)
{
	char *text;

	while ((text = strsep(cursor, "\n"))) {
		char *tail = strstr(text, " - "), *id, *device, *root, *point;
		uint64_t number;

		if (!tail)
			continue;
		*tail = '\0';
		tail += strlen(" - ");
		id = strsep(&text, " ");
		strsep(&text, " ");
		device = strsep(&text, " ");
		root = strsep(&text, " ");
		point = strsep(&text, " ");
		if (!point || parse_u64(id, UINT32_MAX, &number) < 0)
			continue;
		unescape(root);
		unescape(point);
		*ret = (struct line){ (unsigned)number, device, root, point, strsep(&tail, " ") };
		return true;
	}
	return false;
}

static int read_mountinfo(pid_t pid, char **ret, struct error *err)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	return io_read_file(AT_FDCWD, path, MOUNTINFO_MAX, ret, NULL, err);
}

int criu_mounts_has_id(pid_t pid, unsigned id, bool *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct line line;
	char *cursor;
	int r;

	r = read_mountinfo(pid, &text, err);
	if (r < 0)
		return r;
	*ret = false;
	cursor = text;
	while (!*ret && next_line(&cursor, &line))
		*ret = line.id == id;
	return 0;
}

/* --- a running container --------------------------------------------------------------------- */

/* The rest of `path` below `top`, starting with a slash or empty; NULL when it is elsewhere. */
static const char *below(const char *path, const char *top)
{
	const char *rest = streq(top, "/") ? path : str_after_prefix(path, top);

	return rest && (*rest == '/' || !*rest) ? rest : NULL;
}

/*
 * Where the host shows what is mounted in the container: "" when it does not. `host` is our
 * mountinfo; it is read anew for every mount, so a copy is cut up.
 */
static int find_on_host(const struct line *mount, const char *host, char **ret, struct error *err)
{
	_cleanup_free_ char *copy = strdup(host), *found = strdup("");
	struct line line;
	char *cursor = copy;
	struct stat st;

	if (!copy || !found)
		return error_oom(err);
	while (next_line(&cursor, &line)) {
		const char *rest;
		char *path;

		if (!streq(line.device, mount->device) || !(rest = below(mount->root, line.root)))
			continue;
		path = strf("%s%s", streq(line.point, "/") && *rest ? "" : line.point,
			streq(rest, "/") ? "" : rest);
		if (!path)
			return error_oom(err);
		/* Something may be mounted over it. */
		if (stat(path, &st) < 0) {
			free(path);
			continue;
		}
		free(found);
		found = path;
	}
	*ret = steal_ptr(&found);
	return 0;
}

/* Made by criu for the namespaces it makes. */
static bool is_of_namespace(const struct container_config *config, const struct line *mount)
{
	static const char *const types[] = { "proc", "sysfs", "mqueue" };

	if (streq(mount->type, "cgroup2"))
		return config->namespaces[CONTAINER_NS_CGROUP].wanted;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (streq(mount->type, types[i]))
			return streq(mount->root, "/");
	return false;
}

/* v1: "/sys/fs/cgroup/memory/ID" -> the hierarchy. */
static int add_cgroup(struct criu_mounts *mounts, const struct container_config *config,
	const char *point, char *source, struct error *err)
{
	const char *path = config->cgroup_path;

	if (!path || !str_has_suffix(source, path))
		return add(mounts, point, point, source, false, err);
	source[strlen(source) - strlen(path)] = '\0';
	return add(mounts, point, point, source, true, err);
}

int criu_mounts_find(const struct container_config *config, pid_t init_pid, struct criu_mounts *ret,
	struct error *err)
{
	_cleanup_free_ char *inside = NULL, *host = NULL;
	_cleanup_criu_mounts_ struct criu_mounts mounts = { 0 };
	struct line line;
	char *cursor;
	int r;

	r = read_mountinfo(init_pid, &inside, err);
	if (r == 0)
		r = read_mountinfo(getpid(), &host, err);
	cursor = inside;
	while (r == 0 && next_line(&cursor, &line)) {
		_cleanup_free_ char *source = NULL;

		if (streq(line.point, "/") || is_of_namespace(config, &line))
			continue;
		r = find_on_host(&line, host, &source, err);
		if (r < 0 || !*source)
			continue;
		if (streq(line.type, "cgroup"))
			r = add_cgroup(&mounts, config, line.point, source, err);
		else
			r = add(&mounts, line.point,
				streq(source, "/dev/null") ? CRIU_MASK_KEY : line.point, source,
				false, err);
	}
	if (r < 0)
		return r;
	*ret = mounts;
	mounts = (struct criu_mounts){ 0 };
	return 0;
}

int criu_mounts_save(const struct criu_mounts *mounts, int images_fd, struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;

	json_begin_array(&w, NULL);
	for (size_t i = 0; i < mounts->count; i++) {
		json_begin_object(&w, NULL);
		json_write_string(&w, "name", mounts->items[i].name);
		json_write_string(&w, "source", mounts->items[i].source);
		if (mounts->items[i].cgroup)
			json_write_bool(&w, "cgroup", true);
		json_end_object(&w);
	}
	json_end_array(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	return io_replace_file(images_fd, CRIU_MOUNTS, 0600, text, strlen(text), IO_VOLATILE, err);
}

/* --- one that is to come back ---------------------------------------------------------------- */

static bool is_bind(const struct container_mount *m)
{
	return m->source &&
		(strv_contains(m->options, "bind") || strv_contains(m->options, "rbind") ||
			(m->type && streq(m->type, "bind")));
}

/* Links in the destination followed inside the root: the mount point by the kernel's word. */
static char *resolve_point(int root_fd, const char *root, const char *destination)
{
	_cleanup_close_ int fd = io_open_in_root(root_fd, destination, O_PATH, 0);
	char link[40], path[PATH_MAX];
	const char *rest;
	ssize_t n;

	if (fd < 0)
		return strdup(destination);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return strdup(destination);
	path[n] = '\0';
	rest = below(path, root);
	return strdup(rest && *rest ? rest : destination);
}

static int plan_binds(
	const struct container_config *config, struct criu_mounts *mounts, struct error *err)
{
	_cleanup_close_ int root_fd = io_open_dir(AT_FDCWD, config->rootfs.path);
	_cleanup_free_ char *root = realpath(config->rootfs.path, NULL);
	int r = 0;

	if (root_fd < 0 || !root)
		return error_errno(err, root_fd < 0 ? root_fd : errno, "cannot open the root %s",
			config->rootfs.path);
	for (size_t i = 0; r == 0 && i < config->nr_mounts; i++) {
		const struct container_mount *m = &config->mounts[i];
		_cleanup_free_ char *point = NULL;

		if (!is_bind(m))
			continue;
		point = resolve_point(root_fd, root, m->destination);
		r = point ? add(mounts, point, point, m->source, false, err) : error_oom(err);
	}
	/* Of images that runc or crun wrote: they bind these by their own path. */
	for (size_t i = 0; r == 0 && i < config->nr_devices; i++)
		if (!has_name(mounts, config->devices[i].path))
			r = add(mounts, config->devices[i].path, config->devices[i].path,
				config->devices[i].path, false, err);
	if (r == 0 && !has_name(mounts, CRIU_MASK_KEY))
		r = add(mounts, CRIU_MASK_KEY, CRIU_MASK_KEY, "/dev/null", false, err);
	return r;
}

static int plan_noted(const struct container_config *config, const json_t *notes,
	struct criu_mounts *mounts, struct error *err)
{
	static const char what[] = CRIU_MOUNTS;
	json_t *item;
	size_t i;

	json_array_foreach (notes, i, item) {
		const char *name = NULL, *source = NULL;
		_cleanup_free_ char *path = NULL;
		bool cgroup = false;
		int r;

		if ((r = json_get_string(item, "name", &name, what, err)) < 0 ||
			(r = json_get_string(item, "source", &source, what, err)) < 0 ||
			(r = json_get_bool(item, "cgroup", &cgroup, what, err)) < 0)
			return r;
		if (!name || !source || has_name(mounts, name))
			continue;
		path = strf(
			"%s%s", source, cgroup && config->cgroup_path ? config->cgroup_path : "");
		r = path ? add(mounts, name, name, path, false, err) : error_oom(err);
		if (r < 0)
			return r;
	}
	return 0;
}

int criu_mounts_plan(const struct container_config *config, int images_fd, struct criu_mounts *ret,
	struct error *err)
{
	_cleanup_criu_mounts_ struct criu_mounts mounts = { 0 };
	_cleanup_json_ json_t *notes = NULL;
	int r;

	r = plan_binds(config, &mounts, err);
	if (r == 0 && faccessat(images_fd, CRIU_MOUNTS, F_OK, 0) == 0)
		r = json_read_file(images_fd, CRIU_MOUNTS, NOTES_MAX, &notes, err);
	if (r == 0 && notes)
		r = plan_noted(config, notes, &mounts, err);
	if (r < 0)
		return r;
	*ret = mounts;
	mounts = (struct criu_mounts){ 0 };
	return 0;
}
