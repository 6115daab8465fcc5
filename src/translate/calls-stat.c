/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-stat.c - struct stat, which is the one common structure that differs: asm-generic/stat.h on
 * riscv64, a layout of its own on x86-64. (struct statx, struct statfs are the same.)
 */
#include <assert.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "translate/calls.h"

struct guest_stat {
	uint64_t dev, ino;
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev, pad;
	int64_t size;
	int32_t block_size, pad2;
	int64_t blocks;
	int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
	uint32_t unused[2];
};

static_assert(sizeof(struct guest_stat) == 128, "asm-generic/stat.h");

int64_t stat_to_guest(uint64_t address, const struct stat *s)
{
	const struct guest_stat guest = {
		.dev = s->st_dev,
		.ino = s->st_ino,
		.mode = s->st_mode,
		.nlink = (uint32_t)s->st_nlink,
		.uid = s->st_uid,
		.gid = s->st_gid,
		.rdev = s->st_rdev,
		.size = s->st_size,
		.block_size = (int32_t)s->st_blksize,
		.blocks = s->st_blocks,
		.atime = s->st_atim.tv_sec,
		.atime_ns = s->st_atim.tv_nsec,
		.mtime = s->st_mtim.tv_sec,
		.mtime_ns = s->st_mtim.tv_nsec,
		.ctime = s->st_ctim.tv_sec,
		.ctime_ns = s->st_ctim.tv_nsec,
	};

	return guest_copy_out(address, &guest, sizeof(guest));
}

int64_t call_fstat(struct thread *t, const uint64_t a[6])
{
	struct stat s;
	int64_t r = host_call(SYS_fstat, a[0], &s);

	return r < 0 ? r : stat_to_guest(a[1], &s);
}
