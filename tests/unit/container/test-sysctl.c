/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sysctl.c - which kernel parameters a container may set.
 */
#include "unit/test.h"

#include <string.h>

#include "container/internal.h"

static void only_what_is_the_containers_own(void **state)
{
	static const struct {
		const char *name;
		enum container_namespace own;
		const char *path; /* it is joined */
		const char *sentence; /* NULL: it may be set */
	} cases[] = {
		{ "net.ipv4.ip_forward", CONTAINER_NS_NETWORK, NULL, NULL },
		{ "net.ipv4.conf.eth0/1.rp_filter", CONTAINER_NS_NETWORK, NULL, NULL },
		{ "net/ipv4/conf/eth0.1/rp_filter", CONTAINER_NS_NETWORK, NULL, NULL },
		{ "net.ipv4.ip_forward", CONTAINER_NS_IPC, NULL, "whose net namespace" },
		{ "net.ipv4.ip_forward", CONTAINER_NS_NETWORK, "/proc/self/ns/net",
			"whose net namespace" },
		{ "net.ipv4.ip_forward", CONTAINER_NS_NETWORK, "/proc/self/ns/ipc", NULL },
		{ "fs.mqueue.msg_max", CONTAINER_NS_IPC, NULL, NULL },
		{ "kernel/shmmax", CONTAINER_NS_IPC, NULL, NULL },
		{ "kernel.shmmax2", CONTAINER_NS_IPC, NULL, "not kept per container" },
		{ "kernel.shm_rmid_forced", CONTAINER_NS_UTS, NULL, "whose ipc namespace" },
		{ "kernel.domainname", CONTAINER_NS_UTS, NULL, NULL },
		{ "kernel.hostname", CONTAINER_NS_UTS, NULL, "\"hostname\"" },
		{ "user.max_user_namespaces", CONTAINER_NS_USER, NULL, NULL },
		{ "user.max_user_namespaces", CONTAINER_NS_PID, NULL, "whose user namespace" },
		{ "vm.swappiness", CONTAINER_NS_NETWORK, NULL, "not kept per container" },
		{ "netx", CONTAINER_NS_NETWORK, NULL, "not kept per container" },
		{ "", CONTAINER_NS_NETWORK, NULL, "not a name" },
		{ "net.", CONTAINER_NS_NETWORK, NULL, "not a name" },
		{ "net..ipv4", CONTAINER_NS_NETWORK, NULL, "not a name" },
		{ "net/../kernel/shmmax", CONTAINER_NS_NETWORK, NULL, "not a name" },
		{ "net.//.kernel.core_pattern", CONTAINER_NS_NETWORK, NULL, "not a name" },
		{ "/net/ipv4", CONTAINER_NS_NETWORK, NULL, "not a name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_key_value sysctl = { (char *)(uintptr_t)cases[i].name, NULL };
		struct container_config config = { .sysctls = &sysctl, .nr_sysctls = 1 };
		struct error error = { 0 };
		int r;

		config.namespaces[cases[i].own] = (struct container_namespace_config){ true,
			(char *)(uintptr_t)cases[i].path };
		r = sysctl_check(&config, &error);
		if (r == 0 && cases[i].sentence)
			fail_msg("%s may be set", cases[i].name);
		if (r < 0 && !cases[i].sentence)
			fail_msg("%s may not be set: %s", cases[i].name, error.message);
		if (r < 0 && !strstr(error.message, cases[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].name, error.message,
				cases[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_the_containers_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
