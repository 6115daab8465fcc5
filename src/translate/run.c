/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - from the options to the guest's first instruction.
 *
 * malloc() may be used here, and nowhere behind it. The addresses are laid out as Linux does on
 * Sv39: the stack below 1 << 38, mappings below the stack, a program that can move at two thirds;
 * each shifted at random unless personality(2) says no.
 */
#include "translate/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/str.h"
#include "base/translator.h"
#include "translate/debugger.h"
#include "translate/exec.h"
#include "translate/hwprobe.h"
#include "translate/ptrace.h"
#include "translate/saved-code-internal.h"
#include "translate/saved-code.h"
#include "translate/signal.h"
#include "translate/thread.h"
#include "translate/vdso.h"

#define PIE_BASE	 (GUEST_SHORT_END / 3 * 2 & ~(GUEST_PAGE - 1))
#define RANDOM_PAGES	 (UINT64_C(1) << 18) /* as vm.mmap_rnd_bits of Sv39 */
#define STACK_UNLIMITED	 (UINT64_C(64) << 20)
#define STACK_MAX	 (UINT64_C(1) << 30)
#define STACK_MIN	 (UINT64_C(512) << 10) /* ARG_MAX fits, whatever the limit is */
#define STACK_GAP	 (UINT64_C(1) << 20) /* free below the stack */
#define PROGRAM_FD	 1021 /* of a table that has 1024 places */
#define PROGRAM_FD_MAX	 4096
#define NAME_MAX_BYTES	 16 /* TASK_COMM_LEN */
#define KEEP_SECONDS_MAX 120 /* of a CPU, whatever a list of places asks for */
#define KEEP_WAIT_MAX	 500 /* seconds in all, whoever has the folder's lock */

/* Where things come to lie. */
struct layout {
	uint64_t stack_top, stack_size, program;
};

static uint64_t random_shift(bool is_random)
{
	uint32_t value = 0;

	if (is_random)
		host_call(SYS_getrandom, &value, sizeof(value), 0);
	return value % RANDOM_PAGES * GUEST_PAGE;
}

static struct layout choose_layout(void)
{
	bool is_random = !(personality(0xffffffff) & ADDR_NO_RANDOMIZE);
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	struct layout layout = { .stack_top = GUEST_SHORT_END - GUEST_PAGE -
			random_shift(is_random),
		.program = PIE_BASE + random_shift(is_random) };

	getrlimit(RLIMIT_STACK, &limit);
	layout.stack_size = limit.rlim_cur == RLIM_INFINITY ? STACK_UNLIMITED : limit.rlim_cur;
	if (layout.stack_size > STACK_MAX)
		layout.stack_size = STACK_MAX;
	if (layout.stack_size < STACK_MIN)
		layout.stack_size = STACK_MIN;
	layout.stack_size &= ~(GUEST_PAGE - 1);
	return layout;
}

/* --- the program ----------------------------------------------------------------------------- */

/* A target with argv as it was given, and the file open. */
static int open_target(
	const struct translate_options *o, struct exec_target **ret, struct error *err)
{
	struct exec_target *target = calloc(1, sizeof(*target));
	size_t argc = strv_length((char **)(uintptr_t)o->argv);

	if (target)
		target->argv = calloc(EXEC_FRONT_MAX + argc + 1, sizeof(*target->argv));
	if (!target || !target->argv)
		return error_oom(err);
	if (strlen(o->program) >= sizeof(target->path) ||
		(o->name && strlen(o->name) >= sizeof(target->name)))
		return error_errno(err, ENAMETOOLONG, "cannot run %s", o->program);
	strcpy(target->path, o->program);
	strcpy(target->name, o->name ? o->name : o->program);
	target->front = EXEC_FRONT_MAX;
	target->argc = argc;
	memcpy(target->argv + target->front, o->argv, argc * sizeof(*target->argv));
	target->fd = o->open_fd >= 0 ? o->open_fd : load_open_executable(AT_FDCWD, o->program, 0);
	if (target->fd < 0)
		return error_errno(err, target->fd, "cannot run %s", o->program);
	*ret = target;
	return 0;
}

static int find_program(
	struct exec_target *target, const struct process *process, struct error *err)
{
	int r = exec_find_program(target, process);

	if (r == ELF_GUEST)
		return 0;
	if (r >= 0)
		return error_set(err, ENOEXEC, "%s is no riscv64 program", target->path);
	return error_errno(err, r, "cannot run %s", target->path);
}

