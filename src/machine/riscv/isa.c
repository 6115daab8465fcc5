/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isa.c - the harts in the device tree: what they have is what vcpu/riscv and jit/riscv execute
 * (Linux, Documentation/devicetree/bindings/riscv/extensions.yaml, for the names).
 *
 * Svadu stands alone: with our own SBI, hardware sets the accessed and dirty bits; firmware in
 * machine mode may leave that to page faults, which are taken as well. Svvptc: no hart remembers
 * that a page was not there, so Linux need not fence each page that it maps.
 *
 * What the counters can count is told to firmware alone (perf/riscv,pmu.yaml); a kernel asks SBI.
 */
#include "base/str.h"
#include "machine/riscv/board.h"
#include "machine/riscv/sbi.h"

#define BLOCK_BYTES 64 /* of Zicbom, Zicbop and Zicboz */

/* In the order of the ISA string (Unprivileged ISA, "ISA Extension Naming Conventions"). */
static const char *const extensions[] = {
	"i",
	"m",
	"a",
	"f",
	"d",
	"c",
	"v",
	"zicbom",
	"zicbop",
	"zicboz",
	"zicntr",
	"zicond",
	"zicsr",
	"zifencei",
	"zihintntl",
	"zihintpause",
	"zihpm",
	"zimop",
	"zawrs",
	"zfa",
	"zfh",
	"zfhmin",
	"zca",
	"zcb",
	"zcd",
	"zcmop",
	"zba",
	"zbb",
	"zbc",
	"zbkb",
	"zbkc",
	"zbkx",
	"zbs",
	"zkn",
	"zknd",
	"zkne",
	"zknh",
	"zvbb",
	"zvbc",
	"zvfh",
	"zvfhmin",
	"zvkb",
	"zvkg",
	"zvkned",
	"zvkng",
	"zvknhb",
	"zvkt",
	"smaia",
	"smnpm",
	"smstateen",
	"ssaia",
	"sscofpmf",
	"ssnpm",
	"ssstateen",
	"sstc",
	"svadu",
	"svinval",
	"svnapot",
	"svpbmt",
	"svvptc",
};

/* Those of the Advanced Interrupt Architecture only where there is one to speak of. */
static bool has(const struct machine *m, const char *name)
{
	return m->config.aia == MACHINE_AIA_IMSIC ||
		!(streq(name, "smaia") || streq(name, "ssaia"));
}

/* "rv64imafdcv_zicbom_...": of each, a letter is joined, and a longer name set off. */
static void append_isa(const struct machine *m, struct str *text)
{
	str_append(text, "rv64");
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (has(m, extensions[i]))
			str_appendf(text, extensions[i][1] ? "_%s" : "%s", extensions[i]);
}

static void describe_isa(const struct machine *m, struct machine_tree *tree)
{
	_cleanup_str_ struct str list = { 0 }, text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (has(m, extensions[i]))
			str_append_n(&list, extensions[i], strlen(extensions[i]) + 1);
	append_isa(m, &text);
	if (list.failed || text.failed) {
		machine_tree_fail(tree);
		return;
	}
	tree_string(tree, "riscv,isa", text.data);
	tree_string(tree, "riscv,isa-base", "rv64i");
	tree_strings(tree, "riscv,isa-extensions", list.data, list.len);
}

static void describe_hart(const struct machine *m, struct machine_tree *tree, unsigned index)
{
	tree_node_at(tree, "cpu", index);
	tree_string(tree, "device_type", "cpu");
	tree_u32(tree, "reg", index);
	tree_string(tree, "status", "okay");
	tree_string(tree, "compatible", "riscv");
	describe_isa(m, tree);
	tree_u32(tree, "riscv,cbom-block-size", BLOCK_BYTES);
	tree_u32(tree, "riscv,cbop-block-size", BLOCK_BYTES);
	tree_u32(tree, "riscv,cboz-block-size", BLOCK_BYTES);
	tree_string(tree, "mmu-type", "riscv,sv57");
	tree_node(tree, "interrupt-controller");
	tree_string(tree, "compatible", "riscv,cpu-intc");
	tree_flag(tree, "interrupt-controller");
	tree_u32(tree, "#interrupt-cells", 1);
	tree_u32(tree, "#address-cells", 0);
	tree_u32(tree, "phandle", PHANDLE_HART0 + index);
	tree_end(tree);
	tree_end(tree);
}

void riscv_describe_harts(struct riscv_board *board, struct machine_tree *tree)
{
	tree_node(tree, "cpus");
	tree_u32(tree, "#address-cells", 1);
	tree_u32(tree, "#size-cells", 0);
	tree_u32(tree, "timebase-frequency", BOARD_TIME_HZ);
	for (unsigned i = 0; i < board->nr_harts; i++)
		describe_hart(board->machine, tree, i);
	tree_end(tree);
}

/* An event's number is what mhpmevent gets, and every counter that has one takes it. */
void riscv_describe_counters(struct machine_tree *tree)
{
	const uint32_t programmable = ((UINT32_C(1) << RISCV_EVENT_COUNTERS) - 1)
		<< RISCV_FIRST_EVENT;
	uint32_t events[3 * SBI_EVENTS], counters[3 * SBI_EVENTS];

	for (unsigned i = 0; i < SBI_EVENTS; i++) {
		const struct sbi_event *event = &sbi_events[i];
		uint32_t fixed = event->fixed < 0 ? 0 : UINT32_C(1) << event->fixed;

		events[3 * i] = events[3 * i + 2] = event->number;
		events[3 * i + 1] = 0; /* the upper half */
		counters[3 * i] = counters[3 * i + 1] = event->number; /* from, to */
		counters[3 * i + 2] = programmable | fixed;
	}
	tree_node(tree, "pmu");
	tree_string(tree, "compatible", "riscv,pmu");
	tree_cells(tree, "riscv,event-to-mhpmevent", events, ARRAY_SIZE(events));
	tree_cells(tree, "riscv,event-to-mhpmcounters", counters, ARRAY_SIZE(counters));
	tree_end(tree);
}
