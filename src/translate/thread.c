/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - threads: clone(2), clone3(2), exit(2), and the loop that each of them is in.
 *
 * A guest's thread is a thread of the host with the same flags, except that its thread pointer is
 * ours: robust lists, clear_child_tid, namespaces and signals to threads are the kernel's work. The
 * C library knows of none of them. What it needs is in a thread's block:
 *
 *	guard page | stack of our code | stack of our signal handler | TLS, thread control block |
 *	struct thread | struct process of a child of vfork()
 *
 * The TLS is a copy of the first thread's: variables of ours, and errno; of glibc's control block
 * the head with the stack protector's and setjmp's secrets (sysdeps/x86_64/nptl/tls.h).
 *
 * A child that shares our memory but is another process (vfork) has a block, too. Its parent frees
 * it when the child has gone or has executed something.
 */
#include "translate/saved-code.h"
#include "translate/thread.h"

#include <errno.h>
#include <link.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "translate/debugger.h"
#include "translate/exec.h"
#include "translate/host.h"
#include "translate/memory.h"
#include "translate/ptrace.h"
#include "translate/signal.h"

#define STACK_BYTES	    (256u << 10)
#define HANDLER_STACK_BYTES (64u << 10)
#define TLS_MAX		    (16u << 10)
#define CONTROL_BYTES	    4096u /* room for glibc's struct pthread */
#define NUMBER_MAX	    ((1u << 30) - 1) /* jit_set_thread() */
#define CONTROL_HEAD_BYTES  64u /* of it, copied: up to the secrets */
#define BLOCK_BYTES	    (4096u + STACK_BYTES + HANDLER_STACK_BYTES + TLS_MAX + CONTROL_BYTES + 16384u)

_Static_assert(sizeof(struct thread) + sizeof(struct process) <= 16384, "the end of a block");

static __thread struct thread *current;
/* Where the first thread's TLS begins; found once, before there is another. */
static uint64_t tls_bytes;
static uint32_t last_number; /* of a thread */

struct thread *thread_current(void)
{
	return current;
}

int64_t thread_current_offset(void)
{
	return (int64_t)((uint64_t)(uintptr_t)&current - host_thread_pointer());
}

static int find_tls(struct dl_phdr_info *info, size_t size, void *argument)
{
	uint64_t *lowest = argument, at = (uint64_t)(uintptr_t)info->dlpi_tls_data;

	if (at && at < *lowest)
		*lowest = at;
	return 0;
}

static struct thread *make(struct process *process)
{
	int64_t at = host_call(SYS_mmap, 0, BLOCK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct thread *t;
	char *block;

	if (at < 0 && at > -4096)
		return NULL;
	block = guest_pointer((uint64_t)at);
	host_call(SYS_mprotect, block, 4096, PROT_NONE);
	t = (struct thread *)(void *)(block + BLOCK_BYTES - 16384u);
	t->block = block;
	t->process = process;
	t->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED) & NUMBER_MAX;
	t->alternate_flags = SS_DISABLE;
	return t;
}

void thread_free(struct thread *t)
{
	exec_unmap(t);
	seccomp_thread_end(t);
	riscv_cpu_release(&t->cpu);
	host_call(SYS_munmap, t->block, BLOCK_BYTES);
}

static char *stack_end(const struct thread *t)
{
	return (char *)t->block + 4096u + STACK_BYTES;
}

/* Everything but the first thread's TLS pointer, which is what main() has. */
static void prepare(struct thread *t)
{
	current = t;
	jit_set_thread(t->number);
	t->tid = (int)host_call(SYS_gettid);
	signal_init_thread(t, stack_end(t), HANDLER_STACK_BYTES);
}

struct thread *thread_make_first(struct process *process)
{
	struct thread *t = make(process);
	uint64_t pointer = host_thread_pointer(), lowest = pointer;

	if (!t)
		return NULL;
	dl_iterate_phdr(find_tls, &lowest);
	tls_bytes = pointer - lowest;
	if (tls_bytes > TLS_MAX) {
		thread_free(t);
		return NULL;
	}
	riscv_cpu_init(&t->cpu, (struct jit_memory){ 0 });
	t->is_first = true;
	host_call(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &t->mask, sizeof(t->mask));
	prepare(t);
	seccomp_thread_begin(t, NULL);
	return t;
}

/* --- the loop -------------------------------------------------------------------------------- */

/* Of code: at pc, or at the second half of an instruction, which begins a page. */
static bool is_fetch(const struct riscv_cpu *cpu)
{
	return cpu->fault_address == cpu->pc ||
		(cpu->fault_address == cpu->pc + 2 && cpu->fault_address % GUEST_PAGE == 0);
}

