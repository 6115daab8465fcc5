/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal.h - the guest's signals: actions, masks, and what a handler finds on its stack.
 */
#pragma once

#include <signal.h>

#include "translate/internal.h"

/* Take over: the actions that this process was started with become the guest's. */
void signal_init(struct process *process);

/* What the host does with these signals (a mask) depends on the debugger, too: it has come, changed
 * its mind, or gone. */
void signal_install_again(struct process *process, uint64_t signals);

/* Before guest code runs on a new thread: handlers of ours get a stack, [stack, + size). */
void signal_init_thread(struct thread *t, void *stack, size_t size);

/* Deliver what is pending, and open the host's mask to the guest's. */
void signal_deliver(struct thread *t);

/* A fault of the guest's: its handler, or the end. `address` is si_addr. */
void signal_fault(struct thread *t, int signal, int code, uint64_t address);

/* The same with everything that siginfo_t says. */
void signal_force(struct thread *t, const siginfo_t *info);

/* Nothing of the guest's comes in until signal_unblock(). */
void signal_block(void);
void signal_unblock(struct thread *t);

/* Die of this signal, so that the parent sees it. */
_Noreturn void signal_die(int signal);

/* SIGSEGV and SIGBUS, which are ours, as the guest has them: what a new program inherits. */
void signal_before_exec(struct thread *t);
void signal_after_failed_exec(struct thread *t);

/* The mask that a call like ppoll(2) has waited with, when it returns -EINTR: the handler's. */
void signal_set_suspended(struct thread *t, uint64_t mask);

/* --- the frame: signal-frame.c --------------------------------------------------------------- */

/* Bytes that the kernel needs for a frame: AT_MINSIGSTKSZ. */
uint64_t signal_frame_size(void);

/*
 * Put the state of t, `info` and `mask` on the guest's stack at or below `top`, and make t go on in
 * `handler`. -EFAULT when there is no stack.
 */
int signal_frame_push(struct thread *t, uint64_t top, int signal, const uint8_t info[128],
	uint64_t mask, uint64_t handler);

/* What rt_sigreturn(2) finds at sp: read it into *ret_cpu (what is not in the frame stays), the
 * mask and the stack_t of sigaltstack(2) (3 words). */
int signal_frame_pop(const struct thread *t, struct riscv_cpu *ret_cpu, uint64_t *ret_mask,
	uint64_t ret_stack[3]);

/* Set the alternate stack as sigaltstack(2) would. */
int64_t signal_set_alternate(struct thread *t, const uint64_t stack[3]);
/* Is the guest's sp on the alternate stack? */
bool signal_is_on_alternate(const struct thread *t);
