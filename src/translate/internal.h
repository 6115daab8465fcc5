/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of translate/ share.
 *
 * Guest address A is host address A, and both sides are little-endian LP64 with asm-generic
 * structures: most pointers pass straight to the kernel. A handler of a system call gets the
 * guest's arguments and returns what the kernel would leave in a0: a result or a negative errno.
 *
 * Nothing here allocates with malloc() once the guest runs, uses errno, or calls a function of the
 * C library that takes a lock: threads are the guest's, made by clone(2) directly. Use host_call().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jit/riscv/cpu.h"
#include "translate/numbers.h"

/* The guest's addresses. What is asked for without a place lies below GUEST_SHORT_END, as in Sv39;
 * a hint may lie anywhere below GUEST_END; our own program and the vDSO of the host lie above. */
#define GUEST_PAGE	UINT64_C(4096)
#define GUEST_START	UINT64_C(0x10000)
#define GUEST_SHORT_END (UINT64_C(1) << 38)
#define GUEST_END	(UINT64_C(1) << 46)

#define SIGNALS 64

/* What a call that a signal has interrupted returns: the dispatcher restarts it or makes it -EINTR,
 * as the guest's action for the signal says. Handlers pass it on. */
#define RESTART_CALL (-512)
/* Nothing has been done, and a signal must be delivered first: the call is done again behind its
 * handler, whatever the action says, as if the signal had come before the ecall. */
#define RETRY_CALL (-515)
/* All registers are already what they must be (rt_sigreturn). */
#define NO_RESULT (-513)

struct saved_code;
struct memory; /* memory.c: the guest's map, one per address space */

/* rt_sigaction(2)'s structure on riscv64: no restorer. */
struct signal_action {
	uint64_t handler, flags, mask;
};

/* What threads of one process share. A child of vfork() has one of its own with the same memory. */
struct process {
	struct memory *memory;
	struct jit *jit;
	uint32_t actions_lock; /* lock_take() */
	struct signal_action actions[SIGNALS + 1]; /* signal.c */
	uint64_t known_actions; /* the others are as the host has them */
	int pid;
	/* Ours: the guest can neither see nor close them; -1: not there. This program, for execve;
	 * the folder and the list of saved-code.h. */
	int program_fd, code_fd, list_fd;
	int connection_fd; /* a debugger's: likewise */
	bool is_contained; /* no native programs, no prefix */
	bool is_traced; /* calls are printed */
	const char *prefix; /* of -L; NULL */
	struct saved_code *saved; /* saved-code.h; NULL */
	char *executable; /* path of the guest's program as /proc/self/exe shows it; PATH_MAX */
	uint64_t vdso, signal_return; /* addresses in the guest */
	uint64_t entry_stack; /* sp at the start, for /proc/self/stat */
	struct debugger *debugger; /* debugger.h; NULL: none, or not any more */
	bool has_tracee; /* all signals come to us first: a thread of it is traced (ptrace.h) */
	bool writes_memory; /* a /proc/PID/mem has been opened to be written to */
	/* seccomp-filters.c: its threads, linked through next_thread */
	uint32_t threads_lock;
	struct thread *threads;
	struct thread *dead; /* thread.c: ended, and in memory for their tracers */
};

#define EXEC_MAPPINGS 3

struct mapping {
	uint64_t start, size;
};

/* What debugger.c keeps of a thread. The first three are shared with the debugger's thread. */
struct thread_debug {
	uint32_t hold; /* a futex: no guest code while it is 1 */
	uint32_t is_running; /* guest code */
	uint32_t is_parked; /* waits for hold to become 0 */
	/* The rest is changed by the debugger's thread only while this one is held. */
	bool is_known; /* has been held or let go since it began */
	bool step, step_done;
	uint64_t range_start, range_end; /* of a step: as long as pc is in there */
	const struct debugger_watchpoint *accessed; /* by the instruction; NULL: none */
	bool in_signal; /* waits for `signal`: which one is to be delivered */
	int signal;
	uint64_t injected; /* signals of the debugger's own, which it need not be told of */
	bool has_info;
	uint8_t info[128]; /* siginfo_t of what it was stopped by */
};

/* What ptrace.c keeps of a thread that is traced. Its tracer, another process, reads and writes all
 * of this while the thread is stopped. */
