/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace.h - ptrace(2) of one translated program by another.
 *
 * The relation is the host's: TRACEME, SEIZE, waiting, stops by SIGSTOP, events of clone(2), who
 *may trace whom, and what happens when the tracer ends are the kernel's work. But the host's kernel
 * stops a thread anywhere in translated code, where the guest's registers are in no order. So the
 * tracer's translator sees each stop before its guest does (ptrace-stops.c):
 *
 *	A thread that is in a system call which waits, or in an event of clone(2), is whole: its
 *	registers are those at the call. The stop is the guest's.
 *
 *	Any other stop is undone: a signal is passed on, anything else becomes a signal of ours. The
 *	tracee's translator (ptrace-tracee.c) gets it, goes on to a place between two instructions,
 *	and stops there, by a trap of the host's at one known address (host_trap()). That is how a
 *	tracee presents a stop; what kind it is says `tracee.stop`. Stops at system calls, at
 *	execve(2) and by seccomp are made so, too: the host's would be those of the translator.
 *
 * The tracer reads and writes the tracee's memory by PTRACE_PEEKDATA and POKEDATA. It finds the
 * thread by way of the host's thread pointer and of a page at a fixed address, struct trace_page.
 *
 * Who writes to the code of another process (POKEDATA, /proc/PID/mem) leaves a note in that page;
 * before guest code goes on there, what was translated from it is forgotten.
 *
 * Only processes of the same build of this program can be traced: EPERM for others.
 */
#pragma once

#include "translate/host.h"
#include "translate/internal.h"

enum trace_stop {
	TRACE_RUNNING,
	/* Presented by the tracee. */
	TRACE_SIGNAL, /* by `signal`, with `info` */
	TRACE_ENTRY, /* of a system call */
	TRACE_EXIT,
	TRACE_EXEC,
	TRACE_SECCOMP, /* with `message` */
	TRACE_QUIET, /* of nobody's interest: the host's stop that has led to it comes again */
	/* The host's, of a thread that is whole. */
	TRACE_DIRECT, /* by a signal, in a system call that waits */
	TRACE_EVENT, /* in a system call */
	TRACE_OTHER, /* by PTRACE_INTERRUPT, of the whole group, … */
};

/* tracee.wants, beside signals */
#define TRACE_WANTS_QUIET (-1) /* a stop at a place where registers are whole */
#define TRACE_WANTS_NEWS  (-2) /* none, but to look at what has changed */

/* si_code of a SIGBUS of ours: come to where you can be stopped. */
#define TRACE_KICK (-4712)

/* --- the page: ptrace-page.c ----------------------------------------------------------------- */

#define TRACE_PAGE	 GUEST_END /* its address */
#define TRACE_PAGE_MAGIC UINT64_C(0x6567617061727473)
#define TRACE_WRITTEN	 64

struct trace_range {
	uint64_t start, end;
};

/* One per address space; children of fork(2) have a copy. */
struct trace_page {
	uint64_t magic; /* written last: all but the notes is complete, and does not change */
	uint64_t build; /* another program's is of no use to us */
	int64_t current_offset; /* of thread_current(), from the host's thread pointer */
	uint64_t trap; /* where host_trap() has stopped */
	uint64_t memory; /* its struct memory */
	uint64_t call_end; /* where host_call_checked() comes back from the kernel */
	/* Notes of what was written to by others. One that is not there because there are too many
	 * is for all memory. */
	uint32_t nr_written;
	struct trace_range written[TRACE_WRITTEN];
};

/* Before the first thread runs. 0 or a negative errno. */
int trace_page_make(const struct memory *memory);

static inline struct trace_page *trace_page(void)
{
	return guest_pointer(TRACE_PAGE);
}

static inline bool trace_has_written(void)
{
	return __atomic_load_n(&trace_page()->nr_written, __ATOMIC_ACQUIRE) != 0;
}

struct region_map;

/* The regions of another process like this one, in memory of ours: false when it is none, or
 * nothing of it may be read. trace_free_regions() gives them back. */
bool trace_read_regions(int pid, struct region_map *ret);
void trace_free_regions(struct region_map *map);

/* Act on the notes. */
void trace_take_notes(struct process *process);

/* A file was opened: can the memory of a process be written to by it? */
void trace_opened(struct thread *t, int fd, const char *path, uint64_t flags);

/* --- a thread that is traced: ptrace-tracee.c ------------------------------------------------ */

/* PTRACE_TRACEME */
int64_t tracee_begin(struct thread *t);

/* What signal_deliver() does first: what the tracer has changed. */
void tracee_attend(struct thread *t);

/* A signal is about to be delivered: which one is, instead (0: none), with its `info`. */
int tracee_signal(struct thread *t, int signal, uint8_t info[128], bool is_fault);

/* A stop without a signal: one of TRACE_ENTRY to TRACE_QUIET. */
void tracee_stop(struct thread *t, enum trace_stop stop, uint64_t message);

/* Around a system call of a tracee: `a` and *number may be changed by the tracer. False: the call
 * is not to be done, and *ret is its result. */
