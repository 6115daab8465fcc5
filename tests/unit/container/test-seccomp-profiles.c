/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-seccomp-profiles.c - profiles of the user's own: what they answer, and what is wrong with
 * them.
 */
#include "unit/container/seccomp-oracle.h"

/* One rule for each of some calls: every action with every pair of comparisons. */
static void every_action_and_comparison_equals_libseccomps(void **state)
{
	static const uint64_t values[] = { 0, 1, 4, 5, 6, 0xffffffff, 0x100000004, 0x100000005,
		0x200000005, 0x7fffffffffffffff };
	_cleanup_str_ struct str json = { 0 };
	struct seccomp_program p;
	struct sock_filter *code;
	size_t count, nr = 0, compared = 0;

	str_append(&json,
		"{\"defaultAction\":\"SCMP_ACT_TRACE\",\"defaultErrnoRet\":77,"
		"\"listenerPath\":\"/x\",\"syscalls\":[");
	for (size_t first = 0; first < ARRAY_SIZE(oracle_ops); first++) {
		for (size_t second = 0; second < ARRAY_SIZE(oracle_ops); second++, nr++) {
			char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);

			str_appendf(&json,
				"%s{\"names\":[\"%s\"],\"action\":\"%s\",\"args\":["
				"{\"index\":0,\"op\":\"%s\",\"value\":4294967301,\"valueTwo\":4294967300},"
				"{\"index\":1,\"op\":\"%s\",\"value\":5,\"valueTwo\":5}]}",
				nr ? "," : "", name,
				oracle_actions[nr % ARRAY_SIZE(oracle_actions)].name,
				oracle_ops[first].name, oracle_ops[second].name);
			free(name);
		}
	}
	str_append(&json, "]}");
	p = load_custom(json.data);
	code = oracle(json.data, &count);
	for (size_t n = 0; n <= nr; n++) {
		for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
			uint64_t a = values[i % ARRAY_SIZE(values)],
				 b = values[i / ARRAY_SIZE(values)];
			struct seccomp_data data = {
				.nr = (int)n, .arch = AUDIT_ARCH_X86_64, .args = { a, b }
			};
			uint32_t expected = run(code, count, &data, NULL);

			if (ask(&p, AUDIT_ARCH_X86_64, (uint32_t)n, a, b) != expected)
				fail_msg("%zu(%#llx, %#llx): libseccomp says %#x", n,
					(unsigned long long)a, (unsigned long long)b, expected);
			compared++;
		}
	}
	assert_int_equal(compared, 5000);
	free(code);
	seccomp_program_free(&p);
}

/* The runtime-spec's comparisons, said in C. */
static bool model(enum seccomp_op op, uint64_t arg, uint64_t value, uint64_t two)
{
	switch (op) {
	case SECCOMP_OP_NE:
		return arg != value;
	case SECCOMP_OP_LT:
		return arg < value;
	case SECCOMP_OP_LE:
		return arg <= value;
	case SECCOMP_OP_EQ:
		return arg == value;
	case SECCOMP_OP_GE:
		return arg >= value;
	case SECCOMP_OP_GT:
		return arg > value;
	case SECCOMP_OP_MASKED_EQ:
		return (arg & value) == two;
	case SECCOMP_OP_COUNT:
		break;
	}
	return false;
}

static void every_comparison_is_of_all_64_bits(void **state)
{
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	static const uint64_t values[] = { 0, 1, 5, 0x7fffffff, 0xffffffff, 0x100000000,
		0x100000005, 0x4ffffffff, 0x500000000, 0x7fffffffffffffff };
	size_t checked = 0;

	for (size_t o = 0; o < ARRAY_SIZE(ops); o++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			char json[512];
			struct seccomp_program p;

			snprintf(json, sizeof(json),
				"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":"
				"[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,"
				"\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}]}]}",
				(unsigned long long)values[v],
				(unsigned long long)(values[v] & 0x500000005), ops[o]);
			p = load_custom(json);
			for (size_t a = 0; a < ARRAY_SIZE(values); a++) {
				bool met = model((enum seccomp_op)o, values[a], values[v],
					values[v] & 0x500000005);

				assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_read, 0, values[a]),
					met ? ALLOW : ERRNO(EPERM));
				checked++;
			}
			seccomp_program_free(&p);
		}
	}
	assert_int_equal(checked, 700);
}

