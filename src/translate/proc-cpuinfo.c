/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc-cpuinfo.c - /proc/cpuinfo of a machine whose harts are what jit/ implements (Linux
 * arch/riscv/kernel/cpu.c for the form), as many as the host has online.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/hwprobe.h"
#include "translate/proc.h"

#define ONLINE_FILE "/sys/devices/system/cpu/online"
#define HARTS_MAX   8192 /* NR_CPUS at most */

static void write_hart(struct proc_text *text, unsigned long hart)
{
	const char *isa = hwprobe_isa();

	proc_print(text, "processor\t: %lu\nhart\t\t: %lu\nisa\t\t: ", hart, hart);
	/* Longer than proc_print() takes. */
	proc_write(text, isa, strlen(isa));
	proc_print(text, "\nmmu\t\t: sv39\nmvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\n");
	proc_print(text, "hart isa\t: ");
	proc_write(text, isa, strlen(isa));
	proc_print(text, "\n\n");
}

/* Every number of a list like "0-3,8". */
static void write_harts(struct proc_text *text, const char *list)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < HARTS_MAX; first++)
			write_hart(text, first);
		list = *end == ',' ? end + 1 : end;
	}
}

void proc_write_cpuinfo(struct proc_text *text)
{
	char list[512];
	int64_t fd = host_call(SYS_openat, AT_FDCWD, ONLINE_FILE, O_RDONLY | O_CLOEXEC), n = 0;

	if (fd >= 0) {
		n = host_call(SYS_read, fd, list, sizeof(list) - 1);
		host_call(SYS_close, fd);
	}
	list[n > 0 ? n : 0] = '\0';
	write_harts(text, n > 0 ? list : "0");
}
