/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-config.c - what is written to config.json is what is read from it; what cannot be done is
 * refused by name.
 */
#include "unit/test.h"

#include <string.h>

#include "base/json.h"
#include "container/container.h"

static json_t *parse_text(const char *text)
{
	struct error error = { 0 };
	json_t *document = NULL;

	assert_int_equal(json_parse(text, strlen(text), "test", &document, &error), 0);
	return document;
}

/* Everything that is not a default, set. */
static void fill(struct container_config *c)
{
	struct error error = { 0 };

	assert_int_equal(container_config_defaults(c, 1 << 20, &error), 0);
	c->hostname = strdup("host");
	c->domainname = strdup("example.org");
	strv_push(&c->rootfs.layers, "/layers/top");
	strv_push(&c->rootfs.layers, "/layers/bottom");
	c->rootfs.upper = strdup("/u,p");
	c->rootfs.work = strdup("/work");
	c->rootfs.read_only = c->rootfs.ephemeral = true;
	strv_push(&c->process.args, "sh");
	strv_push(&c->process.args, "-c \"x\"\n\\");
	strv_push(&c->process.env, "A=1=2");
	c->process.user = strdup("bob:staff");
	strv_push(&c->process.group_names, "video");
	c->process.umask = 027;
	c->process.terminal = true;
	c->process.rows = 24;
	c->process.columns = 80;
	c->process.cap_ambient = 1 << 10;
	c->process.rlimits = calloc(1, sizeof(*c->process.rlimits));
	c->process.rlimits[0] = (struct container_rlimit){ RLIMIT_NOFILE, 1024, RLIM_INFINITY };
	c->process.nr_rlimits = 1;
	c->process.no_new_privileges = true;
	c->process.has_oom_score_adj = true;
	c->process.oom_score_adj = -5;
	c->namespaces[CONTAINER_NS_NETWORK].path = strdup("/proc/1/ns/net");
	c->namespaces[CONTAINER_NS_USER].wanted = true;
	c->id_maps.uid = calloc(1, sizeof(struct userns_map));
	c->id_maps.gid = calloc(1, sizeof(struct userns_map));
	*c->id_maps.uid = *c->id_maps.gid = (struct userns_map){ 0, 100000, 65536 };
	c->id_maps.nr_uid = c->id_maps.nr_gid = 1;
	c->devices = calloc(1, sizeof(*c->devices));
	c->devices[0] = (struct container_device){ strdup("/dev/fuse"), 'c', 10, 229, 0600, 1, 2 };
	c->nr_devices = 1;
	c->cgroup_path = strdup("/strata-x");
	c->limits.memory_bytes = 64 << 20;
	c->limits.memory_swap_bytes = -1;
	c->limits.cpu_quota_us = 50000;
	c->limits.cpuset_cpus = strdup("0-1");
	c->limits.pids = 100;
	c->limits.throttles = calloc(1, sizeof(*c->limits.throttles));
	c->limits.throttles[0] = (struct cgroup_throttle){ 8, 0, 1 << 20, CGROUP_UNSET,
		CGROUP_UNSET, 100 };
	c->limits.nr_throttles = 1;
	c->sysctls = calloc(1, sizeof(*c->sysctls));
	c->sysctls[0] = (struct container_key_value){ strdup("net.ipv4.ip_forward"), strdup("1") };
	c->nr_sysctls = 1;
	c->rootfs_propagation = strdup("rslave");
	c->init = true;
	c->has_time_offsets = true;
	c->monotonic_offset_s = 3600;
	c->boottime_offset_s = -60;
	strv_push(&c->annotations, "k=v=w");
}

