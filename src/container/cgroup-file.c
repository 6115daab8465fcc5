/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-file.c - directories and text files of cgroup file systems, the same on v1 and v2.
 *
 * Reading costs open, read, close and no memory; only lists of processes are allocated.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

/* How often a creator meets a remover of the same parent before it gives up. */
#define MAKE_DIR_TRIES 32

int cgroup_join(char buf[PATH_MAX], const char *const parts[])
{
	size_t used = 0;

	for (; *parts; parts++) {
		size_t n = strlen(*parts);

		if (n >= PATH_MAX - used)
			return -ENAMETOOLONG;
		memcpy(buf + used, *parts, n);
		used += n;
	}
	buf[used] = '\0';
	return 0;
}

int cgroup_read_text(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf, size - 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

/* Digits from *p on; false without any. Values past 64 bits are clamped. */
static bool scan_number(const char **p, uint64_t *ret)
{
	const char *s = *p;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
	}
	*p = s;
	*ret = v;
	return true;
}

int cgroup_parse_number(const char *text, uint64_t *ret)
{
	const char *p = text;
	uint64_t v;

	if (strncmp(text, "max", 3) == 0) {
		p += 3;
		v = UINT64_MAX;
	} else if (!scan_number(&p, &v)) {
		return -EINVAL;
	}
	if (*p != '\n' && *p != '\0')
		return -EINVAL;
	*ret = v;
	return 0;
}

static const char *next_line(const char *p)
{
	p = strchr(p, '\n');
	return p && p[1] ? p + 1 : NULL;
}

bool cgroup_parse_keyed(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = next_line(line)) {
		if (strncmp(line, key, n) == 0 && line[n] == ' ') {
			const char *p = line + n + 1;

			return scan_number(&p, ret);
		}
	}
	return false;
}

void cgroup_parse_io_v1(const char *text, uint64_t *read_bytes, uint64_t *written_bytes)
{
	*read_bytes = *written_bytes = 0;
	for (const char *line = text; line; line = next_line(line)) {
		const char *word = line + strcspn(line, " \n");
		const char *number;
		uint64_t v;

		if ((number = str_after_prefix(word, " Read ")) && scan_number(&number, &v))
			*read_bytes += v;
		else if ((number = str_after_prefix(word, " Write ")) && scan_number(&number, &v))
			*written_bytes += v;
	}
}

void cgroup_parse_io_v2(const char *text, uint64_t *read_bytes, uint64_t *written_bytes)
{
	*read_bytes = *written_bytes = 0;
	for (const char *p = text; *p;) {
		const char *word = p, *number;
		uint64_t v;

		if ((number = str_after_prefix(word, "rbytes=")) && scan_number(&number, &v))
			*read_bytes += v;
		else if ((number = str_after_prefix(word, "wbytes=")) && scan_number(&number, &v))
			*written_bytes += v;
		p += strcspn(p, " \n");
		p += strspn(p, " \n");
	}
}

size_t cgroup_count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

int cgroup_read_number(const char *path, uint64_t *ret)
{
	char text[64];
	int r = cgroup_read_text(path, text, sizeof(text));

	return r < 0 ? r : cgroup_parse_number(text, ret);
}

static int push_pids(struct cgroup_pid_list *list, const char *text)
{
	for (const char *line = text; line && *line; line = next_line(line)) {
		const char *p = line;
		uint64_t pid;

		/* 0: a process outside our pid namespace, which we can neither name nor signal. */
		if (!scan_number(&p, &pid) || pid == 0 || pid > INT32_MAX)
			continue;
		if (list->count == list->capacity) {
			size_t capacity = list->capacity ? list->capacity * 2 : 16;
			pid_t *grown = realloc(list->pids, capacity * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			list->pids = grown;
			list->capacity = capacity;
		}
		list->pids[list->count++] = (pid_t)pid;
	}
	return 0;
}

/* Has the directory children? kernfs counts them as ordinary file systems do: two links and one
 * for each. */
static bool has_children(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && st.st_nlink > 2;
}

/* Call fn for each directory right below dir; stops at the first failure. */
static int for_each_child(const char *dir, int (*fn)(const char *child, void *context, int depth),
	void *context, int depth)
{
	_cleanup_closedir_ DIR *d = NULL;
	char child[PATH_MAX];
	struct dirent *e;
	int r = 0;

	if (depth >= CGROUP_DEPTH_MAX)
		return -ELOOP;
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		r = cgroup_path_of(child, dir, "/", e->d_name);
		if (r == 0)
			r = fn(child, context, depth + 1);
	}
	return r;
}