static void fault(struct thread *t)
{
	const struct riscv_cpu *cpu = &t->cpu;
	struct region region;
	int code = cpu->fault_code;

	if (code == SI_KERNEL) /* an address that x86 knows none of */
		code = SEGV_MAPERR;
	/* Code: the host's map, which has no PROT_EXEC, does not tell what was wrong with it. */
	if (cpu->fault_signal == SIGSEGV && is_fetch(cpu))
		code = memory_region_at(t->process->memory, cpu->fault_address, &region) &&
				region.start <= cpu->fault_address
			? SEGV_ACCERR
			: SEGV_MAPERR;
	signal_fault(t, cpu->fault_signal, code, cpu->fault_address);
}

void thread_run(struct thread *t)
{
	struct riscv_cpu *cpu = &t->cpu;

	if (t->is_pending || t->tracee.has_news)
		signal_deliver(t);
	for (;;) {
		struct process *process = t->process;

		switch (process->debugger ? debugger_run(t) : riscv_run(process->jit, cpu)) {
		case JIT_STOP_SYSTEM_CALL:
			system_call_dispatch(t);
			break;
		case JIT_STOP_BREAKPOINT:
			signal_fault(t, SIGTRAP, TRAP_BRKPT, cpu->pc);
			break;
		case JIT_STOP_ILLEGAL:
			signal_fault(t, SIGILL, ILL_ILLOPC, cpu->pc);
			break;
		case JIT_STOP_MISALIGNED: /* only atomics: Linux does not do those for it */
			signal_fault(t, SIGBUS, BUS_ADRALN, cpu->pc);
			break;
		case JIT_STOP_NEW_CODE:
			memory_code_written(t->process->memory, 0, GUEST_END);
			break;
		case JIT_STOP_FAULT:
			fault(t);
			break;
		case JIT_STOP_LIMIT:
		case JIT_STOP_INTERRUPT:
		case JIT_STOP_WAIT: /* these are a machine's */
		case JIT_STOP_MODE:
		case JIT_STOP_AGAIN:
			break;
		}
		if (t->is_pending || t->tracee.has_news)
			signal_deliver(t);
		if (trace_has_written())
			trace_take_notes(process);
	}
}

/* --- clone ----------------------------------------------------------------------------------- */

struct clone_request {
	uint64_t flags, stack, parent_tid, child_tid, tls;
	struct clone_args *arguments; /* of clone3; NULL: clone */
	uint64_t size; /* of the arguments */
};

static int exit_signal(const struct clone_request *request)
{
	return request->arguments ? (int)request->arguments->exit_signal
				  : (int)(request->flags & CSIGNAL);
}

/* The TLS of a new thread: its pointer. */
static char *copy_tls(struct thread *t)
{
	char *control = (char *)t - CONTROL_BYTES;
	uint64_t pointer = host_thread_pointer();

	memcpy(control - tls_bytes, guest_pointer(pointer - tls_bytes), tls_bytes);
	memcpy(control, guest_pointer(pointer), CONTROL_HEAD_BYTES);
	((void **)(void *)control)[0] = control; /* tcb */
	((void **)(void *)control)[2] = control; /* self */
	/* From the start, for those that trace it. */
	*(struct thread **)(void *)(control + thread_current_offset()) = t;
	return control;
}

static void free_dead(struct process *process);

/* A new thread that is to go on as the caller does. */
static struct thread *copy(const struct thread *parent, const struct clone_request *request)
{
	uint64_t flags = request->flags;
	struct thread *t;
	void *block;

	if (parent->process->dead)
		free_dead(parent->process);
	t = make(parent->process);
	if (!t)
		return NULL;
	block = t->block;
	copy_tls(t);
	riscv_cpu_copy(&t->cpu, &parent->cpu);
	t->mask = parent->mask;
	t->block = block;
	if (!(flags & CLONE_VFORK) || !(flags & CLONE_VM)) {
		t->alternate_flags = SS_DISABLE;
	} else {
		t->alternate_stack = parent->alternate_stack;
		t->alternate_size = parent->alternate_size;
		t->alternate_flags = parent->alternate_flags;
	}
	if (!(flags & CLONE_THREAD)) {
		t->process = (struct process *)(void *)(t + 1);
		*t->process = *parent->process;
		t->process->actions_lock = 0;
		t->process->dead = NULL;
		t->process->connection_fd = -1; /* closed with the others, on exec */
		t->is_vforked = (flags & CLONE_VFORK) != 0;
	}
	tracee_child(&t->tracee, &parent->tracee, flags, exit_signal(request));
	seccomp_thread_begin(t, parent);
	return t;
}

