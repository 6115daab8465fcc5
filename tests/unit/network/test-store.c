/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-store.c - networks are made once, found by name and ID, never overlap, and go whole.
 */
#include "unit/test.h"

#include <sys/wait.h>

#include "unit/network/fixture.h"

#define LIST(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static void make(struct fixture *f, const char *name, const char *subnet)
{
	char **subnets = LIST(subnet);
	struct network_wish wish = { .name = name, .subnets = subnet ? subnets : NULL };
	struct network network;
	struct error err = { 0 };

	if (network_create(&f->roots, &wish, &network, &err) < 0)
		fail_msg("%s", err.message);
	network_free(&network);
}

static int try(struct fixture *f, const struct network_wish *wish, const char *expected)
{
	struct network network;
	struct error err = { 0 };
	int r = network_create(&f->roots, wish, &network, &err);

	assert_true(r < 0);
	if (!strstr(err.message, expected))
		fail_msg("\"%s\" does not say \"%s\"", err.message, expected);
	return r;
}

static void what_is_made_is_found(void **state)
{
	struct fixture *f = *state;
	char **labels = LIST("a=b"), **subnets = LIST("fd00:7::/64", "10.201.0.0/16");
	char **ranges = LIST("10.201.5.0/24"), **gateways = LIST("10.201.0.9");
	char **options = LIST("com.docker.network.driver.mtu=9000");
	struct network_wish wish = { .name = "web",
		.subnets = subnets,
		.ranges = ranges,
		.gateways = gateways,
		.labels = labels,
		.options = options,
		.internal = true };
	struct network made, found;
	char text[NETWORK_ADDRESS_TEXT], id[8];
	struct error err = { 0 };

	assert_int_equal(network_create(&f->roots, &wish, &made, &err), 0);
	snprintf(id, sizeof(id), "%.7s", made.id);
	assert_int_equal(network_load(&f->roots, id, &found, &err), 0);
	assert_string_equal(found.name, "web");
	assert_string_equal(found.id, made.id);
	assert_true(found.internal && found.ipv6);
	assert_int_equal(found.mtu, 9000);
	assert_int_equal(found.nr_subnets, 2);
	assert_string_equal(network_address_format(text, &found.subnets[0].gateway), "10.201.0.9");
	assert_string_equal(network_prefix_format(text, &found.subnets[0].range), "10.201.5.0/24");
	assert_string_equal(network_address_format(text, &found.subnets[1].gateway), "fd00:7::1");
	assert_int_equal(strlen(found.bridge), 15);
	assert_string_equal(found.labels[0], "a=b");
	network_free(&found);
	assert_int_equal(network_remove(&f->roots, &made, &err), 0);
	assert_int_equal(network_load(&f->roots, "web", &found, &err), -ENOENT);
	assert_string_equal(err.message, "no such network: web");
	assert_int_equal(network_remove(&f->roots, &made, &err), -ENOENT);
	network_free(&made);
}

static void clashes_are_named(void **state)
{
	struct fixture *f = *state;
	char **taken = LIST("10.201.128.0/17"), **host = LIST("127.0.0.0/24");
	char **twice = LIST("10.202.0.0/24", "10.203.0.0/24");
	char **small = LIST("10.202.0.0/31"), **free_one = LIST("10.202.0.0/24");
	char **other = LIST("10.203.0.1"), **option = LIST("colour=red");
	char **same = LIST("com.docker.network.bridge.name=br7");
	struct network three;

	make(f, "web", "10.201.0.0/16");
	assert_int_equal(
		try(f, &(struct network_wish){ .name = "web" }, "already exists"), -EEXIST);
	assert_int_equal(try(f, &(struct network_wish){ .name = "two", .subnets = taken },
				 "overlaps with that of network web"),
		-EADDRINUSE);
	try(f, &(struct network_wish){ .name = "two", .subnets = host }, "not for a network");
	try(f, &(struct network_wish){ .name = "two", .subnets = twice }, "given twice");
	try(f, &(struct network_wish){ .name = "two", .subnets = small }, "from 8 to 30 bits");
	try(f, &(struct network_wish){ .name = "two", .subnets = free_one, .gateways = other },
		"no matching subnet for gateway");
	try(f, &(struct network_wish){ .name = "two", .options = option },
		"unknown network option");
	try(f, &(struct network_wish){ .name = "host" }, "predefined host network");
	try(f, &(struct network_wish){ .name = "../etc" }, "invalid network name");
	make(f, "two", "10.202.0.0/24");
	assert_int_equal(
		network_create(&f->roots,
			&(struct network_wish){ .name = "three", .options = same }, &three, NULL),
		0);
	network_free(&three);
	try(f, &(struct network_wish){ .name = "four", .options = same }, "has the bridge br7");
}

