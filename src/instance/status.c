/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - the names of an instance's states, as Docker writes them.
 */
#include "instance/instance.h"

#include <assert.h>

static const char *const names[] = {
	[INSTANCE_CREATED] = "created",
	[INSTANCE_RUNNING] = "running",
	[INSTANCE_PAUSED] = "paused",
	[INSTANCE_RESTARTING] = "restarting",
	[INSTANCE_REMOVING] = "removing",
	[INSTANCE_EXITED] = "exited",
	[INSTANCE_DEAD] = "dead",
};
static_assert(ARRAY_SIZE(names) == INSTANCE_STATUS_COUNT, "every status has a name");

const char *instance_status_name(enum instance_status status)
{
	return names[status];
}
