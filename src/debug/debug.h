/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.h - the target's side of gdb's remote serial protocol (GDB manual, appendix E): the
 * contract of the folder.
 *
 * A `struct debug_target` is what is debugged: a translated process, or the machine of an image.
 * It has threads that are all stopped or may all run (all-stop). A `struct debug_session` is one
 * debugger that is connected to it. It does no I/O of its own, so it fits into any loop: what the
 * debugger sends is given to debug_session_input(), what is for it leaves through the target's
 * send(). Everything happens in one thread, the one that calls debug_session_*(); the operations of
 * the target are called from there.
 *
 * What comes from the debugger is not trusted further than its purpose: packets are bounded, and
 * lengths and numbers are checked before an operation sees them. Addresses are any.
 *
 * Nothing allocates but debug_session_open().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DEBUG_REGISTER_BYTES_MAX 64
#define DEBUG_RESUMES_MAX	 128 /* actions of one vCont; more are an error to the debugger */

/* As in Z packets. */
enum debug_breakpoint_type {
	DEBUG_BREAKPOINT_SOFTWARE,
	DEBUG_BREAKPOINT_HARDWARE,
	DEBUG_WATCHPOINT_WRITE,
	DEBUG_WATCHPOINT_READ,
	DEBUG_WATCHPOINT_ACCESS,
	DEBUG_BREAKPOINT_TYPES
};

enum debug_stop_kind {
	DEBUG_STOP_SIGNAL, /* also a step that is done, which is SIGTRAP; 0: for no reason */
	DEBUG_STOP_BREAKPOINT, /* pc is at it */
	DEBUG_STOP_HARDWARE_BREAKPOINT,
	DEBUG_STOP_WATCHPOINT, /* `watchpoint` at `address`: behind what has accessed it */
	DEBUG_STOP_EXITED, /* with `status`: the target has ended, or does when send() returns */
	DEBUG_STOP_KILLED, /* by `signal`: likewise */
	DEBUG_STOP_EXECUTED, /* another program, which executable() names, has taken its place */
};

/* Why the target does not run. Signals have Linux' numbers (asm-generic). */
struct debug_stop {
	enum debug_stop_kind kind;
	uint64_t thread;
	int signal, status;
	enum debug_breakpoint_type watchpoint;
	uint64_t address; /* the watchpoint's */
};

#define DEBUG_ALL_THREADS UINT64_MAX

/* How a thread goes on; of several that name it, the first. */
struct debug_resume {
	uint64_t thread; /* DEBUG_ALL_THREADS, too */
	bool step; /* one instruction */
	uint64_t range_start, range_end; /* and on, as long as pc is in there; none: both 0 */
	int signal; /* to be delivered; 0: none, nor the one it has been stopped by */
};

struct debug_target;

struct debug_file_status {
	uint64_t size;
	uint32_t inode, mode, changed; /* st_mode, st_mtime */
};

/*
 * A NULL slot is not supported, and the debugger is told so; send, next_thread, read_register,
 * read_memory and resume are not optional. Those that return an int: 0, or a negative errno, which
 * the debugger shows as a number. All but send and interrupt are called only while the target is
 * stopped.
 */
struct debug_target_ops {
	const char *name;
	const char *osabi; /* of the target description: "GNU/Linux"; NULL: none */
	bool is_attached; /* the debugger leaves it running when it goes; else it kills it */
	/* Bytes for the debugger, all of them; an error ends the session. */
	int (*send)(struct debug_target *target, const void *bytes, size_t size);

	/* The thread with the smallest number above `previous`, 0 to begin with; 0: no more. */
	uint64_t (*next_thread)(struct debug_target *target, uint64_t previous);
	/* A name in a buffer of that size. */
	int (*name_thread)(struct debug_target *target, uint64_t thread, char *buffer, size_t size);

	/* A register of the architecture's numbering, in as many bytes as it has, little-endian. */
	int (*read_register)(
		struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value);
	int (*write_register)(struct debug_target *target, uint64_t thread, unsigned number,
		const uint8_t *value);

