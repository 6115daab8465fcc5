/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - Linux' numbers of signals (asm-generic) and those of the protocol (gdb's
 * include/gdb/signals.def), which is older than it.
 */
#include "debug/internal.h"

#define REALTIME_FIRST	  33 /* GDB_SIGNAL_REALTIME_33 and those behind it: in one row up to 63 */
#define REALTIME_LAST	  63
#define REALTIME_FIRST_ID 45
#define UNKNOWN		  143

/* [Linux'] = gdb's */
static const uint8_t numbers[] = {
	[1] = 1, /* HUP */
	[2] = 2, /* INT */
	[3] = 3, /* QUIT */
	[4] = 4, /* ILL */
	[5] = 5, /* TRAP */
	[6] = 6, /* ABRT */
	[7] = 10, /* BUS */
	[8] = 8, /* FPE */
	[9] = 9, /* KILL */
	[10] = 30, /* USR1 */
	[11] = 11, /* SEGV */
	[12] = 31, /* USR2 */
	[13] = 13, /* PIPE */
	[14] = 14, /* ALRM */
	[15] = 15, /* TERM */
	[16] = 0, /* STKFLT: gdb has none */
	[17] = 20, /* CHLD */
	[18] = 19, /* CONT */
	[19] = 17, /* STOP */
	[20] = 18, /* TSTP */
	[21] = 21, /* TTIN */
	[22] = 22, /* TTOU */
	[23] = 16, /* URG */
	[24] = 24, /* XCPU */
	[25] = 25, /* XFSZ */
	[26] = 26, /* VTALRM */
	[27] = 27, /* PROF */
	[28] = 28, /* WINCH */
	[29] = 23, /* IO */
	[30] = 32, /* PWR */
	[31] = 12, /* SYS */
	[32] = 77, /* REALTIME_32 */
	[64] = 78, /* REALTIME_64 */
};

int signal_to_gdb(int signal)
{
	if (signal == 0)
		return 0;
	if (signal >= REALTIME_FIRST && signal <= REALTIME_LAST)
		return signal - REALTIME_FIRST + REALTIME_FIRST_ID;
	if (signal <= 0 || signal >= (int)ARRAY_SIZE(numbers) || !numbers[signal])
		return UNKNOWN;
	return numbers[signal];
}

int signal_from_gdb(uint64_t signal)
{
	for (int i = 1; i < (int)ARRAY_SIZE(numbers); i++)
		if ((uint64_t)signal_to_gdb(i) == signal && signal != UNKNOWN)
			return i;
	return 0;
}
