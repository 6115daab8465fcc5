/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - the devices that every riscv64 machine has, one row each, and how the device tree
 * shows them. Those of virtio are in ../virtio.c.
 */
#include "device/aclint.h"
#include "device/finisher.h"
#include "device/flash.h"
#include "device/plic.h"
#include "device/rtc.h"
#include "device/uart.h"
#include "device/vmgenid.h"
#include "machine/riscv/board.h"
#include "machine/riscv/slots.h"

/* --- interrupt controller: before the devices that are connected to it ----------------------- */

#define IRQ_SUPERVISOR_EXTERNAL 9
#define IRQ_MACHINE_EXTERNAL	11
#define IRQ_MACHINE_SOFTWARE	3
#define IRQ_MACHINE_TIMER	7

static unsigned count_plic(const struct machine_config *config)
{
	return config->aia == MACHINE_AIA_NONE ? 1 : 0;
}

/* As QEMU numbers them: of each hart first machine mode, then supervisor mode. */
static int open_plic(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct plic_context contexts[PLIC_CONTEXTS_MAX];
	struct riscv_board *board = riscv_board(m);
	struct plic *plic = malloc(sizeof(*plic));

	if (!plic)
		return error_oom(err);
	for (unsigned i = 0; i < board->nr_harts; i++) {
		contexts[2 * i] = (struct plic_context){ board->vcpus[i], IRQ_MACHINE_EXTERNAL };
		contexts[2 * i + 1] = (struct plic_context){ board->vcpus[i],
			IRQ_SUPERVISOR_EXTERNAL };
	}
	plic_init(plic, contexts, 2 * board->nr_harts);
	plic->io.start = place->start;
	m->irqchip = &plic->chip;
	*ret = plic;
	return vm_bus_add(&m->bus, &plic->io, err);
}

static void reset_plic(void *device)
{
	plic_reset(device);
}

static void close_plic(void *device)
{
	plic_destroy(device);
	free(device);
}

/* Two inputs of each hart. */
static void describe_inputs(
	struct machine *m, struct machine_tree *tree, uint32_t first, uint32_t second)
{
	uint32_t cells[4 * VM_VCPUS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < riscv_board(m)->nr_harts; i++) {
		cells[n++] = PHANDLE_HART0 + i;
		cells[n++] = first;
		cells[n++] = PHANDLE_HART0 + i;
		cells[n++] = second;
	}
	tree_cells(tree, "interrupts-extended", cells, n);
}

static void describe_plic(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "interrupt-controller", place->start);
	TREE_STRINGS(tree, "compatible", "sifive,plic-1.0.0\0riscv,plic0");
	tree_reg(tree, place->start, place->size);
	tree_flag(tree, "interrupt-controller");
	tree_u32(tree, "#interrupt-cells", 1);
	tree_u32(tree, "#address-cells", 0);
	tree_u32(tree, "riscv,ndev", LAYOUT_IRQS);
	describe_inputs(m, tree, IRQ_MACHINE_EXTERNAL, IRQ_SUPERVISOR_EXTERNAL);
	tree_u32(tree, "phandle", PHANDLE_INTERRUPTS);
	tree_end(tree);
}

static struct vm_saved *saved_plic(void *device)
{
	return &((struct plic *)device)->saved;
}

const struct machine_slot riscv_slot_plic = {
	.name = "plic",
	.place = { LAYOUT_PLIC_START, PLIC_BYTES, 0 },
	.count = count_plic,
	.open = open_plic,
	.reset = reset_plic,
	.saved = saved_plic,
	.close = close_plic,
	.describe_tree = describe_plic,
};

/* --- timers and software interrupts of machine mode ------------------------------------------ */

static unsigned count_aclint(const struct machine_config *config)
{
	return config->firmware ? 1 : 0; /* else nobody is in machine mode */
}

static uint64_t read_time(void *context)
{
	return riscv_clock_read(context);
}

