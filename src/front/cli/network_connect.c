/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_connect.c - `network connect` and `disconnect`.
 */
#include "front/cli/each.h"
#include "front/cli/network.h"
#include "front/cli/verbs.h"
#include "instance/network.h"

/* --- connect --- */

struct connect_options {
	char **aliases;
	const char *ip, *ip6, *mac;
};

#define AT(member) offsetof(struct connect_options, member)

static const struct option connect_table[] = {
	{ OPTION_LIST, 0, "alias", AT(aliases), "NAME", "Another name for it there" },
	{ OPTION_STRING, 0, "ip", AT(ip), "ADDRESS", "Its IPv4 address there" },
	{ OPTION_STRING, 0, "ip6", AT(ip6), "ADDRESS", "Its IPv6 address there" },
	{ OPTION_STRING, 0, "mac-address", AT(mac), "MAC", "Its MAC address there" },
	{ OPTION_END },
};

static char *write_request(const struct connect_options *o, const char *network)
{
	struct str s = { 0 };

	str_appendf(&s, "name=%s", network);
	if (o->ip)
		str_appendf(&s, ",ip=%s", o->ip);
	if (o->ip6)
		str_appendf(&s, ",ip6=%s", o->ip6);
	if (o->mac)
		str_appendf(&s, ",mac-address=%s", o->mac);
	strv_for_each (alias, o->aliases)
		str_appendf(&s, ",alias=%s", *alias);
	return str_finish(&s);
}

static int connect_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_(network_request_free) struct network_request request = { 0 };
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	_cleanup_free_ char *text = write_request(options, argv[0]);
	const struct instance_roots roots = cli_roots(cli);
	int r = text ? network_request_parse(text, &request, err) : error_oom(err);

	if (r == 0)
		r = instance_load(&roots, argv[1], &instance, err);
	return r == 0 ? instance_network_connect(&instance, &request, err) : r;
}

const struct verb verb_network_connect = {
	.name = "network connect",
	.group = "Networks",
	.usage = "[OPTIONS] NETWORK INSTANCE",
	.summary = "Let an instance join a network",
	.help = "At once if it runs, and from then on whenever it is started. A machine joins when it\n"
		"is started next.\n"
		"\n"
		"Example:\n"
		"  strata network connect --alias db shop postgres",
	.options = connect_table,
	.options_size = sizeof(struct connect_options),
	.min_operands = 2,
	.max_operands = 2,
	.operand = COMPLETE_NETWORK,
	.run = connect_main,
};

/* --- disconnect --- */

struct disconnect_options {
	bool force;
};

static const struct option disconnect_table[] = {
	{ OPTION_FLAG, 'f', "force", offsetof(struct disconnect_options, force), NULL,
		"It is no failure when it is not in the network" },
	{ OPTION_END },
};

static int disconnect_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	const struct disconnect_options *o = options;
	const struct network_roots roots = network_cli_roots(cli);
	const struct instance_roots instances = cli_roots(cli);
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	_cleanup_network_ struct network network = { 0 };
	int r = network_find(&roots, argv[0], &network, err);

	if (r == 0)
		r = instance_load(&instances, argv[1], &instance, err);
	if (r < 0)
		return r;
	r = instance_network_disconnect(&instance, network.name, err);
	if (r == -ENOENT && o->force) {
		error_clear(err);
		return 0;
	}
	return r;
}

const struct verb verb_network_disconnect = {
	.name = "network disconnect",
	.group = "Networks",
	.usage = "[OPTIONS] NETWORK INSTANCE",
	.summary = "Let an instance leave a network",
	.help = "Its ports that were published from there lead nowhere then.\n"
		"\n"
		"Example:\n"
		"  strata network disconnect shop postgres",
	.options = disconnect_table,
	.options_size = sizeof(struct disconnect_options),
	.min_operands = 2,
	.max_operands = 2,
	.operand = COMPLETE_NETWORK,
	.run = disconnect_main,
};
