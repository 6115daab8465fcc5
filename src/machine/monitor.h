/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - a socket at which a machine answers questions about itself.
 *
 * Who connects to it sends one line, "registers 1", gets one JSON object and the end of file: what
 * was asked for, or {"error": "..."}. One at a time; the others wait. To look at a vcpu, all stand
 * for the moment. With "save FOLDER" and "save-diff FOLDER" come
 * the files of that folder (snapshot-folder.h).
 */
#pragma once

#include "base/loop.h"
#include "machine/internal.h"
#include "machine/snapshot-folder.h"

#define MONITOR_LINE_MAX 4352 /* with a path */

struct machine_monitor {
	struct machine *machine;
	const char *path;
	struct loop_source listener, connection;
	char line[MONITOR_LINE_MAX];
	size_t nr_line;
	int fds[SNAPSHOT_FILES_MAX]; /* that have come with it */
	unsigned nr_fds;
	struct machine_pause look; /* for as long as a question takes */
	struct machine_pause pause; /* until "resume" */
	bool is_paused;
};

int machine_monitor_open(struct machine *machine, const char *path, struct error *err);
void machine_monitor_close(struct machine *machine);
