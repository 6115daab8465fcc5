/* SPDX-License-Identifier: Apache-2.0 */
/*
 * porter.h - a small process that does for a machine what has to be done by path, when the machine
 * itself can reach no path any more (jail.h): it connects with the sockets that --vsock promises
 * the guest, makes and finishes the folder of --snapshot, and removes the machine's own sockets.
 *
 * All names are those of the machine's configuration; who has taken over the machine can choose
 * among these things, and nothing else. It is forked before the machine has any memory, and ends
 * with it. All functions are called on the event loop's thread, or before it runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "machine/machine.h"
#include "machine/snapshot-folder.h"

struct porter;

/* Sockets that the machine listens at. */
enum porter_socket {
	PORTER_MONITOR,
	PORTER_VSOCK,
	PORTER_GDB,
	PORTER_SOCKETS,
};

/* *ret is NULL for a machine that needs none. */
int porter_start(const struct machine_config *config, struct porter **ret, struct error *err);
/* NULL is fine. Returns NULL. */
struct porter *porter_stop(struct porter *porter);

/* A socket, not blocking, that is connected with PATH_PORT of --vsock; -errno. */
int porter_connect(struct porter *porter, uint32_t port);
/* As snapshot_folder_make() and _finish(), of --snapshot, or the next name behind it that is free.
 * One at a time. `base` is the number of what it is to be a difference to; NULL: it is a whole one.
 * -ESTALE: the last one that was made here is another. */
int porter_make_snapshot(
	struct porter *porter, const char *base, struct snapshot_folder *ret, struct error *err);
int porter_finish_snapshot(struct porter *porter, bool is_whole, struct error *err);
void porter_remove(struct porter *porter, enum porter_socket which);
