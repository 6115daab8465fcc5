/* SPDX-License-Identifier: Apache-2.0 */
/*
 * riscv.c - RV64 as gdb wants it described (GDB manual G.5, "RISC-V Features"): the names of
 * features and registers are gdb's, the numbers debug.h's.
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
#define CODE(name)                                                                                 \
	{                                                                                          \
		name, "code_ptr", 64                                                               \
	}
#define DOUBLE(name)                                                                               \
	{                                                                                          \
		name, "ieee_double", 64                                                            \
	}
#define STATUS(name)                                                                               \
	{                                                                                          \
		name, "int", 32                                                                    \
	}
#define VECTOR(n) [DEBUG_RISCV_V0 + (n)] = { "v" #n, "vector", 128 }

/* clang-format off */
#define USER_REGISTERS \
	[DEBUG_RISCV_X0] = \
	INTEGER("zero"), CODE("ra"), POINTER("sp"), POINTER("gp"), POINTER("tp"), INTEGER("t0"), \
	INTEGER("t1"), INTEGER("t2"), POINTER("fp"), INTEGER("s1"), INTEGER("a0"), INTEGER("a1"), \
	INTEGER("a2"), INTEGER("a3"), INTEGER("a4"), INTEGER("a5"), INTEGER("a6"), INTEGER("a7"), \
	INTEGER("s2"), INTEGER("s3"), INTEGER("s4"), INTEGER("s5"), INTEGER("s6"), INTEGER("s7"), \
	INTEGER("s8"), INTEGER("s9"), INTEGER("s10"), INTEGER("s11"), INTEGER("t3"), INTEGER("t4"), \
	INTEGER("t5"), INTEGER("t6"), \
	[DEBUG_RISCV_PC] = \
	CODE("pc"), \
	[DEBUG_RISCV_F0] = \
	DOUBLE("ft0"), DOUBLE("ft1"), DOUBLE("ft2"), DOUBLE("ft3"), DOUBLE("ft4"), DOUBLE("ft5"), \
	DOUBLE("ft6"), DOUBLE("ft7"), DOUBLE("fs0"), DOUBLE("fs1"), DOUBLE("fa0"), DOUBLE("fa1"), \
	DOUBLE("fa2"), DOUBLE("fa3"), DOUBLE("fa4"), DOUBLE("fa5"), DOUBLE("fa6"), DOUBLE("fa7"), \
	DOUBLE("fs2"), DOUBLE("fs3"), DOUBLE("fs4"), DOUBLE("fs5"), DOUBLE("fs6"), DOUBLE("fs7"), \
	DOUBLE("fs8"), DOUBLE("fs9"), DOUBLE("fs10"), DOUBLE("fs11"), DOUBLE("ft8"), DOUBLE("ft9"), \
	DOUBLE("ft10"), DOUBLE("ft11"), \
	[DEBUG_RISCV_FFLAGS] = \
	STATUS("fflags"), STATUS("frm"), STATUS("fcsr"), \
	VECTOR(0), VECTOR(1), VECTOR(2), VECTOR(3), VECTOR(4), VECTOR(5), VECTOR(6), VECTOR(7), \
	VECTOR(8), VECTOR(9), VECTOR(10), VECTOR(11), VECTOR(12), VECTOR(13), VECTOR(14), \
	VECTOR(15), VECTOR(16), VECTOR(17), VECTOR(18), VECTOR(19), VECTOR(20), VECTOR(21), \
	VECTOR(22), VECTOR(23), VECTOR(24), VECTOR(25), VECTOR(26), VECTOR(27), VECTOR(28), \
	VECTOR(29), VECTOR(30), VECTOR(31), \
	[DEBUG_RISCV_VSTART] = \
	INTEGER("vstart"), INTEGER("vxsat"), INTEGER("vxrm"), INTEGER("vcsr"), INTEGER("vl"), \
	INTEGER("vtype"), INTEGER("vlenb"),

/* Privileged ISA, chapter 2, tables 3 to 7. */
#define MACHINE_CSRS(X) \
	X("sstatus", 0x100) \
	X("sie", 0x104) \
	X("stvec", 0x105) \
	X("scounteren", 0x106) \
	X("senvcfg", 0x10a) \
	X("sscratch", 0x140) \
	X("sepc", 0x141) \
	X("scause", 0x142) \
	X("stval", 0x143) \
	X("sip", 0x144) \
	X("stimecmp", 0x14d) \
	X("satp", 0x180) \
	X("mstatus", 0x300) \
	X("misa", 0x301) \
	X("medeleg", 0x302) \
	X("mideleg", 0x303) \
	X("mie", 0x304) \
	X("mtvec", 0x305) \
	X("mcounteren", 0x306) \
	X("menvcfg", 0x30a) \
	X("mcountinhibit", 0x320) \
	X("mscratch", 0x340) \
	X("mepc", 0x341) \
	X("mcause", 0x342) \
	X("mtval", 0x343) \
	X("mip", 0x344) \
	X("pmpcfg0", 0x3a0) \
	X("pmpcfg2", 0x3a2) \
	X("pmpaddr0", 0x3b0) \
	X("pmpaddr1", 0x3b1) \
	X("pmpaddr2", 0x3b2) \
	X("pmpaddr3", 0x3b3) \
	X("pmpaddr4", 0x3b4) \
	X("pmpaddr5", 0x3b5) \
	X("pmpaddr6", 0x3b6) \
	X("pmpaddr7", 0x3b7) \
	X("mcycle", 0xb00) \
	X("minstret", 0xb02) \
	X("time", 0xc01) \
	X("mvendorid", 0xf11) \
	X("marchid", 0xf12) \
	X("mimpid", 0xf13) \
	X("mhartid", 0xf14)

