/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-target.h - a target for tests of debug/: two threads, a page of memory, and a log of what a
 * session has sent. It aborts when a session asks for what it must not.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "debug/debug.h"

#define FAKE_MEMORY_START  UINT64_C(0x1000)
#define FAKE_MEMORY_SIZE   4096u
#define FAKE_THREADS	   2
#define FAKE_FIRST_THREAD  0x10
#define FAKE_SECOND_THREAD 0x2a
#define FAKE_SENT_MAX	   (1u << 16)

struct fake_target {
	struct debug_target target;
	uint8_t registers[FAKE_THREADS][DEBUG_RISCV_REGISTERS][16];
	uint8_t memory[FAKE_MEMORY_SIZE];
	struct debug_resume resumes[DEBUG_RESUMES_MAX];
	size_t nr_resumes;
	bool is_running, was_interrupted, was_detached, was_killed;
	uint64_t breakpoint, passed, eyes;
	bool is_physical, is_full;
	enum debug_breakpoint_type breakpoint_type;
	int send_error;
	size_t sent_size; /* what is beyond the log's end is counted only */
	char sent[FAKE_SENT_MAX + 1];
};

static struct fake_target *fake_of(struct debug_target *target)
{
	return container_of(target, struct fake_target, target);
}

static struct fake_target *fake_stopped(struct debug_target *target)
{
	struct fake_target *fake = fake_of(target);

	if (fake->is_running || fake->was_killed)
		abort();
	return fake;
}

static int fake_send(struct debug_target *target, const void *bytes, size_t size)
{
	struct fake_target *fake = fake_of(target);

	if (!size)
		abort();
	for (size_t i = 0; i < size && fake->sent_size + i < FAKE_SENT_MAX; i++)
		fake->sent[fake->sent_size + i] = ((const char *)bytes)[i];
	fake->sent_size += size;
	return fake->send_error;
}

static uint64_t fake_next_thread(struct debug_target *target, uint64_t previous)
{
	return previous < FAKE_FIRST_THREAD	? FAKE_FIRST_THREAD
		: previous < FAKE_SECOND_THREAD ? FAKE_SECOND_THREAD
						: 0;
}

static int fake_name_thread(struct debug_target *target, uint64_t thread, char *buffer, size_t size)
{
	snprintf(buffer, size, "<%llx>", (unsigned long long)thread);
	return 0;
}

static uint8_t *fake_register(struct debug_target *target, uint64_t thread, unsigned number)
{
	if (number >= DEBUG_RISCV_REGISTERS)
		abort();
	if (thread != FAKE_FIRST_THREAD && thread != FAKE_SECOND_THREAD)
		return NULL;
	return fake_stopped(target)->registers[thread == FAKE_SECOND_THREAD][number];
}

static size_t fake_register_size(unsigned number)
{
	return number >= DEBUG_RISCV_V0 && number < DEBUG_RISCV_V0 + 32	     ? 16
		: number >= DEBUG_RISCV_FFLAGS && number <= DEBUG_RISCV_FCSR ? 4
									     : 8;
}

static int fake_read_register(
	struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value)
{
	const uint8_t *reg = fake_register(target, thread, number);

	if (!reg)
		return -ESRCH;
	memcpy(value, reg, fake_register_size(number));
	return 0;
}

static int fake_write_register(
	struct debug_target *target, uint64_t thread, unsigned number, const uint8_t *value)
{
	uint8_t *reg = fake_register(target, thread, number);

	if (!reg)
		return -ESRCH;
	if (number == DEBUG_RISCV_VLENB)
		return -EPERM;
	memcpy(reg, value, fake_register_size(number));
	return 0;
}

static int64_t fake_read_memory(
	struct debug_target *target, uint64_t address, void *buffer, size_t size)
{
	struct fake_target *fake = fake_stopped(target);
	uint64_t offset = address - FAKE_MEMORY_START;

	if (!size || offset >= FAKE_MEMORY_SIZE)
		return -EFAULT;
	if (size > FAKE_MEMORY_SIZE - offset)
		size = FAKE_MEMORY_SIZE - offset;
	memcpy(buffer, fake->memory + offset, size);
	return (int64_t)size;
}

static int fake_write_memory(
	struct debug_target *target, uint64_t address, const void *bytes, size_t size)
{
	struct fake_target *fake = fake_stopped(target);
	uint64_t offset = address - FAKE_MEMORY_START;

	if (!size || offset >= FAKE_MEMORY_SIZE || size > FAKE_MEMORY_SIZE - offset)
		return -EFAULT;
	memcpy(fake->memory + offset, bytes, size);
	return 0;
}

static int fake_insert_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	struct fake_target *fake = fake_stopped(target);

	if (type >= DEBUG_BREAKPOINT_TYPES)
		abort();
	if (type > DEBUG_BREAKPOINT_HARDWARE)
		return -EOPNOTSUPP;
	if (kind != 2 && kind != 4)
		return -EINVAL;
	if (fake->is_full)
		return -ENOSPC;
	fake->breakpoint = address;
	fake->breakpoint_type = type;
	return 0;
}

static int fake_remove_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	struct fake_target *fake = fake_stopped(target);

	if (fake->breakpoint == address)
		fake->breakpoint = 0;
	return 0;
}

static void fake_resume(
	struct debug_target *target, const struct debug_resume *resumes, size_t count)
{
	struct fake_target *fake = fake_stopped(target);

