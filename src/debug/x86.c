/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86.c - x86-64 as gdb wants it described (GDB manual G.5, "i386 Features"), as a machine's
 * processor has it: the names of features and registers are gdb's, the numbers debug.h's. What gdb
 * has no name for, control registers and the like, is in a feature of ours.
 */
#include "debug/internal.h"

#define INTEGER(name)                                                                              \
	{                                                                                          \
		name, "int", 64                                                                    \
	}
#define POINTER(name)                                                                              \
	{                                                                                          \
		name, "data_ptr", 64                                                               \
	}
#define SELECTOR(name)                                                                             \
	{                                                                                          \
		name, "int", 32                                                                    \
	}
#define FLOAT(name)                                                                                \
	{                                                                                          \
		name, "i387_ext", 80                                                               \
	}
#define VECTOR(n)                                                                                  \
	{                                                                                          \
		"xmm" #n, "vec128", 128                                                            \
	}

/* clang-format off */
static const struct debug_register registers[] = {
	[DEBUG_X86_RAX] =
	INTEGER("rax"), INTEGER("rbx"), INTEGER("rcx"), INTEGER("rdx"), INTEGER("rsi"),
	INTEGER("rdi"), POINTER("rbp"), POINTER("rsp"), INTEGER("r8"), INTEGER("r9"),
	INTEGER("r10"), INTEGER("r11"), INTEGER("r12"), INTEGER("r13"), INTEGER("r14"),
	INTEGER("r15"),
	[DEBUG_X86_RIP] = { "rip", "code_ptr", 64 },
	[DEBUG_X86_EFLAGS] = { "eflags", "i386_eflags", 32 },
	[DEBUG_X86_CS] =
	SELECTOR("cs"), SELECTOR("ss"), SELECTOR("ds"), SELECTOR("es"), SELECTOR("fs"),
	SELECTOR("gs"),
	[DEBUG_X86_ST0] =
	FLOAT("st0"), FLOAT("st1"), FLOAT("st2"), FLOAT("st3"), FLOAT("st4"), FLOAT("st5"),
	FLOAT("st6"), FLOAT("st7"),
	[DEBUG_X86_FCTRL] =
	SELECTOR("fctrl"), SELECTOR("fstat"), SELECTOR("ftag"), SELECTOR("fiseg"),
	SELECTOR("fioff"), SELECTOR("foseg"), SELECTOR("fooff"), SELECTOR("fop"),
	[DEBUG_X86_XMM0] =
	VECTOR(0), VECTOR(1), VECTOR(2), VECTOR(3), VECTOR(4), VECTOR(5), VECTOR(6), VECTOR(7),
	VECTOR(8), VECTOR(9), VECTOR(10), VECTOR(11), VECTOR(12), VECTOR(13), VECTOR(14),
	VECTOR(15),
	[DEBUG_X86_MXCSR] = { "mxcsr", "i386_mxcsr", 32 },
	[DEBUG_X86_FS_BASE] = POINTER("fs_base"), POINTER("gs_base"),
	[DEBUG_X86_KERNEL_GS_BASE] = POINTER("k_gs_base"),
	[DEBUG_X86_CR0] =
	{ "cr0", "x86_cr0", 64 }, POINTER("cr2"), INTEGER("cr3"), { "cr4", "x86_cr4", 64 },
	INTEGER("cr8"),
	[DEBUG_X86_EFER] = { "efer", "x86_efer", 64 },
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(registers) == DEBUG_X86_REGISTERS, "every register has a row");

#define FLAG(name, bit) "<field name=\"" name "\" start=\"" #bit "\" end=\"" #bit "\"/>\n"

/* clang-format off */
/* SDM 1, 3.4.3. */
static const char core_types[] =
	"<flags id=\"i386_eflags\" size=\"4\">\n"
	FLAG("CF", 0) FLAG("", 1) FLAG("PF", 2) FLAG("AF", 4) FLAG("ZF", 6) FLAG("SF", 7)
	FLAG("TF", 8) FLAG("IF", 9) FLAG("DF", 10) FLAG("OF", 11) FLAG("NT", 14) FLAG("RF", 16)
	FLAG("VM", 17) FLAG("AC", 18) FLAG("VIF", 19) FLAG("VIP", 20) FLAG("ID", 21)
	"</flags>\n";

