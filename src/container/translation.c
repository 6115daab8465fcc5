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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/process.h"
#include "base/str.h"
#include "base/translator.h"

#define SEALS		    (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PROGRAM_HEADERS_MAX 64

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
	seccomp_program_free(&guest);
	if (r < 0)
		translation_close(child);
	return r < 0 ? r : 0;
}

void translation_close(struct child *child)
{
	cleanup_close(&child->translator_fd);
	cleanup_close(&child->guest_filter_fd);
	child->translator_fd = child->guest_filter_fd = -1;
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
	if (limit.rlim_cur < TRANSLATOR_FD_FIRST + 2)
		first = limit.rlim_cur > 2 ? (int)limit.rlim_cur - 2 : 0;
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
	return r < 0 ? error_errno(err, r, "cannot keep a descriptor for %s", TRANSLATOR_PROGRAM)
		     : 0;
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

int translation_make_environment(struct child *child, const char *path, struct error *err)
{
	_cleanup_free_ char *filter = NULL, *first = NULL;
	size_t count = strv_length(child->env), kept = 0;
	char **env;

	if (child->translator_fd < 0)
		return 0;
	filter = child->guest_filter_fd < 0
		? strdup("")
		: strf(TRANSLATOR_WORD_FILTER "%d\n", child->guest_filter_fd);
	if (filter)
		first = strf(TRANSLATOR_VARIABLE "=" TRANSLATOR_WORD_CONTAINED
						 "\n" TRANSLATOR_WORD_SELF "%d\n%s%s",
			child->translator_fd, filter, path);
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
	if (fcntl(child->translator_fd, F_SETFD, 0) < 0 ||
		(child->guest_filter_fd >= 0 && fcntl(child->guest_filter_fd, F_SETFD, 0) < 0))
		return;
	syscall(SYS_execveat, child->translator_fd, "", child->process->args, child->env,
		AT_EMPTY_PATH);
}
