/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - a whole machine made of software, from its description to its end: the contract of
 * the folder.
 *
 * A machine lives in one process. machine_run() is called by the thread that has opened it, which
 * then runs the machine's event loop; each vcpu has a thread of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "disk/disk.h"
#include "net/net.h"
#include "share/share.h"

#define MACHINE_MEMORY_MIN   (UINT64_C(4) << 20)
#define MACHINE_MEMORY_MAX   (UINT64_C(1) << 40)
#define MACHINE_CONSOLE_NONE (-1)

/* What the guest mounts, to have the shares as its folders. */
#define MACHINE_SHARES_TAG "strata"

/* A network card, and what it leads to. */
struct machine_net_config {
	const char *tap; /* an interface of the host */
	/* A switch that another process has: its socket, or "fd:N", a cable that is open already.
	 */
	const char *cable;
	/* With neither: a user-mode network, as follows. */
	struct net_user_options user;
	uint8_t mac[NET_MAC_BYTES]; /* all zero: one of ours, by the card's number */
};

struct machine_disk_config {
	const char *path; /* a raw image, or a block device */
	bool is_readonly;
	bool is_direct; /* past the page cache */
	struct disk_limits limits;
	/* In place of the path: a read-only disk whose partitions these files are. */
	const struct disk_file *parts;
	unsigned nr_parts; /* 0, or up to DISK_FILES_MAX */
};

/* Which board, and which CPU. */
enum machine_arch {
	MACHINE_ARCH_OF_KERNEL, /* that of what is restored, or of the kernel; else riscv64 */
	MACHINE_ARCH_RISCV64, /* emulated, on any host */
	MACHINE_ARCH_X86_64, /* this host's CPU, by KVM */
	MACHINE_ARCH_COUNT,
};

/* "riscv64"; of MACHINE_ARCH_OF_KERNEL there is none. */
const char *machine_arch_name(enum machine_arch arch);
/* By any name that is usual for it; false: there is no such machine. */
bool machine_arch_parse(const char *name, enum machine_arch *ret);

struct machine_console_config {
	int in, out; /* descriptors, or MACHINE_CONSOLE_NONE; they stay the caller's */
	bool has_keys; /* Ctrl-A and a letter is for us */
};

/* What devices' interrupts arrive at: the Advanced Interrupt Architecture, and how much of it. */
enum machine_aia {
	MACHINE_AIA_NONE, /* a PLIC */
	MACHINE_AIA_APLIC, /* an APLIC that interrupts harts directly */
	MACHINE_AIA_IMSIC, /* one that sends messages to the harts' IMSICs */
};

/* All strings are the caller's, and stay until machine_free(). */
struct machine_config {
	uint64_t memory_bytes; /* whole pages, from MACHINE_MEMORY_MIN to _MAX */
	unsigned nr_vcpus; /* 1 to VM_VCPUS_MAX */
	enum machine_aia aia;
	enum machine_arch arch;
	const char *cpu; /* of vcpu/models.h; NULL: the first of the architecture's */

	/* What is booted: a kernel, or firmware, which may find the kernel where it looks for it.
	 */
	const char *kernel, *initrd, *append, *firmware;
	/* Flash, at most FLASH_BYTES (device/flash.h) of each: what firmware goes on with, when
	 * there is no kernel; and what it keeps, which is written. NULL: there is none. */
	const char *flash_code, *flash_data;

	const struct machine_disk_config *disks; /* in the order in which the guest finds them */
	unsigned nr_disks;
	const struct machine_net_config *nets;
	unsigned nr_nets;

	const struct share *shares;
	unsigned nr_shares;

	/* Sockets between host and guest, as device/virtio/vsock.h has them; NULL: there are none.
	 */
	const char *vsock_path;

	/* Descriptors of the serial port, or MACHINE_CONSOLE_NONE; both may be a terminal, which is
	 * then used raw. They stay the caller's. */
	int console_in, console_out;
	bool has_console_keys; /* Ctrl-A and a letter is for us */

	const struct machine_console_config *hvc; /* a terminal without a serial port, or NULL */

	/* Folders: of a machine with the same options that was saved, to go on from instead of
	 * booting; and where this one is saved when Ctrl-A s is typed or SIGUSR1 comes. */
	const char *restore, *snapshot;
	/* Which pages are written is noted from the first snapshot on: those that follow can be
	 * differences. Those that Ctrl-A s and SIGUSR1 make are, beside the first, with ".1" and so
	 * on behind its name. */
	bool notes_writes;

	/* What machine_keep_code() has made for `restore`, or NULL. A file that does not fit is
	 * removed, and nothing else happens. */
	const char *code;

	const char *jit_debug; /* struct jit_options.debug; NULL: nothing */

	/* Where gdb is waited for: a port of 127.0.0.1, or a path with a '/'. NULL: nowhere. */
	const char *gdb;
	const char *monitor; /* path of the socket of monitor.h; NULL: none */
	bool is_ended_by_reset; /* a guest that restarts itself powers off */
};

/*
 * Translate again what a machine that went on from the snapshot in a folder had translated, which
 * its monitor tells ("code places": `text`), from the snapshot's memory, and leave it at `path`. No
 * machine may have run in this process; the text may be any. Somebody else who is at it is left
 * alone.
 */
int machine_keep_code(
	const char *snapshot, const char *text, size_t size, const char *path, struct error *err);

struct machine;

/* Why it ended. */
struct machine_end {
	int status; /* 0: powered off as one does; else what the guest has said, 1 to 255 */
	bool was_left; /* Ctrl-A x, or machine_stop() */
};

/* Make it, with all it has in memory. *ret is the caller's, for machine_free(). */
int machine_open(const struct machine_config *config, struct machine **ret, struct error *err);
/* Until it powers off, or cannot go on (an error). Once for each machine. */
int machine_run(struct machine *machine, struct machine_end *ret, struct error *err);
/* From any thread: machine_run() returns soon. */
void machine_stop(struct machine *machine);
struct machine *machine_free(struct machine *machine);

static inline void cleanup_machine(struct machine **machine)
{
	machine_free(*machine);
}
#define _cleanup_machine_ _cleanup_(cleanup_machine)
