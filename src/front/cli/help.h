/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help.h - what --help prints.
 */
#pragma once

#include "front/cli/verb.h"

/* All verbs by group, or only those of the group word `prefix` ("image") when it is not NULL. */
void help_print_program(const char *program, const struct verb *const *verbs, const char *prefix);

void help_print_verb(const char *program, const struct verb *const *verbs, const struct verb *verb);

/* The verb whose name is nearest to a mistyped one, or NULL when none is near. */
const char *help_suggest(const struct verb *const *verbs, const char *typed);
