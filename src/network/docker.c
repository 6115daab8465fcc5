/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker.c - beside Docker, whose rules drop what the host forwards for others.
 *
 * Docker lets everybody say more in its chain DOCKER-USER, which comes before its own rules and
 * which it leaves alone. Two rules of ours there, marked by a comment, let a network's packets
 * pass; what they may do is decided by the network's own table, where a drop is final. The chain
 * belongs to iptables(8), of whichever kind Docker uses, so that program changes it. Without the
 * chain, or the program, there is nothing to do.
 */
#include "network/keep.h"

#include "base/process.h"

#define COMMENT "strata"

static bool run(const char *program, const char *action, const char *side, const char *bridge)
{
	const char *argv[] = { program, "-w", "5", action, "DOCKER-USER", side, bridge, "-m",
		"comment", "--comment", COMMENT, "-j", "ACCEPT", NULL };

	return process_run((char **)argv, NULL, NULL, NULL) == 0;
}

static bool has_chain(const char *program)
{
	const char *argv[] = { program, "-w", "5", "-n", "-L", "DOCKER-USER", NULL };

	return process_run((char **)argv, NULL, NULL, NULL) == 0;
}

static const char *const sides[] = { "-i", "-o" };

static const char *program_of(const struct network_subnet *subnet)
{
	return subnet->prefix.address.family == AF_INET ? "iptables" : "ip6tables";
}

void docker_let_pass(const struct network *network)
{
	for (size_t i = 0; i < network->nr_subnets; i++) {
		const char *program = program_of(&network->subnets[i]);

		if (!has_chain(program))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(sides); k++)
			if (!run(program, "-C", sides[k], network->bridge))
				run(program, "-I", sides[k], network->bridge);
	}
}

void docker_forget(const struct network *network)
{
	for (size_t i = 0; i < network->nr_subnets; i++) {
		const char *program = program_of(&network->subnets[i]);

		if (!has_chain(program))
			continue;
		/* One by one until there is none: two keepers may have come at once. */
		for (size_t k = 0; k < ARRAY_SIZE(sides); k++)
			while (run(program, "-D", sides[k], network->bridge))
				;
	}
}
