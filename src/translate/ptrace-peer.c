/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace-peer.c - a thread of another translated process, as its tracer reaches it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "translate/ptrace.h"

#define WORD	    sizeof(uint64_t)
#define AT_ONCE_MIN (3 * WORD)

/* --- memory ---------------------------------------------------------------------------------- */

/* All at once, where that is permitted: of the two calls, a container may allow only ptrace(2). */
static bool read_at_once(int tid, uint64_t address, void *buffer, size_t size)
{
	const struct iovec to = { buffer, size }, from = { guest_pointer(address), size };

	return size >= AT_ONCE_MIN &&
		seccomp_always_permits(thread_current(), CALL_process_vm_readv) &&
		host_call(SYS_process_vm_readv, tid, &to, 1, &from, 1, 0) == (int64_t)size;
}

int peer_read(int tid, uint64_t address, void *buffer, size_t size)
{
	char *to = buffer;

	if (read_at_once(tid, address, buffer, size))
		return 0;

	while (size) {
		size_t skip = address % WORD, n = size < WORD - skip ? size : WORD - skip;
		uint64_t word;
		int64_t r = host_call(SYS_ptrace, PTRACE_PEEKDATA, tid, address - skip, &word);

		if (r < 0)
			return (int)r;
		memcpy(to, (char *)&word + skip, n);
		to += n;
		address += n;
		size -= n;
	}
	return 0;
}

int peer_write(int tid, uint64_t address, const void *bytes, size_t size)
{
	const char *from = bytes;

	while (size) {
		size_t skip = address % WORD, n = size < WORD - skip ? size : WORD - skip;
		uint64_t word = 0;
		int64_t r = 0;

		if (n < WORD)
			r = host_call(SYS_ptrace, PTRACE_PEEKDATA, tid, address - skip, &word);
		memcpy((char *)&word + skip, from, n);
		if (r == 0)
			r = host_call(SYS_ptrace, PTRACE_POKEDATA, tid, address - skip, word);
		if (r < 0)
			return (int)r;
		from += n;
		address += n;
		size -= n;
	}
	return 0;
}

/* --- whose it is ----------------------------------------------------------------------------- */

static bool is_page_ours(const struct trace_page *page)
{
	return page->magic == TRACE_PAGE_MAGIC && page->build == trace_page()->build;
}

/* Does it execute the file that this program is? */
static bool executes_ours(int tid)
{
	struct stat ours, theirs;
	char link[32];

	snprintf(link, sizeof(link), "/proc/%d/exe", tid);
	return host_call(SYS_newfstatat, AT_FDCWD, "/proc/self/exe", &ours, 0) < 0 ||
		host_call(SYS_newfstatat, AT_FDCWD, link, &theirs, 0) < 0 ||
		(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
}

bool peer_is_ours(const struct thread *t, int tid)
{
	struct trace_page page;
	char name[32];
	int64_t fd, n;

	snprintf(name, sizeof(name), "/proc/%d/mem", tid);
	fd = host_call(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = host_call(SYS_pread64, fd, &page, sizeof(page), TRACE_PAGE);
	host_call(SYS_close, fd);
	if (n == sizeof(page))
		return is_page_ours(&page);
	return executes_ours(tid);
}

/* Without a page: just executed, or never to have one? */
static enum peer_kind kind_without_page(int tid)
{
	const struct thread *t = thread_current();

	return t->process->is_contained || executes_ours(tid) ? PEER_STARTING : PEER_FOREIGN;
}

static enum peer_kind find_thread(struct peer *p)
{
	int tid = p->tid;
	uint64_t current = p->host.thread_pointer + (uint64_t)p->page.current_offset;
	int32_t number;

	if (!p->host.thread_pointer || peer_read(tid, current, &p->thread, WORD) < 0)
		return PEER_STARTING;
	if (!p->thread)
		return PEER_FOREIGN;
	if (peer_read(tid, p->thread + offsetof(struct thread, tid), &number, sizeof(number)) < 0 ||
		peer_read(tid, p->thread + offsetof(struct thread, tracee), &p->state,
			offsetof(struct tracee, info)) < 0)
		return PEER_FOREIGN;
	if (!number)
		return p->state.is_on ? PEER_CHILD : PEER_STARTING;
	/* A child of fork(2) that is not itself yet, unless it is the parent. */
	if (!p->state.is_forking || p->state.stop == TRACE_EVENT)
		return PEER_OURS;
	return p->state.is_forking == 2 && number != tid ? PEER_CHILD : PEER_STARTING;
}

/* --- what is known --------------------------------------------------------------------------- */

/* A tracer asks several times about each stop. */
#define KNOWN 8

static __thread struct peer known[KNOWN]; /* without a tid: none */

static struct peer *place_of(int tid)
{
	return &known[(unsigned)tid % KNOWN];
}

void peer_let_go(int tid)
{
	if (place_of(tid)->tid == tid)
		place_of(tid)->tid = 0;
}

int peer_look(int tid, struct peer **ret)
{
	struct peer *p = place_of(tid);
	int r = host_read_stop(tid, &p->host);

	p->tid = 0;
	if (r < 0)
		return r;
	memset(&p->state, 0, sizeof(p->state));
	p->thread = 0;
	p->tid = tid;
	if (peer_read(tid, TRACE_PAGE, &p->page, offsetof(struct trace_page, nr_written)) < 0 ||
		!p->page.magic)
		p->kind = kind_without_page(tid);
	else
		p->kind = is_page_ours(&p->page) ? find_thread(p) : PEER_FOREIGN;
	*ret = p;
	return 0;
}

int peer_find(int tid, struct peer **ret)
{
	struct peer *p = place_of(tid);
	uint64_t word;

	if (tid <= 0 || p->tid != tid || p->kind != PEER_OURS)
		return peer_look(tid, ret);
	/* It may have been killed. */
	if (host_call(SYS_ptrace, PTRACE_PEEKDATA, tid, TRACE_PAGE, &word) < 0)
		return peer_look(tid, ret);
	*ret = p;
	return 0;
}

/* --- where it is ----------------------------------------------------------------------------- */

bool peer_is_whole(const struct peer *p)
{
	return p->host.pc == p->page.trap || p->state.is_still ||
		(p->host.pc == p->page.call_end && p->host.is_waiting);
}

bool peer_presents(const struct peer *p, int signal)
{
	return signal == SIGTRAP && p->host.pc == p->page.trap && p->state.stop >= TRACE_SIGNAL &&
		p->state.stop <= TRACE_QUIET;
}