static void actions_and_order(void **state)
{
	struct seccomp_program p = load_custom(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],"
		"\"syscalls\":["
		"{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7},"
		"{\"names\":[\"getuid\"],\"action\":\"SCMP_ACT_KILL\"},"
		"{\"names\":[\"geteuid\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		"{\"names\":[\"getgid\"],\"action\":\"SCMP_ACT_TRAP\"},"
		"{\"names\":[\"getegid\"],\"action\":\"SCMP_ACT_LOG\"},"
		"{\"names\":[\"getppid\",\"no_such_call\"],\"action\":\"SCMP_ACT_TRACE\","
		"\"errnoRet\":9},"
		/* The first that is met decides, and an unconditional rule before all. */
		"{\"names\":[\"write\",\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1,"
		"\"args\":[{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_LT\"}]},"
		"{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":2,"
		"\"args\":[{\"index\":0,\"value\":7,\"op\":\"SCMP_CMP_LT\"}]},"
		"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":3},"
		/* All conditions of a rule, of different arguments, together. */
		"{\"names\":[\"lseek\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4,"
		"\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]},"
		/* Two of one argument: either. */
		"{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5,"
		"\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	const struct {
		long nr;
		uint64_t a0, a1;
		uint32_t expected;
	} rows[] = {
		{ SYS_getpid, 0, 0, ERRNO(7) },
		{ SYS_getuid, 0, 0, SECCOMP_RET_KILL_THREAD },
		{ SYS_geteuid, 0, 0, SECCOMP_RET_KILL_PROCESS },
		{ SYS_getgid, 0, 0, SECCOMP_RET_TRAP },
		{ SYS_getegid, 0, 0, SECCOMP_RET_LOG },
		{ SYS_getppid, 0, 0, SECCOMP_RET_TRACE | 9 },
		{ SYS_gettid, 0, 0, ALLOW },
		{ 1000, 0, 0, ALLOW },
		{ SYS_write, 4, 0, ERRNO(1) },
		{ SYS_write, 6, 0, ERRNO(2) },
		{ SYS_write, 7, 0, ALLOW },
		{ SYS_read, 4, 0, ERRNO(3) },
		{ SYS_lseek, 1, 2, ERRNO(4) },
		{ SYS_lseek, 1, 3, ALLOW },
		{ SYS_lseek, 0, 2, ALLOW },
		{ SYS_close, 1, 0, ERRNO(5) },
		{ SYS_close, 2, 0, ERRNO(5) },
		{ SYS_close, 3, 0, ALLOW },
	};

	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_LOG);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
			ask(&p, AUDIT_ARCH_X86_64, (uint32_t)rows[i].nr, rows[i].a0, rows[i].a1),
			rows[i].expected);
	/* Only the host's own architecture was asked for. */
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	seccomp_program_free(&p);
}

/* A rule that says what happens anyway is none, as with libseccomp: it does not beat the others. */
static void rules_that_change_nothing_are_none(void **state)
{
	struct seccomp_program p = load_custom(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		"{\"names\":[\"lseek\",\"gettid\"],\"action\":\"SCMP_ACT_ERRNO\"},"
		"{\"names\":[\"lseek\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}");

	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_lseek, 1, 0), ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_lseek, 2, 0), ERRNO(EPERM));
	/* Named, and so not newer than the profile. */
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_gettid, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_gettid + 1, 0, 0), ERRNO(ENOSYS));
	seccomp_program_free(&p);
}

static void calls_newer_than_a_profile_that_denies(void **state)
{
	static const struct {
		const char *action;
		uint32_t old, newer;
	} rows[] = {
		{ "SCMP_ACT_ALLOW", ALLOW, ALLOW },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, SECCOMP_RET_LOG },
		{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE | EPERM, SECCOMP_RET_TRACE | EPERM },
		{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, ERRNO(ENOSYS) },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, ERRNO(ENOSYS) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seccomp_program p;
		char json[256];

		snprintf(json, sizeof(json),
			"{\"defaultAction\":\"%s\",\"syscalls\":[{\"names\":[\"lseek\",\"fork\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":9}]}",
			rows[i].action);
		p = load_custom(json);
		assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_read, 0, 0), rows[i].old);
		assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 999, 0, 0), rows[i].newer);
		seccomp_program_free(&p);
		/* One that names nothing knows nothing. */
		snprintf(json, sizeof(json), "{\"defaultAction\":\"%s\"}", rows[i].action);
		p = load_custom(json);
		assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 999, 0, 0), rows[i].old);
		seccomp_program_free(&p);
	}
}

/* Other runtimes always have it, through libseccomp. */
static void the_native_architecture_is_always_meant(void **state)
{
	static const char *const lists[] = { "\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"",
		"\"SCMP_ARCH_S390\"", "" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct seccomp_program p;
		char json[256];

		snprintf(json, sizeof(json),
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[%s],"
			"\"syscalls\":[{\"names\":[\"getcwd\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
			lists[i]);
		p = load_custom(json);
		assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_getcwd, 0, 0), ERRNO(EPERM));
		assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_read, 0, 0), ALLOW);
		assert_int_equal(ask(&p, AUDIT_ARCH_I386, 183 /* getcwd */, 0, 0),
			i == 0 ? ERRNO(EPERM) : SECCOMP_RET_KILL_PROCESS);
		seccomp_program_free(&p);
	}
}

