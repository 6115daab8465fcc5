/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - execve(2), execveat(2): what Linux would execute is found here, and this program is
 * executed again with it.
 *
 * A script's interpreter is looked for as the kernel does (fs/binfmt_script.c), up to five deep.
 * All that can be wrong with a program is seen before our process is given up; the file that was
 * looked at is the one that is loaded, because it stays open for the new program ("open=").
 *
 * The lists of strings are the guest's own and pass straight to the kernel; only the first string
 * of the environment is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/translator.h"
#include "translate/debugger.h"
#include "translate/exec.h"
#include "translate/ptrace.h"
#include "translate/saved-code.h"
#include "translate/signal.h"

#define WORDS_MAX (4 * PATH_MAX + 128 + TRACEE_WORD_MAX + DEBUGGER_WORD_MAX)

static bool is_error(int64_t r)
{
	return r < 0 && r > -4096;
}

/* A child of vfork() maps this in its parent's memory, where the parent gives it back after an
 * execve(2) that has worked: the thread remembers it. */
static void *map_private(struct thread *t, size_t size)
{
	int64_t r = host_call(
		SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mapping *mapping = t->exec_mappings;

	if (is_error(r))
		return NULL;
	while (mapping->size)
		mapping++;
	mapping->start = (uint64_t)r;
	mapping->size = size;
	return guest_pointer((uint64_t)r);
}

void exec_unmap(struct thread *t)
{
	for (size_t i = 0; i < EXEC_MAPPINGS; i++) {
		struct mapping *mapping = &t->exec_mappings[i];

		if (mapping->size)
			host_call(SYS_munmap, mapping->start, mapping->size);
		mapping->size = 0;
	}
}

/* A copy of a NULL-ended vector with `front` entries free before it. */
static int copy_vector(
	struct thread *t, uint64_t from, size_t front, uint64_t **ret, uint64_t *ret_count)
{
	uint64_t count = 0, value, *to;

	if (from)
		for (;; count++) {
			if (guest_copy_in(&value, from + count * sizeof(value), sizeof(value)) < 0)
				return -EFAULT;
			if (!value)
				break;
			if (count > INT32_MAX)
				return -E2BIG;
		}
	/* With room for a NULL, and for one more that is ours. */
	to = map_private(t, (front + count + 2) * sizeof(value));
	if (!to)
		return -ENOMEM;
	if (count && guest_copy_in(to + front, from, count * sizeof(value)) < 0)
		return -EFAULT;
	*ret = to;
	*ret_count = count;
	return 0;
}

/* --- scripts --------------------------------------------------------------------------------- */

static void push_front(struct exec_target *target, const char *argument)
{
	target->argv[--target->front] = (uint64_t)(uintptr_t)argument;
	target->argc++;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * "#!INTERPRETER [ARGUMENT]": both cut out of `head`, which ends with zeros. -ENOEXEC when there is
 * no interpreter, or its name may go on behind what was read.
 */
static int split_line(char *head, size_t size, char **ret_interpreter, char **ret_argument)
{
	char *start = head + 2, *end = memchr(head, '\n', size), *space;

	if (!end) {
		end = head + size;
		for (space = start; space < end && is_blank(*space); space++)
			;
		while (space < end && *space && !is_blank(*space))
			space++;
		/* Cut off in the middle of the name. */
		if (space == end && size == EXEC_HEAD_BYTES)
			return -ENOEXEC;
		if (size == EXEC_HEAD_BYTES)
			end--;
	}
	*end = '\0';
	while (end > start && is_blank(end[-1]))
		*--end = '\0';
	while (is_blank(*start))
		start++;
	if (!*start)
		return -ENOEXEC;
	*ret_interpreter = start;
	while (*start && !is_blank(*start))
		start++;
	*ret_argument = NULL;
	if (*start) {
		*start++ = '\0';
		while (is_blank(*start))
			start++;
		if (*start)
			*ret_argument = start;
	}
	return 0;
}

/* target->fd is a script whose first bytes are `head`: go on with its interpreter. */
static int enter_script(struct exec_target *target, char *head, size_t size, char *script)
{
	char *interpreter, *argument;
	int r = split_line(head, size, &interpreter, &argument), fd;

	if (r < 0)
		return r;
	if (target->argc) { /* argv[0] goes */
		target->front++;
		target->argc--;
	}
	memcpy(script, target->path, strlen(target->path) + 1);
	push_front(target, script);
	if (argument)
		push_front(target, argument);
	push_front(target, interpreter);
	fd = load_open_executable(AT_FDCWD, interpreter, 0);
	if (fd < 0)
		return fd;
	host_call(SYS_close, target->fd);
	target->fd = fd;
	memcpy(target->path, interpreter, strlen(interpreter) + 1);
	return 0;
}

/* --- what it is ------------------------------------------------------------------------------ */

static int check_loader(const struct load_file *file, const struct process *process)
{
	char name[PATH_MAX], there[PATH_MAX];
	char head[sizeof(Elf64_Ehdr)];
	int64_t size;
	int r = load_interpreter_name(file, name), fd;

	if (r < 0)
		return r;
	fd = load_open_executable(AT_FDCWD, path_with_prefix(process, name, there), 0);
	if (fd < 0)
		return fd;
	size = host_call(SYS_pread64, fd, head, sizeof(head), 0);
	host_call(SYS_close, fd);
	if (size < 0)
		return (int)size;
	return size < (int64_t)sizeof(head)		    ? -EIO
		: elf_kind(head, (size_t)size) == ELF_GUEST ? 0
							    : -ELIBBAD;
}

int exec_find_program(struct exec_target *target, const struct process *process)
{
	for (int depth = 0;; depth++) {
		char *head = target->head[depth];
		int64_t size = host_call(SYS_pread64, target->fd, head, EXEC_HEAD_BYTES, 0);
		int r;

		if (size < 0)
			return (int)size;
		memset(head + size, 0, (size_t)(EXEC_HEAD_BYTES - size));
		if (size < 2 || head[0] != '#' || head[1] != '!') {
			enum elf_kind kind = elf_kind(head, (size_t)size);

			if (kind != ELF_GUEST)
				return (int)kind;
			r = load_read(target->fd, &target->file);
			if (r == 0 && target->file.program.interpreter_size)
				r = check_loader(&target->file, process);
			return r < 0 ? r : (int)kind;
		}
		if (depth == EXEC_SCRIPTS_MAX)
			return -ELOOP;
		r = enter_script(target, head, (size_t)size, target->scripts[depth]);
		if (r < 0)
			return r;
	}
}

/* --- the new program ------------------------------------------------------------------------- */

static void append(char *buffer, size_t *length, const char *text)
{
	size_t size = strlen(text);

	memcpy(buffer + *length, text, size + 1);
	*length += size;
}

static void append_number(char *buffer, size_t *length, const char *word, int number)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	append(buffer, length, word);
	append(buffer, length, digits + at);
	append(buffer, length, "\n");
}

static void describe(struct thread *t, const struct exec_target *target, int filter_fd, char *words)
{
	const struct process *process = t->process;
	char tracee[TRACEE_WORD_MAX], debugger[DEBUGGER_WORD_MAX];
	size_t length = 0;

	append(words, &length, TRANSLATOR_VARIABLE "=");
	if (process->is_contained)
		append(words, &length, TRANSLATOR_WORD_CONTAINED "\n");
	if (process->is_traced)
		append(words, &length, "trace\n");
	append_number(words, &length, TRANSLATOR_WORD_SELF, process->program_fd);
	if (filter_fd >= 0)
		append_number(words, &length, TRANSLATOR_WORD_FILTER, filter_fd);
	if (process->code_fd >= 0)
		append_number(words, &length, TRANSLATOR_WORD_CODE, process->code_fd);
	if (process->list_fd >= 0)
		append_number(words, &length, TRANSLATOR_WORD_LIST, process->list_fd);
	append_number(words, &length, "open=", target->fd);
	if (debugger_describe(t, debugger)) {
		append(words, &length, "gdb=");
		append(words, &length, debugger);
		append(words, &length, "\n");
	}
	if (tracee_describe(t, tracee)) {
		append(words, &length, "tracee=");
		append(words, &length, tracee);
		append(words, &length, "\n");
	}
	if (saved_code_dir(process->saved)) {
		append(words, &length, "code=");
		append(words, &length, saved_code_dir(process->saved));
		append(words, &length, "\n");
	}
	if (process->prefix) {
		append(words, &length, "prefix=");
		append(words, &length, process->prefix);
		append(words, &length, "\n");
	}
	/* One with a line's end in it is called by its program's path instead. */
	if (strcmp(target->name, target->path) != 0 && !strchr(target->name, '\n')) {
		append(words, &length, "name=");
		append(words, &length, target->name);
		append(words, &length, "\n");
	}
	append(words, &length, target->path);
}

/* The guest's environment behind ours, without a variable that has the name of ours. */
static void fill_environment(uint64_t *envp, uint64_t count, const char *words)
{
	const char prefix[] = TRANSLATOR_VARIABLE "=";
	char start[sizeof(prefix) - 1];
	uint64_t n = 1;

	envp[0] = (uint64_t)(uintptr_t)words;
	for (uint64_t i = 1; i <= count; i++)
		if (guest_copy_in(start, envp[i], sizeof(start)) < 0 ||
			memcmp(start, prefix, sizeof(start)) != 0)
			envp[n++] = envp[i];
	envp[n] = 0;
}

static void set_close_on_exec(int fd, bool is_set)
{
	host_call(SYS_fcntl, fd, F_SETFD, is_set ? FD_CLOEXEC : 0);
}

static void set_own_close_on_exec(const struct process *process, bool is_set)
{
	for (uint32_t own = 0; (own = descriptor_own_from(process, own)) != OWN_NONE; own++)
		set_close_on_exec((int)own, is_set);
}

static int64_t execute(struct thread *t, struct exec_target *target, uint64_t *envp, uint64_t envc)
{
	struct process *process = t->process;
	char words[WORDS_MAX];
	uint64_t *argv = target->argv + target->front;
	int filter_fd = seccomp_save(t);
	int64_t r;

	if (filter_fd < 0 && filter_fd != -ENOENT)
		return filter_fd;
	describe(t, target, filter_fd, words);
	fill_environment(envp, envc, words);
	set_close_on_exec(target->fd, false);
	set_own_close_on_exec(process, false);
	if (filter_fd >= 0)
		set_close_on_exec(filter_fd, false);
	signal_before_exec(t);
	descriptor_limit_restore(target->descriptor_limit);
	r = host_call(SYS_execveat, process->program_fd, "", argv, envp, AT_EMPTY_PATH);
	signal_after_failed_exec(t);
	debugger_after_failed_exec(t);
	set_own_close_on_exec(process, true);
	if (filter_fd >= 0)
		host_call(SYS_close, filter_fd);
	set_close_on_exec(target->fd, true);
	return r;
}

/* One for this CPU, or a format that only the kernel knows. */
static int64_t execute_natively(struct thread *t, const struct exec_target *target, uint64_t *envp)
{
	int64_t r;

	if (t->process->is_contained)
		return -ENOEXEC;
	if (t->seccomp_mode) {
		debug_line(
			"execve: the guest's seccomp filters cannot be given to %s", target->path);
		return -EACCES;
	}
	signal_before_exec(t);
	descriptor_limit_restore(target->descriptor_limit);
	r = host_call(SYS_execveat, target->fd, "", target->argv + target->front, envp + 1,
		AT_EMPTY_PATH);
	signal_after_failed_exec(t);
	return r;
}

static int64_t execute_target(
	struct thread *t, struct exec_target *target, uint64_t argv, uint64_t envp)
{
	uint64_t *environment, envc;
	int64_t r = copy_vector(t, argv, EXEC_FRONT_MAX, &target->argv, &target->argc);

	if (r == 0)
		r = copy_vector(t, envp, 1, &environment, &envc);
	if (r < 0)
		return r;
	target->front = EXEC_FRONT_MAX;
	r = exec_find_program(target, t->process);
	if (r == ELF_GUEST)
		return execute(t, target, environment, envc);
	return r < 0 ? r : execute_natively(t, target, environment);
}

/* The file that is meant: opened, and its name as the kernel would call it. */
static int open_target(
	struct thread *t, int dir, const char *path, uint32_t flags, struct exec_target *target)
{
	char link[32];
	size_t length = 0;

	if (!path[0] && (flags & AT_EMPTY_PATH)) {
		append(link, &length, "/dev/fd/");
		append_number(link, &length, "", dir);
		link[--length] = '\0';
		memcpy(target->path, link, length + 1);
		memcpy(link, "/proc/self/fd/", 14);
		length = 14;
		append_number(link, &length, "", dir);
		link[length - 1] = '\0';
		if (descriptor_is_ours(t, (uint64_t)dir) || host_call(SYS_fcntl, dir, F_GETFD) < 0)
			return -EBADF;
		return load_open_executable(AT_FDCWD, link, 0);
	}
	/* As the kernel would call it: a name below a directory that is not the current one. */
	if (dir == AT_FDCWD || path[0] == '/') {
		memcpy(target->path, path, strlen(path) + 1);
	} else {
		char name[2 * PATH_MAX];

		append(name, &length, "/dev/fd/");
		append_number(name, &length, "", dir);
		length--;
		append(name, &length, "/");
		append(name, &length, path);
		if (length >= PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(target->path, name, length + 1);
	}
	if (!(flags & AT_SYMLINK_NOFOLLOW) && proc_is_program(t, dir, path))
		return load_open_executable(AT_FDCWD, t->process->executable, 0);
	return load_open_executable(dir, path, flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
}

static int64_t execve_at(struct thread *t, int dir, uint64_t path_address, uint64_t argv,
	uint64_t envp, uint32_t flags)
{
	char path[PATH_MAX];
	struct exec_target *target;
	int64_t r = guest_string(path_address, path, sizeof(path));

	if (r < 0)
		return r;
	if (flags & ~(uint32_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if (!path[0] && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	target = map_private(t, sizeof(*target));
	if (!target)
		return -ENOMEM;
	target->descriptor_limit = descriptor_limit_raise();
	target->fd = open_target(t, dir, path, flags, target);
	r = target->fd;
	if (r >= 0) {
		memcpy(target->name, target->path, sizeof(target->name));
		r = execute_target(t, target, argv, envp);
		host_call(SYS_close, target->fd);
	}
	descriptor_limit_restore(target->descriptor_limit);
	exec_unmap(t);
	return r;
}

int64_t call_execve(struct thread *t, const uint64_t a[6])
{
	return execve_at(t, AT_FDCWD, a[0], a[1], a[2], 0);
}

int64_t call_execveat(struct thread *t, const uint64_t a[6])
{
	return execve_at(t, (int)a[0], a[1], a[2], a[3], (uint32_t)a[4]);
}
