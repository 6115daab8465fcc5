/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translation.c - a container's command for another CPU, which strata-translate executes.
 *
 * The parent opens that program where nobody can write to it and puts the profile for the guest's
 * own calls into a sealed file; the child moves both descriptors out of the guest's way, and in
 * place of the command executes the program by its descriptor (base/translator.h says how). All
 * else, the search in PATH, the user's rights, what is said of a command that cannot be executed,
 * is as for this machine's own programs (command.c); what the kernel would say of a file the kernel
 * cannot be asked about is said here.
 */
#include "container/internal.h"

#include <elf.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "base/translator.h"

#define SEALS		    (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PROGRAM_HEADERS_MAX 64
#define DESCRIPTORS	    4 /* for the translator */

/* Go's names. What else a CPU of the table needs is in seccomp-translated.c and translate/. */
static const struct cpu {
	const char *architecture;
	uint16_t machine;
} cpus[] = {
	{ "riscv64", EM_RISCV },
};

static const struct cpu *find_cpu(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
		if (streq(cpus[i].architecture, architecture))
			return &cpus[i];
	return NULL;
}

const char *container_translated(size_t index)
{
	return index < ARRAY_SIZE(cpus) ? cpus[index].architecture : NULL;
}

static bool is_elf_for(const Elf64_Ehdr *elf, const struct cpu *cpu)
{
	return elf->e_ident[EI_CLASS] == ELFCLASS64 && elf->e_ident[EI_DATA] == ELFDATA2LSB &&
		elf->e_machine == cpu->machine;
}

const char *container_translated_file(const void *head, size_t len)
{
	Elf64_Ehdr elf;

	if (len < sizeof(elf) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return NULL;
	memcpy(&elf, head, sizeof(elf));
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
		if (is_elf_for(&elf, &cpus[i]))
			return cpus[i].architecture;
	return NULL;
}

/* --- the parent ----------------------------------------------------------------------------- */

static int write_filter(const struct seccomp_program *program, struct error *err)
{
	const struct translator_filter head = { .count = (uint32_t)program->count,
		.flags = program->flags };
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : io_write_full(fd, &head, sizeof(head));

	if (r == 0)
		r = io_write_full(
			fd, program->instructions, program->count * sizeof(*program->instructions));
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot keep the seccomp profile in memory")
		     : steal_fd(&fd);
}

static int open_translator(struct error *err)
{
	char path[PATH_MAX];
	int r = process_helper_path(TRANSLATOR_PROGRAM, path, sizeof(path), err);

	if (r < 0)
		return r;
	r = process_open_protected(path);
	return r < 0 ? error_errno(err, r, "cannot open %s", path) : r;
}

/*
 * Translated code, as an overlay of nothing but lower folders: what has no upper one cannot be made
 * writable by whoever has which rights over the mount; a read-only clone could, by
 * mount_setattr(2). Attached nowhere; the caller needs CAP_SYS_ADMIN over its mount namespace.
 */
static int open_translations(const char *folder)
{
	_cleanup_close_ int place = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	char lower[96];
	int fd;

	snprintf(lower, sizeof(lower),
		"/proc/self/fd/%d/" CONTAINER_TRANSLATIONS_CODE
		":/proc/self/fd/%d/" CONTAINER_TRANSLATIONS_NONE,
		place, place);
	if (place < 0 || fs < 0 ||
		syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
		syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Without them each program is translated again, and that is all. */
static void find_translations(struct child *child)
{
	const char *folder = child->options->translations;
	int fd;

	if (child->translator_fd < 0 || !folder)
		return;
	fd = open_translations(folder);
	if (fd < 0) {
		log_debug("translated code is not taken from %s: %s", folder, strerror(-fd));
		return;
	}
	child->translations_fd = fd;
	/* Nobody writes to one that is not there. */
	if (child->options->translations_list > 0)
		child->translations_list_fd = fcntl(
			child->options->translations_list, F_DUPFD_CLOEXEC, 3);
}

int translation_prepare(struct child *child, struct error *err)
{
	const struct container_config *config = child->config;
	uint64_t capabilities = child->process->cap_bounding;
	struct seccomp_program guest = { 0 };
	int r;

	if (!config->translate)
		return seccomp_program_load(&config->seccomp, capabilities, &child->seccomp, err);
	if (!find_cpu(config->translate))
		return error_set(
			err, ENOTSUP, "programs for %s are not translated here", config->translate);
	r = seccomp_program_load_translated(
		&config->seccomp, config->translate, capabilities, &guest, &child->seccomp, err);
	if (r == 0 && guest.count)
		r = child->guest_filter_fd = write_filter(&guest, err);
	if (r >= 0)
		r = child->translator_fd = open_translator(err);
	if (r >= 0 && !child->rootless)
		find_translations(child);
	seccomp_program_free(&guest);
	if (r < 0)
		translation_close(child);
	return r < 0 ? r : 0;
}

void translation_close(struct child *child)
{
	cleanup_close(&child->translator_fd);
	cleanup_close(&child->guest_filter_fd);
	cleanup_close(&child->translations_fd);
	cleanup_close(&child->translations_list_fd);
	child->translator_fd = child->guest_filter_fd = -1;
	child->translations_fd = child->translations_list_fd = -1;
	seccomp_program_free(&child->seccomp);
}

/* --- the child: descriptors ------------------------------------------------------------------ */

/* As high as the limit lets them, so that the guest hardly ever asks for that number itself. */
static int move_up(int *fd, int lowest)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	int first = TRANSLATOR_FD_FIRST, moved;

	if (*fd < 0)
		return 0;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < TRANSLATOR_FD_FIRST + DESCRIPTORS)
		first = limit.rlim_cur > DESCRIPTORS ? (int)limit.rlim_cur - DESCRIPTORS : 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, first > lowest ? first : lowest);
	if (moved < 0)
		return -errno;
	close(*fd);
	*fd = moved;
	return 0;
}

