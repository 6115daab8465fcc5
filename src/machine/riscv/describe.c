/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe.c - the machine's device tree: its harts, its memory, its devices as their rows describe
 * them, and what is to be booted.
 */
#include <stdio.h>
#include <sys/random.h>

#include "device/finisher.h"
#include "machine/riscv/board.h"

#define SEED_BYTES	    32
#define IRQ_TYPE_LEVEL_HIGH 4 /* of Linux' bindings */

/* All lines are levels. The PLIC's are not told so. */
void riscv_describe_irq(struct machine *m, struct machine_tree *tree, unsigned irq)
{
	const uint32_t cells[] = { irq, IRQ_TYPE_LEVEL_HIGH };

	tree_cells(tree, "interrupts", cells, m->config.aia == MACHINE_AIA_NONE ? 1 : 2);
	tree_u32(tree, "interrupt-parent", PHANDLE_INTERRUPTS);
}

static void describe_chosen(struct machine *m, struct machine_tree *tree)
{
	const struct riscv_payload *p = &riscv_board(m)->payload;
	uint8_t seed[SEED_BYTES];
	char console[48];

	snprintf(console, sizeof(console), "/soc/serial@%llx",
		(unsigned long long)LAYOUT_UART_START);
	tree_node(tree, "chosen");
	tree_string(tree, "stdout-path", console);
	if (m->config.append)
		tree_string(tree, "bootargs", m->config.append);
	if (p->initrd_bytes) {
		tree_u64(tree, "linux,initrd-start", p->initrd_start);
		tree_u64(tree, "linux,initrd-end", p->initrd_start + p->initrd_bytes);
	}
	if (getrandom(seed, sizeof(seed), 0) == sizeof(seed))
		tree_bytes(tree, "rng-seed", seed, sizeof(seed));
	tree_end(tree);
}

static void describe_memory(struct machine *m, struct machine_tree *tree)
{
	for (unsigned i = 0; i < m->memory.nr_regions; i++) {
		const struct vm_region *region = &m->memory.regions[i];

		if (region->start < LAYOUT_MEMORY_START)
			continue;
		tree_node_at(tree, "memory", region->start);
		tree_string(tree, "device_type", "memory");
		tree_reg(tree, region->start, region->size);
		tree_end(tree);
	}
}

static void describe_devices(struct machine *m, struct machine_tree *tree)
{
	tree_node(tree, "soc");
	tree_u32(tree, "#address-cells", 2);
	tree_u32(tree, "#size-cells", 2);
	tree_string(tree, "compatible", "simple-bus");
	tree_flag(tree, "ranges");
	for (unsigned i = 0; i < m->nr_devices; i++) {
		struct machine_device *d = &m->devices[i];

		if (d->slot->describe_tree)
			d->slot->describe_tree(m, d->device, &d->place, tree);
	}
	tree_end(tree);
}

static void describe_power(
	struct machine_tree *tree, const char *name, const char *compatible, uint32_t value)
{
	tree_node(tree, name);
	tree_string(tree, "compatible", compatible);
	tree_u32(tree, "regmap", PHANDLE_SYSCON);
	tree_u32(tree, "offset", 0);
	tree_u32(tree, "value", value);
	tree_end(tree);
}

static void describe_all(struct machine *m, struct machine_tree *tree)
{
	tree_node(tree, "");
	tree_u32(tree, "#address-cells", 2);
	tree_u32(tree, "#size-cells", 2);
	tree_string(tree, "compatible", "riscv-virtio");
	tree_string(tree, "model", "strata,virt");
	describe_chosen(m, tree);
	describe_memory(m, tree);
	riscv_describe_harts(riscv_board(m), tree);
	if (m->config.firmware)
		riscv_describe_counters(tree);
	describe_devices(m, tree);
	describe_power(tree, "poweroff", "syscon-poweroff", FINISHER_PASS);
	describe_power(tree, "reboot", "syscon-reboot", FINISHER_RESET);
	tree_end(tree);
}

int riscv_describe(struct machine *m, void **ret, size_t *ret_bytes, struct error *err)
{
	struct machine_tree tree;
	int r = machine_tree_open(&tree, err);

	if (r < 0)
		return r;
	describe_all(m, &tree);
	r = machine_tree_finish(&tree, ret, ret_bytes, err);
	machine_tree_close(&tree);
	return r;
}