static const struct debug_register registers[] = { USER_REGISTERS };

#define CSR_REGISTER(name, number) INTEGER(name),
static const struct debug_register machine_registers[] = {
	USER_REGISTERS
	MACHINE_CSRS(CSR_REGISTER)
	[DEBUG_RISCV_PRIVILEGE] = INTEGER("priv"),
};

#define CSR_NUMBER(name, number) number,
static const uint16_t csrs[] = { MACHINE_CSRS(CSR_NUMBER) };
/* clang-format on */

_Static_assert(ARRAY_SIZE(registers) == DEBUG_RISCV_REGISTERS, "every register has a row");
_Static_assert(ARRAY_SIZE(csrs) == DEBUG_RISCV_CSRS, "every CSR has a row");

unsigned debug_riscv_csr(unsigned reg)
{
	return csrs[reg - DEBUG_RISCV_CSR0];
}

/* What one of them can be looked at as. */
static const char vector_types[] = "<vector id=\"bytes\" type=\"uint8\" count=\"16\"/>\n"
				   "<vector id=\"shorts\" type=\"uint16\" count=\"8\"/>\n"
				   "<vector id=\"words\" type=\"uint32\" count=\"4\"/>\n"
				   "<vector id=\"longs\" type=\"uint64\" count=\"2\"/>\n"
				   "<vector id=\"singles\" type=\"ieee_single\" count=\"4\"/>\n"
				   "<vector id=\"doubles\" type=\"ieee_double\" count=\"2\"/>\n"
				   "<union id=\"vector\">\n"
				   "<field name=\"b\" type=\"bytes\"/>\n"
				   "<field name=\"s\" type=\"shorts\"/>\n"
				   "<field name=\"w\" type=\"words\"/>\n"
				   "<field name=\"l\" type=\"longs\"/>\n"
				   "<field name=\"f\" type=\"singles\"/>\n"
				   "<field name=\"d\" type=\"doubles\"/>\n"
				   "</union>\n";

static const struct debug_feature features[] = {
	{ "org.gnu.gdb.riscv.cpu", NULL, DEBUG_RISCV_X0, 33 },
	{ "org.gnu.gdb.riscv.fpu", NULL, DEBUG_RISCV_F0, 35 },
	{ "org.gnu.gdb.riscv.vector", vector_types, DEBUG_RISCV_V0, 32 },
	{ "org.gnu.gdb.riscv.csr", NULL, DEBUG_RISCV_VSTART, 7 },
};

static const struct debug_feature machine_features[] = {
	{ "org.gnu.gdb.riscv.cpu", NULL, DEBUG_RISCV_X0, 33 },
	{ "org.gnu.gdb.riscv.fpu", NULL, DEBUG_RISCV_F0, 35 },
	{ "org.gnu.gdb.riscv.vector", vector_types, DEBUG_RISCV_V0, 32 },
	{ "org.gnu.gdb.riscv.virtual", NULL, DEBUG_RISCV_PRIVILEGE, 1 },
	{ "org.gnu.gdb.riscv.csr", NULL, DEBUG_RISCV_VSTART, 7 + DEBUG_RISCV_CSRS },
};

/* ra, sp, fp, pc */
static const uint16_t expedited[] = { 1, 2, 8, DEBUG_RISCV_PC };

const struct debug_architecture debug_riscv64 = {
	.name = "riscv:rv64",
	.registers = registers,
	.nr_registers = ARRAY_SIZE(registers),
	.features = features,
	.nr_features = ARRAY_SIZE(features),
	.pc = DEBUG_RISCV_PC,
	.expedited = expedited,
	.nr_expedited = ARRAY_SIZE(expedited),
};

const struct debug_architecture debug_riscv64_machine = {
	.name = "riscv:rv64",
	.registers = machine_registers,
	.nr_registers = ARRAY_SIZE(machine_registers),
	.features = machine_features,
	.nr_features = ARRAY_SIZE(machine_features),
	.pc = DEBUG_RISCV_PC,
	.expedited = expedited,
	.nr_expedited = ARRAY_SIZE(expedited),
};
