/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.h - a transient scope of systemd around a running process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct scope_request {
	const char *name; /* "strata-ID.scope" */
	const char *description;
	const char *slice; /* NULL: the manager's default */
	pid_t pid;
	bool user; /* the user's manager, not the system's */
	char **properties; /* more of them: NAME=VALUE, see variant.h */
	const char
		*address; /* NULL: find it; else a D-Bus address that the manager itself answers */
};

/* Ask for the scope and wait until the process is in it. */
int scope_start(const struct scope_request *request, struct error *err);

/* Give a scope that is there the request's properties. */
int scope_set(const struct scope_request *request, struct error *err);

/* Move the process into a scope that is there. */
int scope_attach(const struct scope_request *request, struct error *err);

/* End it and whatever is in it, and wait until it is gone. One that is not there is fine. */
int scope_stop(const struct scope_request *request, struct error *err);