/* Map the program and its loader. `*ret_loader` has bias 0 where there is none. */
static int load(const struct process *process, const struct exec_target *target, uint64_t place,
	struct load_image *ret_program, struct load_image *ret_loader)
{
	char name[PATH_MAX], there[PATH_MAX];
	_cleanup_free_ struct load_file *file = NULL;
	int fd, r = load_map(process->memory, &target->file, place, ret_program);

	*ret_loader = (struct load_image){ .entry = ret_program->entry };
	if (r < 0 || !target->file.program.interpreter_size)
		return r;
	file = malloc(sizeof(*file));
	r = file ? load_interpreter_name(&target->file, name) : -ENOMEM;
	if (r < 0)
		return r;
	fd = load_open_executable(AT_FDCWD, path_with_prefix(process, name, there), 0);
	if (fd < 0)
		return fd;
	r = load_read(fd, file);
	if (r == 0)
		r = load_map(process->memory, file, 0, ret_loader);
	close(fd);
	return r == -ENOEXEC ? -ELIBBAD : r;
}

/* --- what other processes see ---------------------------------------------------------------- */

/* The kernel shows the guest's own strings and vectors as /proc/PID/{cmdline,environ,auxv}, even
 * when the guest writes to them. Not every kernel can; then argv is right from the start. */