int translation_keep(struct child *child, struct error *err)
{
	int lowest = 3 + child->options->listen_fds;
	int r = move_up(&child->translator_fd, lowest);

	if (r == 0)
		r = move_up(&child->guest_filter_fd, lowest);
	if (r == 0)
		r = move_up(&child->translations_fd, lowest);
	if (r == 0)
		r = move_up(&child->translations_list_fd, lowest);
	return r < 0 ? error_errno(err, r, "cannot keep a descriptor for %s", TRANSLATOR_PROGRAM)
		     : 0;
}

static int open_here(struct child *child, struct error *err)
{
	int lowest = 3 + child->options->listen_fds;

	find_translations(child);
	if (move_up(&child->translations_fd, lowest) < 0 ||
		move_up(&child->translations_list_fd, lowest) < 0)
		return error_set(
			err, EMFILE, "cannot keep a descriptor for %s", TRANSLATOR_PROGRAM);
	return 0;
}

/* Whoever is root of a user namespace only can mount only here. */
int translation_open(struct child *child, struct error *err)
{
	return child->rootless ? open_here(child, err) : 0;
}

/* An overlay can only be made of what is mounted in a namespace that belongs to the user namespace:
 * not in the host's, nor, where the folder is none, in the container's. One for a moment is left
 * behind; what is made in it stays. */
int translation_join(struct child *child, int namespaces, struct error *err)
{
	if (!child->rootless || child->translator_fd < 0 || !child->options->translations ||
		!(namespaces & CLONE_NEWNS))
		return 0;
	if (unshare(CLONE_NEWNS) < 0) {
		log_debug("translated code is not taken: %s", strerror(errno));
		return 0;
	}
	return open_here(child, err);
}

/* --- the child: can it be executed? ----------------------------------------------------------- */

static int not_executable(const char *command, struct error *err)
{
	return error_set(err, ENOEXEC, "exec: \"%s\": exec format error", command);
}

