/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intel-rdt.c - a container's share of caches and memory bandwidth: a class of service of Intel's
 * Resource Director Technology, which is a directory of the file system resctrl (the parent's side;
 * runtime-spec config-linux.md, "IntelRdt"; Linux Documentation/arch/x86/resctrl.rst).
 *
 *   ROOT/CLOSID/schemata             what the class may use
 *   ROOT/CLOSID/tasks                who is in it; what they start is, too
 *   ROOT/CLOSID/mon_groups/ID/tasks  who is counted
 *
 * A class that the configuration names is somebody else's, and outlives the container; one named
 * after the container is made for it and goes with it.
 */
#include "container/intel-rdt.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/str.h"

#define WHAT	     "linux.intelRdt"
#define SCHEMATA_MAX (64 << 10)

static bool has_schemata(const struct container_intel_rdt *rdt)
{
	return rdt->l3_cache_schema || rdt->memory_bandwidth_schema || strv_length(rdt->schemata);
}

int intel_rdt_check(const struct container_config *config, struct error *err)
{
	struct statfs fs;

	if (!config->intel_rdt.wanted)
		return 0;
	if (statfs(INTEL_RDT_ROOT, &fs) < 0 || (uint32_t)fs.f_type != RDTGROUP_SUPER_MAGIC)
		return error_set(err, ENOTSUP,
			WHAT
			" is asked for, and no resctrl file system is mounted on " INTEL_RDT_ROOT);
	return 0;
}

/* Is it a line of the text, which the kernel indents? */
static bool has_line(const char *text, const char *wanted)
{
	size_t len = strlen(wanted);

	while (*text) {
		size_t n;

		text += strspn(text, " ");
		n = strcspn(text, "\n");
		if (n == len && memcmp(text, wanted, n) == 0)
			return true;
		text += n + (text[n] == '\n');
	}
	return false;
}

static int compare_line(const char *text, const char *wanted, const char *clos, struct error *err)
{
	if (!wanted || has_line(text, wanted))
		return 0;
	return error_set(err, EINVAL,
		WHAT ": the class %s is there already, and its schemata have no line \"%s\"", clos,
		wanted);
}

static int compare_schemata(
	int dir, const struct container_intel_rdt *rdt, const char *clos, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = io_read_file(dir, "schemata", SCHEMATA_MAX, &text, NULL, err);
	if (r == 0)
		r = compare_line(text, rdt->l3_cache_schema, clos, err);
	if (r == 0)
		r = compare_line(text, rdt->memory_bandwidth_schema, clos, err);
	strv_for_each (line, rdt->schemata) {
		if (r < 0)
			break;
		r = compare_line(text, *line, clos, err);
	}
	return r;
}

static int write_line(int dir, const char *line, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (!line)
		return 0;
	text = strf("%s\n", line);
	if (!text)
		return error_oom(err);
	r = io_write_kernel_file(dir, "schemata", text);
	return r < 0 ? error_errno(err, r, WHAT ": cannot set \"%s\"", line) : 0;
}

static int write_schemata(int dir, const struct container_intel_rdt *rdt, struct error *err)
{
	int r = write_line(dir, rdt->l3_cache_schema, err);

	if (r == 0)
		r = write_line(dir, rdt->memory_bandwidth_schema, err);
	strv_for_each (line, rdt->schemata) {
		if (r < 0)
			break;
		r = write_line(dir, *line, err);
	}
	return r;
}

static int add_task(int dir, const char *file, pid_t pid, struct error *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	r = io_write_kernel_file(dir, file, text);
	return r < 0 ? error_errno(err, r, WHAT ": cannot add a process to %s", file) : 0;
}

/* The class's directory; "/" is the root itself. */
static int open_class(int root, const char *clos)
{
	int fd = openat(root, streq(clos, "/") ? "." : clos,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int find_class(int root, const struct container_intel_rdt *rdt, const char *clos,
	bool *ret_made, struct error *err)
{
	int fd;

	*ret_made = false;
	if (rdt->clos_id && !has_schemata(rdt)) {
		fd = open_class(root, clos);
		return fd < 0 ? error_errno(err, fd, WHAT ": there is no class %s", clos) : fd;
	}
	if (!streq(clos, "/")) {
		*ret_made = mkdirat(root, clos, 0755) == 0;
		if (!*ret_made && (errno != EEXIST || !rdt->clos_id))
			return error_errno(err, errno, WHAT ": cannot make the class %s", clos);
	}
	fd = open_class(root, clos);
	return fd < 0 ? error_errno(err, fd, WHAT ": cannot open the class %s", clos) : fd;
}

static char *monitor_path(const char *id, const char *file)
{
	return strf("mon_groups/%s%s", id, file);
}

static int start_monitoring(int dir, const char *id, pid_t pid, struct error *err)
{
	_cleanup_free_ char *group = monitor_path(id, ""), *tasks = monitor_path(id, "/tasks");

	if (!group || !tasks)
		return error_oom(err);
	if (mkdirat(dir, group, 0755) < 0)
		return error_errno(err, errno, WHAT ": cannot make %s", group);
	return add_task(dir, tasks, pid, err);
}

int intel_rdt_enter(const char *root_path, const struct container_intel_rdt *rdt, const char *id,
	pid_t pid, struct error *err)
{
	_cleanup_close_ int root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	const char *clos = rdt->clos_id ? rdt->clos_id : id;
	bool made;
	int r;

	if (root < 0)
		return error_errno(err, errno, WHAT ": cannot open %s", root_path);
	dir = find_class(root, rdt, clos, &made, err);
	if (dir < 0)
		return dir;
	if (has_schemata(rdt))
		r = made ? write_schemata(dir, rdt, err) : compare_schemata(dir, rdt, clos, err);
	else
		r = 0;
	if (r == 0)
		r = add_task(dir, "tasks", pid, err);
	if (r == 0 && rdt->monitoring)
		r = start_monitoring(dir, id, pid, err);
	if (r < 0)
		intel_rdt_leave(root_path, rdt, id);
	if (r < 0 && made && rdt->clos_id)
		unlinkat(root, clos, AT_REMOVEDIR);
	return r;
}

int intel_rdt_join(const char *root_path, const struct container_intel_rdt *rdt, const char *id,
	pid_t pid, struct error *err)
{
	const char *clos = rdt->clos_id ? rdt->clos_id : id;
	_cleanup_close_ int root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	_cleanup_free_ char *tasks = monitor_path(id, "/tasks");
	int r;

	if (!tasks)
		return error_oom(err);
	if (root >= 0)
		dir = open_class(root, clos);
	if (dir < 0)
		return error_errno(
			err, root < 0 ? -ENOENT : dir, WHAT ": cannot open the class %s", clos);
	r = add_task(dir, "tasks", pid, err);
	return r < 0 || !rdt->monitoring ? r : add_task(dir, tasks, pid, err);
}

void container_leave_class(const struct container_config *config, const char *id)
{
	intel_rdt_leave(INTEL_RDT_ROOT, &config->intel_rdt, id);
}

void intel_rdt_leave(const char *root_path, const struct container_intel_rdt *rdt, const char *id)
{
	_cleanup_close_ int root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	_cleanup_free_ char *group = monitor_path(id, "");

	if (root < 0 || !rdt->wanted)
		return;
	dir = open_class(root, rdt->clos_id ? rdt->clos_id : id);
	if (dir >= 0 && group && rdt->monitoring)
		unlinkat(dir, group, AT_REMOVEDIR);
	if (!rdt->clos_id)
		unlinkat(root, id, AT_REMOVEDIR);
}