static void show_process(const struct memory *memory, const struct load_image *program,
	const struct stack_layout *stack)
{
	struct prctl_mm_map map = {
		.start_code = program->bias ? program->bias : GUEST_START,
		.end_code = program->end,
		.start_data = GUEST_START,
		.end_data = program->end,
		.start_brk = memory->brk_start,
		.brk = memory->brk,
		.start_stack = stack->pointer,
		.arg_start = stack->argv_start,
		.arg_end = stack->argv_end,
		.env_start = stack->envp_start,
		.env_end = stack->envp_end,
		.auxv = guest_pointer(stack->auxv),
		.auxv_size = (uint32_t)stack->auxv_size,
		.exe_fd = (uint32_t)-1,
	};

	map.start_data = map.start_code;
	host_call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

static void show_name(const char *path)
{
	char name[NAME_MAX_BYTES] = { 0 };
	const char *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	memcpy(name, path, strnlen(path, sizeof(name) - 1));
	host_call(SYS_prctl, PR_SET_NAME, name);
}

/* --- start ----------------------------------------------------------------------------------- */

static int map_vdso(struct process *process)
{
	int64_t r = memory_map_kind(
		process->memory, 0, VDSO_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, REGION_VDSO);

	if (r < 0)
		return (int)r;
	process->vdso = (uint64_t)r;
	process->signal_return = process->vdso + VDSO_SIGNAL_RETURN;
	vdso_build(guest_pointer(process->vdso));
	return (int)memory_protect(
		process->memory, process->vdso, VDSO_SIZE, PROT_READ | PROT_EXEC);
}

static int map_stack(struct memory *memory, const struct layout *layout, bool is_executable)
{
	int64_t r = memory_map_kind(memory, layout->stack_top - layout->stack_size,
		layout->stack_size, PROT_READ | PROT_WRITE | (is_executable ? PROT_EXEC : 0),
		MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_STACK, REGION_STACK);

	return r < 0 ? (int)r : 0;
}

/*
 * The file that execve(2) starts this program from again, at a number that is out of the way: the
 * first that the guest's limit does not let it have, unless that is far away (the kernel's table is
 * as long as the highest number, and every fork copies it).
 */
static int keep_high(int fd, uint64_t descriptor_limit)
{
	int high,
		place = descriptor_limit <= PROGRAM_FD_MAX && descriptor_limit > TRANSLATOR_FD_FIRST
		? (int)descriptor_limit
		: PROGRAM_FD;

	if (fd >= 0 && fd < place) {
		high = fcntl(fd, F_DUPFD_CLOEXEC, place);
		if (high >= 0) {
			close(fd);
			fd = high;
		}
	}
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int keep_descriptors(struct process *process, const struct translate_options *o,
	uint64_t descriptor_limit, struct error *err)
{
	int fd = o->program_fd;

	if (fd < 0)
		fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open /proc/self/exe");
	process->program_fd = keep_high(fd, descriptor_limit);
	process->code_fd = keep_high(o->code_fd, descriptor_limit);
	process->list_fd = keep_high(o->list_fd, descriptor_limit);
	process->connection_fd = -1;
	return 0;
}

static int make_process(const struct translate_options *o, uint64_t descriptor_limit,
	struct process **ret, struct error *err)
{
	struct process *process = calloc(1, sizeof(*process));
	int r;

	if (process) {
		process->memory = calloc(1, sizeof(*process->memory));
		process->executable = calloc(1, PATH_MAX);
	}
	if (!process || !process->memory || !process->executable)
		return error_oom(err);
	process->pid = getpid();
	process->is_contained = o->is_contained;
	process->is_traced = o->is_traced;
	process->prefix = o->prefix;
	r = keep_descriptors(process, o, descriptor_limit, err);
	if (r < 0)
		return r;
	if (process->code_fd >= 0)
		process->saved = saved_code_open_contained(process->code_fd, process->list_fd);
	else if (o->code_dir)
		process->saved = saved_code_open(o->code_dir);
	*ret = process;
	return 0;
}

/* Where the kernel would say /proc/self/exe is. */
static void find_executable_path(struct process *process, const struct exec_target *target)
{
	_cleanup_free_ char *link = strf("/proc/self/fd/%d", target->fd);
	ssize_t n = link ? readlink(link, process->executable, PATH_MAX - 1) : -1;

	if (n > 0)
		process->executable[n] = '\0';
	else
		strcpy(process->executable, target->path);
}

static int build(struct process *process, struct thread *t, struct exec_target *target,
	const struct translate_options *o, struct stack_layout *ret_stack)
{
	struct layout layout = choose_layout();
	struct load_image program, loader;
	struct stack_layout stack;
	struct stack_contents contents = { .argv = (char *const *)(target->argv + target->front),
		.envp = o->envp,
		.name = target->name,
		.hardware = hwprobe_capabilities(),
		.frame_size = signal_frame_size(),
		.program = &program,
		.nr_headers = target->file.program.nr_headers };
	int r;

	process->memory->top = layout.stack_top - layout.stack_size - STACK_GAP;
	r = map_stack(process->memory, &layout, target->file.program.stack_is_executable);
	if (r == 0)
		r = map_vdso(process);
	if (r == 0)
		r = load(process, target, layout.program, &program, &loader);
	if (r < 0)
		return r;
	process->memory->brk_start = process->memory->brk = process->memory->brk_end =
		(program.end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	contents.vdso = process->vdso;
	contents.loader = loader.bias;
	contents.entry = program.entry;
	r = stack_fill(layout.stack_top, layout.stack_size, &contents, &stack);
	if (r < 0)
		return r;
	process->entry_stack = stack.pointer;
	t->cpu.pc = loader.entry;
	t->cpu.x[2] = stack.pointer;
	show_process(process->memory, &program, &stack);
	show_name(target->name);
	*ret_stack = stack;
	return 0;
}

/* What the container and the program before have left to be obeyed. */
static int load_filters(struct thread *t, int fd, struct error *err)
{
	int r = fd < 0 ? 0 : seccomp_load(t, fd);

	if (fd >= 0)
		close(fd);
	return r < 0 ? error_errno(err, r, "cannot read the seccomp filters") : 0;
}

int translate_run(const struct translate_options *options, struct error *err)
{
	struct exec_target *target = NULL;
	struct process *process = NULL;
	struct thread *t;
	struct stack_layout stack;
	struct jit_options jit = { .code_end = memory_code_end, .debug = getenv("STRATA_JIT") };
	uint64_t descriptor_limit = descriptor_limit_raise();
	int r = make_process(options, descriptor_limit, &process, err);

	if (r == 0)
		r = open_target(options, &target, err);
	if (r == 0)
		r = find_program(target, process, err);
	if (r < 0)
		return r;
	find_executable_path(process, target);
	if (memory_init(process->memory, GUEST_SHORT_END) < 0)
		return error_oom(err);
	jit.context = process->memory;
	r = jit_open(&jit, &process->jit, err);
	if (r < 0)
		return error_prefix(err, "cannot make a code cache");
	process->memory->jit = process->jit;
	process->memory->saved = process->saved;
	r = trace_page_make(process->memory);
	if (r < 0)
		return error_errno(err, r, "no memory at the end of the guest's");
	t = thread_make_first(process);
	if (!t)
		return error_oom(err);
	signal_init(process);
	r = load_filters(t, options->filter_fd, err);
	if (r < 0)
		return r;
	r = build(process, t, target, options, &stack);
	if (r < 0)
		return error_errno(err, r, "cannot load %s", target->path);
	close(target->fd);
	free(target->argv);
	free(target);
	descriptor_limit_restore(descriptor_limit);
	if (options->tracee)
		r = tracee_restore(t, options->tracee);
	if (r < 0)
		return error_errno(err, r, "cannot go on as a traced program");
	if (options->debug_fd >= 0)
		r = debugger_start(process, t, options->debug_fd, stack.auxv, stack.auxv_size, err);
	else if (options->debugger)
		r = debugger_continue(
			process, t, options->debugger, stack.auxv, stack.auxv_size, err);
	if (r < 0)
		return r;
	tracee_executed(t);
	thread_run(t);
}

int translate_check_code_dir(const char *dir, struct error *err)
{
	struct stat st;

	if (strlen(dir) >= PATH_MAX)
		return error_errno(err, ENAMETOOLONG, "cannot keep translated code in %s", dir);
	if (stat(dir, &st) < 0)
		return errno == ENOENT
			? 0
			: error_errno(err, errno, "cannot keep translated code in %s", dir);
	if (!saved_code_is_safe(&st))
		return error_set(err, EPERM,
			"cannot keep translated code in %s: it is no folder that only you can write to",
			dir);
	return 0;
}

int translate_make_saved_code(const char *dir, char *const *layers, struct error *err)
{
	const struct rlimit cpu = { KEEP_SECONDS_MAX, KEEP_SECONDS_MAX }, core = { 0, 0 };

	/* Whoever has started us goes on at once. */
	if (fork() > 0)
		_exit(0);
	signal(SIGALRM, SIG_DFL);
	alarm(KEEP_WAIT_MAX);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	setpriority(PRIO_PROCESS, 0, 19);
	return saved_code_make(dir, layers, SAVED_CODE_LIST_FD, err);
}

/* --- the variable ---------------------------------------------------------------------------- */

static int parse_descriptor(const char *text, int *ret)
{
	uint64_t value;

	if (parse_u64(text, INT32_MAX, &value) < 0)
		return -EINVAL;
	*ret = (int)value;
	return 0;
}

static int parse_word(const char *word, struct translate_options *o)
{
	const char *rest;

	if (streq(word, TRANSLATOR_WORD_CONTAINED))
		o->is_contained = true;
	else if (streq(word, "trace"))
		o->is_traced = true;
	else if ((rest = str_after_prefix(word, TRANSLATOR_WORD_SELF)))
		return parse_descriptor(rest, &o->program_fd);
	else if ((rest = str_after_prefix(word, TRANSLATOR_WORD_FILTER)))
		return parse_descriptor(rest, &o->filter_fd);
	else if ((rest = str_after_prefix(word, TRANSLATOR_WORD_CODE)))
		return parse_descriptor(rest, &o->code_fd);
	else if ((rest = str_after_prefix(word, TRANSLATOR_WORD_LIST)))
		return parse_descriptor(rest, &o->list_fd);
	else if ((rest = str_after_prefix(word, "open=")))
		return parse_descriptor(rest, &o->open_fd);
	else if ((rest = str_after_prefix(word, "name=")))
		o->name = rest;
	else if ((rest = str_after_prefix(word, "gdb=")))
		o->debugger = rest;
	else if ((rest = str_after_prefix(word, "tracee=")))
		o->tracee = rest;
	else if ((rest = str_after_prefix(word, "code=")))
		o->code_dir = rest;
	else if ((rest = str_after_prefix(word, "prefix=")))
		o->prefix = rest;
	else
		return -EINVAL;
	return 0;
}

int translate_from_environment(char **argv, char **envp, struct translate_options *ret)
{
	struct translate_options o = { .program_fd = -1,
		.filter_fd = -1,
		.code_fd = -1,
		.list_fd = -1,
		.open_fd = -1,
		.debug_fd = -1 };
	const char *value = envp[0] ? str_after_prefix(envp[0], TRANSLATOR_VARIABLE "=") : NULL;
	char *word, *end;

	if (!value)
		return 0;
	word = envp[0] + (value - envp[0]);
	while ((end = strchr(word, '\n'))) {
		*end = '\0';
		/* The path may hold line ends of its own; no word of ours begins like it. */
		if (parse_word(word, &o) < 0) {
			*end = '\n';
			break;
		}
		word = end + 1;
	}
	if (!*word)
		return -EINVAL;
	o.program = word;
	o.argv = argv;
	o.envp = envp + 1;
	*ret = o;
	return 1;
}