/* All signals are blocked here. */
static void start(void *argument)
{
	struct thread *t = argument;

	prepare(t);
	if (t->process == (struct process *)(void *)(t + 1))
		t->process->pid = (int)host_call(SYS_getpid);
	signal_unblock(t);
	thread_run(t);
}

/* What a child of either kind finds in its registers. */
static void enter(struct riscv_cpu *cpu, uint64_t flags, uint64_t stack, uint64_t tls)
{
	cpu->x[10] = 0;
	if (stack)
		cpu->x[2] = stack;
	if (flags & CLONE_SETTLS)
		cpu->x[4] = tls;
	cpu->pc += 4;
}

/* A child of vfork() has gone, or has executed something. If it was killed, it may have held what
 * it shared with us. */
static void bury(struct thread *t)
{
	struct process *process = t->process;

	jit_thread_is_gone(process->jit, &t->cpu.frame, t->number);
	lock_break(&process->memory->lock, t->number);
	if (process->saved)
		saved_code_break_lock(process->saved, t->number);
	if (process->debugger)
		lock_break(&process->debugger->lock, t->number);
}

static int64_t clone_sharing(struct thread *parent, const struct clone_request *request)
{
	uint64_t flags = request->flags;
	struct thread *t = copy(parent, request);
	void *control;
	bool is_ours; /* to free: any other may be gone with its block when we come back */
	int64_t r;

	if (!t)
		return -EAGAIN;
	is_ours = t->is_vforked;
	control = (char *)t - CONTROL_BYTES;
	enter(&t->cpu, flags, request->stack, request->tls);
	signal_block();
	if (request->arguments) {
		struct clone_args *arguments = request->arguments;

		arguments->flags = flags | CLONE_SETTLS;
		arguments->tls = (uint64_t)(uintptr_t)control;
		arguments->stack = (uint64_t)(uintptr_t)((char *)t->block + 4096u);
		arguments->stack_size = STACK_BYTES;
		r = host_clone3(arguments, request->size, start, t);
	} else {
		r = host_clone(flags | CLONE_SETTLS, stack_end(t), request->parent_tid,
			request->child_tid, (uint64_t)(uintptr_t)control, start, t);
	}
	signal_unblock(parent);
	if (r > 0 && is_ours)
		bury(t);
	if (r < 0 || is_ours)
		thread_free(t);
	return r;
}

static int64_t clone_copying(struct thread *t, const struct clone_request *request)
{
	struct process *process = t->process;
	uint64_t flags = request->flags & ~(uint64_t)CLONE_SETTLS, held;
	struct tracee traced;
	int64_t r;

	signal_block();
	held = t->held;
	tracee_child(&traced, &t->tracee, flags, exit_signal(request));
	t->tracee.is_forking = traced.is_on ? 2 : 1;
	debugger_before_fork(process);
	/* In this order: who translates asks for the map. */
	jit_before_fork(process->jit);
	lock_take(&process->memory->lock);
	lock_take(&process->actions_lock);
	seccomp_before_fork(t);
	if (request->arguments) {
		request->arguments->flags = flags;
		request->arguments->tls = 0;
		request->arguments->stack = request->arguments->stack_size = 0;
		r = host_call(SYS_clone3, request->arguments, request->size);
	} else {
		r = host_call(SYS_clone, flags, 0, request->parent_tid, request->child_tid, 0);
	}
	seccomp_after_fork(t, r == 0);
	lock_release(&process->actions_lock);
	lock_release(&process->memory->lock);
	debugger_after_fork(process, r == 0);
	if (r == 0) {
		process->pid = (int)host_call(SYS_getpid);
		t->tid = (int)host_call(SYS_gettid);
		traced.is_forking = 1;
		t->tracee = traced;
		__atomic_store_n(&t->tracee.is_forking, 0, __ATOMIC_SEQ_CST);
		t->held &= ~held; /* the parent's; one that has come to us since is ours */
		saved_code_after_fork(process->saved);
		if (jit_after_fork(process->jit, true) < 0)
			signal_die(SIGKILL);
		enter(&t->cpu, request->flags, request->stack, request->tls);
	} else {
		t->tracee.is_forking = 0;
		jit_after_fork(process->jit, false);
	}
	signal_unblock(t);
	return r ? r : NO_RESULT;
}

static int64_t make_child(struct thread *t, const struct clone_request *request)
{
	return request->flags & CLONE_VM ? clone_sharing(t, request) : clone_copying(t, request);
}

