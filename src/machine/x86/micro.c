/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro.c - the x86-64 board: as little of a PC as a kernel needs. Its vcpus and interrupt
 * controllers are KVM's, and there is no BIOS, no PCI, no timer chip and no clock chip.
 */
#include <assert.h>

#include "machine/x86/board.h"
#include "machine/x86/slots.h"

/* In the order in which they are opened. */
static const struct machine_slot *const slots[] = {
	&x86_slot_acpi,
	&x86_slot_generation,
	&x86_slot_uart,
	NULL,
};

static unsigned virtio_irq(unsigned index)
{
	return LAYOUT_VIRTIO_IRQ + index;
}

static_assert(LAYOUT_VIRTIO_IRQ + LAYOUT_VIRTIO_PLACES <= KVM_IRQS_MAX, "the IO-APIC's inputs");

/* What does not fit below the devices is behind them. */
static int open_memory(struct machine *m, uint64_t bytes, struct error *err)
{
	uint64_t low = bytes < LAYOUT_HOLE_START ? bytes : LAYOUT_HOLE_START;
	int r;

	/* The server of shares maps it, too. */
	m->memory.is_private = m->config.nr_shares == 0;
	r = vm_memory_add(&m->memory, 0, low, err);

	return r < 0 || bytes == low ? r
				     : vm_memory_add(&m->memory, LAYOUT_HOLE_END, bytes - low, err);
}

static int open_all(struct machine *m, struct x86_board *board, struct error *err)
{
	const struct kvm_config config = {
		.memory = &m->memory,
		.bus = &m->bus,
		.ports = &m->ports,
		.nr_vcpus = m->config.nr_vcpus,
		.cpu = m->config.cpu,
	};
	int r;

	board->has_vm = true;
	r = kvm_vm_open(&board->vm, &config, err);
	if (r == 0)
		m->irqchip = &board->vm.chip;
	for (unsigned i = 0; r == 0 && i < m->config.nr_vcpus; i++) {
		board->nr_vcpus++;
		r = kvm_vcpu_init(&board->vcpus[i], &board->vm, i, err);
		m->vcpus[i].vcpu = &board->vcpus[i].vcpu;
	}
	return r;
}

static int open_vcpus(struct machine *m, struct error *err)
{
	struct x86_board *board = calloc(1, sizeof(*board));
	int r;

	if (!board)
		return error_oom(err);
	board->machine = m;
	m->board_data = board;
	r = x86_payload_read(m, err);
	return r < 0 ? r : open_all(m, board, err);
}

static void close_vcpus(struct machine *m)
{
	struct x86_board *board = x86_board(m);

	if (!board)
		return;
	while (board->nr_vcpus > 0)
		kvm_vcpu_destroy(&board->vcpus[--board->nr_vcpus]);
	if (board->has_vm)
		kvm_vm_close(&board->vm);
	x86_payload_free(&board->payload);
	free(board);
	m->board_data = NULL;
}

static int add_bell(struct machine *m, uint64_t address, uint32_t value, int fd)
{
	return kvm_vm_add_doorbell(&x86_board(m)->vm, address, value, fd);
}

static void skip_time(struct machine *m, int64_t ns)
{
	kvm_vm_skip_time(&x86_board(m)->vm, ns);
}

static void press_power(struct machine *m)
{
	acpi_raise(x86_board(m)->acpi, ACPI_EVENT_POWER_BUTTON);
}

static int collect_writes(struct machine *m, struct error *err)
{
	return kvm_vm_collect_dirty(&x86_board(m)->vm, err);
}

static int note_writes(struct machine *m, struct error *err)
{
	struct kvm_vm *vm = &x86_board(m)->vm;
	int r = vm->is_logging ? kvm_vm_collect_dirty(vm, err) : kvm_vm_log_dirty(vm, true, err);

	if (r == 0)
		vm_memory_clean(&m->memory);
	return r;
}

/* Interrupt controllers and the clock first: the vcpus' timers are armed by it. */
static struct vm_saved *saved(struct machine *m, unsigned i)
{
	struct x86_board *board = x86_board(m);

	if (i == 0)
		return &board->vm.saved;
	return i <= board->nr_vcpus ? &board->vcpus[i - 1].saved : NULL;
}

const struct machine_board machine_board_x86 = {
	.name = "x86-64 micro",
	.cpus = "x86_64",
	.slots = slots,
	.virtio = { LAYOUT_VIRTIO_START, LAYOUT_VIRTIO_BYTES, 0 },
	.nr_virtio = LAYOUT_VIRTIO_PLACES,
	.virtio_irq = virtio_irq,
	.open_memory = open_memory,
	.open_vcpus = open_vcpus,
	.close_vcpus = close_vcpus,
	.debug = &x86_debug_ops,
	.show_registers = x86_show_registers,
	.show_walk = x86_show_walk,
	.add_bell = add_bell,
	.skip_time = skip_time,
	.press_power = press_power,
	.note_writes = note_writes,
	.collect_writes = collect_writes,
	.line_calls = &kvm_line_calls,
	.loop_calls = { &kvm_vm_calls, &kvm_arch_calls },
	.saved = saved,
	.load = x86_boot,
};
