/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-golden.c - machines that have booted, kept for those that come after: ROOT/machines/golden-*,
 * a snapshot each (machine/snapshot.c).
 *
 * It is taken of a machine whose kernel has booted and whose agent waits for its host: nothing of
 * the instance is in it, and its disks were not read but for their partition tables. So it does for
 * every instance with the same kernel, initial filesystem, CPU, memory, number of CPUs and kinds of
 * devices, and the name says all that must be the same. The program that has made it is part of it,
 * since a snapshot is for that one only.
 *
 * The first machine of a kind makes it in passing, while it waits for us anyway. A second boot in
 * the background would take ten times as much of the host's CPUs, and leave a process behind when
 * the command is over. Only the last GOLDEN_MAX that were used are kept, and none where the disk is
 * nearly full.
 */
#include "isolation/vm.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"

#define GOLDEN_MAX    4
#define GOLDEN_ROOM   (UINT64_C(1) << 30) /* bytes that the disk has left behind it, at least */
#define GOLDEN_PREFIX "golden-"

/* --- which one ----------------------------------------------------------------------------------
 */

static bool has_shares(const struct container_config *config)
{
	for (size_t i = 0; i < config->nr_mounts; i++)
		if (vm_mount_is_share(&config->mounts[i]))
			return true;
	return false;
}

/* What a guest knows of its cards: how many there are, and how large packets may be. */
static char *name_networks(const struct container_machine *m)
{
	struct str s = { 0 };

	str_append(&s, m->has_network ? "-net" : "");
	for (size_t i = 0; i < m->nr_networks; i++)
		str_appendf(&s, "-tap%u", m->networks[i].mtu);
	return str_finish(&s);
}

/* Initramfs's names say what is in them: kernel/kernel.h. */
int vm_golden_path(const struct container_config *config, const struct kernel *kernel, char **ret,
	struct error *err)
{
	const struct container_machine *m = config->machine;
	const char *initramfs = strrchr(kernel->initramfs, '/');
	char program[PATH_MAX], cpu[MACHINE_CPU_MAX];
	_cleanup_free_ char *networks = name_networks(m);
	struct stat st;
	int r = process_helper_path(VM_MACHINE_PROGRAM, program, sizeof(program), err);

	if (r < 0)
		return r;
	if (!networks)
		return error_oom(err);
	if (stat(program, &st) < 0)
		return error_errno(err, errno, "cannot find %s", program);
	initramfs = initramfs ? initramfs + 1 : kernel->initramfs;
	machine_architecture_cpu(m->architecture, m->cpu, cpu);
	*ret = strf("%s/machines/" GOLDEN_PREFIX "%.*s-%s-%lldm-%u%s%s-%lx-%llx.%lx", m->root,
		(int)strcspn(initramfs, "."), initramfs, cpu,
		(long long)(vm_memory_bytes(&config->limits) >> 20), vm_nr_cpus(&config->limits),
		networks, has_shares(config) ? "-fs" : "", (unsigned long)st.st_size,
		(unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
	return *ret ? 0 : error_oom(err);
}

bool vm_golden_use(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, 0) == 0;
}

void vm_golden_remove(const char *path)
{
	_cleanup_free_ char *code = vm_code_path(path);

	io_remove_tree(AT_FDCWD, path, NULL);
	if (code)
		unlink(code);
}

/* --- making it ----------------------------------------------------------------------------------
 */

static bool has_room(const char *folder)
{
	struct statvfs st;

	return statvfs(folder, &st) == 0 && (uint64_t)st.f_bavail * st.f_frsize >= GOLDEN_ROOM;
}

/* The one that was not used for the longest time; "" when there are no more than GOLDEN_MAX. */
static void find_oldest(int folder_fd, char ret[NAME_MAX + 1])
{
	_cleanup_closedir_ DIR *dir = fdopendir(dup(folder_fd));
	struct timespec oldest = { 0 };
	unsigned count = 0;

	ret[0] = '\0';
	if (dir)
		rewinddir(dir);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		struct stat st;

		if (!str_after_prefix(entry->d_name, GOLDEN_PREFIX) ||
			fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (count++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec) {
			oldest = st.st_mtim;
			snprintf(ret, NAME_MAX + 1, "%s", entry->d_name);
		}
	}
	if (count <= GOLDEN_MAX)
		ret[0] = '\0';
}

static void remove_oldest(int folder_fd)
{
	char name[NAME_MAX + 1];

	for (find_oldest(folder_fd, name); *name; find_oldest(folder_fd, name)) {
		_cleanup_free_ char *code = vm_code_path(name);

		if (io_remove_tree(folder_fd, name, NULL) < 0)
			return;
		if (code)
			unlinkat(folder_fd, code, 0);
	}
}

bool vm_golden_save(int machine_fd, const struct container_machine *m, const char *path)
{
	_cleanup_free_ char *folder = strf("%s/machines", m->root);
	_cleanup_close_ int fd = folder ? io_open_dir(AT_FDCWD, folder) : -1;
	struct error err = { 0 };

	/* Whoever else is at it does as well. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || access(path, F_OK) == 0)
		return false;
	if (!has_room(folder)) {
		log_debug("%s is nearly full: the machine is not kept for others", folder);
		return false;
	}
	if (vm_monitor_save(machine_fd, path, &err) < 0) {
		log_debug("the machine is not kept for others: %s", err.message);
		return false;
	}
	remove_oldest(fd);
	return true;
}
