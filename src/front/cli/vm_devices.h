/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_devices.h - what a machine's options say of its networks and shared folders.
 */
#pragma once

#include "machine/machine.h"

#define VM_NETS_MAX 8

/* What the configuration of a machine points to. */
struct vm_devices {
	struct machine_net_config nets[VM_NETS_MAX];
	struct net_forward forwards[NET_FORWARDS_MAX];
	struct share shares[SHARES_MAX];
};

/* --net and --publish, --share, each NULL or a vector, whose strings are cut up and stay in use. */
int vm_devices_parse(struct vm_devices *devices, char **nets, char **ports, char **shares,
	struct machine_config *config, struct error *err);
