/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - what a host must provide beside host_call_raw() (internal.h): x86/.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/*
 * The call, unless *flag is set by then or a signal handler has gone through host_interrupt_call():
 * then RETRY_CALL, and nothing has been done, or RESTART_CALL when the kernel would do it again.
 */
int64_t host_call_checked(const uint32_t *flag, long number, uint64_t a, uint64_t b, uint64_t c,
	uint64_t d, uint64_t e, uint64_t f);
void host_interrupt_call(ucontext_t *context);

/* Copy, up to a fault at which the handler calls host_end_copy(): how much is left. */
uint64_t host_copy(void *to, const void *from, uint64_t size);
bool host_end_copy(ucontext_t *context);

/* clone(2), clone3(2) onto a stack of the new thread's own, where it calls start(argument), which
 * must not return. */
int64_t host_clone(uint64_t flags, void *stack, uint64_t parent_tid, uint64_t child_tid,
	uint64_t tls, void (*start)(void *argument), void *argument);
int64_t host_clone3(
	const void *arguments, uint64_t size, void (*start)(void *argument), void *argument);

/* End this thread and give back the memory its stack lies in. */
_Noreturn void host_unmap_and_exit(void *start, uint64_t size, int status);

/* Stop for a tracer: SIGTRAP, wherever nobody traces this thread, with the instruction pointer at
 * host_trap_address(). Does that handler's context say that it was this? */
void host_trap(void);
bool host_is_trap(const ucontext_t *context);
uint64_t host_trap_address(void);
/* Where host_call_checked() comes back from the kernel. */
uint64_t host_call_address(void);

/* A thread of another process that this one has stopped by ptrace(2). */
struct host_stop {
	uint64_t pc;
	uint64_t thread_pointer;
	bool is_waiting; /* in a system call that the kernel would do again */
	bool is_repeatable; /* and it may be by a handler of SA_RESTART, and nobody would know */
};

/* 0 or a negative errno; -ESRCH: it is not stopped, or not by us. */
int host_read_stop(int tid, struct host_stop *ret);

/* sa_restorer of rt_sigaction(2). */
void host_signal_return(void);

/* The thread's control block: what TLS variables lie below of, and glibc's head of it above. */
uint64_t host_thread_pointer(void);
