/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscalls.c - a system call that does next to nothing, in a loop: what crossing over to the kernel
 * costs. getppid() is never answered by the C library alone.
 */
#include <sys/syscall.h>
#include <unistd.h>
#include "program.h"

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 2000000);
	long first = syscall(SYS_getppid);
	uint64_t same = 0;

	for (unsigned i = 0; i < count; i++)
		same += syscall(SYS_getppid) == first;
	return program_end("syscalls", program_sum(PROGRAM_SUM_START, same));
}
