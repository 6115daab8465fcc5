/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translations.c - what is left of an instance whose programs were translated.
 *
 * A guest can write to all memory of its process, so nothing of that is kept. What is, the owner of
 * the store has translated, outside, by a process that runs nothing of the image, from the layers
 * as they were unpacked, never from what the instance has written. The list that says which places
 * is the guest's: bounded here, distrusted there (translate/saved-code-internal.h).
 */
#include "instance/translations.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/translator.h"

#define LIST_BYTES (8 << 20)
#define LIST_FD	   3 /* of the process that translates again */
#define KEEP	   "--keep-code"
#define MODE	   0755 /* an instance's users read it, through a mount of their own */

char *translations_folder(const struct instance *instance)
{
	_cleanup_free_ char *folder = NULL, *code = NULL, *none = NULL;
	struct error why = { 0 };
	int r;

	if (!instance->config.translate)
		return NULL;
	folder = strf("%s/translations", instance->roots.root);
	code = strf("%s/translations/" CONTAINER_TRANSLATIONS_CODE, instance->roots.root);
	none = strf("%s/translations/" CONTAINER_TRANSLATIONS_NONE, instance->roots.root);
	if (!folder || !code || !none)
		return NULL;
	r = io_make_dirs(AT_FDCWD, code, MODE, &why);
	if (r == 0)
		r = io_make_dirs(AT_FDCWD, none, MODE, &why);
	if (r < 0) {
		log_debug("translated code is not kept: %s", why.message);
		return NULL;
	}
	return steal_ptr(&folder);
}

int translations_open_list(void)
{
	_cleanup_close_ int fd = memfd_create("translations", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Of a size that nobody can change, and memory as it is written, which the instance pays.
	 */
	if (fd < 0 || ftruncate(fd, LIST_BYTES) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_SHRINK) < 0) {
		log_debug("translated code is not kept: no memory for a list");
		return -1;
	}
	return steal_fd(&fd);
}

static char **make_arguments(const struct instance *instance, char *program)
{
	_cleanup_strv_ char **argv = NULL;

	if (strv_push(&argv, program) < 0 || strv_push(&argv, KEEP) < 0 ||
		strv_pushf(&argv, "%s/translations/" CONTAINER_TRANSLATIONS_CODE,
			instance->roots.root) < 0)
		return NULL;
	strv_for_each (layer, instance->config.rootfs.layers)
		if (strv_push(&argv, *layer) < 0)
			return NULL;
	return steal_ptr(&argv);
}

void translations_keep(const struct instance *instance, int list_fd)
{
	char program[PATH_MAX], *environment[] = { NULL };
	_cleanup_strv_ char **argv = NULL;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;

	/* Its place is behind what was written. */
	if (list_fd < 0 || lseek(list_fd, 0, SEEK_CUR) <= 0 || !instance->config.rootfs.layers ||
		process_helper_path(TRANSLATOR_PROGRAM, program, sizeof(program), NULL) < 0)
		return;
	argv = make_arguments(instance, program);
	if (!argv)
		return;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, list_fd, LIST_FD);
	if (posix_spawn(&pid, program, &actions, &attributes, argv, environment) != 0)
		log_debug("translated code is not kept: cannot execute %s", program);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
}