/* And 10.2.3: MXCSR. */
static const char sse_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
	"<union id=\"vec128\">\n"
	"<field name=\"v4_float\" type=\"v4f\"/>\n"
	"<field name=\"v2_double\" type=\"v2d\"/>\n"
	"<field name=\"v16_int8\" type=\"v16i8\"/>\n"
	"<field name=\"v8_int16\" type=\"v8i16\"/>\n"
	"<field name=\"v4_int32\" type=\"v4i32\"/>\n"
	"<field name=\"v2_int64\" type=\"v2i64\"/>\n"
	"<field name=\"uint128\" type=\"uint128\"/>\n"
	"</union>\n"
	"<flags id=\"i386_mxcsr\" size=\"4\">\n"
	FLAG("IE", 0) FLAG("DE", 1) FLAG("ZE", 2) FLAG("OE", 3) FLAG("UE", 4) FLAG("PE", 5)
	FLAG("DAZ", 6) FLAG("IM", 7) FLAG("DM", 8) FLAG("ZM", 9) FLAG("OM", 10) FLAG("UM", 11)
	FLAG("PM", 12) FLAG("FZ", 15)
	"</flags>\n";

/* SDM 3A, 2.5 (CR0, CR4) and 2.2.1 (EFER). */
static const char system_types[] =
	"<flags id=\"x86_cr0\" size=\"8\">\n"
	FLAG("PE", 0) FLAG("MP", 1) FLAG("EM", 2) FLAG("TS", 3) FLAG("ET", 4) FLAG("NE", 5)
	FLAG("WP", 16) FLAG("AM", 18) FLAG("NW", 29) FLAG("CD", 30) FLAG("PG", 31)
	"</flags>\n"
	"<flags id=\"x86_cr4\" size=\"8\">\n"
	FLAG("VME", 0) FLAG("PVI", 1) FLAG("TSD", 2) FLAG("DE", 3) FLAG("PSE", 4) FLAG("PAE", 5)
	FLAG("MCE", 6) FLAG("PGE", 7) FLAG("PCE", 8) FLAG("OSFXSR", 9) FLAG("OSXMMEXCPT", 10)
	FLAG("UMIP", 11) FLAG("LA57", 12) FLAG("VMXE", 13) FLAG("SMXE", 14) FLAG("FSGSBASE", 16)
	FLAG("PCIDE", 17) FLAG("OSXSAVE", 18) FLAG("SMEP", 20) FLAG("SMAP", 21) FLAG("PKE", 22)
	FLAG("CET", 23) FLAG("PKS", 24)
	"</flags>\n"
	"<flags id=\"x86_efer\" size=\"8\">\n"
	FLAG("SCE", 0) FLAG("LME", 8) FLAG("LMA", 10) FLAG("NXE", 11) FLAG("SVME", 12)
	FLAG("LMSLE", 13) FLAG("FFXSR", 14) FLAG("TCE", 15)
	"</flags>\n";
/* clang-format on */

static const struct debug_feature features[] = {
	{ "org.gnu.gdb.i386.core", core_types, DEBUG_X86_RAX, DEBUG_X86_XMM0 - DEBUG_X86_RAX },
	{ "org.gnu.gdb.i386.sse", sse_types, DEBUG_X86_XMM0, 17 },
	{ "org.gnu.gdb.i386.segments", NULL, DEBUG_X86_FS_BASE, 2 },
	{ "strata.x86-64.system", system_types, DEBUG_X86_KERNEL_GS_BASE,
		DEBUG_X86_REGISTERS - DEBUG_X86_KERNEL_GS_BASE },
};

static const uint16_t expedited[] = { DEBUG_X86_RBP, DEBUG_X86_RSP, DEBUG_X86_RIP };

const struct debug_architecture debug_x86_64_machine = {
	.name = "i386:x86-64",
	.registers = registers,
	.nr_registers = ARRAY_SIZE(registers),
	.features = features,
	.nr_features = ARRAY_SIZE(features),
	.pc = DEBUG_X86_RIP,
	.expedited = expedited,
	.nr_expedited = ARRAY_SIZE(expedited),
};
