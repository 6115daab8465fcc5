/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-config.c - what is written to config.json is what is read from it; what cannot be done is
 * refused by name.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <string.h>

#include "base/json.h"
#include "container/container.h"

/* A document that says more than this is finished with "}". */
#define ROOT "{\"root\":{\"path\":\"r\"},"

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

/* Everything the spec has, in one document: what is parsed is written, and nothing else. */
static void the_whole_spec_is_read_and_written(void **state)
{
	struct container_config c;
	struct error error = { 0 };
	json_t *document = NULL, *written;
	char *text, *expected, *got;

	assert_int_equal(
		json_read_file(AT_FDCWD, TEST_DATA "/config-full.json", 1 << 20, &document, &error),
		0);
	if (container_config_parse(document, &c, &error) < 0)
		fail_msg("%s", error.message);
	text = container_config_write(&c);
	written = parse_text(text);
	json_object_del(written, "strata");
	expected = json_dumps(document, JSON_SORT_KEYS | JSON_INDENT(1));
	got = json_dumps(written, JSON_SORT_KEYS | JSON_INDENT(1));
	assert_string_equal(got, expected);
	assert_true(c.process.rlimits[1].hard == RLIM_INFINITY);
	assert_true(c.process.scheduler.period_ns == UINT64_MAX - 1);
	assert_true(c.limits.hugepage_limits[0].bytes == UINT64_MAX);
	assert_int_equal(c.hooks[CONTAINER_HOOK_PRESTART].hooks[0].timeout_s, 5);
	free(got);
	free(expected);
	free(text);
	json_decref(written);
	json_decref(document);
	container_config_free(&c);
}

static void a_process_is_read_alone(void **state)
{
	struct container_process p;
	struct error error = { 0 };
	json_t *document = parse_text(
		"{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"uid\":7},\"oomScoreAdj\":3,"
		"\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]},\"apparmorProfile\":\"x\"}");

	assert_int_equal(container_process_parse(document, &p, &error), 0);
	assert_string_equal(p.args[0], "a");
	assert_string_equal(p.apparmor_profile, "x");
	assert_int_equal(p.uid, 7);
	assert_int_equal(p.umask, -1);
	assert_int_equal(p.oom_score_adj, 3);
	assert_int_equal(p.cap_bounding, 1);
	container_process_free(&p);
	json_object_set_new(document, "cwd", json_string("x"));
	assert_int_equal(container_process_parse(document, &p, &error), -EINVAL);
	json_decref(document);
	document = parse_text("[]");
	assert_int_equal(container_process_parse(document, &p, &error), -EINVAL);
	json_decref(document);
}

static void unset_numbers_of_go_ask_for_nothing(void **state)
{
	struct container_config c;
	struct error error = { 0 };
	json_t *document = parse_text(ROOT
		"\"linux\":{\"resources\":{\"memory\":{\"swappiness\":18446744073709551615}}}}");

	assert_int_equal(container_config_parse(document, &c, &error), 0);
	assert_true(c.limits.memory_swappiness == CGROUP_UNSET);
	container_config_free(&c);
	json_decref(document);
}

static void members_must_go_together(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ ROOT "\"hostname\":\"a\"}", "hostname needs a uts namespace" },
		{ ROOT "\"domainname\":\"a\"}", "domainname needs a uts namespace" },
		{ ROOT "\"linux\":{\"gidMappings\":[{\"size\":1}]}}", "needs a user namespace" },
		{ ROOT "\"linux\":{\"timeOffsets\":{}}}", "timeOffsets needs a time namespace" },
		{ ROOT "\"linux\":{\"timeOffsets\":{},\"namespaces\":[{\"type\":\"time\",\"path\":\"/x\"}]}}",
			"cannot be set in a time namespace that is joined" },
		{ ROOT "\"linux\":{\"netDevices\":{\"eth0\":{}}}}", "needs a network namespace" },
		{ ROOT "\"linux\":{\"maskedPaths\":[\"/a\",\"b\"]}}", "maskedPaths: \"b\"" },
		{ ROOT "\"linux\":{\"readonlyPaths\":[\"\"]}}", "readonlyPaths: \"\"" },
		{ ROOT "\"process\":{\"args\":[\"a\"]}}", "process.cwd is missing" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config c;
		struct error error = { 0 };
		json_t *document = parse_text(cases[i].text);

		assert_int_equal(container_config_parse(document, &c, &error), 0);
		assert_int_equal(container_config_check(&c, &error), -EINVAL);
		if (!strstr(error.message, cases[i].sentence))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, error.message,
				cases[i].sentence);
		container_config_free(&c);
		json_decref(document);
	}
}