	/* Memory is looked at as this thread sees it, from now on. NULL: all see the same. */
	void (*look_from)(struct debug_target *target, uint64_t thread);
	/* Addresses of memory are physical: 1 on, 0 off, -1: which? NULL: there are none. */
	int (*physical_memory)(struct debug_target *target, int on);
	/* Without breakpoints in it. Reading may end early: how much there is, at least 1. */
	int64_t (*read_memory)(
		struct debug_target *target, uint64_t address, void *buffer, size_t size);
	int (*write_memory)(
		struct debug_target *target, uint64_t address, const void *bytes, size_t size);

	/* `kind` is gdb's: bytes of the instruction, or of what is watched. -EOPNOTSUPP for a type
	 * that there is not. Inserting one twice, or removing what is not there, is no error. */
	int (*insert_breakpoint)(struct debug_target *target, enum debug_breakpoint_type type,
		uint64_t address, uint64_t kind);
	int (*remove_breakpoint)(struct debug_target *target, enum debug_breakpoint_type type,
		uint64_t address, uint64_t kind);

	/* Let those threads go on that are named, until debug_session_stopped(). */
	void (*resume)(
		struct debug_target *target, const struct debug_resume *resumes, size_t count);
	/* Stop as soon as possible, and say SIGINT. */
	void (*interrupt)(struct debug_target *target);
	/* Not to be stopped by these signals any more: bit N-1 is signal N. */
	void (*pass_signals)(struct debug_target *target, uint64_t signals);

	/* Parts of what programs have: how many bytes there are from `offset` on; 0 at the end. */
	int64_t (*read_auxv)(
		struct debug_target *target, uint64_t offset, void *buffer, size_t size);
	int64_t (*read_siginfo)(struct debug_target *target, uint64_t thread, uint64_t offset,
		void *buffer, size_t size);
	/* Path of the program, as the debugger can open it, or open_file(). */
	const char *(*executable)(struct debug_target *target);

	/* Files that the target can read: a descriptor, a count of bytes (0 at the end), 0, or a
	 * negative errno. Descriptors come from the debugger, and may be any. */
	int (*open_file)(struct debug_target *target, const char *path);
	int (*close_file)(struct debug_target *target, int fd);
	int64_t (*read_file)(
		struct debug_target *target, int fd, uint64_t offset, void *buffer, size_t size);
	int (*stat_file)(struct debug_target *target, int fd, struct debug_file_status *ret);
	int64_t (*read_link)(
		struct debug_target *target, const char *path, char *buffer, size_t size);

	/* "monitor TEXT": the length of what there is to be said, a text, in a buffer of that size.
	 */
	int64_t (*command)(
		struct debug_target *target, const char *text, char *answer, size_t size);

	/* The debugger is gone: breakpoints go, and everything runs. */
	void (*detach)(struct debug_target *target);
	/* End it without asking. */
	void (*kill)(struct debug_target *target);
};

struct debug_target {
	const struct debug_target_ops *ops;
};

/* --- architectures --------------------------------------------------------------------------- */

struct debug_architecture;

/* RV64 with F, D and V of 128 bits: numbers of its registers. Floating-point registers are 64 bits,
 * vector registers 128; fflags, frm, fcsr 32, and all others 64. */
enum debug_riscv_register {
	DEBUG_RISCV_X0 = 0,
	DEBUG_RISCV_PC = 32,
	DEBUG_RISCV_F0 = 33,
	DEBUG_RISCV_FFLAGS = 65,
	DEBUG_RISCV_FRM,
	DEBUG_RISCV_FCSR,
	DEBUG_RISCV_V0 = 68,
	DEBUG_RISCV_VSTART = 100,
	DEBUG_RISCV_VXSAT,
	DEBUG_RISCV_VXRM,
	DEBUG_RISCV_VCSR,
	DEBUG_RISCV_VL,
	DEBUG_RISCV_VTYPE,
	DEBUG_RISCV_VLENB,
	DEBUG_RISCV_REGISTERS
};

extern const struct debug_architecture debug_riscv64;

#define DEBUG_RISCV_VECTOR_BYTES 16

/* Where a target has the registers of user mode. */
struct debug_riscv_user {
	uint64_t *x, *f, *pc;
	uint32_t *fcsr;
	uint8_t *v; /* 32 of DEBUG_RISCV_VECTOR_BYTES each */
	uint64_t *vl, *vtype;
	uint32_t *vstart;
	uint8_t *vxrm, *vxsat;
};

