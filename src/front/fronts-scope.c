/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-scope.c - the helper program strata-scope:
 *
 *   strata-scope [--user] [--slice SLICE] [--address ADDRESS] NAME.scope PID [DESCRIPTION]
 *
 * puts a running process into a transient, delegated scope of systemd. Called by
 * monitors, not by people; exit status 0 when the process is in the scope, 1 with one sentence on
 * stderr when not.
 */
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"
#include "front/front.h"
#include "front/scope/scope.h"

static int usage(void)
{
	fprintf(stderr,
		"usage: strata-scope [--user] [--slice SLICE] [--address ADDRESS] NAME.scope PID "
		"[DESCRIPTION]\n");
	return 2;
}

static int run_scope(int argc, char **argv)
{
	static const struct option options[] = {
		{ "user", no_argument, NULL, 'u' },
		{ "slice", required_argument, NULL, 's' },
		{ "address", required_argument, NULL, 'a' },
		{ 0 },
	};
	struct scope_request request = { 0 };
	struct error err = { 0 };
	uint64_t pid;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'u')
			request.user = true;
		else if (c == 's')
			request.slice = optarg;
		else if (c == 'a')
			request.address = optarg;
		else
			return usage();
	}
	if (argc - optind < 2 || argc - optind > 3)
		return usage();
	request.name = argv[optind];
	if (!str_has_suffix(request.name, ".scope") ||
		parse_u64(argv[optind + 1], INT32_MAX, &pid) < 0 || pid == 0)
		return usage();
	request.pid = (pid_t)pid;
	request.description = argc - optind == 3 ? argv[optind + 2] : "strata instance";
	if (scope_start(&request, &err) < 0) {
		fprintf(stderr, "strata-scope: %s\n", err.message);
		return 1;
	}
	return 0;
}

const struct front fronts[] = {
	{ "strata-scope", run_scope },
	{ 0 },
};
