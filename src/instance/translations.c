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
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/translator.h"
#include "instance/internal.h"
#include "instance/protocol.h"

#define LIST_BYTES (8 << 20)
#define LIST_FD	   3 /* of the process that translates again */
#define KEEP	   "--keep-code"
#define MODE	   0755 /* an instance's users read it, through a mount of their own */

/* NULL when the instance's programs are not translated, or there is none to be had. */
static char *find_folder(const struct instance *instance)
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

/* --- the list ----------------------------------------------------------------------------------
 */

static int make_list(void)
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

/* The monitor's; -1 when it has none, or is gone. */
static int ask_for_list(const struct instance *instance)
{
	_cleanup_free_ void *buffer = malloc(FRAME_MAX);
	_cleanup_close_ int fd = instance_connect(instance), list_fd = -1;
	struct frame frame;

	if (!buffer || fd < 0 || frame_send(fd, FRAME_LIST, 0, NULL, 0, 0) < 0 ||
		frame_receive_fd(fd, buffer, &frame, &list_fd, 0) <= 0 ||
		frame.type != FRAME_RESULT)
		return -1;
	return steal_fd(&list_fd);
}

/* Its place is behind what was written. */
static int64_t written(const struct translations *translations)
{
	return lseek(translations->list_fd, 0, SEEK_CUR);
}

void translations_open(const struct instance *instance, struct translations *translations)
{
	if (translations->folder)
		return;
	translations->folder = find_folder(instance);
	translations->list_fd = translations->folder ? make_list() : -1;
	translations->handed_on = 0;
}

void translations_join(const struct instance *instance, struct translations *translations)
{
	translations->folder = find_folder(instance);
	translations->list_fd = translations->folder ? ask_for_list(instance) : -1;
	translations->handed_on = written(translations);
}

void translations_close(struct translations *translations)
{
	if (!translations->folder)
		return;
	cleanup_close(&translations->list_fd);
	free(translations->folder);
	*translations = (struct translations){ 0 };
}

int translations_list(const struct translations *translations)
{
	return translations->folder ? translations->list_fd : -1;
}

void translations_offer(
	const struct translations *translations, struct container_spawn_options *options)
{
	options->translations = translations->folder;
	options->translations_list = translations_list(translations);
}

/* --- who translates again ----------------------------------------------------------------------
 */

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

/* In a session of its own, with nothing of ours but the list. It leaves a child behind and ends, so
 * that we can wait for it. */
static int start_maker(char *const *argv, int list_fd)
{
	char *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd <= 2; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, list_fd, LIST_FD);
	r = posix_spawn(&pid, argv[0], &actions, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	while (r == 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -r;
}

/* With a place of its own to read at: processes may still write behind ours. */
static int open_again(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void translations_keep(const struct instance *instance, struct translations *translations)
{
	char program[PATH_MAX];
	_cleanup_strv_ char **argv = NULL;
	_cleanup_close_ int list_fd = -1;
	int64_t end;

	if (translations_list(translations) < 0 || !instance->config.rootfs.layers)
		return;
	end = written(translations);
	if (end <= translations->handed_on ||
		process_helper_path(TRANSLATOR_PROGRAM, program, sizeof(program), NULL) < 0)
		return;
	translations->handed_on = end;
	argv = make_arguments(instance, program);
	list_fd = open_again(translations->list_fd);
	if (argv && list_fd >= 0 && start_maker(argv, list_fd) < 0)
		log_debug("translated code is not kept: cannot execute %s", program);
}