struct tracee {
	uint32_t is_on;
	uint32_t options; /* PTRACE_O_*, as the tracer has asked for */
	uint32_t stop; /* enum trace_stop */
	uint32_t is_seized;
	uint32_t wants_calls; /* it was let go by PTRACE_SYSCALL */
	int32_t signal; /* the one it is stopped by, then the one that the tracer wants */
	/* A stop to come to: a signal that is to be seen first, or a TRACE_WANTS_*. */
	int32_t wants;
	uint32_t has_news; /* something of this has changed, for signal_deliver() */
	uint32_t is_told; /* the next signal that is delivered was seen by the tracer */
	int32_t passing; /* a signal that stops or ends us now, and is no news */
	uint32_t is_still; /* registers are whole, though no stop has been made of it */
	uint32_t is_changed; /* registers were changed in a system call: its result is void */
	uint32_t in_call; /* pc is at the ecall, and the call has begun */
	/* A fork(2) goes on: what is here is not true for the child yet; 2: one that is traced. */
	uint32_t is_forking;
	uint32_t is_presenting, has_early, is_gone; /* present() */
	uint64_t message; /* PTRACE_GETEVENTMSG */
	uint64_t tracer; /* who has filled this in */
	uint64_t first_argument; /* of the system call */
	uint8_t info[128]; /* siginfo_t of the stop */
	uint8_t wanted_info[128];
	uint8_t early_info[128];
};

struct thread {
	struct riscv_cpu cpu; /* first */
	struct process *process;
	int tid;
	uint32_t number; /* among all of the address space, ever: not 0 */
	/* Guest's view; the host's own mask is the same without SIGSEGV and SIGBUS. */
	uint64_t mask;
	uint64_t alternate_stack, alternate_size; /* sigaltstack(2) */
	uint32_t alternate_flags;
	/* Set by the handler of ours that has taken an asynchronous signal: every signal is blocked
	 * on the host from then until it is delivered, so that one place is enough. */
	uint32_t is_pending;
	int pending_signal;
	bool pending_is_told; /* to a tracer */
	uint8_t pending_info[128]; /* siginfo_t is the same on both sides */
	/* SIGSEGV and SIGBUS that somebody has sent: a mask of them; SIGBUS is [1]. */
	uint64_t held, held_told;
	uint8_t held_info[2][128];
	bool is_restarting; /* the call at pc has returned RESTART_CALL */
	/* rt_sigsuspend(2) and its like: the mask to go back to behind the handler. */
	bool is_suspended;
	uint64_t suspended_mask;
	/* seccomp-filters.c */
	struct thread *next_thread;
	struct filter *filters; /* the latest */
	uint32_t seccomp_mode; /* SECCOMP_MODE_*; 0: none */
	/* thread.c */
	void *block; /* the memory that this, its TLS and its stacks lie in */
	bool is_first; /* runs on the stack of main() */
	struct mapping exec_mappings[EXEC_MAPPINGS]; /* exec.c */
	bool is_vforked; /* shares the memory of a parent that waits, and frees the block */
	struct thread_debug debug;
	struct tracee tracee;
};

/* This thread's; NULL before the first. Async-signal-safe. */
struct thread *thread_current(void);
/* Where that is kept, from the host's thread pointer. */
int64_t thread_current_offset(void);

/* --- system calls: system-calls.c, system-call-table.c --------------------------------------- */

typedef int64_t system_call(struct thread *t, const uint64_t a[6]);

struct system_call_row {
	const char *name; /* NULL: unknown, ENOSYS */
	system_call *handle; /* NULL: the host's call `host` with the same arguments */
	int host;
	bool blocks; /* may wait long: passed through by host_call_blocking() */
	const char *arguments; /* a letter for each (system-call-table.c) */
};

extern const struct system_call_row system_calls[SYSTEM_CALLS];

/* Carry out the call that x[17] names; pc is at the ecall, and behind it afterwards. */
void system_call_dispatch(struct thread *t);

/* --- the host's calls: x86/host-call.c ------------------------------------------------------- */

/* As the kernel returns it: no errno. */
int64_t host_call_raw(
	long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
/* The same, but RETRY_CALL when a signal of the guest's came first, RESTART_CALL when the kernel
 * would restart the call behind its handler; what has been done is never lost. */
int64_t host_call_blocking_raw(struct thread *t, long number, uint64_t a, uint64_t b, uint64_t c,
	uint64_t d, uint64_t e, uint64_t f);

/* host_call(SYS_read, fd, buffer, size): missing arguments are 0, pointers are fine. */
#define host_call(...) HOST_CALL_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define HOST_CALL_PAD(number, a, b, c, d, e, f, ...)                                               \
	host_call_raw(number, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d),          \
		(uint64_t)(e), (uint64_t)(f))