static void flags_and_listener(void **state)
{
	static const char listener[] =
		"\"listenerPath\":\"/run/agent\",\"listenerMetadata\":\"data\"}";
	const struct seccomp_choice alone = { SECCOMP_CUSTOM,
		(char[]){ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}" } };
	struct error err = { 0 };
	struct seccomp_program p;
	char json[512];

	assert_int_equal(seccomp_program_load(&alone, 0, &p, &err), -EINVAL);
	assert_string_equal(err.message, "seccomp profile: listenerMetadata without listenerPath");
	snprintf(json, sizeof(json),
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\","
		"\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],%s",
		listener);
	/* Nothing to listen to. */
	p = load_custom(json);
	assert_int_equal(p.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_null(p.listener_path);
	seccomp_program_free(&p);
	snprintf(json, sizeof(json),
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],"
		"\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}],%s",
		listener);
	p = load_custom(json);
	assert_int_equal(
		p.flags, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER);
	assert_string_equal(p.listener_path, "/run/agent");
	assert_string_equal(p.listener_metadata, "data");
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_mkdir, 0, 0), SECCOMP_RET_USER_NOTIF);
	seccomp_program_free(&p);
}

/* On i386 a socket call is also socketcall's, and a System V one ipc's. */
static void multiplexed_calls_of_i386_are_met(void **state)
{
	struct seccomp_program p = load_custom(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\","
		"\"SCMP_ARCH_X86\"],\"syscalls\":[{\"names\":[\"connect\",\"msgget\"],"
		"\"action\":\"SCMP_ACT_ERRNO\"}]}");

	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 362, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 361, 0, 0), ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 102, 3, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 102, 2, 0), ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 117, 0x1000d, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 117, 14, 0), ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_connect, 0, 0), ERRNO(EPERM));
	seccomp_program_free(&p);
}

/* Far jumps: as many argument rules as fit, each with an action of its own. */
static void long_programs_jump_far(void **state)
{
	struct str json = { 0 };
	struct seccomp_program p;
	size_t rules = 0;
	char *text;

	str_append(&json, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[");
	for (int nr = 0; nr < 330; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (name && nr % 2)
			str_appendf(&json,
				"%s{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%d,"
				"\"args\":[{\"index\":2,\"value\":%d,\"op\":\"SCMP_CMP_GT\"},"
				"{\"index\":3,\"value\":%d,\"op\":\"SCMP_CMP_EQ\"}]}",
				rules++ ? "," : "", name, nr + 1000, nr, nr);
		free(name);
	}
	str_append(&json, "]}");
	text = str_finish(&json);
	p = load_custom(text);
	free(text);
	assert_true(p.count > 1000);
	for (int nr = 0; nr < 330; nr++) {
		struct seccomp_data data = { .nr = nr,
			.arch = AUDIT_ARCH_X86_64,
			.args = { 0, 0, (uint64_t)nr + 1, (uint64_t)nr } };
		uint32_t expected = nr % 2 ? ERRNO((uint32_t)nr + 1000) : ALLOW;

		assert_int_equal(run(p.instructions, p.count, &data, NULL), expected);
		data.args[2]--;
		assert_int_equal(run(p.instructions, p.count, &data, NULL), ALLOW);
	}
	seccomp_program_free(&p);
}

static char *normalized(const char *json, uint64_t capabilities)
{
	struct error err = { 0 };
	char *text = NULL;

	if (seccomp_profile_normalize(json, strlen(json), NULL, capabilities, &text, &err) < 0)
		fail_msg("%s", err.message);
	return text;
}

static void includes_and_excludes_are_decided(void **state)
{
	static const char docker[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
		"\"archMap\":[{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":"
		"[\"SCMP_ARCH_ARM\"]},{\"architecture\":\"SCMP_ARCH_X86_64\","
		"\"subArchitectures\":[\"SCMP_ARCH_X86\"]}],\"syscalls\":["
		"{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":null},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"comment\":\"x\","
		"\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_CHROOT\"]}},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"brk\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"includes\":{\"arches\":[\"s390\",\"amd64\"]}},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"includes\":{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"includes\":{\"minKernel\":\"99.0\"}},"
		"{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"excludes\":{\"arches\":[\"amd64\"]},\"includes\":{}}]}";
	char *text = normalized(docker, BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_CHROOT));
	const struct {
		long nr;
		uint32_t with, without;
	} rows[] = {
		{ SYS_read, ALLOW, ALLOW },
		{ SYS_mount, ALLOW, ERRNO(38) },
		{ SYS_clone, ERRNO(38), ALLOW },
		{ SYS_brk, ALLOW, ALLOW },
		{ SYS_ptrace, ALLOW, ALLOW },
		{ SYS_getpid, ERRNO(38), ERRNO(38) },
		{ SYS_write, ERRNO(38), ERRNO(38) },
	};
	struct seccomp_program with = load_custom(text), without;

	assert_null(strstr(text, "includes"));
	assert_null(strstr(text, "comment"));
	assert_null(strstr(text, "archMap"));
	assert_non_null(strstr(text, "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"]"));
	free(text);
	text = normalized(docker, BIT(CAP_SYS_ADMIN) << 1);
	without = load_custom(text);
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			ask(&with, AUDIT_ARCH_X86_64, (uint32_t)rows[i].nr, 0, 0), rows[i].with);
		assert_int_equal(ask(&without, AUDIT_ARCH_X86_64, (uint32_t)rows[i].nr, 0, 0),
			rows[i].without);
	}
	seccomp_program_free(&with);
	seccomp_program_free(&without);
	/* What is normalised already stays as it is. */
	text = normalized(seccomp_default_json(), 0);
	assert_string_equal(text, seccomp_default_json());
	free(text);
}

