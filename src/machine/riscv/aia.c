/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aia.c - the interrupt controllers of the Advanced Interrupt Architecture on the riscv64 board, in
 * place of the PLIC, and how the device tree shows them (Linux,
 * Documentation/devicetree/bindings/interrupt-controller/riscv,aplic.yaml and riscv,imsics.yaml).
 *
 * With firmware there are two domains: the root is machine mode's, which delegates to supervisor
 * mode's, and interrupt files of both. Without, nobody is in machine mode, and supervisor mode's is
 * the root.
 */
#include <assert.h>

#include "device/aplic.h"
#include "device/imsic.h"
#include "machine/riscv/board.h"
#include "machine/riscv/slots.h"

#define IRQ_SUPERVISOR_EXTERNAL 9
#define IRQ_MACHINE_EXTERNAL	11

static_assert(LAYOUT_IRQS < APLIC_SOURCES, "the APLIC has all inputs of the board");

static unsigned count_aplic(const struct machine_config *config)
{
	return config->aia != MACHINE_AIA_NONE ? 1 : 0;
}

static int open_aplic(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	static const struct aplic_domain_config domains[] = {
		{ LAYOUT_APLIC_M_START, IRQ_MACHINE_EXTERNAL },
		{ LAYOUT_APLIC_S_START, IRQ_SUPERVISOR_EXTERNAL },
	};
	struct riscv_board *board = riscv_board(m);
	struct aplic *aplic = malloc(sizeof(*aplic));
	unsigned first = m->config.firmware ? 0 : 1;
	int r = 0;

	if (!aplic)
		return error_oom(err);
	*ret = aplic;
	aplic_init(aplic, domains + first, ARRAY_SIZE(domains) - first, board->vcpus,
		board->nr_harts, m->config.aia == MACHINE_AIA_IMSIC);
	m->irqchip = &aplic->chip;
	for (unsigned i = 0; i < aplic->nr_domains && r == 0; i++)
		r = vm_bus_add(&m->bus, &aplic->domains[i].io, err);
	return r;
}

static void reset_aplic(void *device)
{
	aplic_reset(device);
}

static void close_aplic(void *device)
{
	aplic_destroy(device);
	free(device);
}

/* What interrupts one pin of all harts. */
static void describe_pins(struct machine *m, unsigned pin, struct machine_tree *tree)
{
	uint32_t cells[2 * VM_VCPUS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < riscv_board(m)->nr_harts; i++) {
		cells[n++] = PHANDLE_HART0 + i;
		cells[n++] = pin;
	}
	tree_cells(tree, "interrupts-extended", cells, n);
}

static uint32_t imsic_of(unsigned pin)
{
	return pin == IRQ_MACHINE_EXTERNAL ? PHANDLE_IMSIC_M : PHANDLE_IMSIC_S;
}

static void describe_domain(struct machine *m, const struct aplic_domain *domain, bool is_last,
	struct machine_tree *tree)
{
	const uint32_t delegation[] = { PHANDLE_INTERRUPTS, 1, LAYOUT_IRQS };

	tree_node_at(tree, "interrupt-controller", domain->io.start);
	tree_string(tree, "compatible", "riscv,aplic");
	tree_reg(tree, domain->io.start, domain->io.size);
	tree_flag(tree, "interrupt-controller");
	tree_u32(tree, "#interrupt-cells", 2);
	tree_u32(tree, "#address-cells", 0);
	tree_u32(tree, "riscv,num-sources", LAYOUT_IRQS);
	if (domain->aplic->sends_messages)
		tree_u32(tree, "msi-parent", imsic_of(domain->pin));
	else
		describe_pins(m, domain->pin, tree);
	tree_u32(tree, "phandle", is_last ? PHANDLE_INTERRUPTS : PHANDLE_INTERRUPTS_ROOT);
	if (!is_last) {
		tree_u32(tree, "riscv,children", PHANDLE_INTERRUPTS);
		tree_cells(tree, "riscv,delegation", delegation, ARRAY_SIZE(delegation));
	}
	tree_end(tree);
}

static void describe_aplic(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	const struct aplic *aplic = device;

	for (unsigned i = 0; i < aplic->nr_domains; i++)
		describe_domain(m, &aplic->domains[i], i + 1 == aplic->nr_domains, tree);
}

static struct vm_saved *saved_aplic(void *device)
{
	return &((struct aplic *)device)->saved;
}

const struct machine_slot riscv_slot_aplic = {
	.name = "aplic",
	.place = { LAYOUT_APLIC_S_START, APLIC_BYTES, 0 },
	.count = count_aplic,
	.open = open_aplic,
	.reset = reset_aplic,
	.saved = saved_aplic,
	.close = close_aplic,
	.describe_tree = describe_aplic,
};

/* --- where messages come to: the state is the harts' ------------------------------------------ */

#define IMSICS_MAX 2

struct imsics {
	struct imsic imsics[IMSICS_MAX];
	unsigned nr_imsics;
};

static unsigned count_imsic(const struct machine_config *config)
{
	return config->aia == MACHINE_AIA_IMSIC ? 1 : 0;
}

static int add_imsic(
	struct machine *m, struct imsics *imsics, uint64_t start, unsigned pin, struct error *err)
{
	struct imsic *imsic = &imsics->imsics[imsics->nr_imsics++];
	struct riscv_board *board = riscv_board(m);

	imsic_init(imsic, start, pin, board->vcpus, board->nr_harts);
	return vm_bus_add(&m->bus, &imsic->io, err);
}

static int open_imsic(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct imsics *imsics = calloc(1, sizeof(*imsics));
	int r = 0;

	if (!imsics)
		return error_oom(err);
	*ret = imsics;
	if (m->config.firmware)
		r = add_imsic(m, imsics, LAYOUT_IMSIC_M_START, IRQ_MACHINE_EXTERNAL, err);
	if (r == 0)
		r = add_imsic(m, imsics, LAYOUT_IMSIC_S_START, IRQ_SUPERVISOR_EXTERNAL, err);
	return r;
}

static void close_imsic(void *device)
{
	free(device);
}

static void describe_imsic(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	const struct imsics *imsics = device;

	for (unsigned i = 0; i < imsics->nr_imsics; i++) {
		const struct imsic *imsic = &imsics->imsics[i];

		tree_node_at(tree, "interrupt-controller", imsic->io.start);
		tree_string(tree, "compatible", "riscv,imsics");
		tree_reg(tree, imsic->io.start, imsic->io.size);
		tree_flag(tree, "interrupt-controller");
		tree_u32(tree, "#interrupt-cells", 0);
		tree_flag(tree, "msi-controller");
		tree_u32(tree, "#msi-cells", 0);
		tree_u32(tree, "#address-cells", 0);
		tree_u32(tree, "riscv,num-ids", RISCV_IMSIC_IDS - 1);
		describe_pins(m, imsic->pin, tree);
		tree_u32(tree, "phandle", imsic_of(imsic->pin));
		tree_end(tree);
	}
}

const struct machine_slot riscv_slot_imsic = {
	.name = "imsic",
	.place = { LAYOUT_IMSIC_S_START, VM_VCPUS_MAX *IMSIC_PAGE_BYTES, 0 },
	.count = count_imsic,
	.open = open_imsic,
	.close = close_imsic,
	.describe_tree = describe_imsic,
};
