/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure.h - a host that is short of memory gets back what its machines have and do not need.
 *
 * Free pages come back by themselves (virtio 1.2 §5.5.6.7); this is about those that a guest has
 * something in that it can read again, which it gives up only when it is asked to.
 */
#pragma once

#include "machine/internal.h"

/* --- pressure-policy.c: what is to be done; looks at nothing but its arguments ---------------- */

/* How the host is. */
struct pressure_host {
	unsigned stalled; /* hundredths of a percent of the last 10 s; of a host that tells */
	bool has_stalled;
	uint64_t available_bytes, total_bytes; /* 0: it does not tell */
};

#define PRESSURE_NOT_TOLD UINT64_MAX

/* From /proc/pressure/memory, and from /proc/meminfo; false: there is no such number. */
bool pressure_parse_stalled(const char *text, struct pressure_host *ret);
bool pressure_parse_available(const char *text, struct pressure_host *ret);

bool pressure_is_short(const struct pressure_host *host);
/* Once each period: state->taken_bytes becomes what it is to be from now on. `guest_available` is
 * what the guest has without taking from anybody, in bytes, or PRESSURE_NOT_TOLD; `memory_bytes`
 * the machine's less what its owner has taken. */
void pressure_decide(struct pressure_state *state, const struct pressure_host *host,
	uint64_t guest_available, uint64_t memory_bytes);

/* --- pressure.c ------------------------------------------------------------------------------- */

/* Open what the host tells by, before the process gives up its rights. */
void machine_open_pressure(struct machine *machine);
void machine_close_pressure(struct machine *machine);
/* From now on the host is looked at. */
void machine_watch_pressure(struct machine *machine);
/* So much of the machine's memory its owner wants back, whatever the host is like. */
void machine_ask_balloon(struct machine *machine, uint64_t bytes);
