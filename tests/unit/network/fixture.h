/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h - a store of networks in a folder of its own.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "network/network.h"

struct fixture {
	char root[64], run_root[80];
	struct network_roots roots;
};

static inline int fixture_open(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/strata-network-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->run_root, sizeof(f->run_root), "%s/run", f->root);
	f->roots = (struct network_roots){ f->root, f->run_root, false };
	*state = f;
	return 0;
}

static inline int fixture_close(void **state)
{
	struct fixture *f = *state;

	io_remove_tree(AT_FDCWD, f->root, NULL);
	free(f);
	return 0;
}

#define fixture_test(f) cmocka_unit_test_setup_teardown(f, fixture_open, fixture_close)