/* What the loader is, as a path inside; "" for a program that needs none. 0 or -errno. */
static int read_loader(int fd, const Elf64_Ehdr *elf, char path[PATH_MAX])
{
	Elf64_Phdr headers[PROGRAM_HEADERS_MAX];
	size_t count = elf->e_phnum;

	path[0] = '\0';
	if (elf->e_phentsize != sizeof(*headers) || !count || count > PROGRAM_HEADERS_MAX ||
		elf->e_phoff > INT64_MAX)
		return -ENOEXEC;
	if (pread(fd, headers, count * sizeof(*headers), (off_t)elf->e_phoff) !=
		(ssize_t)(count * sizeof(*headers)))
		return -ENOEXEC;
	for (size_t i = 0; i < count; i++) {
		const Elf64_Phdr *h = &headers[i];

		if (h->p_type != PT_INTERP)
			continue;
		if (h->p_filesz < 2 || h->p_filesz > PATH_MAX || h->p_offset > INT64_MAX ||
			pread(fd, path, h->p_filesz, (off_t)h->p_offset) != (ssize_t)h->p_filesz ||
			path[h->p_filesz - 1] != '\0')
			return -ENOEXEC;
		return 0;
	}
	return 0;
}

int translation_check(const struct child *child, int fd, const char *command, struct error *err)
{
	const struct cpu *cpu = find_cpu(child->config->translate);
	Elf64_Ehdr elf;
	char loader[PATH_MAX];
	struct stat st;

	if (pread(fd, &elf, sizeof(elf), 0) != (ssize_t)sizeof(elf) ||
		memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
		return not_executable(command, err);
	if (!is_elf_for(&elf, cpu))
		return error_set(err, ENOEXEC,
			"exec: \"%s\": exec format error: it is not for %s, which this container runs",
			command, cpu->architecture);
	if ((elf.e_type != ET_EXEC && elf.e_type != ET_DYN) || read_loader(fd, &elf, loader) < 0)
		return not_executable(command, err);
	if (*loader && stat(loader, &st) < 0)
		return error_set(err, errno, "exec: \"%s\": its loader %s: %s", command, loader,
			strerror(errno));
	return 0;
}

/* --- the child: execute it -------------------------------------------------------------------- */

static void append_word(struct str *words, const char *word, int fd)
{
	if (fd >= 0)
		str_appendf(words, "%s%d\n", word, fd);
}

int translation_make_environment(struct child *child, const char *path, struct error *err)
{
	_cleanup_str_ struct str words = { 0 };
	_cleanup_free_ char *first = NULL;
	size_t count = strv_length(child->env), kept = 0;
	char **env;

	if (child->translator_fd < 0)
		return 0;
	str_append(&words, TRANSLATOR_VARIABLE "=" TRANSLATOR_WORD_CONTAINED "\n");
	append_word(&words, TRANSLATOR_WORD_SELF, child->translator_fd);
	append_word(&words, TRANSLATOR_WORD_FILTER, child->guest_filter_fd);
	append_word(&words, TRANSLATOR_WORD_CODE, child->translations_fd);
	append_word(&words, TRANSLATOR_WORD_LIST, child->translations_list_fd);
	str_append(&words, path);
	first = str_finish(&words);
	env = first ? reallocarray(child->env, count + 2, sizeof(*env)) : NULL;
	if (!env)
		return error_oom(err);
	/* One of that name is nobody else's to set. */
	for (size_t i = 0; i < count; i++) {
		if (str_after_prefix(env[i], TRANSLATOR_VARIABLE "="))
			free(env[i]);
		else
			env[kept++] = env[i];
	}
	memmove(env + 1, env, kept * sizeof(*env));
	env[0] = steal_ptr(&first);
	env[kept + 1] = NULL;
	child->env = env;
	return 0;
}

void translation_execute(const struct child *child)
{
	const int passed[] = { child->translator_fd, child->guest_filter_fd, child->translations_fd,
		child->translations_list_fd };

	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		if (passed[i] >= 0 && fcntl(passed[i], F_SETFD, 0) < 0)
			return;
	syscall(SYS_execveat, child->translator_fd, "", child->process->args, child->env,
		AT_EMPTY_PATH);
}
