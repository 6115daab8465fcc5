/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.h - the riscv64 machine beside its devices: harts, their clock, and what lies in memory
 * when it starts.
 */
#pragma once

#include "device/plic.h"
#include "device/uart.h"
#include "machine/internal.h"
#include "machine/kernel.h"
#include "machine/riscv/layout.h"
#include "machine/tree.h"
#include "vcpu/riscv/hart.h"

#define BOARD_TIME_HZ 10000000

/* Nodes of the device tree that others point to. */
enum {
	PHANDLE_INTERRUPTS = 1, /* the controller of devices */
	PHANDLE_SYSCON,
	PHANDLE_INTERRUPTS_ROOT, /* the one that has delegated to it */
	PHANDLE_IMSIC_M,
	PHANDLE_IMSIC_S,
	PHANDLE_HART0 = 16, /* the interrupt inputs of hart 0, and so on */
};

enum riscv_file { RISCV_FIRMWARE, RISCV_KERNEL, RISCV_FLASH, RISCV_INITRD, RISCV_FILES };

/* What is in memory when the machine starts; the same after each reset. */
struct riscv_payload {
	int fds[RISCV_FILES]; /* -1: there is none */
	struct kernel files[RISCV_FILES]; /* without bytes when it is not read, or no more */
	uint64_t initrd_bytes;
	uint64_t initrd_start; /* guest-physical, where... */
	uint64_t tree_start; /* ...they were put */
};

struct riscv_board {
	struct machine *machine;
	struct riscv_clock clock;
	bool has_clock;
	uint64_t mtime; /* a snapshot's */
	struct vm_saved clock_saved;
	struct jit *jit; /* the translated code of all harts */
	struct riscv_hart harts[VM_VCPUS_MAX];
	unsigned nr_harts; /* that are initialized */
	struct vm_vcpu *vcpus[VM_VCPUS_MAX];
	struct riscv_payload payload;
	struct uart *uart; /* the console's other end */
};

static inline struct riscv_board *riscv_board(struct machine *machine)
{
	return machine->board_data;
}

/* debug.c */
extern const struct machine_debug_ops riscv_debug_ops;

/* show.c */
json_t *riscv_show_registers(struct machine *machine, unsigned index, struct error *err);
json_t *riscv_show_traps(struct machine *machine, unsigned index, struct error *err);
json_t *riscv_show_walk(
	struct machine *machine, unsigned index, uint64_t address, struct error *err);

/* kept.c: translated code that is kept, as internal.h has it. */
void riscv_forget_all_code(struct machine *machine);
int riscv_restore_code(struct machine *machine, const char *path, int folder_fd);
json_t *riscv_show_code(struct machine *machine, bool with_places, struct error *err);

/* isa.c: "cpus" of the device tree, and "pmu", which is for firmware. */
void riscv_describe_harts(struct riscv_board *board, struct machine_tree *tree);
void riscv_describe_counters(struct machine_tree *tree);

/* describe.c: the tree of all there is, the caller's to free. */
int riscv_describe(struct machine *machine, void **ret, size_t *ret_bytes, struct error *err);
/* "interrupts" at the controller of devices. */
void riscv_describe_irq(struct machine *machine, struct machine_tree *tree, unsigned irq);

/* payload.c: the files are opened, and read, unless a snapshot has what they have become. */
int riscv_payload_open(struct machine *machine, struct error *err);
/* Those that are not in memory are read (again). */
int riscv_payload_read(struct machine *machine, struct error *err);
/* What can be read again goes out of memory. */
void riscv_payload_drop(struct riscv_payload *payload);
void riscv_payload_close(struct riscv_payload *payload);

/* boot.c */
int riscv_boot(struct machine *machine, struct error *err);

/* firmware.c: all harts begin in the ROM, then in `firmware`, which is told of `next` and the tree.
 */
int riscv_rom_write(struct machine *machine, uint64_t firmware, uint64_t next, uint64_t tree);

/* sbi.c: struct riscv_hart_config.sbi */
void riscv_sbi_call(
	struct riscv_hart *hart, const uint64_t arguments[8], struct riscv_sbi_result *ret);
