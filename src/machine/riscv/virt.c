/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt.c - the riscv64 board: its harts, and the table of its devices.
 */
#include <sys/mman.h>

#include "device/flash.h"
#include "machine/riscv/board.h"
#include "machine/riscv/slots.h"

#define CODE_BYTES_MIN	(UINT64_C(64) << 20)
#define IDLE_CODE_BYTES (4u << 20) /* is not worth making it again */

/* In the order in which they are opened: the controller of interrupts, one of two, comes first. */
static const struct machine_slot *const slots[] = {
	&riscv_slot_plic,
	&riscv_slot_imsic,
	&riscv_slot_aplic,
	&riscv_slot_aclint,
	&riscv_slot_finisher,
	&riscv_slot_flash,
	&riscv_slot_rtc,
	&riscv_slot_uart,
	&riscv_slot_vmgenid,
	NULL,
};

static unsigned virtio_irq(unsigned index)
{
	return index < 8 ? LAYOUT_VIRTIO_IRQ + index : LAYOUT_VIRTIO_IRQ2 + index - 8;
}

static int open_memory(struct machine *m, uint64_t bytes, struct error *err)
{
	return vm_memory_add(&m->memory, LAYOUT_MEMORY_START, bytes, err);
}

/* Room for code grows with need, up to what a guest of this size can make use of. */
static int open_code(struct machine *m, struct riscv_board *board, struct error *err)
{
	uint64_t bytes = m->config.memory_bytes / 8;

	if (bytes < CODE_BYTES_MIN)
		bytes = CODE_BYTES_MIN;
	if (bytes > JIT_CACHE_BYTES_MAX)
		bytes = JIT_CACHE_BYTES_MAX;
	return riscv_code_open(&m->memory, bytes, m->config.jit_debug, &board->jit, err);
}

static int open_harts(struct machine *m, struct riscv_board *board, struct error *err)
{
	for (unsigned i = 0; i < m->config.nr_vcpus; i++) {
		const struct riscv_hart_config config = {
			.index = i,
			.memory = &m->memory,
			.bus = &m->bus,
			.clock = &board->clock,
			.jit = board->jit,
			.has_imsic = m->config.aia == MACHINE_AIA_IMSIC,
			.sbi = m->config.firmware ? NULL : riscv_sbi_call,
			.sbi_context = board,
		};
		int r = riscv_hart_init(&board->harts[i], &config, err);

		if (r < 0)
			return r;
		board->nr_harts++;
		board->vcpus[i] = m->vcpus[i].vcpu = &board->harts[i].vcpu;
	}
	return 0;
}

/* --- what a snapshot keeps -------------------------------------------------------------------- */

static void save_clock(struct vm_saved *saved)
{
	struct riscv_board *board = container_of(saved, struct riscv_board, clock_saved);

	board->mtime = riscv_clock_read(&board->clock);
}

static int restore_clock(struct vm_saved *saved, struct error *err)
{
	struct riscv_board *board = container_of(saved, struct riscv_board, clock_saved);

	riscv_clock_set(&board->clock, board->mtime);
	return 0;
}

static void init_clock_saved(struct riscv_board *board)
{
	board->clock_saved = (struct vm_saved){ .name = "clock",
		.data = &board->mtime,
		.size = sizeof(board->mtime),
		.save = save_clock,
		.restore = restore_clock };
}

/* The clock first: the harts' timers are armed by it. */
static struct vm_saved *saved(struct machine *m, unsigned i)
{
	struct riscv_board *board = riscv_board(m);

	if (i == 0)
		return &board->clock_saved;
	return i <= board->nr_harts ? &board->harts[i - 1].saved : NULL;
}

static int note_writes(struct machine *m, struct error *err)
{
	struct riscv_board *board = riscv_board(m);

	vm_memory_clean(&m->memory);
	for (unsigned i = 0; i < board->nr_harts; i++)
		riscv_hart_forget_writes(&board->harts[i]);
	return 0;
}

/* --- opening -------------------------------------------------------------------------------- */

static int open_vcpus(struct machine *m, struct error *err)
{
	struct riscv_board *board;
	int r;

	/* All zero, and not touched where there is no hart: each has a megabyte of tables. */
	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return error_oom(err);
	board->machine = m;
	m->board_data = board;
	r = riscv_payload_open(m, err);
	if (r == 0)
		r = vm_memory_add(&m->memory, LAYOUT_ROM_START, LAYOUT_ROM_BYTES, err);
	if (r == 0 && m->config.flash_code)
		r = vm_memory_add(&m->memory, LAYOUT_FLASH_START, FLASH_BYTES, err);
	if (r == 0)
		r = riscv_clock_init(&board->clock, BOARD_TIME_HZ, err);
	if (r < 0)
		return r;
	board->has_clock = true;
	init_clock_saved(board);
	r = open_code(m, board, err);
	return r < 0 ? r : open_harts(m, board, err);
}

static int start_threads(struct machine *m, struct error *err)
{
	return riscv_clock_start(&riscv_board(m)->clock, err);
}

static void close_vcpus(struct machine *m)
{
	struct riscv_board *board = riscv_board(m);

	if (!board)
		return;
	while (board->nr_harts > 0)
		riscv_hart_destroy(&board->harts[--board->nr_harts]);
	board->jit = riscv_code_close(&m->memory, board->jit);
	if (board->has_clock)
		riscv_clock_destroy(&board->clock);
	riscv_payload_close(&board->payload);
	munmap(board, sizeof(*board));
	m->board_data = NULL;
}

static void skip_time(struct machine *m, int64_t ns)
{
	riscv_board(m)->clock.start_ns += ns;
}

static bool give_back(struct machine *m)
{
	return jit_shrink(riscv_board(m)->jit, IDLE_CODE_BYTES);
}

const struct machine_board machine_board_riscv = {
	.name = "riscv64 virt",
	.cpus = "riscv64",
	.slots = slots,
	.virtio = { LAYOUT_VIRTIO_START, LAYOUT_VIRTIO_BYTES, 0 },
	.nr_virtio = LAYOUT_VIRTIO_PLACES,
	.virtio_irq = virtio_irq,
	.describe_irq = riscv_describe_irq,
	.open_memory = open_memory,
	.open_vcpus = open_vcpus,
	.close_vcpus = close_vcpus,
	.start_threads = start_threads,
	.debug = &riscv_debug_ops,
	.show_registers = riscv_show_registers,
	.show_traps = riscv_show_traps,
	.show_walk = riscv_show_walk,
	.describe_tree = riscv_describe,
	.skip_time = skip_time,
	.give_back = give_back,
	.note_writes = note_writes,
	.forget_code = riscv_forget_all_code,
	.restore_code = riscv_restore_code,
	.show_code = riscv_show_code,
	.saved = saved,
	.load = riscv_boot,
};
