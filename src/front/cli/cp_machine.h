/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp_machine.h - `cp` where one side is in a machine: no descriptor leads there, so everything
 * passes as a tar archive, through a folder of the state root.
 */
#pragma once

#include "front/cli/place.h"
#include "isolation/isolation.h"

struct cp_machine {
	struct instance instance;
	const struct isolation_ops *ops;
	struct isolation_process files; /* started to reach them, if opened */
	bool opened;
	char *path; /* absolute, in the guest, without "/." at its end */
	bool content, wants_folder; /* it ended in "/.", in "/" */
};

#define CP_MACHINE_INIT                                                                            \
	{                                                                                          \
		.instance = {.dir_fd = -1 }                                                        \
	}

/* 1: `typed` names an instance in a machine; 0: it does not. One that does not run gets a machine
 * for as long as this is open. */
int cp_machine_open(
	const struct cli *cli, const char *typed, struct cp_machine *ret, struct error *err);
/* 0: what was put is on its disk. */
int cp_machine_finish(struct cp_machine *machine, struct error *err);
void cp_machine_close(struct cp_machine *machine);
#define _cleanup_cp_machine_ _cleanup_(cp_machine_close)

/* What the path names goes into the empty folder. */
int cp_machine_get(struct cp_machine *machine, const char *folder, struct error *err);
/* The archive itself. */
int cp_machine_stream_out(struct cp_machine *machine, int out_fd, struct error *err);
/* What is in the folder goes where `directory` is in the guest. */
int cp_machine_put(
	struct cp_machine *machine, const char *directory, const char *folder, struct error *err);
int cp_machine_look(
	struct cp_machine *machine, const char *path, enum isolation_file *ret, struct error *err);
