/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - writing a device tree (Devicetree Specification 0.4), node by node from the top.
 *
 * The first failure is kept and everything after it does nothing, so that who describes a device
 * need not check; machine_tree_finish() tells.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct machine_tree {
	void *blob;
	int failure; /* of libfdt; 0: none */
};

int machine_tree_open(struct machine_tree *tree, struct error *err);
/* The blob is the caller's, to be freed. */
int machine_tree_finish(
	struct machine_tree *tree, void **ret_blob, size_t *ret_size, struct error *err);
void machine_tree_close(struct machine_tree *tree);
/* Memory ran out while somebody made a value. */
void machine_tree_fail(struct machine_tree *tree);

/* "name", or "name@address". */
void tree_node(struct machine_tree *tree, const char *name);
void tree_node_at(struct machine_tree *tree, const char *name, uint64_t address);
void tree_end(struct machine_tree *tree);

void tree_flag(struct machine_tree *tree, const char *name);
void tree_u32(struct machine_tree *tree, const char *name, uint32_t value);
void tree_u64(struct machine_tree *tree, const char *name, uint64_t value);
void tree_cells(struct machine_tree *tree, const char *name, const uint32_t *cells, size_t count);
void tree_string(struct machine_tree *tree, const char *name, const char *value);
/* Several, each with its NUL: "a\0b" for two. */
void tree_strings(struct machine_tree *tree, const char *name, const char *values, size_t size);
void tree_bytes(struct machine_tree *tree, const char *name, const void *bytes, size_t size);
/* "reg", of one range, with two cells each for address and size. */
void tree_reg(struct machine_tree *tree, uint64_t start, uint64_t size);

#define TREE_STRINGS(tree, name, values) tree_strings(tree, name, values, sizeof(values))
