/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger.h - a debugger of the guest: what the guest's threads ask it, and what its files share.
 *
 * A thread of ours beside the guest's serves the debugger (debugger-serve.c): it holds the session
 * of debug/, and the only one that calls it. All guest threads run, or all are stopped (all-stop):
 *
 *	running -> stopping	a thread reports something, or the debugger interrupts: `has_event`
 *	stopping -> stopped	no thread is in guest code any more; the debugger is told
 *	stopped -> running	the debugger resumes some of the threads; the others stay held
 *
 * A thread that is held waits before it enters guest code. One that is in a system call counts as
 * stopped, and is held when the call returns: its registers are those at the call, and calls are
 * not interrupted by a debugger that only looks.
 *
 * An execve(2) of the process that is debugged is followed: the connection is a descriptor of the
 * guest's table, too, which is hidden from it (process.connection_fd), and a word for the new
 *program says what had been agreed upon. Its first thread stops before its first instruction.
 *
 * Only the guest's first process is debugged. Children run on, and over breakpoints that they have
 * inherited (fork(2)) or share (vfork(2)).
 *
 * Locks: `lock` is for the event and the table of breakpoints; the threads' list has its own
 * (process.threads_lock), which may be taken inside.
 */
#pragma once

#include <inttypes.h>

#include "debug/debug.h"
#include "translate/internal.h"

#define DEBUGGER_BREAKPOINTS_MAX 4096
#define DEBUGGER_WATCHPOINTS_MAX 16
#define DEBUGGER_FILES_MAX	 64
#define DEBUGGER_WATCHED_MAX	 64 /* bytes of one */

/* si_code of a SIGBUS of ours, by which a thread leaves a system call. */
#define DEBUGGER_KICK (-4711)

struct debugger_breakpoint {
	uint64_t address;
	uint8_t size; /* 2 or 4 */
	uint8_t users; /* a bit for each enum debug_breakpoint_type */
	uint8_t original[4];
};

/* While there is one, guest code is interpreted, and memory looked at behind each instruction. */
struct debugger_watchpoint {
	enum debug_breakpoint_type type;
	uint64_t address;
	size_t size;
	uint8_t value[DEBUGGER_WATCHED_MAX]; /* as it was last seen */
};

struct debugger {
	struct debug_target target;
	struct process *process;
	struct debug_session *session;
	int pid, tid; /* of the process that is debugged, and our thread's */
	int connection, memory_fd; /* descriptors of our thread alone; memory is /proc/self/mem */
	uint64_t auxv, auxv_size;
	uint64_t passed_signals;
	uint64_t files; /* descriptors of our thread that the debugger has opened */
	uint32_t changes; /* a futex: counts what stop_all() waits for */
	bool is_stopping; /* somebody waits for `changes` */
	bool is_partial; /* only some threads were resumed: new ones are held */
	uint32_t lock;
	/* Under it. */
	bool has_event; /* from its report until the next resume */
	bool is_told;
	struct debug_stop event;
	struct thread *reporter; /* NULL: the debugger itself */
	struct thread *executing; /* is about to: nothing else is told; NULL */
	struct thread *last; /* the last one, which ends and is in no list any more */
	size_t nr_breakpoints;
	size_t nr_watchpoints;
	struct debugger_watchpoint watchpoints[DEBUGGER_WATCHPOINTS_MAX];
	struct debugger_breakpoint breakpoints[DEBUGGER_BREAKPOINTS_MAX];
};

/* --- the guest's threads --------------------------------------------------------------------- */

/* Wait for a debugger on listen_fd, which is closed; `t`, the first thread, is stopped before its
 * first instruction. auxv lies in the guest's memory. */
int debugger_start(struct process *process, struct thread *t, int listen_fd, uint64_t auxv,
	uint64_t auxv_size, struct error *err);

/*
 * The same for a program that one under a debugger has executed: `word` is what
 * debugger_describe() has made, "" when there is none to be followed. Between it and the execve(2)
 * nothing is told to the debugger any more; if that fails, debugger_after_failed_exec().
 */
#define DEBUGGER_WORD_MAX   64
#define DEBUGGER_WORD_WRITE "%d,%x,%" PRIx64
#define DEBUGGER_WORD_READ  "%d,%x,%" SCNx64
size_t debugger_describe(struct thread *t, char word[DEBUGGER_WORD_MAX]);
void debugger_after_failed_exec(struct thread *t);
int debugger_continue(struct process *process, struct thread *t, const char *word, uint64_t auxv,
	uint64_t auxv_size, struct error *err);

/* riscv_run() under a debugger: what the debugger needs not know. */
enum jit_stop debugger_run(struct thread *t);

/* A signal is about to be delivered: which one is, instead; 0: none. A fault comes again by itself
 * if nothing has been done about it. */
int debugger_signal(struct thread *t, int signal, const uint8_t info[128], bool is_fault);

/* The process ends: by exit(2) or by a signal. */
void debugger_exit(struct thread *t, int status);
void debugger_die(struct thread *t, int signal);
/* A thread has ended; it is not in the list any more. */
void debugger_thread_end(struct thread *t, int status);

/* Around a fork(2), in both processes. */
void debugger_before_fork(struct process *process);
void debugger_after_fork(struct process *process, bool is_child);

/* Is this signal to be seen by the debugger though the guest leaves it to its default? */
bool debugger_wants(const struct process *process, int signal);

/* --- debugger.c, for our thread -------------------------------------------------------------- */

/* No guest code runs when this returns. */
void debugger_stop_all(struct debugger *d);
/* Let one that is held, or that reports, go on. */
void debugger_release(struct thread *t);
/* The thread with this number, its list locked; NULL, and it is not. */
struct thread *debugger_lock_thread(struct debugger *d, uint64_t id);
void debugger_unlock_threads(struct debugger *d);

/* --- debugger-target.c ----------------------------------------------------------------------- */

extern const struct debug_target_ops debugger_ops;

struct debugger *debugger_of(struct debug_target *target);

/* Operations of it, which say what debug/debug.h says: debugger-registers.c, debugger-memory.c. */
int debugger_read_register(
	struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value);
int debugger_write_register(
	struct debug_target *target, uint64_t thread, unsigned number, const uint8_t *value);
int64_t debugger_read_memory(
	struct debug_target *target, uint64_t address, void *buffer, size_t size);
int debugger_open_file(struct debug_target *target, const char *path);
int debugger_close_file(struct debug_target *target, int fd);
int64_t debugger_read_file(
	struct debug_target *target, int fd, uint64_t offset, void *buffer, size_t size);
int debugger_stat_file(struct debug_target *target, int fd, struct debug_file_status *ret);
int64_t debugger_read_link(
	struct debug_target *target, const char *path, char *buffer, size_t size);
int debugger_write_memory(
	struct debug_target *target, uint64_t address, const void *bytes, size_t size);
int debugger_insert_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind);
int debugger_remove_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind);

/* Before the guest goes on: what the debugger has written is not news to it. */
void debugger_refresh_watchpoints(struct debugger *d);
/* All of them. */
void debugger_remove_breakpoints(struct debugger *d);

/* The breakpoint at an address, `lock` taken; NULL: none. */
struct debugger_breakpoint *debugger_find_breakpoint(struct debugger *d, uint64_t address);
