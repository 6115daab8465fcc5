/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_disks.c - --disk and --part of `vm run`.
 */
#include "front/cli/vm_disks.h"

#include <stdlib.h>

#include "base/str.h"

/* --- --disk FILE[,OPTION...] ----------------------------------------------------------------- */

static int set_readonly(struct machine_disk_config *disk, const char *value)
{
	disk->is_readonly = true;
	return 0;
}

static int set_direct(struct machine_disk_config *disk, const char *value)
{
	disk->is_direct = true;
	return 0;
}

static int set_format(struct machine_disk_config *disk, const char *value)
{
	return streq(value, "raw") ? 0 : -EINVAL;
}

static int set_iops(struct machine_disk_config *disk, const char *value)
{
	return parse_u64(value, UINT32_MAX, &disk->limits.requests_per_second);
}

static int set_bps(struct machine_disk_config *disk, const char *value)
{
	return parse_size_bytes(value, &disk->limits.bytes_per_second);
}

static const struct disk_option {
	const char *name;
	const char *value; /* what is wanted behind "="; NULL: nothing */
	int (*set)(struct machine_disk_config *disk, const char *value);
} options[] = {
	{ "readonly", NULL, set_readonly },
	{ "direct", NULL, set_direct },
	{ "format", "raw", set_format },
	{ "iops", "a number of requests a second", set_iops },
	{ "bps", "a number of bytes a second", set_bps },
};

static int set_option(
	struct machine_disk_config *disk, const char *text, const char *word, struct error *err)
{
	size_t length = strcspn(word, "=");
	const char *value = word[length] ? word + length + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct disk_option *o = &options[i];

		if (strlen(o->name) != length || strncmp(o->name, word, length) != 0)
			continue;
		if (!value != !o->value || o->set(disk, value) < 0)
			return error_set(err, EINVAL, "--disk %s: \"%s\": %s%s%s", text, word,
				o->name, o->value ? " wants " : " has no value",
				o->value ? o->value : "");
		return 0;
	}
	return error_set(err, EINVAL,
		"--disk %s: \"%s\" is none of readonly, direct, format=raw, iops=N, bps=BYTES (a comma in a name is written twice)",
		text, word);
}

/* A comma of the file's own name is written twice. What follows the name, or NULL. */
static char *cut_name(char *text)
{
	char *from = text, *to = text, *rest;

	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	rest = *from ? from + 1 : NULL;
	*to = '\0';
	return rest;
}

static int parse_disk(char *text, struct machine_disk_config *ret, struct error *err)
{
	char *word = cut_name(text);

	*ret = (struct machine_disk_config){ .path = text };
	for (char *next; word; word = next) {
		int r;

		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		r = set_option(ret, text, word, err);
		if (r < 0)
			return r;
	}
	return *text ? 0 : error_set(err, EINVAL, "--disk wants a file");
}

/* --- --part NAME=FILE ------------------------------------------------------------------------ */

static int parse_part(char *text, struct disk_file *ret, struct error *err)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text || !equals[1])
		return error_set(err, EINVAL, "--part %s: not NAME=FILE", text);
	*equals = '\0';
	*ret = (struct disk_file){ .path = equals + 1, .name = text };
	return 0;
}

/* --- both ------------------------------------------------------------------------------------ */

int vm_disks_parse(struct vm_disks *disks, char **texts, char **parts, struct error *err)
{
	size_t count = strv_length(texts), nr_parts = strv_length(parts);
	int r = 0;

	disks->disks = calloc(count + 1, sizeof(*disks->disks));
	disks->parts = calloc(nr_parts + 1, sizeof(*disks->parts));
	if (!disks->disks || !disks->parts)
		return error_oom(err);
	for (size_t i = 0; i < nr_parts && r == 0; i++)
		r = parse_part(parts[i], &disks->parts[i], err);
	if (nr_parts)
		disks->disks[disks->nr_disks++] = (struct machine_disk_config){
			.parts = disks->parts, .nr_parts = (unsigned)nr_parts, .is_readonly = true
		};
	for (size_t i = 0; i < count && r == 0; i++)
		r = parse_disk(texts[i], &disks->disks[disks->nr_disks++], err);
	return r;
}

void vm_disks_free(struct vm_disks *disks)
{
	free(disks->disks);
	free(disks->parts);
}
