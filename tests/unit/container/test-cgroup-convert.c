/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-convert.c - Docker's numbers in the kernel's terms, device policies, and the text
 * files that cgroups are read through.
 */
#include "unit/test.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "container/cgroup-ops.h"
#include "container/device-bpf.h"

static void shares_keep_their_default_and_their_ends(void **state)
{
	uint64_t last = 0;

	assert_int_equal(cgroup_weight_from_shares(0), 1);
	assert_int_equal(cgroup_weight_from_shares(2), 1);
	assert_int_equal(cgroup_weight_from_shares(1024), 100);
	assert_int_equal(cgroup_weight_from_shares(262144), 10000);
	assert_int_equal(cgroup_weight_from_shares(UINT64_MAX), 10000);
	/* runc's own example values. */
	assert_int_equal(cgroup_weight_from_shares(512), 59);
	assert_int_equal(cgroup_weight_from_shares(2048), 174);
	for (uint64_t shares = 2; shares <= 262144; shares += 97) {
		uint64_t weight = cgroup_weight_from_shares(shares);

		assert_true(weight >= last && weight >= 1 && weight <= 10000);
		last = weight;
	}
}

static void io_weights_span_the_range(void **state)
{
	assert_int_equal(cgroup_io_weight_from_blkio(10), 1);
	assert_int_equal(cgroup_io_weight_from_blkio(500), 4950);
	assert_int_equal(cgroup_io_weight_from_blkio(1000), 10000);
}

static void swap_is_what_the_total_leaves(void **state)
{
	struct error err = { 0 };
	int64_t swap = 7;

	assert_int_equal(cgroup_swap_from_total(100, 300, &swap, &err), 0);
	assert_int_equal(swap, 200);
	assert_int_equal(cgroup_swap_from_total(100, 100, &swap, &err), 0);
	assert_int_equal(swap, 0);
	assert_int_equal(cgroup_swap_from_total(100, CGROUP_UNLIMITED, &swap, &err), 0);
	assert_int_equal(swap, CGROUP_UNLIMITED);
	assert_int_equal(cgroup_swap_from_total(CGROUP_UNSET, CGROUP_UNSET, &swap, &err), 0);
	assert_true(swap == CGROUP_UNSET);
	assert_int_equal(cgroup_swap_from_total(100, 99, &swap, &err), -EINVAL);
	assert_int_equal(cgroup_swap_from_total(CGROUP_UNSET, 99, &swap, &err), -EINVAL);
}

static void unified_settings_are_files_not_paths(void **state)
{
	const char *value;
	char key[32];

	assert_int_equal(
		cgroup_split_unified("hugetlb.2MB.max=4=5", key, sizeof(key), &value, NULL), 0);
	assert_string_equal(key, "hugetlb.2MB.max");
	assert_string_equal(value, "4=5");
	assert_int_equal(cgroup_split_unified("a/b.c=1", key, sizeof(key), &value, NULL), -EINVAL);
	assert_int_equal(cgroup_split_unified("../x.y=1", key, sizeof(key), &value, NULL), -EINVAL);
	assert_int_equal(cgroup_split_unified("memory=1", key, sizeof(key), &value, NULL), -EINVAL);
	assert_int_equal(
		cgroup_split_unified("memory.max", key, sizeof(key), &value, NULL), -EINVAL);
	assert_int_equal(cgroup_split_unified("=1", key, sizeof(key), &value, NULL), -EINVAL);
}

/* --- device rules ----------------------------------------------------------------------------- */

static const struct cgroup_device_rule docker[] = {
	{ false, 'a', -1, -1, "rwm" }, { true, 'c', -1, -1, "m" }, { true, 'b', -1, -1, "m" },
	{ true, 'c', 1, 3, "rwm" }, { true, 'c', 136, -1, "rwm" },
	{ true, 'c', 1, 3, "r" }, /* again: no exception of its own */
};

static void rules_become_a_default_and_exceptions(void **state)
{
	struct cgroup_device_policy policy;

	assert_int_equal(cgroup_device_policy(docker, ARRAY_SIZE(docker), &policy, NULL), 0);
	assert_false(policy.allow_by_default);
	assert_int_equal(policy.count, 4);
	assert_int_equal(policy.exceptions[2].major, 1);
	assert_int_equal(policy.exceptions[2].access, CGROUP_ACCESS_ALL);
	assert_int_equal(policy.exceptions[3].minor, -1);
	free(policy.exceptions);
	assert_int_equal(cgroup_device_policy(NULL, 0, &policy, NULL), 0);
	assert_true(policy.allow_by_default);
	assert_int_equal(policy.count, 0);
}