int cgroup_list_pids(const char *dir, struct cgroup_pid_list *list)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];
	int r = cgroup_path_of(file, dir, "/", list->file);

	if (r < 0)
		return r;
	r = io_read_file(AT_FDCWD, file, CGROUP_PROCS_MAX, &text, NULL, NULL);
	/* Gone meanwhile; or a threaded cgroup of v2, whose processes its parent lists. */
	if (r < 0 && r != -ENOENT && r != -ENODEV && r != -EOPNOTSUPP)
		return r;
	return r == 0 ? push_pids(list, text) : 0;
}

static int collect_one(const char *dir, void *context, int depth)
{
	int r = cgroup_list_pids(dir, context);

	if (r < 0)
		return r;
	return has_children(dir) ? for_each_child(dir, collect_one, context, depth) : 0;
}

int cgroup_collect_pids(const char *dir, struct cgroup_pid_list *list)
{
	return collect_one(dir, list, 0);
}

static int remove_one(const char *dir, void *context, int depth)
{
	int r;

	(void)context;
	if (rmdir(dir) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (!has_children(dir))
		return -EBUSY;
	r = for_each_child(dir, remove_one, NULL, depth);
	if (r < 0)
		return r;
	return rmdir(dir) == 0 || errno == ENOENT ? 0 : -errno;
}

int cgroup_remove_dirs(const char *dir)
{
	return remove_one(dir, NULL, 0);
}

/* mkdir every parent of dir that is longer than base_len. -ENOENT: the base itself is missing. */
static int make_parents(const char *dir, size_t base_len)
{
	char parent[PATH_MAX];

	for (const char *p = strchr(dir + base_len + 1, '/'); p; p = strchr(p + 1, '/')) {
		memcpy(parent, dir, (size_t)(p - dir));
		parent[p - dir] = '\0';
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* May the directory that is there be taken as it is? */
static int adopt_dir(const char *dir)
{
	_cleanup_pid_list_ struct cgroup_pid_list list = { .file = "cgroup.procs" };
	int r = cgroup_collect_pids(dir, &list);

	return r < 0 ? r : list.count ? -EEXIST : 0;
}

int cgroup_make_dir(const char *dir, size_t base_len, enum cgroup_existing existing)
{
	struct stat st;

	for (int i = 0; i < MAKE_DIR_TRIES; i++) {
		if (mkdir(dir, 0755) == 0)
			return 0;
		if (errno == EEXIST) {
			if (existing == CGROUP_JOIN)
				return 0;
			if (existing == CGROUP_ADOPT)
				return adopt_dir(dir);
			if (rmdir(dir) < 0 && errno != ENOENT)
				return errno == EBUSY || errno == ENOTEMPTY ? -EEXIST : -errno;
			continue;
		}
		if (errno != ENOENT)
			return -errno;
		if (make_parents(dir, base_len) < 0) {
			char base[PATH_MAX];

			memcpy(base, dir, base_len);
			base[base_len] = '\0';
			if (stat(base, &st) < 0)
				return -errno;
		}
	}
	return -EBUSY;
}

void cgroup_sum_process_io(
	const pid_t *pids, size_t count, uint64_t *read_bytes, uint64_t *written_bytes)
{
	*read_bytes = *written_bytes = 0;
	for (size_t i = 0; i < count; i++) {
		char path[64], text[1024];
		uint64_t v;

		snprintf(path, sizeof(path), "/proc/%d/io", pids[i]);
		if (cgroup_read_text(path, text, sizeof(text)) < 0)
			continue;
		if (cgroup_parse_keyed(text, "read_bytes:", &v))
			*read_bytes += v;
		if (cgroup_parse_keyed(text, "write_bytes:", &v))
			*written_bytes += v;
	}
}

uint64_t cgroup_host_memory(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 0;
	return (uint64_t)info.totalram * info.mem_unit;
}
