/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure-policy.c - when memory is taken from a guest for its host, how much, and when it has it
 * back.
 *
 *   host is short   take STEP of the memory each period, but leave the guest its reserve
 *   guest is short  (less than half of its reserve is left) give back what its reserve lacks, at
 *                   once, whatever the host is like
 *   host is easy    for NR_EASY periods: give back STEP each period
 *   in between      all stays as it is
 *
 * Between short and easy there is room, and between reserve and half of it, so that neither taking
 * nor giving back is what starts the other.
 */
#include "machine/pressure.h"

#include <stdio.h>
#include <string.h>

#define SHORT_STALLED	1000 /* 10 %: somebody waits for memory for so much of the time */
#define EASY_STALLED	100
#define SHORT_AVAILABLE 16 /* less than a sixteenth of the host's memory */
#define EASY_AVAILABLE	8
#define NR_EASY		6
#define STEP		16 /* of a machine's memory, in one period */
#define RESERVE		8 /* what a guest keeps for itself, of its memory, and at least: */
#define RESERVE_MIN	(UINT64_C(48) << 20)
#define TAKE_MIN	(UINT64_C(4) << 20) /* less than that is not worth a word */

/* --- what the host tells ---------------------------------------------------------------------- */

bool pressure_parse_stalled(const char *text, struct pressure_host *ret)
{
	unsigned whole, hundredths;

	/* Linux, Documentation/accounting/psi.rst */
	if (sscanf(text, "some avg10=%3u.%2u", &whole, &hundredths) != 2)
		return false;
	ret->stalled = whole * 100 + hundredths;
	ret->has_stalled = true;
	return true;
}

static bool parse_kib(const char *text, const char *name, uint64_t *ret_bytes)
{
	const char *at = strstr(text, name);
	unsigned long long kib;

	if (!at || sscanf(at + strlen(name), " %14llu kB", &kib) != 1)
		return false;
	*ret_bytes = kib << 10;
	return true;
}

bool pressure_parse_available(const char *text, struct pressure_host *ret)
{
	uint64_t total, available;

	if (!parse_kib(text, "MemTotal:", &total) || !parse_kib(text, "MemAvailable:", &available))
		return false;
	ret->total_bytes = total;
	ret->available_bytes = available;
	return true;
}

/* Either is enough: much that waits, or little that is left. */
bool pressure_is_short(const struct pressure_host *host)
{
	return (host->has_stalled && host->stalled >= SHORT_STALLED) ||
		host->available_bytes < host->total_bytes / SHORT_AVAILABLE;
}

static bool is_easy(const struct pressure_host *host)
{
	return (!host->has_stalled || host->stalled < EASY_STALLED) &&
		host->available_bytes >= host->total_bytes / EASY_AVAILABLE;
}

/* --- what is to be done ----------------------------------------------------------------------- */

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t reserve(uint64_t memory_bytes)
{
	uint64_t share = memory_bytes / RESERVE;

	return share > RESERVE_MIN ? share : RESERVE_MIN;
}

void pressure_decide(struct pressure_state *state, const struct pressure_host *host,
	uint64_t guest_available, uint64_t memory_bytes)
{
	const uint64_t keeps = reserve(memory_bytes), step = memory_bytes / STEP;
	const bool has_told = guest_available != PRESSURE_NOT_TOLD;
	uint64_t take;

	state->nr_easy = is_easy(host) ? state->nr_easy + 1 : 0;
	if (has_told && guest_available < keeps / 2) {
		state->taken_bytes -= min(state->taken_bytes, keeps - guest_available);
	} else if (pressure_is_short(host)) {
		if (!has_told || guest_available <= keeps)
			return;
		take = min(guest_available - keeps, step);
		if (take >= TAKE_MIN)
			state->taken_bytes = min(state->taken_bytes + take, memory_bytes - keeps);
	} else if (state->nr_easy > NR_EASY) {
		state->taken_bytes -= min(state->taken_bytes, step);
	}
}
