/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.c - adapts container/ to the isolation contract.
 */
#include "isolation/isolation.h"

const struct isolation_ops isolation_container = {
	.name = "container",
};
