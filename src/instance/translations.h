/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translations.h - translated code that is kept from one instance to the next, in
 * ROOT/translations.
 *
 * All processes of a run, and those that join it, tell in one list what they have translated: a
 * monitor has it (translations_open()), an exec asks for it (translations_join()). Whoever has seen
 * a process end hands on what was written by then.
 */
#pragma once

#include "instance/instance.h"

/* Nothing is in it (all zero) when the instance's programs are not translated. */
struct translations {
	char *folder;
	int list_fd; /* only if there is a folder; -1: there is none */
	int64_t handed_on; /* bytes of the list that have been, or are somebody else's to hand on */
};

/* A list for a run, if there is not one yet. */
void translations_open(const struct instance *instance, struct translations *translations);
/* That of the running instance. */
void translations_join(const struct instance *instance, struct translations *translations);
void translations_close(struct translations *translations);
#define _cleanup_translations_ _cleanup_(translations_close)

/* The list's descriptor, or -1. */
int translations_list(const struct translations *translations);

/* Let a container take translated code, and tell of more. */
void translations_offer(
	const struct translations *translations, struct container_spawn_options *options);

/* Have translated again what the list names, if there is more than before, by a process that nobody
 * waits for. */
void translations_keep(const struct instance *instance, struct translations *translations);

struct translations_usage {
	size_t files;
	uint64_t bytes;
};

/* What is kept in the store at root. */
int translations_measure(const char *root, struct translations_usage *ret, struct error *err);
/* Remove it, but for what is being made; *ret is what is gone, also when not all of it is. */
int translations_remove_all(const char *root, struct translations_usage *ret, struct error *err);
