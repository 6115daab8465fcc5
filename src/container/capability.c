/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capability.c - capability names and sets (capabilities(7)).
 */
#include <linux/capability.h>

#include "container/container.h"

#define BIT(c) (UINT64_C(1) << (c))

uint64_t container_capabilities_default(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) | BIT(CAP_FOWNER) |
		BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) | BIT(CAP_SETGID) | BIT(CAP_SETUID) |
		BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) |
		BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) | BIT(CAP_AUDIT_WRITE);
}
