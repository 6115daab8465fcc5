/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c - libfdt's sequential writer, with one place for errors.
 */
#include "machine/tree.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#define TREE_BYTES (128u << 10) /* a command line of 64 KiB among it */
#define NAME_MAX_  64

int machine_tree_open(struct machine_tree *tree, struct error *err)
{
	*tree = (struct machine_tree){ .blob = malloc(TREE_BYTES) };
	if (!tree->blob)
		return error_oom(err);
	tree->failure = fdt_create(tree->blob, TREE_BYTES);
	if (tree->failure == 0)
		tree->failure = fdt_finish_reservemap(tree->blob);
	return 0;
}

int machine_tree_finish(
	struct machine_tree *tree, void **ret_blob, size_t *ret_size, struct error *err)
{
	if (tree->failure == 0)
		tree->failure = fdt_finish(tree->blob);
	if (tree->failure)
		return error_set(err, ENOSPC, "cannot write the device tree: %s",
			fdt_strerror(tree->failure));
	*ret_size = fdt_totalsize(tree->blob);
	*ret_blob = steal_ptr(&tree->blob);
	return 0;
}

void machine_tree_close(struct machine_tree *tree)
{
	free(tree->blob);
	tree->blob = NULL;
}

static void keep(struct machine_tree *tree, int failure)
{
	if (tree->failure == 0)
		tree->failure = failure;
}

void machine_tree_fail(struct machine_tree *tree)
{
	keep(tree, -FDT_ERR_NOSPACE);
}

void tree_node(struct machine_tree *tree, const char *name)
{
	if (tree->failure == 0)
		keep(tree, fdt_begin_node(tree->blob, name));
}

void tree_node_at(struct machine_tree *tree, const char *name, uint64_t address)
{
	char full[NAME_MAX_];

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)address);
	tree_node(tree, full);
}

void tree_end(struct machine_tree *tree)
{
	if (tree->failure == 0)
		keep(tree, fdt_end_node(tree->blob));
}

void tree_bytes(struct machine_tree *tree, const char *name, const void *bytes, size_t size)
{
	if (size > TREE_BYTES)
		keep(tree, -FDT_ERR_NOSPACE);
	if (tree->failure == 0)
		keep(tree, fdt_property(tree->blob, name, bytes, (int)size));
}

void tree_flag(struct machine_tree *tree, const char *name)
{
	tree_bytes(tree, name, NULL, 0);
}

void tree_u32(struct machine_tree *tree, const char *name, uint32_t value)
{
	tree_cells(tree, name, &value, 1);
}

void tree_u64(struct machine_tree *tree, const char *name, uint64_t value)
{
	tree_cells(tree, name, (uint32_t[]){ (uint32_t)(value >> 32), (uint32_t)value }, 2);
}

void tree_cells(struct machine_tree *tree, const char *name, const uint32_t *cells, size_t count)
{
	void *to;

	if (count > TREE_BYTES / sizeof(*cells))
		keep(tree, -FDT_ERR_NOSPACE);
	if (tree->failure == 0)
		keep(tree,
			fdt_property_placeholder(
				tree->blob, name, (int)(count * sizeof(*cells)), &to));
	for (size_t i = 0; tree->failure == 0 && i < count; i++) {
		uint32_t cell = cpu_to_fdt32(cells[i]);

		memcpy((uint8_t *)to + i * sizeof(cell), &cell, sizeof(cell));
	}
}

void tree_string(struct machine_tree *tree, const char *name, const char *value)
{
	tree_bytes(tree, name, value, strlen(value) + 1);
}

void tree_strings(struct machine_tree *tree, const char *name, const char *values, size_t size)
{
	tree_bytes(tree, name, values, size);
}

void tree_reg(struct machine_tree *tree, uint64_t start, uint64_t size)
{
	const uint32_t cells[] = { (uint32_t)(start >> 32), (uint32_t)start, (uint32_t)(size >> 32),
		(uint32_t)size };

	tree_cells(tree, "reg", cells, 4);
}