static void the_default_is_made_when_it_is_used(void **state)
{
	struct fixture *f = *state;
	struct network one, two;
	struct network *list;
	size_t count;

	assert_int_equal(network_list(&f->roots, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	network_list_free(list, count);
	assert_int_equal(network_load(&f->roots, NETWORK_DEFAULT, &one, NULL), -ENOENT);
	assert_int_equal(network_load(&f->roots, "bridge", &one, NULL), 0);
	assert_int_equal(network_load(&f->roots, "default", &two, NULL), 0);
	assert_string_equal(one.name, NETWORK_DEFAULT);
	assert_string_equal(one.id, two.id);
	network_free(&one);
	network_free(&two);
}

/* Ten at once: every one gets a subnet of its own. */
static void many_makers_never_overlap(void **state)
{
	struct fixture *f = *state;
	struct network *list;
	size_t count;
	int status;

	for (int i = 0; i < 10; i++)
		if (fork() == 0) {
			char name[] = "net-x";
			struct network network;

			name[4] = (char)('0' + i);
			_exit(network_create(&f->roots,
				      &(struct network_wish){ .name = name, .ipv6 = true },
				      &network, NULL) < 0);
		}
	for (int i = 0; i < 10; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(network_list(&f->roots, &list, &count, NULL), 0);
	assert_int_equal(count, 10);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			for (size_t s = 0; s < 2; s++)
				assert_false(network_prefix_overlaps(
					&list[i].subnets[s].prefix, &list[k].subnets[s].prefix));
	network_list_free(list, count);
}

static void a_used_network_stays(void **state)
{
	struct fixture *f = *state;
	struct network_endpoint endpoint = { .mac = { 2 } };
	struct network network;
	struct error err = { 0 };

	memset(endpoint.id, 'a', NETWORK_ID_LEN);
	make(f, "web", NULL);
	assert_int_equal(network_load(&f->roots, "web", &network, NULL), 0);
	assert_int_equal(network_endpoint_save(&f->roots, "web", &endpoint, &err), 0);
	assert_int_equal(network_remove(&f->roots, &network, &err), -EBUSY);
	assert_non_null(strstr(err.message, "has active endpoints"));
	network_endpoint_remove(&f->roots, "web", endpoint.id);
	assert_int_equal(network_remove(&f->roots, &network, &err), 0);
	network_free(&network);
}

static void endpoints_come_back_as_they_were(void **state)
{
	struct fixture *f = *state;
	char **ports = LIST("0.0.0.0:8080:80/tcp"), **aliases = LIST("db");
	char instance[] = "web", hostname[] = "host";
	struct network_endpoint endpoint = { .instance = instance,
		.hostname = hostname,
		.aliases = aliases,
		.ports = ports,
		.mac = { 2, 66, 0, 0, 0, 1 },
		.link = "ve1",
		.inside = "eth0" };
	_cleanup_strv_ char **names = NULL;
	struct network_endpoint again;

	memset(endpoint.id, 'b', NETWORK_ID_LEN);
	assert_int_equal(network_address_parse("10.1.2.3", &endpoint.ip), 0);
	make(f, "one", NULL);
	make(f, "two", NULL);
	assert_int_equal(network_endpoint_save(&f->roots, "two", &endpoint, NULL), 0);
	assert_int_equal(
		network_endpoint_load(&f->roots, "one", endpoint.id, &again, NULL), -ENOENT);
	assert_int_equal(network_endpoint_load(&f->roots, "two", endpoint.id, &again, NULL), 0);
	assert_string_equal(again.instance, "web");
	assert_string_equal(again.aliases[0], "db");
	assert_string_equal(again.ports[0], "0.0.0.0:8080:80/tcp");
	assert_true(network_address_equal(&again.ip, &endpoint.ip));
	assert_int_equal(again.ip6.family, 0);
	assert_memory_equal(again.mac, endpoint.mac, NETWORK_MAC_BYTES);
	network_endpoint_free(&again);
	assert_int_equal(network_names_of(&f->roots, endpoint.id, &names, NULL), 0);
	assert_int_equal(strv_length(names), 1);
	assert_string_equal(names[0], "two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_is_made_is_found),
		fixture_test(clashes_are_named),
		fixture_test(the_default_is_made_when_it_is_used),
		fixture_test(many_makers_never_overlap),
		fixture_test(a_used_network_stays),
		fixture_test(endpoints_come_back_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