static void later_rules_take_back_what_they_cover(void **state)
{
	const struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, "rwm" }, { true, 'c', 1, 3, "rwm" },
		{ true, 'c', 1, 5, "rw" }, { false, 'c', 1, -1, "w" }, /* both lose their w */
		{ false, 'c', 1, 5, "r" }, /* and this its last */
	};
	struct cgroup_device_policy policy;

	assert_int_equal(cgroup_device_policy(rules, ARRAY_SIZE(rules), &policy, NULL), 0);
	assert_int_equal(policy.count, 1);
	assert_int_equal(policy.exceptions[0].minor, 3);
	assert_int_equal(policy.exceptions[0].access, CGROUP_ACCESS_READ | CGROUP_ACCESS_MKNOD);
	free(policy.exceptions);
}

static void a_hole_in_a_wider_rule_is_refused_on_v1(void **state)
{
	const struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, "rwm" },
		{ true, 'c', 1, -1, "rwm" },
		{ false, 'c', 1, 3, "w" },
	};
	struct cgroup_device_policy policy;
	struct error err = { 0 };

	assert_int_equal(cgroup_device_policy(rules, ARRAY_SIZE(rules), &policy, &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "c 1:3"));
}

static void bad_rules_are_named(void **state)
{
	const struct cgroup_device_rule no_access = { true, 'c', 1, 3, "" };
	const struct cgroup_device_rule no_type = { true, 'x', 1, 3, "r" };
	struct cgroup_device_policy policy;

	assert_int_equal(cgroup_device_policy(&no_access, 1, &policy, NULL), -EINVAL);
	assert_int_equal(cgroup_device_policy(&no_type, 1, &policy, NULL), -EINVAL);
}

/* The instructions that device-bpf.c uses, and no others. */
static int run_bpf(const struct bpf_insn *code, size_t count, uint32_t access, uint32_t type,
	uint32_t major, uint32_t minor)
{
	const uint32_t context[3] = { access << 16 | type, major, minor };
	uint32_t reg[11] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &code[pc];
		uint32_t *d = &reg[i->dst_reg];
		uint32_t k = (uint32_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_true(i->src_reg == 1 && i->off >= 0 && i->off <= 8);
			*d = context[i->off / 4];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*d = k;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			*d = reg[i->src_reg];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			*d &= k;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			*d >>= k;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			pc += *d != k ? (size_t)i->off : 0;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			pc += *d == k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			fail_msg("unexpected instruction %#x", i->code);
		}
	}
	fail_msg("the program runs past its end");
	return -1;
}

/* The runtime-spec's meaning, said directly: for each asked access the last matching rule. */
static bool model(const struct cgroup_device_rule *rules, size_t count, unsigned access, char type,
	int64_t major, int64_t minor)
{
	for (unsigned bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = true;

		for (size_t i = 0; i < count; i++)
			if ((rules[i].type == 'a' || rules[i].type == type) &&
				(rules[i].major < 0 || rules[i].major == major) &&
				(rules[i].minor < 0 || rules[i].minor == minor) &&
				(cgroup_access_parse(rules[i].access, 4) & bit))
				allowed = rules[i].allow;
		if ((access & bit) && !allowed)
			return false;
	}
	return true;
}

static void compare_with_model(const struct cgroup_device_rule *rules, size_t count)
{
	static const uint32_t majors[] = { 0, 1, 5, 136 }, minors[] = { 0, 3, 5, 200 };
	struct bpf_insn code[512];
	size_t length = cgroup_device_assemble(rules, count, code, ARRAY_SIZE(code));

	assert_true(length <= ARRAY_SIZE(code));
	for (unsigned access = 1; access <= 7; access++)
		for (size_t a = 0; a < ARRAY_SIZE(majors); a++)
			for (size_t b = 0; b < ARRAY_SIZE(minors); b++)
				for (int block = 0; block < 2; block++)
					assert_int_equal(run_bpf(code, length, access,
								 block ? BPF_DEVCG_DEV_BLOCK
								       : BPF_DEVCG_DEV_CHAR,
								 majors[a], minors[b]),
						model(rules, count, access, block ? 'b' : 'c',
							majors[a], minors[b]));
}

