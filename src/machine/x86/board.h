/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.h - the x86-64 machine beside its devices: vcpus of KVM, and what lies in memory when it
 * starts.
 */
#pragma once

#include "device/acpi.h"
#include "machine/internal.h"
#include "machine/kernel.h"
#include "machine/x86/layout.h"
#include "vcpu/kvm/kvm.h"

#define X86_GENERATION_BYTES 16

/* Guest memory, as firmware would describe it. */
enum {
	X86_MEMORY_USABLE = 1,
	X86_MEMORY_RESERVED = 2,
};

struct x86_range {
	uint64_t start, size;
	uint32_t type;
};

#define X86_RANGES_MAX 5

/* What is in memory when the machine starts; the same after each reset, if there can be one. */
struct x86_payload {
	struct kernel kernel;
	char *initrd;
	size_t initrd_bytes;
	uint64_t initrd_start; /* guest-physical, where it was put */
	struct kernel_place place; /* of the kernel */
	uint64_t pvh_entry; /* 0: it does not know PVH */
};

struct x86_board {
	struct machine *machine;
	struct kvm_vm vm;
	bool has_vm;
	struct kvm_vcpu vcpus[VM_VCPUS_MAX];
	unsigned nr_vcpus; /* that are initialized */
	struct acpi *acpi;
	/* Another one each time that the machine is started, or comes out of a snapshot. */
	uint8_t generation[X86_GENERATION_BYTES];
	struct x86_payload payload;
};

static inline struct x86_board *x86_board(struct machine *machine)
{
	return machine->board_data;
}

/* boot.c */
int x86_payload_read(struct machine *machine, struct error *err);
void x86_payload_free(struct x86_payload *payload);
int x86_boot(struct machine *machine, struct error *err);
/* How memory is divided; how many ranges. */
unsigned x86_describe_memory(const struct machine *machine, struct x86_range ret[X86_RANGES_MAX]);

/* linux.c: the boot protocol of Linux with 64 bits. What a kernel's header says of a bzImage or an
 * ELF file: the highest address of the initial RAM disk, the longest command line. */
uint64_t x86_linux_initrd_max(const struct kernel *kernel);
uint64_t x86_linux_command_max(const struct kernel *kernel);
int x86_linux_start(struct machine *machine, struct error *err);

/* pvh.c: the boot protocol PVH. 0: the kernel does not know it. */
uint64_t x86_pvh_entry(const struct kernel *kernel);
int x86_pvh_start(struct machine *machine, struct error *err);

/* debug.c */
extern const struct machine_debug_ops x86_debug_ops;

/* show.c */
json_t *x86_show_registers(struct machine *machine, unsigned index, struct error *err);
json_t *x86_show_walk(struct machine *machine, unsigned index, uint64_t address, struct error *err);

/* acpi.c: the tables at LAYOUT_ACPI. */
int x86_put_acpi(struct machine *machine, struct error *err);