static void reading_gives_back_what_was_written(void **state)
{
	struct container_config before, after;
	struct error error = { 0 };
	char *text, *again;
	json_t *document;

	fill(&before);
	text = container_config_write(&before);
	assert_non_null(text);
	document = parse_text(text);
	assert_int_equal(container_config_parse(document, &after, &error), 0);
	again = container_config_write(&after);
	assert_string_equal(text, again);
	/* And not because neither has them. */
	assert_string_equal(after.process.user, "bob:staff");
	assert_string_equal(after.rootfs.layers[1], "/layers/bottom");
	assert_true(after.process.rlimits[0].hard == RLIM_INFINITY);
	assert_int_equal(after.process.cap_bounding, container_capabilities_default());
	assert_int_equal(after.process.umask, 027);
	assert_int_equal(after.limits.memory_bytes, 64 << 20);
	assert_true(after.limits.memory_reservation_bytes == CGROUP_UNSET);
	assert_int_equal(after.limits.throttles[0].write_iops, 100);
	assert_true(after.limits.throttles[0].write_bps == CGROUP_UNSET);
	assert_int_equal(after.limits.nr_device_rules, before.limits.nr_device_rules);
	assert_int_equal(after.id_maps.uid[0].outside, 100000);
	assert_false(after.id_maps.single);
	assert_int_equal(after.seccomp.kind, SECCOMP_DEFAULT);
	assert_int_equal(after.nr_mounts, before.nr_mounts);
	assert_int_equal(after.boottime_offset_s, -60);
	assert_true(after.init && after.rootfs.ephemeral && after.rootfs.read_only);
	json_decref(document);
	free(text);
	free(again);
	container_config_free(&before);
	container_config_free(&after);
}

static void custom_seccomp_profiles_are_kept(void **state)
{
	struct container_config c;
	struct error error = { 0 };
	json_t *document = parse_text(
		"{\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}}}");

	assert_int_equal(container_config_parse(document, &c, &error), 0);
	assert_int_equal(c.seccomp.kind, SECCOMP_CUSTOM);
	assert_string_equal(c.seccomp.profile, "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	assert_int_equal(c.process.umask, -1);
	container_config_free(&c);
	json_decref(document);
}

static void bad_documents_are_refused_with_the_field(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "{}", "root.path" },
		{ "[]", "JSON object" },
		{ "{\"root\":{\"path\":7}}", "path must be a string" },
		{ "{\"root\":{\"path\":\"r\"},\"hooks\":{\"prestart\":[{}]}}", "hooks" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"apparmorProfile\":\"x\"}}",
			"apparmorProfile" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"args\":[1]}}", "args" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"user\":{\"uid\":-1}}}", "uid" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"user\":{\"uid\":4294967295}}}",
			"uid" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"oomScoreAdj\":2000}}", "oomScoreAdj" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"capabilities\":{\"bounding\":[\"CAP_X\"]}}}",
			"CAP_X" },
		{ "{\"root\":{\"path\":\"r\"},\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_X\"}]}}",
			"RLIMIT_X" },
		{ "{\"root\":{\"path\":\"r\"},\"mounts\":[{}]}", "destination" },
		{ "{\"root\":{\"path\":\"r\"},\"mounts\":[[]]}", "array of objects" },
		{ "{\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"x\"}]}}",
			"no namespace \"x\"" },
		{ "{\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}",
			"twice" },
		{ "{\"root\":{\"path\":\"r\"},\"linux\":{\"devices\":[{\"path\":\"/x\",\"type\":\"q\"}]}}",
			"device type" },
		{ "{\"root\":{\"path\":\"r\"},\"linux\":{\"resources\":{\"hugepageLimits\":[{}]}}}",
			"hugepageLimits" },
		{ "{\"root\":{\"path\":\"r\"},\"strata\":{\"layers\":[\"a\"],\"upper\":\"u\"}}",
			"upper and work" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config c;
		struct error error = { 0 };
		json_t *document = parse_text(cases[i].text);

		assert_true(container_config_parse(document, &c, &error) < 0);
		if (!strstr(error.message, cases[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, error.message,
				cases[i].sentence);
		json_decref(document);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_gives_back_what_was_written),
		cmocka_unit_test(custom_seccomp_profiles_are_kept),
		cmocka_unit_test(bad_documents_are_refused_with_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
