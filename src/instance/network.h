/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - instances in networks.
 */
#pragma once

#include "instance/instance.h"
#include "network/network.h"

static inline struct network_roots instance_network_roots(const struct instance_roots *roots)
{
	return (struct network_roots){ roots->root, roots->run_root, roots->rootless };
}

/* The names of the instances that use a network: those that are in it, and those that will be when
 * they are started. NULL: none. */
int instance_network_users(const struct instance_roots *roots, const char *network_name,
	char ***ret, struct error *err);