/* One of DEBUG_RISCV_REGISTERS. What only vsetvl may change cannot be written: -EPERM. */
void debug_riscv_read(const struct debug_riscv_user *cpu, unsigned number, uint8_t *value);
int debug_riscv_write(const struct debug_riscv_user *cpu, unsigned number, const uint8_t *value);

/* The same of a machine's hart: control and status registers and the privilege behind these. */
extern const struct debug_architecture debug_riscv64_machine;

#define DEBUG_RISCV_CSRS      43
#define DEBUG_RISCV_CSR0      DEBUG_RISCV_REGISTERS
#define DEBUG_RISCV_PRIVILEGE (DEBUG_RISCV_CSR0 + DEBUG_RISCV_CSRS) /* 0, 1, 3 */

/* The number of the CSR that a register is: one of DEBUG_RISCV_CSRS from _CSR0 on. All of these
 * have 64 bits. */
unsigned debug_riscv_csr(unsigned reg);

/* x86-64 as a machine has it. st0 to st7 are 80 bits, xmm0 to xmm15 128; eflags, selectors, mxcsr
 * and what the x87 has beside its registers 32, and all others 64. */
enum debug_x86_register {
	DEBUG_X86_RAX = 0, /* rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, ... */
	DEBUG_X86_RBP = 6,
	DEBUG_X86_RSP,
	DEBUG_X86_RIP = 16,
	DEBUG_X86_EFLAGS,
	DEBUG_X86_CS, /* cs, ss, ds, es, fs, gs */
	DEBUG_X86_ST0 = 24,
	DEBUG_X86_FCTRL = 32, /* fctrl, fstat, ftag (of 16 bits), fiseg, fioff, foseg, fooff, fop */
	DEBUG_X86_XMM0 = 40,
	DEBUG_X86_MXCSR = 56,
	DEBUG_X86_FS_BASE,
	DEBUG_X86_GS_BASE,
	DEBUG_X86_KERNEL_GS_BASE, /* of swapgs */
	DEBUG_X86_CR0, /* cr0, cr2, cr3, cr4, cr8 */
	DEBUG_X86_EFER = DEBUG_X86_CR0 + 5,
	DEBUG_X86_REGISTERS
};

extern const struct debug_architecture debug_x86_64_machine;

/* --- a session ------------------------------------------------------------------------------- */

struct debug_session;

/* A debugger has connected to a target that is stopped as `stop` says. -ENOMEM. */
int debug_session_open(const struct debug_architecture *architecture, struct debug_target *target,
	const struct debug_stop *stop, struct debug_session **ret, struct error *err);
struct debug_session *debug_session_close(struct debug_session *session);

/* What has been agreed upon, as a number, when the target is to be another process with another
 * session; and that session, whose target runs, with it. Is the debugger one that understands
 * DEBUG_STOP_EXECUTED? */
unsigned debug_session_save(const struct debug_session *session);
void debug_session_continue(struct debug_session *session, unsigned saved);
bool debug_session_knows_exec(const struct debug_session *session);

/* Bytes from the debugger. False: the session is over, the target was detached or killed. */
bool debug_session_input(struct debug_session *session, const void *bytes, size_t size);

/* A target that was resumed has stopped, all of its threads. False as above: also when it has
 * ended. */
bool debug_session_stopped(struct debug_session *session, const struct debug_stop *stop);

/* The connection is gone: detach, unless the session is over. */
void debug_session_lost(struct debug_session *session);

/* --- where a debugger connects: listen.c ----------------------------------------------------- */

#define DEBUG_ADDRESS_MAX 128

/*
 * Listen on 127.0.0.1:`where` when it is a number (0: any free port), else on a Unix socket at that
 * path. `ret_address` is what a debugger has to be told: "127.0.0.1:1234" or the path.
 */
int debug_listen(
	const char *where, int *ret_fd, char ret_address[DEBUG_ADDRESS_MAX], struct error *err);

/* Wait for one debugger; closes listen_fd, and unlinks its path. */
int debug_accept(int listen_fd, int *ret_fd, struct error *err);
