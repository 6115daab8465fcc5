/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cpus.c - one process stays, the other makes room, and both are free again.
 */
#include "unit/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/cpus.h"

static void two_processes_get_two_cpus(void **state)
{
	struct cpus cpus;
	cpu_set_t now;
	int here;

	cpus_stay(&cpus);
	if (!cpus.divided) {
		print_message(
			"two_processes_get_two_cpus: there is one CPU only, or they are busy\n");
		cpus_make_room(&cpus); /* does nothing */
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_true(CPU_EQUAL(&now, &cpus.allowed));
		return;
	}
	here = sched_getcpu();
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_int_equal(CPU_COUNT(&now), 1);
	assert_true(CPU_ISSET((size_t)here, &now));
	cpus_make_room(&cpus);
	assert_int_not_equal(sched_getcpu(), here);
	cpus_roam(&cpus);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_true(CPU_EQUAL(&now, &cpus.allowed));
}

static void a_new_process_begins_where_it_was_made(void **state)
{
	struct cpus cpus;
	int here, status;
	pid_t pid;

	cpus_stay(&cpus);
	here = sched_getcpu();
	pid = fork();
	if (pid == 0)
		_exit(cpus.divided && sched_getcpu() != here);
	cpus_make_room(&cpus);
	cpus_roam(&cpus);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_processes_get_two_cpus),
		cmocka_unit_test(a_new_process_begins_where_it_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
