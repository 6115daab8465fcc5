/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-lease.c - no address is ever given twice: not to two takers at once, and not after one was
 * killed; what the dead had is taken over, and what the living have is not.
 */
#include "unit/test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "unit/network/fixture.h"

/* An instance of this number; IDs are 64 digits. */
static void set_id(char id[NETWORK_ID_LEN + 1], unsigned number)
{
	snprintf(id, NETWORK_ID_LEN + 1, "%064x", number);
}

/* Those below `dead_below` are dead. */
static bool is_alive(void *context, const char *id)
{
	return strtoul(id + NETWORK_ID_LEN - 8, NULL, 16) >= *(unsigned *)context;
}

static unsigned dead_below;

static int take(struct fixture *f, const struct network *network, unsigned number,
	const char *wanted, struct network_address *ret, struct error *err)
{
	char id[NETWORK_ID_LEN + 1];
	struct network_lease_request request = {
		.id = id, .is_alive = is_alive, .context = &dead_below
	};

	set_id(id, number);
	if (wanted)
		assert_int_equal(network_address_parse(wanted, &request.wanted), 0);
	return network_lease_take(&f->roots, network, &network->subnets[0], &request, ret, err);
}

static void make(struct fixture *f, const char *subnet, const char *range, struct network *ret)
{
	char *subnets[] = { (char *)subnet, NULL }, *ranges[] = { (char *)range, NULL };
	struct network_wish wish = {
		.name = "pool", .subnets = subnets, .ranges = range ? ranges : NULL
	};
	struct error err = { 0 };

	dead_below = 0;
	if (network_create(&f->roots, &wish, ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect(struct fixture *f, const struct network *network, unsigned number,
	const char *wanted, const char *expected)
{
	char text[NETWORK_ADDRESS_TEXT];
	struct network_address address;
	struct error err = { 0 };

	if (take(f, network, number, wanted, &address, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(network_address_format(text, &address), expected);
}

static void release(struct fixture *f, unsigned number, const char *text)
{
	struct network_address address;
	char id[NETWORK_ID_LEN + 1];

	set_id(id, number);
	assert_int_equal(network_address_parse(text, &address), 0);
	network_lease_release(&f->roots, "pool", &address, id);
}

static void the_lowest_free_one_is_given(void **state)
{
	struct fixture *f = *state;
	_cleanup_network_ struct network network = { 0 };
	struct network_address address;
	struct error err = { 0 };

	make(f, "10.77.0.0/29", NULL, &network);
	expect(f, &network, 1, NULL, "10.77.0.2"); /* .1 is the gateway */
	expect(f, &network, 2, "10.77.0.4", "10.77.0.4");
	expect(f, &network, 3, NULL, "10.77.0.3");
	expect(f, &network, 4, NULL, "10.77.0.5");
	release(f, 3, "10.77.0.3");
	release(f, 3, "10.77.0.5"); /* not its own */
	expect(f, &network, 5, NULL, "10.77.0.3");
	expect(f, &network, 6, NULL, "10.77.0.6"); /* .7 is broadcast */
	assert_int_equal(take(f, &network, 7, NULL, &address, &err), -ENOSPC);
	assert_string_equal(
		err.message, "network pool has no free address: all of 10.77.0.0/29 are in use");
	/* Instance 1 is gone. */
	dead_below = 2;
	expect(f, &network, 7, NULL, "10.77.0.2");
	assert_int_equal(take(f, &network, 8, NULL, &address, &err), -ENOSPC);
}

static void a_wanted_one_is_given_or_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_network_ struct network network = { 0 };
	struct network_address address;
	struct error err = { 0 };
	static const char *const bad[] = { "10.77.0.0", "10.77.0.1", "10.77.0.255", "10.78.0.2" };

	make(f, "10.77.0.0/24", "10.77.0.128/30", &network);
	expect(f, &network, 1, NULL, "10.77.0.128");
	expect(f, &network, 2, "10.77.0.9",
		"10.77.0.9"); /* outside of the range, as Docker has it */
	assert_int_equal(take(f, &network, 3, "10.77.0.9", &address, &err), -EADDRINUSE);
	assert_string_equal(err.message,
		"network pool: the address 10.77.0.9 is in use by instance 000000000000");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(take(f, &network, 3, bad[i], &address, &err), -ERANGE);
	expect(f, &network, 2, "10.77.0.9", "10.77.0.9"); /* its own, after a crash */
	dead_below = 3;
	expect(f, &network, 3, "10.77.0.9", "10.77.0.9");
}

static void ipv6_counts_likewise(void **state)
{
	struct fixture *f = *state;
	_cleanup_network_ struct network network = { 0 };
	struct network_lease_request request = { .is_alive = is_alive, .context = &dead_below };
	char id[NETWORK_ID_LEN + 1], text[NETWORK_ADDRESS_TEXT];
	struct network_address address;

	make(f, "fd00:77::/64", NULL, &network);
	set_id(id, 1);
	request.id = id;
	assert_int_equal(network.nr_subnets, 2);
	assert_int_equal(network_lease_take(&f->roots, &network, &network.subnets[1], &request,
				 &address, NULL),
		0);
	assert_string_equal(network_address_format(text, &address), "fd00:77::2");
	network_lease_release_all(&f->roots, "pool", id);
	set_id(id, 2);
	assert_int_equal(network_lease_take(&f->roots, &network, &network.subnets[1], &request,
				 &address, NULL),
		0);
	assert_string_equal(network_address_format(text, &address), "fd00:77::2");
}

/* --- races ------------------------------------------------------------------------------------ */

#define RACERS 4

/* Who believes to have which address: a place for each address, written by whoever got it. */
struct board {
	unsigned holders[256];
	unsigned clashes;
};

/* Take and give back, as a new instance each time, until killed or through with it. */
static void race(struct fixture *f, const struct network *network, struct board *board,
	unsigned racer, unsigned rounds)
{
	for (unsigned i = 1; i <= rounds; i++) {
		unsigned number = 0x10000 * (racer + 1) + i, nobody = 0;
		struct network_address address;
		char id[NETWORK_ID_LEN + 1];
		unsigned *place;

		if (take(f, network, number, NULL, &address, NULL) < 0)
			_exit(1);
		place = &board->holders[address.bytes[3]];
		if (!__atomic_compare_exchange_n(
			    place, &nobody, number, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			__atomic_add_fetch(&board->clashes, 1, __ATOMIC_SEQ_CST);
		/* Every third keeps it. */
		if (i % 3 == 0)
			continue;
		__atomic_store_n(place, 0, __ATOMIC_SEQ_CST);
		set_id(id, number);
		network_lease_release(&f->roots, "pool", &address, id);
	}
	_exit(0);
}

static void takers_at_once_never_share(void **state)
{
	struct fixture *f = *state;
	_cleanup_network_ struct network network = { 0 };
	struct board *board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	make(f, "10.77.0.0/24", NULL, &network);
	for (unsigned i = 0; i < RACERS; i++)
		if (fork() == 0)
			race(f, &network, board, i, 150);
	for (unsigned i = 0; i < RACERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(board->clashes, 0);
	munmap(board, sizeof(*board));
}

/* Racers are killed wherever they are. Theirs is free then, all others' is not, and the pool has
 * lost nothing. */
static void the_killed_lose_theirs_and_nobody_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_network_ struct network network = { 0 };
	struct board *board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct network_address address;
	bool seen[256] = { 0 };
	unsigned given = 0;

	make(f, "10.77.0.0/24", NULL, &network);
	expect(f, &network, 0x900000, NULL, "10.77.0.2");
	for (unsigned i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (pid == 0)
			race(f, &network, board, i, 1000000);
		/* Once it has begun; where it is then is up to the scheduler. */
		while (!__atomic_load_n(&board->holders[3], __ATOMIC_SEQ_CST) &&
			!__atomic_load_n(&board->holders[4], __ATOMIC_SEQ_CST) &&
			waitpid(pid, NULL, WNOHANG) == 0)
			;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		memset(board->holders, 0, sizeof(board->holders));
		dead_below = 0x10000 * (i + 2);
	}
	dead_below = 0x900000;
	while (take(f, &network, 0x900001 + given, NULL, &address, NULL) == 0) {
		assert_false(seen[address.bytes[3]]);
		assert_int_not_equal(address.bytes[3], 2);
		seen[address.bytes[3]] = true;
		given++;
	}
	assert_int_equal(
		given, 252); /* 256 without network, gateway, broadcast and the living one */
	munmap(board, sizeof(*board));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(the_lowest_free_one_is_given),
		fixture_test(a_wanted_one_is_given_or_refused),
		fixture_test(ipv6_counts_likewise),
		fixture_test(takers_at_once_never_share),
		fixture_test(the_killed_lose_theirs_and_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
