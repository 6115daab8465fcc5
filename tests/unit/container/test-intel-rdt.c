/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-intel-rdt.c - classes of service, in a directory that looks like resctrl: few machines have
 * the real one. The kernel would put the files into a directory that is made; here they have to be
 * there, so a class that is made fails at its first file and must be gone again.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "container/intel-rdt.h"

static char root[] = "/tmp/strata-test-rdt-XXXXXX";

static const char *path(const char *name)
{
	static char buf[256];

	snprintf(buf, sizeof(buf), "%s/%s", root, name);
	return buf;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(
		io_replace_file(AT_FDCWD, path(name), 0600, text, strlen(text), IO_VOLATILE, NULL),
		0);
}

static char *get(const char *name)
{
	char *text = NULL;

	assert_int_equal(io_read_file(AT_FDCWD, path(name), 4096, &text, NULL, NULL), 0);
	return text;
}

static void make_class(const char *name, const char *schemata)
{
	char file[64];

	assert_int_equal(mkdir(path(name), 0755), 0);
	snprintf(file, sizeof(file), "%s/tasks", name);
	put(file, "");
	snprintf(file, sizeof(file), "%s/schemata", name);
	put(file, schemata);
}

static int setup(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	return io_remove_tree(AT_FDCWD, root, NULL);
}

static void a_class_that_is_named_is_joined(void **state)
{
	const struct container_intel_rdt rdt = { .wanted = true, .clos_id = (char[]){ "gold" } };
	struct error error = { 0 };
	char *text;

	assert_int_equal(intel_rdt_enter(root, &rdt, "id", 42, &error), -ENOENT);
	assert_non_null(strstr(error.message, "there is no class gold"));
	make_class("gold", "    MB:0=100\n");
	assert_int_equal(intel_rdt_enter(root, &rdt, "id", 42, &error), 0);
	text = get("gold/tasks");
	assert_string_equal(text, "42\n");
	free(text);
	intel_rdt_leave(root, &rdt, "id");
	assert_int_equal(access(path("gold"), F_OK), 0);
}

static void a_class_that_is_there_must_be_as_asked_for(void **state)
{
	char *lines[] = { (char[]){ "L2:0=f" }, NULL };
	struct container_intel_rdt rdt = { .wanted = true,
		.clos_id = (char[]){ "silver" },
		.l3_cache_schema = (char[]){ "L3:0=7f0;1=1f" },
		.memory_bandwidth_schema = (char[]){ "MB:0=20" },
		.schemata = lines };
	struct error error = { 0 };

	make_class("silver", "    MB:0=20\n    L3:0=7f0;1=1f\n    L2:0=f\n");
	assert_int_equal(intel_rdt_enter(root, &rdt, "id", 42, &error), 0);
	rdt.memory_bandwidth_schema = (char[]){ "MB:0=2" };
	assert_int_equal(intel_rdt_enter(root, &rdt, "id", 42, &error), -EINVAL);
	assert_non_null(strstr(error.message, "no line \"MB:0=2\""));
	assert_int_equal(access(path("silver"), F_OK), 0);
}

static void what_is_made_is_taken_away_after_a_failure(void **state)
{
	struct container_intel_rdt rdt = { .wanted = true,
		.memory_bandwidth_schema = (char[]){ "MB:0=20" } };
	struct error error = { 0 };

	assert_true(intel_rdt_enter(root, &rdt, "made", 42, &error) < 0);
	assert_non_null(strstr(error.message, "cannot set \"MB:0=20\""));
	assert_int_equal(access(path("made"), F_OK), -1);
	rdt.clos_id = (char[]){ "bronze" };
	assert_true(intel_rdt_enter(root, &rdt, "made", 42, &error) < 0);
	assert_int_equal(access(path("bronze"), F_OK), -1);
	/* Somebody else's class of this name is no place to be, nor ours to remove. */
	rdt.clos_id = NULL;
	make_class("taken", "");
	assert_int_equal(intel_rdt_enter(root, &rdt, "taken", 42, &error), -EEXIST);
	assert_int_equal(access(path("taken"), F_OK), 0);
}

static void monitoring_is_a_group_of_the_containers(void **state)
{
	const struct container_intel_rdt rdt = {
		.wanted = true, .clos_id = (char[]){ "/" }, .monitoring = true
	};
	struct error error = { 0 };
	char *text;

	put("tasks", "");
	assert_int_equal(mkdir(path("mon_groups"), 0755), 0);
	/* No file "tasks" in the fresh directory: the kernel's part. */
	assert_true(intel_rdt_enter(root, &rdt, "id", 42, &error) < 0);
	assert_int_equal(access(path("mon_groups/id"), F_OK), -1);
	text = get("tasks");
	assert_string_equal(text, "42\n");
	free(text);
	assert_int_equal(mkdir(path("mon_groups/id"), 0755), 0);
	put("mon_groups/id/tasks", "");
	assert_int_equal(intel_rdt_join(root, &rdt, "id", 43, &error), 0);
	text = get("mon_groups/id/tasks");
	assert_string_equal(text, "43\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_class_that_is_named_is_joined),
		cmocka_unit_test(a_class_that_is_there_must_be_as_asked_for),
		cmocka_unit_test(what_is_made_is_taken_away_after_a_failure),
		cmocka_unit_test(monitoring_is_a_group_of_the_containers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
