/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.c - `port`, and what else is shown of published ports. They were checked when the instance
 * was made; one that cannot be read is not shown.
 */
#include "front/cli/ports.h"

#include <stdio.h>

#include "front/cli/each.h"
#include "front/cli/verbs.h"
#include "instance/network.h"

struct port {
	char address[NETWORK_ADDRESS_TEXT];
	bool is_ipv6, is_everywhere;
	unsigned host; /* 0: any */
	char guest[16]; /* "80/tcp" */
};

static bool parse(const char *text, struct port *ret)
{
	static const struct network_address any = { .family = AF_INET };
	struct network_port port;

	if (network_port_parse(text, &port, NULL) < 0)
		return false;
	if (!port.address.family)
		port.address = any;
	ret->is_ipv6 = port.address.family == AF_INET6;
	ret->is_everywhere = network_address_equal(&port.address, &any);
	ret->host = port.host;
	snprintf(ret->guest, sizeof(ret->guest), "%u/%s", port.guest,
		network_protocol_name(port.protocol));
	network_address_format(ret->address, &port.address);
	return true;
}

/* "127.0.0.1:8080", "[::1]:8080" */
static void append_host(struct str *out, const struct port *port)
{
	str_appendf(out, port->is_ipv6 ? "[%s]:%u" : "%s:%u", port->address, port->host);
}

char *ports_format(const struct instance *instance)
{
	_cleanup_strv_ char **ports = NULL;
	struct str out = { 0 };
	struct port port;

	instance_published_ports(instance, &ports, NULL);
	str_append(&out, "");
	strv_for_each (text, ports) {
		if (!parse(*text, &port))
			continue;
		if (out.len)
			str_append(&out, ", ");
		append_host(&out, &port);
		str_appendf(&out, "->%s", port.guest);
	}
	return str_finish(&out);
}

json_t *ports_json(char *const *ports, const char *everywhere)
{
	json_t *all = json_object(), *list;
	struct port port;

	strv_for_each (text, ports) {
		char number[8];

		if (!parse(*text, &port))
			continue;
		list = json_object_get(all, port.guest);
		if (!list) {
			list = json_array();
			json_object_set_new(all, port.guest, list);
		}
		snprintf(number, sizeof(number), "%u", port.host);
		json_array_append_new(list,
			json_pack("{s:s, s:s}", "HostIp",
				port.is_everywhere ? everywhere : port.address, "HostPort",
				port.host ? number : ""));
	}
	return all;
}

/* --- the verb --- */

/* `wanted` is "80", which is "80/tcp", or NULL: all. How many there were. */
static unsigned print_ports(char *const *ports, const char *wanted)
{
	unsigned count = 0;
	struct port port;

	strv_for_each (text, ports) {
		_cleanup_str_ struct str host = { 0 };

		if (!parse(*text, &port) || (wanted && !streq(wanted, port.guest)))
			continue;
		append_host(&host, &port);
		if (wanted)
			printf("%s\n", host.data);
		else
			printf("%s -> %s\n", port.guest, host.data);
		count++;
	}
	return count;
}

static int port_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	_cleanup_instance_ struct instance instance = { .dir_fd = -1 };
	struct instance_roots roots = cli_roots(cli);
	_cleanup_strv_ char **ports = NULL;
	_cleanup_free_ char *wanted = NULL;
	int r = instance_load(&roots, argv[0], &instance, err);

	if (r < 0)
		return r;
	if (instance.state.status != INSTANCE_RUNNING && instance.state.status != INSTANCE_PAUSED)
		return error_set(err, ESRCH, "instance %s is not running", argv[0]);
	if (argc > 1) {
		wanted = strchr(argv[1], '/') ? strdup(argv[1]) : strf("%s/tcp", argv[1]);
		if (!wanted)
			return error_oom(err);
	}
	r = instance_published_ports(&instance, &ports, err);
	if (r < 0)
		return r;
	if (!print_ports(ports, wanted) && wanted)
		return error_set(err, ENOENT, "no public port '%s' published for %s", wanted,
			instance.spec.name);
	return 0;
}

static const struct option no_options[] = { { OPTION_END } };

const struct verb verb_port = {
	.name = "port",
	.group = "Instances",
	.usage = "INSTANCE [PORT[/PROTOCOL]]",
	.summary = "Show which ports of the host lead into an instance",
	.options = no_options,
	.min_operands = 1,
	.max_operands = 2,
	.operand = COMPLETE_RUNNING,
	.run = port_main,
};