int64_t call_clone(struct thread *t, const uint64_t a[6])
{
	/* CONFIG_CLONE_BACKWARDS: the thread pointer comes before the child's tid. */
	const struct clone_request request = { .flags = a[0] & UINT32_MAX,
		.stack = a[1],
		.parent_tid = a[2],
		.tls = a[3],
		.child_tid = a[4] };

	return make_child(t, &request);
}

int64_t call_clone3(struct thread *t, const uint64_t a[6])
{
	struct clone_args arguments = { 0 };
	struct clone_request request = { .arguments = &arguments, .size = sizeof(arguments) };
	uint8_t rest[256];

	if (a[1] < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (a[1] > GUEST_PAGE)
		return -E2BIG;
	if (guest_copy_in(&arguments, a[0], a[1] < sizeof(arguments) ? a[1] : sizeof(arguments)) <
		0)
		return -EFAULT;
	/* What we do not know must be nothing. */
	for (uint64_t at = sizeof(arguments); at < a[1]; at += sizeof(rest)) {
		uint64_t size = a[1] - at < sizeof(rest) ? a[1] - at : sizeof(rest);

		if (guest_copy_in(rest, a[0] + at, size) < 0)
			return -EFAULT;
		for (uint64_t i = 0; i < size; i++)
			if (rest[i])
				return -E2BIG;
	}
	if (!arguments.stack != !arguments.stack_size)
		return -EINVAL;
	request.flags = arguments.flags;
	request.stack = arguments.stack ? arguments.stack + arguments.stack_size : 0;
	request.tls = arguments.tls;
	return make_child(t, &request);
}

/* --- threads of ours ------------------------------------------------------------------------- */

struct own {
	void (*run)(void *argument);
	void *argument, *block;
};

static void start_own(void *argument)
{
	struct own own = *(struct own *)argument;

	current = NULL;
	jit_set_thread(0);
	own.run(own.argument);
	host_unmap_and_exit(own.block, BLOCK_BYTES, 0);
}

int thread_start_own(
	struct process *process, void (*run)(void *argument), void *argument, int *ret_tid)
{
	const uint64_t flags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		CLONE_SETTLS | CLONE_UNTRACED;
	struct thread *t = make(process);
	struct own *own;
	int64_t r;

	if (!t)
		return -ENOMEM;
	own = (struct own *)(void *)(t + 1);
	*own = (struct own){ run, argument, t->block };
	signal_block();
	r = host_clone(flags, stack_end(t), 0, 0, (uint64_t)(uintptr_t)copy_tls(t), start_own, own);
	signal_unblock(thread_current());
	if (r < 0) {
		host_call(SYS_munmap, t->block, BLOCK_BYTES);
		return (int)r;
	}
	*ret_tid = (int)r;
	return 0;
}

/* --- the end --------------------------------------------------------------------------------- */

/* Its tracer may look at its registers once more, in the event of its exit: the block stays until
 * another thread is made. */
static _Noreturn void exit_traced(struct thread *t, int status)
{
	struct process *process = t->process;

	lock_take(&process->threads_lock);
	t->next_thread = process->dead;
	process->dead = t;
	lock_release(&process->threads_lock);
	for (;;)
		host_call(SYS_exit, status);
}

static void free_dead(struct process *process)
{
	struct thread **link = &process->dead;

	lock_take(&process->threads_lock);
	while (*link) {
		struct thread *t = *link;

		if (host_call(SYS_tgkill, process->pid, t->tid, 0) == -ESRCH) {
			*link = t->next_thread;
			host_call(SYS_munmap, t->block, BLOCK_BYTES);
		} else {
			link = &t->next_thread;
		}
	}
	lock_release(&process->threads_lock);
}

int64_t call_exit(struct thread *t, const uint64_t a[6])
{
	signal_block();
	if (!t->is_vforked) /* that its parent does */
		seccomp_thread_end(t);
	if (t->process->debugger)
		debugger_thread_end(t, (int)a[0]);
	if (t->is_first || t->is_vforked)
		for (;;)
			host_call(SYS_exit, a[0]);
	riscv_cpu_release(&t->cpu);
	if (t->tracee.is_on)
		exit_traced(t, (int)a[0]);
	host_unmap_and_exit(t->block, BLOCK_BYTES, (int)a[0]);
}

int64_t call_exit_group(struct thread *t, const uint64_t a[6])
{
	if (t->process->debugger)
		debugger_exit(t, (int)a[0]);
	if (!t->is_vforked) {
		/* A limit of what files may grow to is none of the program's matters any more. */
		signal_block();
		saved_code_finish(t->process->saved, t->process);
	}
	jit_print_stats(t->process->jit, 2); /* when STRATA_JIT asks for it */
	for (;;)
		host_call(SYS_exit_group, a[0]);
}
