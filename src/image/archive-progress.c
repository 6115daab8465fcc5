/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-progress.c - how far an import or a save is, for those that take a while.
 */
#include "base/clock.h"
#include "image/archive-file.h"

#define SILENT_NS INT64_C(1000000000) /* what is over sooner shows nothing */

static void tell(struct archive_step *step, const char *phase)
{
	struct image_progress *to = step->progress ? step->progress->to : NULL;

	if (!to || !to->update)
		return;
	if (!step->told && clock_monotonic_ns() - step->progress->started_ns < SILENT_NS)
		return;
	step->told = true;
	to->update(to, step->name, phase, step->done, step->total);
}

void archive_step_advance(struct archive_step *step, uint64_t bytes)
{
	step->done += bytes;
	tell(step, step->phase);
}

void archive_step_end(struct archive_step *step, const char *phase)
{
	if (step->told)
		tell(step, phase);
}
