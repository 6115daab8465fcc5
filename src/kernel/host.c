/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - the kernels that this host itself boots: boot/vmlinuz-RELEASE, or vmlinux-RELEASE, with
 * lib/modules/RELEASE, as all distributions have them.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"

static const char *const file_names[] = { "vmlinuz-", "vmlinux-" };
static const char *const module_folders[] = { "lib/modules", "usr/lib/modules" };

static bool is_for(const char *path, const char *architecture)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[KERNEL_HEAD_BYTES];
	struct kernel_facts facts;
	ssize_t n = fd >= 0 ? read(fd, head, sizeof(head)) : -1;

	/* What is compressed as a whole, or does not say, is looked at when it is taken in. */
	return n > 0 &&
		(kernel_probe(head, (size_t)n, &facts) < 0 || !facts.architecture ||
			streq(facts.architecture, architecture));
}

static char *find_modules(const char *top, const char *release)
{
	for (size_t i = 0; i < ARRAY_SIZE(module_folders); i++) {
		char *path = strf("%s/%s/%s", top, module_folders[i], release);

		if (path && kernel_holds_modules(path))
			return path;
		free(path);
	}
	return NULL;
}

struct search {
	const char *top, *architecture;
	struct kernel_on_host found;
	char *unreadable; /* one that would do, but for our rights */
};

/* 1: it does. What is found is in *s, in place of what was there. */
static int look_at(struct search *s, const char *release)
{
	_cleanup_free_ char *modules = find_modules(s->top, release);

	for (size_t i = 0; modules && i < ARRAY_SIZE(file_names); i++) {
		_cleanup_free_ char *file = strf("%s/boot/%s%s", s->top, file_names[i], release);

		if (!file)
			return -ENOMEM;
		if (access(file, F_OK) < 0)
			continue;
		if (access(file, R_OK) < 0) {
			free(s->unreadable);
			s->unreadable = steal_ptr(&file);
			continue;
		}
		if (!is_for(file, s->architecture))
			continue;
		kernel_on_host_free(&s->found);
		s->found = (struct kernel_on_host){ steal_ptr(&file), steal_ptr(&modules) };
		return 1;
	}
	return 0;
}

/* Whichever is the last by name. */
static int look_at_all(struct search *s)
{
	_cleanup_free_ char *boot = strf("%s/boot", s->top), *best = NULL;
	_cleanup_closedir_ DIR *dir = boot ? opendir(boot) : NULL;
	struct dirent *entry;
	int r = 0;

	while (r >= 0 && dir && (entry = readdir(dir))) {
		const char *release = NULL;

		for (size_t i = 0; !release && i < ARRAY_SIZE(file_names); i++)
			release = str_after_prefix(entry->d_name, file_names[i]);
		if (!release || (best && strverscmp(release, best) <= 0))
			continue;
		r = look_at(s, release);
		if (r > 0) {
			free(best);
			best = strdup(release);
			r = best ? 1 : -ENOMEM;
		}
	}
	return r < 0 ? r : s->found.file != NULL;
}

void kernel_on_host_free(struct kernel_on_host *found)
{
	free(found->file);
	free(found->modules);
	*found = (struct kernel_on_host){ 0 };
}

int kernel_find_on_host(
	const char *top, const char *architecture, struct kernel_on_host *ret, struct error *err)
{
	struct search search = { .top = top, .architecture = architecture };
	struct utsname host;
	int r = uname(&host) == 0 ? look_at(&search, host.release) : 0;

	if (r == 0)
		r = look_at_all(&search);
	if (r > 0) {
		*ret = search.found;
		search.found = (struct kernel_on_host){ 0 };
		r = 0;
	} else if (r == 0 && search.unreadable) {
		r = error_set(err, EACCES,
			"this host's own kernel would do, but %s cannot be read by this user",
			search.unreadable);
	} else {
		r = r < 0 ? error_oom(err) : -ENOENT;
	}
	kernel_on_host_free(&search.found);
	free(search.unreadable);
	return r;
}
