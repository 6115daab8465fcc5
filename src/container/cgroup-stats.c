/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-stats.c - what both kinds of hosts count alike, and the texts they tell it in. A file that
 * is not there leaves its numbers zero: few hosts have them all.
 */
#include "container/cgroup-stats.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
/* Text of one statistics file: a line for each device of a big machine. */
#define STATS_TEXT_MAX (1u << 20)

void cgroup_full_stats_free(struct cgroup_full_stats *stats)
{
	if (!stats)
		return;
	free(stats->cpu.percpu_ns);
	free(stats->cpu.percpu_kernel_ns);
	free(stats->cpu.percpu_user_ns);
	free(stats->cpuset.cpus);
	free(stats->cpuset.mems);
	for (size_t i = 0; i < stats->memory.nr_raw; i++)
		free(stats->memory.raw[i].name);
	free(stats->memory.raw);
	for (size_t i = 0; i < CGROUP_IO_TABLES; i++)
		free(stats->io[i].entries);
	free(stats->hugetlb);
	for (size_t i = 0; i < stats->nr_rdma; i++)
		free(stats->rdma[i].device);
	free(stats->rdma);
	*stats = (struct cgroup_full_stats){ 0 };
}

int cgroup_read_stats_text(const char *dir, const char *file, char **ret)
{
	char path[PATH_MAX];
	int r = cgroup_path_of(path, dir, "/", file);

	return r < 0 ? r : io_read_file(AT_FDCWD, path, STATS_TEXT_MAX, ret, NULL, NULL);
}

void cgroup_read_stats_number(const char *dir, const char *file, uint64_t *ret)
{
	char path[PATH_MAX];

	if (cgroup_path_of(path, dir, "/", file) == 0)
		(void)cgroup_read_number(path, ret);
}

/* One more element of `size` bytes at the end of a list; zeroed. */
static void *grow(void *list_address, size_t *count, size_t size)
{
	void *grown, **list = list_address;

	grown = reallocarray(*list, *count + 1, size);
	if (!grown)
		return NULL;
	*list = grown;
	return memset((char *)grown + (*count)++ * size, 0, size);
}

int cgroup_parse_numbers(const char *text, uint64_t **ret, size_t *ret_count)
{
	for (char *end; *text; text = end) {
		uint64_t *slot;
		const unsigned long long n = strtoull(text, &end, 10);

		if (end == text)
			break;
		slot = grow(ret, ret_count, sizeof(**ret));
		if (!slot)
			return -ENOMEM;
		*slot = n;
	}
	return 0;
}

/* "0-2,5\n" -> 0 1 2 5 */
int cgroup_parse_members(const char *text, uint16_t **ret, size_t *ret_count)
{
	uint8_t bits[CGROUP_SET_MAX / 8] = { 0 };

	if (*text == '\n' || cgroup_parse_set(text, bits, sizeof(bits)) < 0)
		return 0;
	for (unsigned i = 0; i < CGROUP_SET_MAX; i++) {
		uint16_t *slot;

		if (!(bits[i / 8] & 1u << (i % 8)))
			continue;
		slot = grow(ret, ret_count, sizeof(**ret));
		if (!slot)
			return -ENOMEM;
		*slot = (uint16_t)i;
	}
	return 0;
}

/* "anon 4096\nfile 0\n" */
int cgroup_parse_raw(const char *text, struct cgroup_named_number **ret, size_t *ret_count)
{
	for (const char *line = text; *line; line += *line == '\n') {
		const size_t n = strcspn(line, " \n");
		struct cgroup_named_number *one;

		if (line[n] == ' ' && n > 0) {
			one = grow(ret, ret_count, sizeof(*one));
			if (!one)
				return -ENOMEM;
			one->value = strtoull(line + n, NULL, 10);
			one->name = strndup(line, n);
			if (!one->name) {
				(*ret_count)--;
				return -ENOMEM;
			}
		}
		line += strcspn(line, "\n");
	}
	return 0;
}