static void bad_documents_are_refused_with_the_field(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "{}", "config.json: there is no root.path" },
		{ "[]", "JSON object" },
		{ "{\"root\":{\"path\":7}}", "config.json: root: path must be a string" },
		{ "{\"strata\":{\"layers\":[\"a\"],\"upper\":\"u\"}}", "upper and work" },
		{ ROOT "\"hostname\":7}", "config.json: hostname must be a string" },
		{ ROOT "\"annotations\":{\"a\":1}}", "annotations must map names to strings" },
		{ ROOT "\"process\":{\"args\":[1]}}", "config.json: process: args must be" },
		{ ROOT "\"process\":{\"cwd\":\"tmp\"}}",
			"config.json: process: cwd \"tmp\" is not absolute" },
		{ ROOT "\"process\":{\"user\":{\"uid\":-1}}}",
			"config.json: process.user: uid must be" },
		{ ROOT "\"process\":{\"user\":{\"uid\":4294967295}}}", "uid must be" },
		{ ROOT "\"process\":{\"user\":{\"umask\":512}}}",
			"config.json: process.user: umask must be between 0 and 511" },
		{ ROOT "\"process\":{\"user\":{\"additionalGids\":[1,-2]}}}",
			"process.user: additionalGids[1]" },
		{ ROOT "\"process\":{\"oomScoreAdj\":2000}}",
			"config.json: process: oomScoreAdj must be between -1000 and 1000" },
		{ ROOT "\"process\":{\"capabilities\":[]}}", "capabilities must be an object" },
		{ ROOT "\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_X\"}]}}",
			"process.rlimits[0]: there is no limit \"RLIMIT_X\"" },
		{ ROOT "\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":-1}]}}",
			"process.rlimits[0]: soft must be" },
		{ ROOT "\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_AS\"},{\"type\":\"RLIMIT_AS\"}]}}",
			"RLIMIT_AS is given twice" },
		{ ROOT "\"process\":{\"consoleSize\":{\"height\":65536}}}",
			"process.consoleSize: height must be" },
		{ ROOT "\"process\":{\"scheduler\":{}}}", "process.scheduler: policy is missing" },
		{ ROOT "\"process\":{\"scheduler\":{\"policy\":\"SCHED_X\"}}}",
			"process.scheduler: there is no policy \"SCHED_X\"" },
		{ ROOT "\"process\":{\"scheduler\":{\"policy\":\"SCHED_RR\",\"nice\":20}}}",
			"nice must be between -20 and 19" },
		{ ROOT "\"process\":{\"scheduler\":{\"policy\":\"SCHED_RR\",\"flags\":[\"X\"]}}}",
			"process.scheduler: there is no flag \"X\"" },
		{ ROOT "\"process\":{\"ioPriority\":{\"class\":\"IOPRIO_CLASS_X\",\"priority\":1}}}",
			"there is no class \"IOPRIO_CLASS_X\"" },
		{ ROOT "\"process\":{\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\",\"priority\":8}}}",
			"process.ioPriority: priority must be between 0 and 7" },
		{ ROOT "\"process\":{\"execCPUAffinity\":{\"initial\":\"0-\"}}}",
			"process.execCPUAffinity: initial \"0-\" is not a list" },
		{ ROOT "\"process\":{\"execCPUAffinity\":{\"final\":\"3-1\"}}}",
			"process.execCPUAffinity: final \"3-1\" is not a list" },
		{ ROOT "\"process\":{\"execCPUAffinity\":{\"final\":\"0,8192\"}}}",
			"process.execCPUAffinity: final \"0,8192\" is not a list" },
		{ ROOT "\"mounts\":[{\"destination\":\"/a\"},{}]}",
			"config.json: mounts[1]: destination is missing" },
		{ ROOT "\"mounts\":[[]]}", "config.json: mounts[0] must be an object" },
		{ ROOT "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[{\"size\":1}]}]}",
			"mounts[0]: uidMappings and gidMappings go together" },
		{ ROOT "\"mounts\":[{\"destination\":\"/a\",\"gidMappings\":[{\"size\":-1}]}]}",
			"mounts[0].gidMappings[0]: size must be" },
		{ ROOT "\"hooks\":{\"prestart\":[{}]}}",
			"config.json: hooks.prestart[0]: path is missing" },
		{ ROOT "\"hooks\":{\"poststop\":[{\"path\":\"true\"}]}}",
			"hooks.poststop[0]: path \"true\" is not absolute" },
		{ ROOT "\"hooks\":{\"createRuntime\":[{\"path\":\"/a\",\"timeout\":0}]}}",
			"hooks.createRuntime[0]: timeout must be between 1 and" },
		{ ROOT "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"x\"}]}}",
			"config.json: linux.namespaces[1]: there is no namespace \"x\"" },
		{ ROOT "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}",
			"\"pid\" is named twice" },
		{ ROOT "\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"ns\"}]}}",
			"path \"ns\" is not absolute" },
		{ ROOT "\"linux\":{\"devices\":[{\"path\":\"/x\",\"type\":\"q\"}]}}",
			"config.json: linux.devices[0]: there is no device type \"q\"" },
		{ ROOT "\"linux\":{\"devices\":[{\"type\":\"c\"}]}}",
			"linux.devices[0]: path is missing" },
		{ ROOT "\"linux\":{\"sysctl\":{\"a.b\":1}}}",
			"linux.sysctl: a.b must be a string" },
		{ ROOT "\"linux\":{\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}}}",
			"linux.timeOffsets: nanosecs must be" },
		{ ROOT "\"linux\":{\"personality\":{\"domain\":\"BSD\"}}}",
			"linux.personality: there is no domain \"BSD\"" },
		{ ROOT "\"linux\":{\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"X\"]}}}",
			"linux.personality: there is no flag \"X\"" },
		{ ROOT "\"linux\":{\"intelRdt\":{\"memBwSchema\":\"L3:0=f\"}}}",
			"memBwSchema must begin with" },
		{ ROOT "\"linux\":{\"intelRdt\":{\"schemata\":[\"a\\nb\"]}}}",
			"schemata has more than one line" },
		{ ROOT "\"linux\":{\"intelRdt\":{\"closID\":\"../x\"}}}",
			"linux.intelRdt: closID \"../x\"" },
		{ ROOT "\"linux\":{\"netDevices\":{\"eth0\":1}}}", "linux.netDevices must be" },
		{ ROOT "\"linux\":{\"netDevices\":{\"eth0\":{\"name\":\"a/b\"}}}}",
			"linux.netDevices: \"a/b\" is no name" },
		{ ROOT "\"linux\":{\"netDevices\":{\"a23456789012345x\":{}}}}",
			"linux.netDevices: \"a23456789012345x\" is no name" },
		{ ROOT "\"linux\":{\"resources\":{\"devices\":[{\"access\":\"x\"}]}}}",
			"linux.resources.devices[0]: access \"x\"" },
		{ ROOT "\"linux\":{\"resources\":{\"memory\":{\"limit\":1.5}}}}",
			"linux.resources.memory: limit must be an integer" },
		{ ROOT "\"linux\":{\"resources\":{\"memory\":{\"limit\":18446744073709551615}}}}",
			"limit must be an integer" },
		{ ROOT "\"linux\":{\"resources\":{\"memory\":{\"swappiness\":-1}}}}",
			"swappiness must be between" },
		{ ROOT "\"linux\":{\"resources\":{\"cpu\":{\"shares\":-2}}}}",
			"linux.resources.cpu: shares must be between" },
		{ ROOT "\"linux\":{\"resources\":{\"blockIO\":{\"weight\":65536}}}}",
			"linux.resources.blockIO: weight must be between" },
		{ ROOT "\"linux\":{\"resources\":{\"blockIO\":{\"weightDevice\":[{\"major\":1,\"minor\":2}]}}}}",
			"linux.resources.blockIO.weightDevice[0]: neither weight nor leafWeight" },
		{ ROOT "\"linux\":{\"resources\":{\"blockIO\":{\"throttleReadBpsDevice\":[{\"rate\":-1}]}}}}",
			"blockIO.throttleReadBpsDevice[0]: rate must be" },
		{ ROOT "\"linux\":{\"resources\":{\"hugepageLimits\":[{}]}}}",
			"linux.resources.hugepageLimits[0]: pageSize is missing" },
		{ ROOT "\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"../x\"}]}}}",
			"pageSize \"../x\" is not a size" },
		{ ROOT "\"linux\":{\"resources\":{\"network\":{\"classID\":4294967296}}}}",
			"linux.resources.network: classID must be" },
		{ ROOT "\"linux\":{\"resources\":{\"rdma\":{\"mlx\":{}}}}}",
			"linux.resources.rdma: mlx has neither" },
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
		cmocka_unit_test(the_whole_spec_is_read_and_written),
		cmocka_unit_test(a_process_is_read_alone),
		cmocka_unit_test(unset_numbers_of_go_ask_for_nothing),
		cmocka_unit_test(members_must_go_together),
		cmocka_unit_test(bad_documents_are_refused_with_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
