/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.h - instances that live in a namespace of another one (--network container:X).
 *
 * Pids do not last: what is kept, as an annotation of config.json, is the other's ID
 * ("strata.join.net=ID"); the path of its namespace is found out again at every start.
 */
#pragma once

#include "instance/instance.h"

#define INSTANCE_JOIN_PREFIX "strata.join."

/* Make `config` join a namespace of `other`, which must be running. */
int instance_join(struct container_config *config, enum container_namespace ns,
	struct instance *other, struct error *err);

/* Point every joined namespace of instance->config (loaded) to where it is now; called before each
 * start. -EINVAL when one of the others does not run. */
int instance_refresh_joins(struct instance *instance, struct error *err);
