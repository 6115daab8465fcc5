/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fronts-scope.c - the helper program strata-scope:
 *
 *   strata-scope start [--user] [--slice SLICE] [--address ADDRESS] [--property NAME=VALUE]...
 *                      NAME.scope PID [DESCRIPTION]
 *   strata-scope set [--user] [--address ADDRESS] --property NAME=VALUE... NAME.scope
 *   strata-scope attach [--user] [--address ADDRESS] NAME.scope PID
 *   strata-scope stop [--user] [--address ADDRESS] NAME.scope
 *
 * puts a running process into a new transient, delegated scope of systemd, changes the scope's
 * properties, moves another process into it, and ends it. Called by monitors and by the systemd
 * driver of container/cgroup-unit.c, not by people; exit status 0 when it is done, 1 with one
 * sentence on stderr when it is not.
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
		"usage: strata-scope start|set|attach|stop [--user] [--slice SLICE] [--address ADDRESS]\n"
		"           [--property NAME=VALUE]... NAME.scope [PID [DESCRIPTION]]\n");
	return 2;
}

static const struct verb {
	const char *name;
	int (*run)(const struct scope_request *request, struct error *err);
	int operands_min, operands_max; /* the name among them */
} verbs[] = {
	{ "start", scope_start, 2, 3 },
	{ "set", scope_set, 1, 1 },
	{ "attach", scope_attach, 2, 2 },
	{ "stop", scope_stop, 1, 1 },
};

/* Options into the request; the index of the first operand, 0 when they are wrong. */
static int read_options(int argc, char **argv, struct scope_request *request)
{
	static const struct option options[] = {
		{ "user", no_argument, NULL, 'u' },
		{ "slice", required_argument, NULL, 's' },
		{ "address", required_argument, NULL, 'a' },
		{ "property", required_argument, NULL, 'p' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'u')
			request->user = true;
		else if (c == 's')
			request->slice = optarg;
		else if (c == 'a')
			request->address = optarg;
		else if (c != 'p' || strv_push(&request->properties, optarg) < 0)
			return 0;
	}
	return optind;
}

static int run_scope(int argc, char **argv)
{
	struct scope_request request = { .description = "strata instance" };
	_cleanup_strv_ char **properties = NULL;
	const struct verb *verb = NULL;
	struct error err = { 0 };
	uint64_t pid = 0;
	int first;

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++)
		if (streq(argv[1], verbs[i].name))
			verb = &verbs[i];
	if (!verb)
		return usage();
	argc--, argv++;
	first = read_options(argc, argv, &request);
	properties = request.properties;
	if (first == 0 || argc - first < verb->operands_min || argc - first > verb->operands_max)
		return usage();
	request.name = argv[first];
	if (!str_has_suffix(request.name, ".scope"))
		return usage();
	if (argc - first > 1 && (parse_u64(argv[first + 1], INT32_MAX, &pid) < 0 || pid == 0))
		return usage();
	request.pid = (pid_t)pid;
	if (argc - first > 2)
		request.description = argv[first + 2];
	if (verb->run(&request, &err) < 0) {
		fprintf(stderr, "strata-scope: %s\n", err.message);
		return 1;
	}
	return 0;
}

const struct front fronts[] = {
	{ "strata-scope", run_scope },
	{ 0 },
};
