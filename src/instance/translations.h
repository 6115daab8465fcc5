/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translations.h - translated code that is kept from one instance to the next, in
 * ROOT/translations.
 */
#pragma once

#include "instance/instance.h"

/* The folder for container_spawn_options; NULL when the instance's programs are not translated, or
 * there is none to be had. To be freed. */
char *translations_folder(const struct instance *instance);

/* Where its processes tell what they have translated: a descriptor, or -1. */
int translations_open_list(void);

/* Have translated again what the list names, by a process that nobody waits for. */
void translations_keep(const struct instance *instance, int list_fd);
