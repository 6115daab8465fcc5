/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-filters.c - the filters that threads hold: made, shared, and handed on.
 *
 * They form a tree: each knows the one that was installed before it, a thread holds its latest, and
 * children start with their parent's. A filter never changes once a thread holds it and goes when
 * nobody does; the links are counted.
 *
 * Over an execve(2) they live in a sealed memfd (base/translator.h), the same in which the
 * container's profile comes.
 */
#include "translate/seccomp-filters.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "translate/internal.h"
#include "translate/seccomp-bpf.h"

/* Linux kernel/seccomp.c, MAX_INSNS_PER_PATH: what all filters of a thread may amount to, each
 * with an overhead of four instructions. */
#define CHAIN_MAX	((1u << 18) / sizeof(struct sock_filter))
#define FILTER_OVERHEAD 4

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* --- making and dropping ---------------------------------------------------------------------- */

static size_t program_size(uint32_t count)
{
	return sizeof(struct translator_filter) + count * sizeof(struct sock_filter);
}

static size_t filter_size(uint32_t count)
{
	return offsetof(struct filter, program) + program_size(count);
}

struct filter *filter_allocate(uint32_t count)
{
	int64_t address = host_call(SYS_mmap, 0, filter_size(count), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct filter *filter = address < 0 ? NULL : (struct filter *)address;

	if (filter) {
		filter->references = 1;
		filter->program.count = count;
	}
	return filter;
}

struct filter *filter_hold(struct filter *filter)
{
	if (filter)
		__atomic_add_fetch(&filter->references, 1, __ATOMIC_RELAXED);
	return filter;
}

void filter_drop(struct filter *filter)
{
	while (filter && __atomic_sub_fetch(&filter->references, 1, __ATOMIC_ACQ_REL) == 0) {
		struct filter *previous = filter->previous;

		host_call(SYS_munmap, filter, filter_size(filter->program.count));
		filter = previous;
	}
}

int filter_push(struct thread *t, struct filter *filter)
{
	struct filter *previous = t->filters;
	uint32_t chain = filter->program.count + (previous ? previous->chain : 0);

	/* The new one's own overhead does not count, those before it do. */
	if (chain > CHAIN_MAX)
		return -ENOMEM;
	filter->chain = chain + FILTER_OVERHEAD;
	for (int nr = 0; nr < SYSTEM_CALLS; nr++) {
		uint64_t bit = UINT64_C(1) << nr % 64;

		if (previous && !(previous->allowed[nr / 64] & bit))
			continue;
		if (seccomp_bpf_always_allows(filter->program.instructions, AUDIT_ARCH_RISCV64, nr))
			filter->allowed[nr / 64] |= bit;
	}
	filter->previous = previous;
	__atomic_store_n(&t->filters, filter, __ATOMIC_RELEASE);
	__atomic_store_n(&t->seccomp_mode, SECCOMP_MODE_FILTER, __ATOMIC_RELEASE);
	return 0;
}

/* --- threads ---------------------------------------------------------------------------------- */

void seccomp_thread_begin(struct thread *t, const struct thread *parent)
{
	struct process *process = t->process;

	if (parent && parent->process != process) { /* a copy of that one */
		process->threads_lock = 0;
		process->threads = NULL;
	}
	lock_take(&process->threads_lock);
	if (parent) {
		t->seccomp_mode = parent->seccomp_mode;
		t->filters = filter_hold(parent->filters);
	}
	t->next_thread = process->threads;
	process->threads = t;
	lock_release(&process->threads_lock);
}

void seccomp_thread_end(struct thread *t)
{
	struct process *process = t->process;
	struct thread **link = &process->threads;

	lock_take(&process->threads_lock);
	while (*link && *link != t)
		link = &(*link)->next_thread;
	if (*link)
		*link = t->next_thread;
	lock_release(&process->threads_lock);
	filter_drop(t->filters);
	t->filters = NULL;
}

void seccomp_before_fork(struct thread *t)
{
	lock_take(&t->process->threads_lock);
}

void seccomp_after_fork(struct thread *t, bool is_child)
{
	if (is_child) {
		t->process->threads = t;
		t->next_thread = NULL;
	}
	lock_release(&t->process->threads_lock);
}

/* --- handing on ------------------------------------------------------------------------------- */

int seccomp_save(const struct thread *t)
{
	uint64_t end = 0;
	int64_t fd;

	if (!t->filters)
		return -ENOENT;
	for (const struct filter *f = t->filters; f; f = f->previous)
		end += program_size(f->program.count);
	fd = host_call(SYS_memfd_create, "seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return (int)fd;
	/* The latest is the last of the file. */
	for (const struct filter *f = t->filters; f; f = f->previous) {
		size_t size = program_size(f->program.count);

		end -= size;
		if (host_call(SYS_pwrite64, fd, &f->program, size, end) != (int64_t)size) {
			host_call(SYS_close, fd);
			return -ENOMEM;
		}
	}
	if (host_call(SYS_fcntl, fd, F_ADD_SEALS, SEALS) < 0) {
		host_call(SYS_close, fd);
		return -EINVAL;
	}
	return (int)fd;
}

/* The program at `offset` of the file, checked. */
static int filter_read(int fd, uint64_t offset, uint32_t count, struct filter **ret)
{
	struct filter *filter;
	size_t size = program_size(count);

	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	filter = filter_allocate(count);
	if (!filter)
		return -ENOMEM;
	if (host_call(SYS_pread64, fd, &filter->program, size, offset) != (int64_t)size ||
		seccomp_bpf_check(filter->program.instructions, count) < 0) {
		filter->program.count = count;
		filter_drop(filter);
		return -EINVAL;
	}
	*ret = filter;
	return 0;
}

int seccomp_load(struct thread *t, int fd)
{
	struct translator_filter head;
	uint64_t offset = 0;
	int64_t n;

	n = host_call(SYS_fcntl, fd, F_GET_SEALS);
	if (n < 0 || (n & SEALS) != SEALS)
		return -EPERM;
	while ((n = host_call(SYS_pread64, fd, &head, sizeof(head), offset)) > 0) {
		struct filter *filter;
		int r;

		if (n != sizeof(head))
			return -EINVAL;
		r = filter_read(fd, offset, head.count, &filter);
		if (r < 0)
			return r;
		r = filter_push(t, filter);
		if (r < 0) {
			filter_drop(filter);
			return r;
		}
		offset += program_size(head.count);
	}
	return (int)n;
}