static int open_aclint(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct riscv_board *board = riscv_board(m);
	const struct aclint_time time = { read_time, &board->clock, BOARD_TIME_HZ };
	struct aclint *aclint = malloc(sizeof(*aclint));
	int r;

	if (!aclint)
		return error_oom(err);
	*ret = aclint;
	r = aclint_init(aclint, board->vcpus, board->nr_harts, &time, &m->loop, err);
	aclint->io.start = place->start;
	aclint->sswi.start = LAYOUT_SSWI_START;
	if (r == 0)
		r = vm_bus_add(&m->bus, &aclint->io, err);
	if (r == 0)
		r = vm_bus_add(&m->bus, &aclint->sswi, err);
	return r;
}

static void reset_aclint(void *device)
{
	aclint_reset(device);
}

static void close_aclint(void *device)
{
	aclint_destroy(device);
	free(device);
}

static void describe_aclint(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "timer", place->start);
	TREE_STRINGS(tree, "compatible", "sifive,clint0\0riscv,clint0");
	tree_reg(tree, place->start, place->size);
	describe_inputs(m, tree, IRQ_MACHINE_SOFTWARE, IRQ_MACHINE_TIMER);
	tree_end(tree);
}

static struct vm_saved *saved_aclint(void *device)
{
	return &((struct aclint *)device)->saved;
}

const struct machine_slot riscv_slot_aclint = {
	.name = "aclint",
	.place = { LAYOUT_CLINT_START, ACLINT_BYTES, 0 },
	.count = count_aclint,
	.open = open_aclint,
	.reset = reset_aclint,
	.saved = saved_aclint,
	.close = close_aclint,
	.describe_tree = describe_aclint,
};

/* --- serial port ----------------------------------------------------------------------------- */

static int open_uart(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct uart *uart = malloc(sizeof(*uart));

	if (!uart)
		return error_oom(err);
	uart_init(uart, &irq, &m->console);
	uart->io.start = place->start;
	riscv_board(m)->uart = uart;
	*ret = uart;
	return vm_bus_add(&m->bus, &uart->io, err);
}

static void reset_uart(void *device)
{
	uart_reset(device);
}

static void close_uart(void *device)
{
	uart_destroy(device);
	free(device);
}

static void describe_uart(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "serial", place->start);
	tree_string(tree, "compatible", "ns16550a");
	tree_reg(tree, place->start, place->size);
	tree_u32(tree, "clock-frequency", UART_CLOCK_HZ);
	riscv_describe_irq(m, tree, place->irq);
	tree_end(tree);
}

static struct vm_saved *saved_uart(void *device)
{
	return &((struct uart *)device)->saved;
}

const struct machine_slot riscv_slot_uart = {
	.name = "uart",
	.place = { LAYOUT_UART_START, UART_BYTES, LAYOUT_UART_IRQ },
	.open = open_uart,
	.reset = reset_uart,
	.saved = saved_uart,
	.close = close_uart,
	.describe_tree = describe_uart,
};

/* --- wall clock ------------------------------------------------------------------------------ */

static int open_rtc(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct rtc *rtc = malloc(sizeof(*rtc));
	int r;

	if (!rtc)
		return error_oom(err);
	*ret = rtc;
	r = rtc_init(rtc, &irq, &m->loop, err);
	rtc->io.start = place->start;
	return r < 0 ? r : vm_bus_add(&m->bus, &rtc->io, err);
}

static void reset_rtc(void *device)
{
	rtc_reset(device);
}

static void close_rtc(void *device)
{
	rtc_destroy(device);
	free(device);
}

static void describe_rtc(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "rtc", place->start);
	tree_string(tree, "compatible", "google,goldfish-rtc");
	tree_reg(tree, place->start, place->size);
	riscv_describe_irq(m, tree, place->irq);
	tree_end(tree);
}

static struct vm_saved *saved_rtc(void *device)
{
	return &((struct rtc *)device)->saved;
}

