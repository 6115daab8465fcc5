/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-call.c - x86-64: the kernel's calls, those that must not return to C, and copies that may
 * fault.
 *
 * Two places are known to the signal handler by their addresses. In host_call_checked(), between
 * the look at the flag and the end of the syscall instruction, nothing has been done yet, so the
 * handler may make the function return RETRY_CALL; RESTART_CALL when the kernel was there and has
 * set the instruction pointer back to the instruction, as it does to restart a call. The two are
 * told apart by rcx: 0 before, and where the instruction returns to once it was executed. In
 * host_copy() a fault ends the copy.
 */
#include "translate/host.h"

/* clang-format off */
__asm__(
	".text\n"
	".globl host_call_raw, host_call_checked, host_copy, host_clone, host_clone3\n"
	".globl host_unmap_and_exit, host_signal_return, host_trap\n"
	".hidden host_call_raw, host_call_checked, host_copy, host_clone, host_clone3\n"
	".hidden host_unmap_and_exit, host_signal_return, host_trap\n"

	".type host_call_raw, @function\n"
	"host_call_raw:\n"
	"	.cfi_startproc\n"
	"	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsi\n"
	"	movq %rcx, %rdx\n"
	"	movq %r8, %r10\n"
	"	movq %r9, %r8\n"
	"	movq 8(%rsp), %r9\n"
	"	syscall\n"
	"	ret\n"
	"	.cfi_endproc\n"

	/* (flag, number, a, b, c, d, e, f) */
	".type host_call_checked, @function\n"
	"host_call_checked:\n"
	"	.cfi_startproc\n"
	"	movq %rdi, %r11\n"
	"	movq %rsi, %rax\n"
	"	movq %rdx, %rdi\n"
	"	movq %rcx, %rsi\n"
	"	movq %r8, %rdx\n"
	"	movq %r9, %r10\n"
	"	movq 8(%rsp), %r8\n"
	"	movq 16(%rsp), %r9\n"
	"	xorl %ecx, %ecx\n"
	"host_call_start:\n"
	"	cmpl $0, (%r11)\n"
	"	jne host_call_early\n"
	"	syscall\n"
	"host_call_end:\n"
	"	ret\n"
	"host_call_early:\n"
	"	movq $-515, %rax\n"
	"	ret\n"
	"host_call_restarted:\n"
	"	movq $-512, %rax\n"
	"	ret\n"
	"	.cfi_endproc\n"

	/* (to, from, size): how much is left */
	".type host_copy, @function\n"
	"host_copy:\n"
	"	.cfi_startproc\n"
	"	movq %rdx, %rcx\n"
	"host_copy_start:\n"
	"	rep movsb\n"
	"host_copy_end:\n"
	"	movq %rcx, %rax\n"
	"	ret\n"
	"	.cfi_endproc\n"

	/* (flags, stack, parent_tid, child_tid, tls, start, argument) */
	".type host_clone, @function\n"
	"host_clone:\n"
	"	.cfi_startproc\n"
	"	movq 8(%rsp), %rax\n"
	"	subq $16, %rsi\n"
	"	movq %r9, (%rsi)\n"
	"	movq %rax, 8(%rsi)\n"
	"	movq %rcx, %r10\n"
	"	movl $56, %eax\n"
	"	syscall\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	ret\n"
	"1:	.cfi_undefined %rip\n"
	"	xorl %ebp, %ebp\n"
	"	popq %rax\n"
	"	popq %rdi\n"
	"	call *%rax\n"
	"	ud2\n"
	"	.cfi_endproc\n"

	/* (arguments, size, start, argument) */
	".type host_clone3, @function\n"
	"host_clone3:\n"
	"	.cfi_startproc\n"
	"	movq %rdx, %r8\n"
	"	movq %rcx, %r9\n"
	"	movl $435, %eax\n"
	"	syscall\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	ret\n"
	"1:	.cfi_undefined %rip\n"
	"	xorl %ebp, %ebp\n"
	"	movq %r9, %rdi\n"
	"	call *%r8\n"
	"	ud2\n"
	"	.cfi_endproc\n"

	/* (start, size, status): the stack goes, too */
	".type host_unmap_and_exit, @function\n"
	"host_unmap_and_exit:\n"
	"	movl %edx, %r8d\n"
	"	movl $11, %eax\n"
	"	syscall\n"
	"	movl %r8d, %edi\n"
	"	movl $60, %eax\n"
	"	syscall\n"
	"	ud2\n"

	".type host_trap, @function\n"
	"host_trap:\n"
	"	int3\n"
	"host_trap_end:\n"
	"	ret\n"

	/* What the host's kernel returns to from a handler of ours. */
	".type host_signal_return, @function\n"
	"host_signal_return:\n"
	"	movl $15, %eax\n"
	"	syscall\n"
);
/* clang-format on */

extern const char host_call_start[], host_call_end[];
extern const char host_call_early[], host_call_restarted[];
extern const char host_copy_start[], host_copy_end[];
extern const char host_trap_end[];

static uintptr_t instruction(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

void host_interrupt_call(ucontext_t *context)
{
	greg_t *registers = context->uc_mcontext.gregs;
	uintptr_t at = instruction(context);

	if (at < (uintptr_t)host_call_start || at >= (uintptr_t)host_call_end)
		return;
	registers[REG_RIP] = (greg_t)(uintptr_t)(registers[REG_RCX] ? host_call_restarted
								    : host_call_early);
}

bool host_end_copy(ucontext_t *context)
{
	if (instruction(context) != (uintptr_t)host_copy_start)
		return false;
	context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)host_copy_end;
	return true;
}

bool host_is_trap(const ucontext_t *context)
{
	return instruction(context) == (uintptr_t)host_trap_end;
}

uint64_t host_trap_address(void)
{
	return (uintptr_t)host_trap_end;
}

uint64_t host_call_address(void)
{
	return (uintptr_t)host_call_end;
}

uint64_t host_thread_pointer(void)
{
	uint64_t pointer;

	__asm__("movq %%fs:0, %0" : "=r"(pointer));
	return pointer;
}