static void a_packaged_profile_is_read(void **state)
{
	static const char path[] = "/usr/share/containers/seccomp.json";
	struct seccomp_program p;
	char *text, *resolved;

	if (access(path, R_OK) < 0) {
		print_message(
			"SKIP: %s (package golang-github-containers-common) is not here\n", path);
		skip();
	}
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &text, NULL, NULL), 0);
	resolved = normalized(text, container_capabilities_default());
	p = load_custom(resolved);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_read, 0, 0), ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_mount, 0, 0), ALLOW); /* podman's choice */
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, SYS_uselib, 0, 0), ERRNO(EPERM));
	seccomp_program_free(&p);
	free(text);
	free(resolved);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *json, *says;
	} rows[] = {
		{ "", "seccomp profile" },
		{ "[]", "not a JSON object" },
		{ "{}", "no \"defaultAction\"" },
		{ "{\"defaultAction\":5}", "defaultAction" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "needs a listenerPath" },
		{ "{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "'SCMP_ACT_MAYBE'" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":3}",
			"takes no errnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "5000" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
			"listenerPath" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_X\"]}",
			"SECCOMP_FILTER_FLAG_X" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}",
			"SCMP_ARCH_Z80" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[7]}",
			"syscalls[0] is not an object" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":"
		  "\"SCMP_ACT_ALLOW\"}]}",
			"syscalls[0] has no \"names\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}",
			"syscalls[0].args[0]: an argument's index" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_ISH\"}]}]}",
			"SCMP_CMP_ISH" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"value\":-1,"
		  "\"op\":\"SCMP_CMP_EQ\"}]}]}",
			"value" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_KILL\",\"includes\":{\"minKernel\":\"soon\"}}]}",
			"minKernel 'soon'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = { 0 };
		char *text = NULL;

		assert_true(seccomp_profile_normalize(
				    rows[i].json, strlen(rows[i].json), NULL, 0, &text, &err) < 0);
		assert_null(text);
		if (!strstr(err.message, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.message, rows[i].says);
	}
}

static void unconfined_is_no_program(void **state)
{
	const struct seccomp_choice choice = { .kind = SECCOMP_UNCONFINED };
	struct seccomp_program p;

	assert_int_equal(seccomp_program_load(&choice, 0, &p, NULL), 0);
	assert_int_equal(p.count, 0);
	assert_int_equal(seccomp_install(&p), 0);
	assert_int_equal(prctl(PR_GET_SECCOMP), 0);
	seccomp_program_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_action_and_comparison_equals_libseccomps),
		cmocka_unit_test(every_comparison_is_of_all_64_bits),
		cmocka_unit_test(actions_and_order),
		cmocka_unit_test(rules_that_change_nothing_are_none),
		cmocka_unit_test(calls_newer_than_a_profile_that_denies),
		cmocka_unit_test(the_native_architecture_is_always_meant),
		cmocka_unit_test(flags_and_listener),
		cmocka_unit_test(multiplexed_calls_of_i386_are_met),
		cmocka_unit_test(long_programs_jump_far),
		cmocka_unit_test(includes_and_excludes_are_decided),
		cmocka_unit_test(a_packaged_profile_is_read),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(unconfined_is_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