const struct machine_slot riscv_slot_rtc = {
	.name = "rtc",
	.place = { LAYOUT_RTC_START, RTC_BYTES, LAYOUT_RTC_IRQ },
	.open = open_rtc,
	.reset = reset_rtc,
	.saved = saved_rtc,
	.close = close_rtc,
	.describe_tree = describe_rtc,
};

/* --- power off and reset --------------------------------------------------------------------- */

static int open_finisher(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct finisher *finisher = malloc(sizeof(*finisher));

	if (!finisher)
		return error_oom(err);
	finisher_init(finisher, &m->power);
	finisher->io.start = place->start;
	*ret = finisher;
	return vm_bus_add(&m->bus, &finisher->io, err);
}

static void describe_finisher(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "test", place->start);
	TREE_STRINGS(tree, "compatible", "sifive,test1\0sifive,test0\0syscon");
	tree_reg(tree, place->start, place->size);
	tree_u32(tree, "phandle", PHANDLE_SYSCON);
	tree_end(tree);
}

const struct machine_slot riscv_slot_finisher = {
	.name = "finisher",
	.place = { LAYOUT_FINISHER_START, FINISHER_BYTES, 0 },
	.open = open_finisher,
	.close = free,
	.describe_tree = describe_finisher,
};

/* --- flash ----------------------------------------------------------------------------------- */

static unsigned count_flash(const struct machine_config *config)
{
	return config->flash_data ? 1 : 0;
}

static int open_flash(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	struct flash *flash = malloc(sizeof(*flash));
	int r;

	if (!flash)
		return error_oom(err);
	*ret = flash;
	r = flash_open(flash, m->config.flash_data, err);
	flash->io.start = place->start;
	return r < 0 ? r : vm_bus_add(&m->bus, &flash->io, err);
}

static void reset_flash(void *device)
{
	flash_reset(device);
}

static void close_flash(void *device)
{
	flash_close(device);
	free(device);
}

static void describe_flash(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "flash", place->start);
	tree_string(tree, "compatible", "cfi-flash");
	tree_reg(tree, place->start, place->size);
	tree_u32(tree, "bank-width", FLASH_BANK_WIDTH);
	tree_end(tree);
}

static struct vm_saved *saved_flash(void *device)
{
	return &((struct flash *)device)->saved;
}

const struct machine_slot riscv_slot_flash = {
	.name = "flash",
	.place = { LAYOUT_FLASH_START + FLASH_BYTES, FLASH_BYTES, 0 },
	.count = count_flash,
	.open = open_flash,
	.reset = reset_flash,
	.saved = saved_flash,
	.close = close_flash,
	.describe_tree = describe_flash,
};

/* --- generation ------------------------------------------------------------------------------ */

static int open_vmgenid(struct machine *m, unsigned index, const struct machine_place *place,
	void **ret, struct error *err)
{
	const struct vm_irq irq = { m->irqchip, place->irq };
	struct vmgenid *vmgenid = malloc(sizeof(*vmgenid));

	if (!vmgenid)
		return error_oom(err);
	vmgenid_init(vmgenid, &irq);
	vmgenid->io.start = place->start;
	*ret = vmgenid;
	return vm_bus_add(&m->bus, &vmgenid->io, err);
}

static void describe_vmgenid(struct machine *m, void *device, const struct machine_place *place,
	struct machine_tree *tree)
{
	tree_node_at(tree, "rng", place->start);
	tree_string(tree, "compatible", "microsoft,vmgenid");
	tree_reg(tree, place->start, place->size);
	riscv_describe_irq(m, tree, place->irq);
	tree_end(tree);
}

static struct vm_saved *saved_vmgenid(void *device)
{
	return &((struct vmgenid *)device)->saved;
}

const struct machine_slot riscv_slot_vmgenid = {
	.name = "vmgenid",
	.place = { LAYOUT_VMGENID_START, VMGENID_BYTES, LAYOUT_VMGENID_IRQ },
	.open = open_vmgenid,
	.saved = saved_vmgenid,
	.close = free,
	.describe_tree = describe_vmgenid,
};