	if (!count || count > DEBUG_RESUMES_MAX)
		abort();
	memcpy(fake->resumes, resumes, count * sizeof(*resumes));
	fake->nr_resumes = count;
	fake->is_running = true;
}

static void fake_interrupt(struct debug_target *target)
{
	if (!fake_of(target)->is_running)
		abort();
	fake_of(target)->was_interrupted = true;
}

static void fake_pass_signals(struct debug_target *target, uint64_t signals)
{
	fake_stopped(target)->passed = signals;
}

static int64_t fake_read_part(
	const char *from, size_t size, uint64_t offset, void *buffer, size_t wanted)
{
	if (offset >= size)
		return 0;
	if (wanted > size - offset)
		wanted = size - offset;
	memcpy(buffer, from + offset, wanted);
	return (int64_t)wanted;
}

static int64_t fake_read_auxv(
	struct debug_target *target, uint64_t offset, void *buffer, size_t size)
{
	/* Every byte that means something in a packet. */
	static const char auxv[] = "}#$*}]\x03\n";

	fake_stopped(target);
	return fake_read_part(auxv, sizeof(auxv) - 1, offset, buffer, size);
}

static int64_t fake_read_siginfo(
	struct debug_target *target, uint64_t thread, uint64_t offset, void *buffer, size_t size)
{
	return thread == FAKE_FIRST_THREAD ? fake_read_part("info", 4, offset, buffer, size)
					   : -EINVAL;
}

static const char *fake_executable(struct debug_target *target)
{
	return "/bin/fake";
}

#define FAKE_FILE_FD 5
#define FAKE_FILE    "}#$*}]" /* every byte that means something in a packet */

static int fake_open_file(struct debug_target *target, const char *path)
{
	return strcmp(path, "/file") == 0 ? FAKE_FILE_FD : strlen(path) > 100 ? -ELOOP : -ENOENT;
}

static int fake_close_file(struct debug_target *target, int fd)
{
	return fd == FAKE_FILE_FD ? 0 : -EBADF;
}

static int64_t fake_read_file(
	struct debug_target *target, int fd, uint64_t offset, void *buffer, size_t size)
{
	if (fd != FAKE_FILE_FD)
		return -EBADF;
	return fake_read_part(FAKE_FILE, sizeof(FAKE_FILE) - 1, offset, buffer, size);
}

static int fake_stat_file(struct debug_target *target, int fd, struct debug_file_status *ret)
{
	if (fd != FAKE_FILE_FD)
		return -EBADF;
	*ret = (struct debug_file_status){
		.size = sizeof(FAKE_FILE) - 1, .inode = 3, .mode = 0100644
	};
	return 0;
}

static int64_t fake_read_link(
	struct debug_target *target, const char *path, char *buffer, size_t size)
{
	return strcmp(path, "/link") == 0 ? fake_read_part("/file", 5, 0, buffer, size) : -EINVAL;
}

static void fake_detach(struct debug_target *target)
{
	fake_of(target)->was_detached = true;
}

static void fake_kill(struct debug_target *target)
{
	fake_of(target)->was_killed = true;
}

static void fake_look_from(struct debug_target *target, uint64_t thread)
{
	fake_stopped(target)->eyes = thread;
}

static int fake_physical_memory(struct debug_target *target, int on)
{
	struct fake_target *fake = fake_stopped(target);

	if (on >= 0)
		fake->is_physical = on;
	return fake->is_physical;
}

static int64_t fake_command(
	struct debug_target *target, const char *text, char *answer, size_t size)
{
	return strcmp(text, "fail") == 0 ? -EPERM : snprintf(answer, size, "%s", text);
}

static const struct debug_target_ops fake_ops = {
	.name = "fake",
	.osabi = "GNU/Linux",
	.send = fake_send,
	.next_thread = fake_next_thread,
	.name_thread = fake_name_thread,
	.read_register = fake_read_register,
	.write_register = fake_write_register,
	.look_from = fake_look_from,
	.physical_memory = fake_physical_memory,
	.command = fake_command,
	.read_memory = fake_read_memory,
	.write_memory = fake_write_memory,
	.insert_breakpoint = fake_insert_breakpoint,
	.remove_breakpoint = fake_remove_breakpoint,
	.resume = fake_resume,
	.interrupt = fake_interrupt,
	.pass_signals = fake_pass_signals,
	.read_auxv = fake_read_auxv,
	.read_siginfo = fake_read_siginfo,
	.executable = fake_executable,
	.open_file = fake_open_file,
	.close_file = fake_close_file,
	.read_file = fake_read_file,
	.stat_file = fake_stat_file,
	.read_link = fake_read_link,
	.detach = fake_detach,
	.kill = fake_kill,
};

/* With no more than what every target must have. */
static const struct debug_target_ops fake_poor_ops = {
	.name = "poor",
	.send = fake_send,
	.next_thread = fake_next_thread,
	.read_register = fake_read_register,
	.read_memory = fake_read_memory,
	.resume = fake_resume,
};

static inline void fake_init(struct fake_target *fake, bool is_poor)
{
	memset(fake, 0, sizeof(*fake));
	fake->target.ops = is_poor ? &fake_poor_ops : &fake_ops;
	for (unsigned i = 0; i < FAKE_MEMORY_SIZE; i++)
		fake->memory[i] = (uint8_t)(i + 1);
	for (unsigned t = 0; t < FAKE_THREADS; t++)
		for (unsigned r = 0; r < DEBUG_RISCV_REGISTERS; r++)
			memset(fake->registers[t][r], (int)(r + t), sizeof(fake->registers[t][r]));
}
