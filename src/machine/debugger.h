/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger.h - gdb and a machine: who connects to the port finds all vcpus stopped, and lets them
 * go on. One at a time; the machine runs before, between and after.
 *
 * Everything is done on the event loop's thread, and vcpus are looked at only while all of them
 * stand.
 */
#pragma once

#include "debug/debug.h"
#include "machine/internal.h"

#define DEBUGGER_POINTS_MAX 64

struct machine_debugger {
	struct debug_target target;
	struct machine *machine;
	char address[DEBUG_ADDRESS_MAX]; /* where it listens */
	struct loop_source listener, connection;
	struct debug_session *session;
	struct machine_pause pause;
	bool is_paused; /* by us */
	bool is_interrupted; /* Ctrl-C was typed */
	bool is_physical; /* addresses of memory are */
	unsigned eyes; /* the vcpu that memory is looked at from */
	struct machine_point points[DEBUGGER_POINTS_MAX];
	unsigned nr_points;
	uint64_t range_start, range_end; /* of the one that steps in it; none: both 0 */
};

int machine_debugger_open(struct machine *machine, const char *where, struct error *err);
void machine_debugger_close(struct machine *machine);
/* A vcpu has met a breakpoint, or done its step. */
void machine_debugger_look(struct machine *machine);
/* Memory as if no breakpoint was in it, for a snapshot, and back; all vcpus stand. */
void machine_debugger_hide(struct machine *machine);
void machine_debugger_put(struct machine *machine);
/* The machine has begun anew; all vcpus stand. */
void machine_debugger_restarted(struct machine *machine);
/* The machine has ended. */
void machine_debugger_end(struct machine *machine);
