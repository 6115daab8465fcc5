/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume.h - directories that outlive the instances using them.
 *
 * On disk, ROOT/volumes/NAME/: _data/ is what gets mounted, volume.json says what is known about
 * it (created, labels, anonymous). A volume is made as .new-XXXX and renamed, removed as
 * .gone-XXXX: under its name it is always whole.
 *
 * Which instances use a volume is nowhere written down but in their config.json (a bind mount whose
 * source is the volume's _data), so that the two can never disagree.
 */
#pragma once

#include "instance/instance.h"

#define VOLUME_NAME_MAX 255

struct volume {
	char *name;
	char *path; /* ROOT/volumes/NAME/_data */
	char **labels; /* KEY=VALUE */
	int64_t created_ns;
	bool anonymous; /* made for an instance that gave no name */
};

void volume_free(struct volume *volume);
#define _cleanup_volume_ _cleanup_(volume_free)

/* Docker's names: [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most VOLUME_NAME_MAX bytes. */
bool volume_name_is_valid(const char *name);

/* Make it; one that exists is loaded (labels are then those it has). name NULL = an anonymous one
 * with a random name. */
int volume_create(const char *root, const char *name, char *const *labels, struct volume *ret,
	struct error *err);

/* -ENOENT: "no such volume: X". */
int volume_load(const char *root, const char *name, struct volume *ret, struct error *err);

/* All of them, by name; broken ones are skipped with a log_warning(). */
int volume_list(const char *root, struct volume **ret, size_t *ret_count, struct error *err);
void volume_list_free(struct volume *list, size_t count);

/* Names of the instances that mount it (NULL when none does). */
int volume_users(
	const struct instance_roots *roots, const char *name, char ***ret, struct error *err);

/* Remove it with all it holds. The caller has asked volume_users(); this does not. A missing one is
 * -ENOENT. */
int volume_remove(const char *root, const char *name, struct error *err);

/* The volume whose _data `path` is, or NULL: "ROOT/volumes/NAME/_data" -> NAME (owned by the
 * caller). For listing the mounts of an instance. */
char *volume_name_of_path(const char *root, const char *path);