#define host_call_blocking(t, ...) HOST_CALL_BLOCKING_PAD(t, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define HOST_CALL_BLOCKING_PAD(t, number, a, b, c, d, e, f, ...)                                   \
	host_call_blocking_raw(t, number, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c),             \
		(uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

/* --- guest memory: x86/copy.c ---------------------------------------------------------------- */

/* Copy without crashing: 0 or -EFAULT (what lies before the fault may have been copied). */
int guest_copy_in(void *to, uint64_t from, size_t size);
int guest_copy_out(uint64_t to, const void *from, size_t size);
/* Length of the string, copied with its NUL; -EFAULT, or -ENAMETOOLONG when size is too small. */
int64_t guest_string(uint64_t address, char *buffer, size_t size);

static inline void *guest_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* --- descriptors: descriptors.c -------------------------------------------------------------- */

/* Ours: to the guest it is not open (EBADF), and close_range(2) leaves it out. */
bool descriptor_is_ours(const struct thread *t, uint64_t fd);
/* The first of ours that is not below `from`; OWN_NONE. */
#define OWN_NONE UINT32_MAX
uint32_t descriptor_own_from(const struct process *process, uint32_t from);
/* While we open files to execute something, the guest's own limit is not in the way: as much as may
 * be. What it was, to give back. */
uint64_t descriptor_limit_raise(void);
void descriptor_limit_restore(uint64_t limit);

/* --- the guest's filters: seccomp.c, seccomp-filters.c --------------------------------------- */

struct filter;

/* A thread that is about to run, with its parent's filters (NULL: none), and one that ends. */
void seccomp_thread_begin(struct thread *t, const struct thread *parent);
void seccomp_thread_end(struct thread *t);
/* Around a fork(2) that does not share our memory; `t` is the only thread of the child. */
void seccomp_before_fork(struct thread *t);
void seccomp_after_fork(struct thread *t, bool is_child);

/*
 * With a seccomp_mode, before a call is carried out: may it be? Else *ret is in place of its
 * result. A tracer may change which one it is. Does not return when the thread must end.
 */
bool seccomp_permit(struct thread *t, uint64_t *number, uint64_t a[6], int64_t *ret);

/* How many filters there are. */
unsigned seccomp_count(const struct thread *t);

/* Would this call be permitted, whatever its arguments are? False when that is not known. */
bool seccomp_always_permits(const struct thread *t, uint64_t number);

/* The filters as a sealed memfd (base/translator.h), close-on-exec; -ENOENT when there are none. */
int seccomp_save(const struct thread *t);
/* Take those of such a file, which a container or seccomp_save() has made. 0 or a negative errno.
 */
int seccomp_load(struct thread *t, int fd);

/* prctl(PR_SET_SECCOMP) */
int64_t seccomp_prctl(struct thread *t, uint64_t mode, uint64_t address);

/* --- files that only the guest sees: proc.c -------------------------------------------------- */

#define PROC_NOT_OURS (-514)

/*
 * Called by openat(2), openat2(2), readlinkat(2), faccessat(2), … with a path that has been copied
 * in. PROC_NOT_OURS: pass it on; else the result of the call. proc_open() gives a descriptor with
 * the content (/proc/self/maps, auxv, /proc/cpuinfo, …).
 */
int64_t proc_open(struct thread *t, int dir, const char *path, uint64_t flags);
int64_t proc_read_link(struct thread *t, int dir, const char *path, uint64_t buffer, uint64_t size);

/* Does a path that is followed to its end name the guest's program (/proc/self/exe)? */
bool proc_is_program(const struct thread *t, int dir, const char *path);

/* -L PREFIX: the path that a guest's absolute path stands for, in `buffer` (PATH_MAX) or as it is.
 */
const char *path_for_host(const struct thread *t, const char *path, char *buffer);
const char *path_with_prefix(const struct process *process, const char *path, char *buffer);

/* --- locks ----------------------------------------------------------------------------------- */

/* A futex of ours. Never held while guest code runs or a call blocks. */
void lock_take(uint32_t *lock);
void lock_release(uint32_t *lock);
/* The thread with this number has been killed: it holds the lock no more. */
void lock_break(uint32_t *lock, uint32_t number);

/* --- calls of this folder's own: rows of system-calls.c -------------------------------------- */

system_call call_brk, call_clone, call_clone3, call_execve, call_execveat, call_exit,
	call_exit_group, call_madvise, call_mlockall, call_mmap, call_mprotect, call_mremap,
	call_munlockall, call_munmap, call_riscv_flush_icache, call_riscv_hwprobe,
	call_rt_sigaction, call_rt_sigpending, call_rt_sigprocmask, call_rt_sigreturn,
	call_rt_sigsuspend, call_shmat, call_shmdt, call_sigaltstack;

/* --- the log --------------------------------------------------------------------------------- */

/* One line on the descriptor of the debug log, without allocation. */
void debug_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A call's own: before it when it may not return, and after it. */
void debug_call(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6]);
void debug_result(const struct thread *t, const struct system_call_row *row, uint64_t number,
	const uint64_t a[6], int64_t result);