static void the_v2_program_means_what_the_rules_say(void **state)
{
	static const char *const accesses[] = { "r", "w", "m", "rw", "rwm", "rm" };
	unsigned seed = 1;

	compare_with_model(docker, ARRAY_SIZE(docker));
	compare_with_model(NULL, 0);
	/* Rules in any order, holes included, which v2 can hold. */
	for (int round = 0; round < 500; round++) {
		struct cgroup_device_rule rules[8];
		size_t count = (size_t)rand_r(&seed) % 9;

		for (size_t i = 0; i < count; i++) {
			rules[i] = (struct cgroup_device_rule){
				.allow = rand_r(&seed) % 2,
				.type = "abc"[rand_r(&seed) % 3],
				.major = rand_r(&seed) % 2  ? -1
					: rand_r(&seed) % 2 ? 1
							    : 5,
				.minor = rand_r(&seed) % 2  ? -1
					: rand_r(&seed) % 2 ? 3
							    : 5,
			};
			strcpy(rules[i].access, accesses[rand_r(&seed) % 6]);
		}
		compare_with_model(rules, count);
	}
}

/* --- text files ------------------------------------------------------------------------------- */

static void numbers_are_whole_lines(void **state)
{
	uint64_t v;

	assert_int_equal(cgroup_parse_number("123\n", &v), 0);
	assert_int_equal(v, 123);
	assert_int_equal(cgroup_parse_number("max\n", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(cgroup_parse_number("99999999999999999999999\n", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(cgroup_parse_number("", &v), -EINVAL);
	assert_int_equal(cgroup_parse_number("-1\n", &v), -EINVAL);
	assert_int_equal(cgroup_parse_number("12 34\n", &v), -EINVAL);
	assert_int_equal(cgroup_parse_number("maximum", &v), -EINVAL);
}

static void keys_are_whole_words(void **state)
{
	static const char text[] = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\nlast 18";
	uint64_t v = 99;

	assert_true(cgroup_parse_keyed(text, "oom_kill", &v));
	assert_int_equal(v, 3);
	assert_true(cgroup_parse_keyed(text, "last", &v));
	assert_int_equal(v, 18);
	assert_false(cgroup_parse_keyed(text, "oom", &v));
	assert_false(cgroup_parse_keyed(text, "kill", &v));
	assert_false(cgroup_parse_keyed("", "oom", &v));
	assert_false(cgroup_parse_keyed("oom x\n", "oom", &v));
	assert_int_equal(v, 18);
}

static void io_is_summed_over_devices(void **state)
{
	uint64_t r, w;

	cgroup_parse_io_v1("8:0 Read 100\n8:0 Write 20\n8:0 Sync 120\n8:0 Total 120\n"
			   "8:16 Read 5\n8:16 Write 7\nTotal 132\n",
		&r, &w);
	assert_int_equal(r, 105);
	assert_int_equal(w, 27);
	cgroup_parse_io_v2("8:0 rbytes=100 wbytes=20 rios=1 wios=2 dbytes=9 dios=0\n"
			   "253:0 \n8:16 rbytes=5 wbytes=7 rios=1\n",
		&r, &w);
	assert_int_equal(r, 105);
	assert_int_equal(w, 27);
	cgroup_parse_io_v2("", &r, &w);
	assert_true(r == 0 && w == 0);
}

static void our_own_cgroup_is_found(void **state)
{
	char *path = NULL;

	assert_int_equal(cgroup_v2_parse_self("0::/user.slice/a.scope\n", &path), 0);
	assert_string_equal(path, "/user.slice/a.scope");
	free(path);
	assert_int_equal(cgroup_v2_parse_self("9:name=systemd:/\n4:memory:/x\n0::/\n", &path), 0);
	assert_string_equal(path, "");
	free(path);
	assert_int_equal(cgroup_v2_parse_self("4:memory:/x\n", &path), -ENOTSUP);
	assert_int_equal(cgroup_v2_parse_self("0::/a (deleted)\n", &path), -ENOTSUP);
	assert_int_equal(cgroup_v2_parse_self("0::/../b\n", &path), -ENOTSUP);
	assert_int_equal(cgroup_v2_parse_self("0::\n", &path), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_keep_their_default_and_their_ends),
		cmocka_unit_test(io_weights_span_the_range),
		cmocka_unit_test(swap_is_what_the_total_leaves),
		cmocka_unit_test(unified_settings_are_files_not_paths),
		cmocka_unit_test(rules_become_a_default_and_exceptions),
		cmocka_unit_test(later_rules_take_back_what_they_cover),
		cmocka_unit_test(a_hole_in_a_wider_rule_is_refused_on_v1),
		cmocka_unit_test(bad_rules_are_named),
		cmocka_unit_test(the_v2_program_means_what_the_rules_say),
		cmocka_unit_test(numbers_are_whole_lines),
		cmocka_unit_test(keys_are_whole_words),
		cmocka_unit_test(io_is_summed_over_devices),
		cmocka_unit_test(our_own_cgroup_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
