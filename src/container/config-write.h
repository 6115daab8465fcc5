/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-write.h - writing config.json: what its writers share. Private to config-write*.c.
 */
#pragma once

#include "container/config-fields.h"

/* The plain members of an object that has been begun. */
void config_write_fields(
	struct json_writer *w, enum config_object_id id, const struct container_config *c);

/* Whole objects. */
void config_write_process(struct json_writer *w, const struct container_config *c);
void config_write_resources(struct json_writer *w, const struct container_config *c);
