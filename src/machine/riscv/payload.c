/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payload.c - the files that a machine boots: read when it starts, and once more when it is reset.
 *
 * In between nothing of them is in memory but what the guest has of it: they stay open. What cannot
 * be read twice, a pipe, is kept. A machine that goes on from a snapshot reads nothing.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "machine/riscv/board.h"

#define FILE_BYTES_MAX (UINT64_C(8) << 30)

static const char *path_of(const struct machine_config *c, enum riscv_file which)
{
	switch (which) {
	case RISCV_FIRMWARE:
		return c->firmware;
	case RISCV_KERNEL:
		return c->kernel;
	case RISCV_FLASH:
		return c->flash_code;
	case RISCV_INITRD:
		return c->initrd;
	case RISCV_FILES:
		break;
	}
	return NULL;
}

/* What firmware and flash start may be anything that they know how to. */
static bool is_raw_allowed(const struct machine_config *c, enum riscv_file which)
{
	return which != RISCV_KERNEL || c->firmware;
}

static int read_file(struct machine *m, enum riscv_file which, struct error *err)
{
	struct riscv_payload *p = &riscv_board(m)->payload;
	struct kernel *file = &p->files[which];
	const char *path = path_of(&m->config, which);
	uint64_t max = which == RISCV_INITRD ? FILE_BYTES_MAX : KERNEL_BYTES_MAX;
	size_t size;
	char *bytes;
	int r;

	(void)lseek(p->fds[which], 0, SEEK_SET); /* not of a pipe, which is read once */
	r = io_read_fd(p->fds[which], max, &bytes, &size);
	if (r < 0)
		return error_errno(err, r, "cannot read %s", path);
	if (which == RISCV_INITRD) {
		*file = (struct kernel){ bytes, size, KERNEL_RAW };
		p->initrd_bytes = size;
		return 0;
	}
	r = kernel_parse(
		bytes, size, MACHINE_ARCH_RISCV64, is_raw_allowed(&m->config, which), file, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

int riscv_payload_open(struct machine *m, struct error *err)
{
	struct riscv_payload *p = &riscv_board(m)->payload;

	for (enum riscv_file i = 0; i < RISCV_FILES; i++)
		p->fds[i] = -1;
	for (enum riscv_file i = 0; i < RISCV_FILES; i++) {
		const char *path = path_of(&m->config, i);

		if (!path)
			continue;
		p->fds[i] = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (p->fds[i] < 0)
			return error_errno(err, errno, "cannot open %s", path);
	}
	return m->config.restore ? 0 : riscv_payload_read(m, err);
}

int riscv_payload_read(struct machine *m, struct error *err)
{
	struct riscv_payload *p = &riscv_board(m)->payload;
	int r = 0;

	for (enum riscv_file i = 0; r == 0 && i < RISCV_FILES; i++)
		if (p->fds[i] >= 0 && !p->files[i].bytes)
			r = read_file(m, i, err);
	return r;
}

void riscv_payload_drop(struct riscv_payload *p)
{
	for (enum riscv_file i = 0; i < RISCV_FILES; i++) {
		struct stat st;

		if (p->fds[i] >= 0 && fstat(p->fds[i], &st) == 0 && S_ISREG(st.st_mode))
			kernel_free(&p->files[i]);
	}
}

void riscv_payload_close(struct riscv_payload *p)
{
	for (enum riscv_file i = 0; i < RISCV_FILES; i++) {
		kernel_free(&p->files[i]);
		cleanup_close(&p->fds[i]);
	}
}
