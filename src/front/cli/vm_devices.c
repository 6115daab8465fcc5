/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_devices.c - "--net user,host=on", "--publish 8080:80", "--share src=/home/me/src:ro".
 */
#include "front/cli/vm_devices.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The word at *rest, which moves to the next. */
static char *next_word(char **rest)
{
	char *word = *rest, *comma = word ? strchr(word, ',') : NULL;

	if (comma)
		*comma++ = '\0';
	*rest = comma;
	return word;
}

/* The value of "KEY=VALUE", which becomes KEY; NULL: there is none. */
static char *cut_value(char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	return value;
}

static int parse_mac(const char *text, uint8_t mac[NET_MAC_BYTES], struct error *err)
{
	unsigned b[NET_MAC_BYTES];
	int length = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &length) != NET_MAC_BYTES ||
		text[length] || b[0] & 1)
		return error_set(err, EINVAL, "%s is no address of a network card", text);
	for (unsigned i = 0; i < NET_MAC_BYTES; i++)
		mac[i] = (uint8_t)b[i];
	return 0;
}

static int set_net_option(
	struct machine_net_config *net, char *word, const char *whole, struct error *err)
{
	const char *value = cut_value(word);
	int r;

	if (!value)
		r = error_set(err, EINVAL, "\"%s\" has no value", word);
	else if (streq(word, "mac"))
		r = parse_mac(value, net->mac, err);
	else if (net->tap || net->cable)
		r = error_set(err, EINVAL, "a %s has no option \"%s\"",
			net->tap ? "tap interface" : "switch", word);
	else
		r = net_user_set_option(&net->user, word, value, err);
	return r < 0 ? error_prefix(err, "--net %s", whole) : 0;
}

/* "user", "tap=NAME", "switch=SOCKET", each with options behind it. */
static int parse_net(char *text, struct machine_net_config *net, struct error *err)
{
	char *rest = text, *kind = next_word(&rest), *word;
	char *value = cut_value(kind);
	int r = 0;

	*net = (struct machine_net_config){ 0 };
	net_user_options_init(&net->user);
	if (streq(kind, "tap") && value)
		net->tap = value;
	else if (streq(kind, "switch") && value)
		net->cable = value;
	else if (!streq(kind, "user") || value)
		return error_set(err, EINVAL,
			"--net %s: a network is user, tap=INTERFACE, switch=SOCKET or none", kind);
	while (r == 0 && (word = next_word(&rest)))
		r = set_net_option(net, word, kind, err);
	return r;
}

static int parse_nets(
	struct vm_devices *d, char **texts, struct machine_config *config, struct error *err)
{
	static char user[] = "user", *standard[] = { user, NULL };
	char **nets = texts ? texts : standard;

	config->nets = d->nets;
	if (streq(nets[0], "none") && !nets[1])
		return 0;
	for (; *nets; nets++) {
		int r;

		if (config->nr_nets == VM_NETS_MAX)
			return error_set(err, EINVAL, "--net: at most %d of them", VM_NETS_MAX);
		r = parse_net(*nets, &d->nets[config->nr_nets], err);
		if (r < 0)
			return r;
		config->nr_nets++;
	}
	return 0;
}

/* They lead into the first user-mode network. */
static int parse_ports(
	struct vm_devices *d, char **ports, struct machine_config *config, struct error *err)
{
	struct machine_net_config *net = d->nets, *end = net + config->nr_nets;
	size_t count = strv_length(ports);

	while (net < end && (net->tap || net->cable))
		net++;
	if (count && net == end)
		return error_set(err, EINVAL, "--publish needs --net user");
	if (count > NET_FORWARDS_MAX)
		return error_set(err, EINVAL, "--publish: at most %d of them", NET_FORWARDS_MAX);
	for (size_t i = 0; i < count; i++) {
		int r = net_forward_parse(ports[i], &d->forwards[i], err);

		if (r < 0)
			return r;
	}
	if (count) {
		net->user.forwards = d->forwards;
		net->user.nr_forwards = count;
	}
	return 0;
}

static int parse_shares(
	struct vm_devices *d, char **shares, struct machine_config *config, struct error *err)
{
	size_t count = strv_length(shares);

	if (count > SHARES_MAX)
		return error_set(err, EINVAL, "--share: at most %d of them", SHARES_MAX);
	for (size_t i = 0; i < count; i++) {
		int r = share_parse(shares[i], &d->shares[i], err);

		if (r < 0)
			return error_prefix(err, "--share");
	}
	config->shares = d->shares;
	config->nr_shares = (unsigned)count;
	return 0;
}

int vm_devices_parse(struct vm_devices *d, char **nets, char **ports, char **shares,
	struct machine_config *config, struct error *err)
{
	int r = parse_nets(d, nets, config, err);

	if (r == 0)
		r = parse_ports(d, ports, config, err);
	return r < 0 ? r : parse_shares(d, shares, config, err);
}