int cgroup_push_io(
	struct cgroup_io_list *list, uint64_t major, uint64_t minor, const char *op, uint64_t value)
{
	struct cgroup_io_entry *entry = grow(&list->entries, &list->count, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->major = major;
	entry->minor = minor;
	entry->value = value;
	snprintf(entry->op, sizeof(entry->op), "%s", op);
	return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static void parse_psi_line(const char *text, const char *name, struct cgroup_psi_line *ret)
{
	const char *line = strstr(text, name);
	unsigned long long total;
	struct cgroup_psi_line one;

	if (line &&
		sscanf(line + strlen(name), " avg10=%lf avg60=%lf avg300=%lf total=%llu",
			&one.avg10, &one.avg60, &one.avg300, &total) == 4) {
		one.total_us = total;
		*ret = one;
	}
}

void cgroup_read_psi(const char *dir, const char *file, struct cgroup_psi *ret)
{
	_cleanup_free_ char *text = NULL;

	/* -EOPNOTSUPP: booted with psi=0. */
	if (cgroup_read_stats_text(dir, file, &text) < 0)
		return;
	ret->present = true;
	parse_psi_line(text, "some", &ret->some);
	parse_psi_line(text, "full", &ret->full);
}

/* "hugepages-2048kB" -> "2MB", as the files hugetlb.* are named. */
int cgroup_hugepage_name(const char *folder, char *buf, size_t size)
{
	const char *number = str_after_prefix(folder, "hugepages-");
	unsigned long kib;

	if (!number || sscanf(number, "%lukB", &kib) != 1)
		return -EINVAL;
	if (kib >= 1ul << 20)
		snprintf(buf, size, "%luGB", kib >> 20);
	else if (kib >= 1ul << 10)
		snprintf(buf, size, "%luMB", kib >> 10);
	else
		snprintf(buf, size, "%luKB", kib);
	return 0;
}

int cgroup_read_hugetlb(
	const char *dir, const char *usage, const char *max, struct cgroup_full_stats *stats)
{
	_cleanup_closedir_ DIR *d = opendir(HUGEPAGES_DIR);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		_cleanup_free_ char *text = NULL;
		char size[16], file[64];
		struct cgroup_hugetlb_stats *one;
		uint64_t current;

		if (cgroup_hugepage_name(e->d_name, size, sizeof(size)) < 0)
			continue;
		snprintf(file, sizeof(file), "hugetlb.%s.%s", size, usage);
		current = UINT64_MAX;
		cgroup_read_stats_number(dir, file, &current);
		if (current == UINT64_MAX)
			continue;
		one = grow(&stats->hugetlb, &stats->nr_hugetlb, sizeof(*one));
		if (!one)
			return -ENOMEM;
		one->usage = current;
		snprintf(one->size, sizeof(one->size), "%s", size);
		if (max) {
			snprintf(file, sizeof(file), "hugetlb.%s.%s", size, max);
			cgroup_read_stats_number(dir, file, &one->max);
			snprintf(file, sizeof(file), "hugetlb.%s.failcnt", size);
			cgroup_read_stats_number(dir, file, &one->failcnt);
			continue;
		}
		snprintf(file, sizeof(file), "hugetlb.%s.events", size);
		if (cgroup_read_stats_text(dir, file, &text) == 0)
			cgroup_parse_keyed(text, "max", &one->failcnt);
	}
	return 0;
}

/* "mlx4_0 hca_handle=2 hca_object=2000\n" */
int cgroup_read_rdma(const char *dir, struct cgroup_full_stats *stats)
{
	_cleanup_free_ char *text = NULL;

	if (cgroup_read_stats_text(dir, "rdma.current", &text) < 0)
		return 0;
	for (char *line = text, *next; line && *line; line = next) {
		unsigned long long handles, objects;
		struct cgroup_rdma_stats *one;
		char device[64];

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (sscanf(line, "%63s hca_handle=%llu hca_object=%llu", device, &handles,
			    &objects) != 3)
			continue;
		one = grow(&stats->rdma, &stats->nr_rdma, sizeof(*one));
		if (!one)
			return -ENOMEM;
		one->handles = handles;
		one->objects = objects;
		one->device = strdup(device);
		if (!one->device) {
			stats->nr_rdma--;
			return -ENOMEM;
		}
	}
	return 0;
}