bool tracee_call_begins(struct thread *t, uint64_t *number, uint64_t a[6], int64_t *ret);
void tracee_call_ends(struct thread *t, int64_t result);
/* The same in the middle of it: the stop of SECCOMP_RET_TRACE. */
bool tracee_seccomp(struct thread *t, uint32_t data, uint64_t *number, uint64_t a[6], int64_t *ret);

/* What a child that clone(2) makes with these flags begins with: is it traced from its start? */
void tracee_child(
	struct tracee *child, const struct tracee *parent, uint64_t flags, int exit_signal);

/* The rest of a word for a program that is executed by t (base/translator.h): how it is traced. Its
 * length; 0: it is not. And what the program makes of it: -EINVAL when it is malformed. */
#define TRACEE_WORD_MAX 96
size_t tracee_describe(const struct thread *t, char word[TRACEE_WORD_MAX]);
int tracee_restore(struct thread *t, const char *word);
/* The stop of execve(2), before the first instruction. */
void tracee_executed(struct thread *t);

/* --- another one's thread: ptrace-peer.c ----------------------------------------------------- */

enum peer_kind {
	PEER_OURS,
	PEER_STARTING, /* will be ours: it has just been executed or cloned */
	PEER_CHILD, /* likewise, and it will stop by itself when it is */
	PEER_FOREIGN, /* not a program of ours, or a thread that runs no guest code */
};

/* A thread that this one traces, and that is stopped. */
struct peer {
	int tid;
	enum peer_kind kind;
	struct host_stop host;
	struct trace_page page; /* without the notes; when it is ours */
	uint64_t thread; /* address of its struct thread */
	struct tracee state; /* up to info */
};

/* -ESRCH when it is not stopped, or not by us. What *ret points to is kept as long as it is
 * stopped, by peer_let_go(); peer_look() reads it anew, after a wait has told of a stop. */
int peer_look(int tid, struct peer **ret);
int peer_find(int tid, struct peer **ret);
/* It goes on: nothing that is known of it is true any more. */
void peer_let_go(int tid);
/* Is the process of that thread one of ours? True when nobody may say. */
bool peer_is_ours(const struct thread *t, int tid);

int peer_read(int tid, uint64_t address, void *buffer, size_t size);
int peer_write(int tid, uint64_t address, const void *bytes, size_t size);

/* Set a member of its struct tracee. */
#define peer_set(peer, member, value)                                                              \
	({                                                                                         \
		struct tracee *state_ = &(peer)->state;                                            \
		state_->member = (value);                                                          \
		peer_write((peer)->tid, (peer)->thread + offsetof(struct thread, tracee.member),   \
			&state_->member, sizeof(state_->member));                                  \
	})

/* PTRACE_* of the host, on that thread; and one by which it goes on. */
#define peer_ptrace(peer, request, address, data)                                                  \
	host_call(SYS_ptrace, request, (peer)->tid, address, data)
#define peer_resume(peer, request, data)                                                           \
	({                                                                                         \
		int tid_ = (peer)->tid;                                                            \
		peer_let_go(tid_);                                                                 \
		host_call(SYS_ptrace, request, tid_, 0, data);                                     \
	})

/* Are its registers in order? */
bool peer_is_whole(const struct peer *p);
/* Is it stopped by host_trap()? Of a stop with this signal. */
bool peer_presents(const struct peer *p, int signal);

/* It was written to in that range: leave a note. */
void peer_wrote(int tid, uint64_t address, size_t size);

/* --- stops: ptrace-stops.c ------------------------------------------------------------------- */

/*
 * A wait of t has told of a stop of `tid`, with this status. False: it was none of the guest's
 * business, and the thread goes on. Else *status is what the guest must see.
 */
bool trace_see_stop(struct thread *t, int tid, int *status);

/* The bits of options that the host is told when the guest says these. */
uint64_t trace_host_options(uint64_t options);

/* This thread, as tracees know it. */
uint64_t trace_own_id(const struct thread *t);

/* Make p a tracee of t, with these options, if it is not yet. */
void trace_adopt(struct thread *t, struct peer *p, uint64_t options);

/* Does its translator get this signal when it goes on with it? Else it is all the kernel's. */
bool trace_is_taken(const struct peer *p, int signal);

/* Let it come to a place where it can be stopped. From a stop by a signal, and from any other one;
 * what for says `wants`. */
int64_t trace_kick(struct peer *p, int wants);
int64_t trace_kick_signal(struct peer *p, int signal, const siginfo_t *info);
int64_t trace_kick_later(struct peer *p, int wants);

/* --- registers: ptrace-registers.c ----------------------------------------------------------- */

/* PTRACE_GETREGSET and PTRACE_SETREGSET, with the guest's struct iovec. */
int64_t trace_get_registers(struct peer *p, uint64_t type, uint64_t iovec);
int64_t trace_set_registers(struct peer *p, uint64_t type, uint64_t iovec);

/* PTRACE_GET_SYSCALL_INFO: `size` bytes at most are written. */
int64_t trace_get_call(struct peer *p, uint64_t size, uint64_t address);
