/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-seccomp.c - the default profile: against a table and, call by call, against libseccomp's
 * program for the same rules; and the kernel's own opinion of it. What is in force where programs
 * are translated.
 */
#include "unit/container/seccomp-oracle.h"

#define DOCKER container_capabilities_default()

static struct seccomp_program load_default(uint64_t capabilities)
{
	const struct seccomp_choice choice = { .kind = SECCOMP_DEFAULT };
	struct seccomp_program p;
	struct error err = { 0 };

	if (seccomp_program_load(&choice, capabilities, &p, &err) < 0)
		fail_msg("%s", err.message);
	return p;
}

/* What Docker documents (docs.docker.com, "Seccomp security profiles", and moby's table). */
static const struct {
	const char *name;
	uint64_t extra; /* capabilities beside Docker's */
	uint64_t arg0;
	uint32_t expected;
} expectations[] = {
	{ "read", 0, 0, ALLOW }, { "openat", 0, 0, ALLOW }, { "execve", 0, 0, ALLOW },
	{ "futex_wait", 0, 0, ALLOW }, { "mseal", 0, 0, ALLOW }, { "statmount", 0, 0, ALLOW },
	{ "removexattrat", 0, 0, ALLOW }, { "ptrace", 0, 0, ALLOW }, { "modify_ldt", 0, 0, ALLOW },
	{ "arch_prctl", 0, 0, ALLOW }, { "chroot", 0, 0, ALLOW },
	{ "clone", 0, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_THREAD, ALLOW },
	{ "clone", 0, 17, ALLOW }, { "clone", 0, CLONE_NEWUSER | 17, ERRNO(EPERM) },
	{ "clone", 0, CLONE_NEWNS, ERRNO(EPERM) }, { "clone", 0, CLONE_NEWCGROUP, ERRNO(EPERM) },
	{ "clone", 0, CLONE_NEWNET, ERRNO(EPERM) },
	{ "clone", BIT(CAP_SYS_ADMIN), CLONE_NEWUSER, ALLOW }, { "clone3", 0, 0, ERRNO(ENOSYS) },
	{ "clone3", BIT(CAP_SYS_ADMIN), 0, ALLOW }, { "unshare", 0, 0, ERRNO(EPERM) },
	{ "setns", 0, 0, ERRNO(EPERM) }, { "mount", 0, 0, ERRNO(EPERM) },
	{ "umount2", 0, 0, ERRNO(EPERM) }, { "mount", BIT(CAP_SYS_ADMIN), 0, ALLOW },
	{ "fsopen", 0, 0, ERRNO(EPERM) }, { "move_mount", BIT(CAP_SYS_ADMIN), 0, ALLOW },
	{ "lsm_list_modules", 0, 0, ERRNO(EPERM) },
	{ "lsm_list_modules", BIT(CAP_SYS_ADMIN), 0, ALLOW },
	{ "pivot_root", BIT(CAP_SYS_ADMIN), 0, ERRNO(EPERM) }, { "swapon", 0, 0, ERRNO(EPERM) },
	{ "kexec_load", UINT64_MAX, 0, ERRNO(EPERM) }, { "keyctl", 0, 0, ERRNO(EPERM) },
	{ "add_key", UINT64_MAX, 0, ERRNO(EPERM) }, { "request_key", 0, 0, ERRNO(EPERM) },
	{ "userfaultfd", 0, 0, ERRNO(EPERM) }, { "io_uring_setup", 0, 0, ERRNO(EPERM) },
	{ "io_uring_enter", UINT64_MAX, 0, ERRNO(EPERM) }, { "bpf", 0, 0, ERRNO(EPERM) },
	{ "bpf", BIT(CAP_BPF), 0, ALLOW }, { "perf_event_open", 0, 0, ERRNO(EPERM) },
	{ "perf_event_open", BIT(CAP_PERFMON), 0, ALLOW },
	{ "open_by_handle_at", 0, 0, ERRNO(EPERM) },
	{ "open_by_handle_at", BIT(CAP_DAC_READ_SEARCH), 0, ALLOW },
	{ "reboot", 0, 0, ERRNO(EPERM) }, { "reboot", BIT(CAP_SYS_BOOT), 0, ALLOW },
	{ "init_module", 0, 0, ERRNO(EPERM) }, { "finit_module", BIT(CAP_SYS_MODULE), 0, ALLOW },
	{ "acct", 0, 0, ERRNO(EPERM) }, { "acct", BIT(CAP_SYS_PACCT), 0, ALLOW },
	{ "kcmp", 0, 0, ERRNO(EPERM) }, { "pidfd_getfd", BIT(CAP_SYS_PTRACE), 0, ALLOW },
	{ "iopl", 0, 0, ERRNO(EPERM) }, { "ioperm", BIT(CAP_SYS_RAWIO), 0, ALLOW },
	{ "settimeofday", 0, 0, ERRNO(EPERM) }, { "clock_settime", BIT(CAP_SYS_TIME), 0, ALLOW },
	{ "vhangup", 0, 0, ERRNO(EPERM) }, { "vhangup", BIT(CAP_SYS_TTY_CONFIG), 0, ALLOW },
	{ "mbind", 0, 0, ERRNO(EPERM) }, { "set_mempolicy_home_node", BIT(CAP_SYS_NICE), 0, ALLOW },
	{ "syslog", 0, 0, ERRNO(EPERM) }, { "syslog", BIT(CAP_SYSLOG), 0, ALLOW },
	{ "quotactl", 0, 0, ERRNO(EPERM) }, { "socket", 0, AF_UNIX, ALLOW },
	{ "socket", 0, AF_INET6, ALLOW }, { "socket", 0, AF_PACKET, ALLOW },
	{ "socket", 0, AF_ALG, ERRNO(EPERM) }, { "socket", 0, 39, ALLOW },
	{ "socket", 0, AF_VSOCK, ERRNO(EPERM) }, { "socket", 0, 41, ALLOW },
	{ "personality", 0, 0, ALLOW }, { "personality", 0, 8, ALLOW },
	{ "personality", 0, 0x20008, ALLOW }, { "personality", 0, 0xffffffff, ALLOW },
	{ "personality", 0, 0x40000, ERRNO(EPERM) }, /* ADDR_NO_RANDOMIZE */
	{ "personality", 0, 0x400000, ERRNO(EPERM) }, /* READ_IMPLIES_EXEC */
};

static void default_profile_answers_as_dockers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
		struct seccomp_program p = load_default(DOCKER | expectations[i].extra);

		for (size_t a = 0; seccomp_native_arches[a].name; a++) {
			const struct seccomp_arch *arch = &seccomp_native_arches[a];
			int64_t nr = seccomp_resolve(arch, expectations[i].name);
			uint32_t got;

			/* The native architecture has every call of the table. */
			assert_true(nr >= 0 || a > 0);
			if (nr < 0)
				continue;
			got = ask(&p, arch->audit_arch, (uint32_t)nr, expectations[i].arg0, 0);
			if (got != expectations[i].expected)
				fail_msg("%s(%#llx) on %s: %#x, not %#x", expectations[i].name,
					(unsigned long long)expectations[i].arg0, arch->name, got,
					expectations[i].expected);
		}
		seccomp_program_free(&p);
	}
}

static void without_capabilities_chroot_is_gone(void **state)
{
	struct seccomp_program p = load_default(0);
	const struct seccomp_arch *native = &seccomp_native_arches[0];
	uint32_t chroot_nr = (uint32_t)seccomp_resolve(native, "chroot");

	assert_int_equal(ask(&p, native->audit_arch, chroot_nr, 0, 0), ERRNO(EPERM));
	seccomp_program_free(&p);
}

static void unknown_numbers_are_not_implemented_and_other_machines_die(void **state)
{
	struct seccomp_program p = load_default(DOCKER);

	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 467, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 100000, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, X32 + 548, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 467, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, UINT32_MAX, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_AARCH64, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	seccomp_program_free(&p);
}

/* Is it a call that we know and this libseccomp does not? */
static bool beyond_oracle(const struct seccomp_arch *arch, uint32_t nr)
{
	char *name = seccomp_syscall_resolve_num_arch(arch->token, (int)nr);

	free(name);
	return !name;
}

static void default_profile_equals_libseccomps(void **state)
{
	static const uint64_t args[] = { 0, 1, 8, 17, 37, 38, 39, 40, 41, 0x20000, 0x20008,
		0xffffffff, CLONE_NEWUSER, CLONE_NEWNS | 17, 0x100000000, 0x100000026, UINT64_MAX };
	struct seccomp_program p = load_default(DOCKER);
	size_t count, compared = 0, ours = 0, theirs = 0, calls = 0;
	struct sock_filter *code = oracle(seccomp_default_json(), &count);

	for (size_t a = 0; seccomp_native_arches[a].name; a++) {
		const struct seccomp_arch *arch = &seccomp_native_arches[a];

		for (uint32_t n = 0; n <= 466; n++) {
			uint32_t nr = n | (arch->x32 ? X32 : 0);

			if (beyond_oracle(arch, nr))
				continue;
			for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
				struct seccomp_data data = {
					.nr = (int)nr, .arch = arch->audit_arch, .args = { args[i] }
				};
				uint32_t expected, got;

				/* 32-bit programs have no more, and x32's are compared in full
				 * by us only. */
				if (args[i] > UINT32_MAX && !(arch->wide && !arch->x32))
					continue;
				expected = run(code, count, &data, &theirs);
				got = run(p.instructions, p.count, &data, &ours);
				if (expected != got)
					fail_msg("%s %u(%#llx): %#x, libseccomp says %#x",
						arch->name, n, (unsigned long long)args[i], got,
						expected);
				compared += i == 0;
				calls++;
			}
		}
	}
	print_message(
		"# %zu calls alike; %zu instructions, libseccomp %zu; %.1f run per call, %.1f\n",
		compared, p.count, count, (double)ours / (double)calls,
		(double)theirs / (double)calls);
	assert_true(compared > 1100);
	free(code);
	seccomp_program_free(&p);
}

static void the_json_says_what_the_program_does(void **state)
{
	struct seccomp_program built = load_default(DOCKER);
	struct seccomp_program compiled = load_custom(seccomp_default_json());

	assert_int_equal(built.count, compiled.count);
	assert_memory_equal(built.instructions, compiled.instructions,
		built.count * sizeof(*built.instructions));
	assert_int_equal(built.flags, compiled.flags);
	assert_false(built.owned);
	assert_true(compiled.owned);
	seccomp_program_free(&built);
	seccomp_program_free(&compiled);
}

static void built_in_programs_are_those_of_the_table(void **state)
{
	assert_true(seccomp_prebuilt_count >= 3);
	for (size_t i = 0; i < seccomp_prebuilt_count; i++) {
		struct sock_filter *code;
		size_t count;

		assert_int_equal(seccomp_default_compile(seccomp_prebuilt[i].target,
					 seccomp_prebuilt[i].capabilities, &code, &count, NULL),
			0);
		assert_int_equal(count, seccomp_prebuilt[i].count);
		assert_memory_equal(code, seccomp_prebuilt[i].instructions, count * sizeof(*code));
		free(code);
	}
}

/* The kernel: what it says is what the interpreter said. */
static int try_it(void)
{
	struct seccomp_program p = load_default(DOCKER);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_install(&p) < 0)
		return 1;
	if (getpid() <= 0)
		return 2;
	if (mount("x", "/nowhere", "tmpfs", 0, NULL) == 0 || errno != EPERM)
		return 3;
	if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS)
		return 4;
	if (syscall(1000) >= 0 || errno != ENOSYS)
		return 5;
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return 6;
	if (socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return 7;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 8;
	return 0;
}

static void the_kernel_takes_the_default_program(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_it());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- translated programs -----------------------------------------------------------------------
 */

static void load_translated(const char *json, uint64_t capabilities, struct seccomp_program *guest,
	struct seccomp_program *host)
{
	char *text = json ? strdup(json) : NULL;
	const struct seccomp_choice choice = { .kind = json ? SECCOMP_CUSTOM : SECCOMP_DEFAULT,
		.profile = text };
	struct error err = { 0 };

	if (seccomp_program_load_translated(&choice, "riscv64", capabilities, guest, host, &err) <
		0)
		fail_msg("%s", err.message);
	free(text);
}

/* Of the guest's own call of that name. */
static uint32_t ask_guest(const struct seccomp_program *p, const char *name, uint64_t arg0)
{
	int64_t nr = seccomp_resolve(&seccomp_riscv64.arches[0], name);

	assert_true(nr >= 0);
	return ask(p, AUDIT_ARCH_RISCV64, (uint32_t)nr, arg0, 0);
}

static uint32_t ask_host(const struct seccomp_program *p, const char *name, uint64_t arg0)
{
	int64_t nr = seccomp_resolve(&seccomp_native_arches[0], name);

	assert_true(nr >= 0);
	return ask(p, seccomp_native_arches[0].audit_arch, (uint32_t)nr, arg0, 0);
}

static void translated_programs_get_the_default_profile_by_their_own_numbers(void **state)
{
	struct seccomp_program guest, host;

	load_translated(NULL, DOCKER, &guest, &host);
	for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
		const char *name = expectations[i].name;

		if (expectations[i].extra || seccomp_resolve(&seccomp_riscv64.arches[0], name) < 0)
			continue;
		assert_int_equal(
			ask_guest(&guest, name, expectations[i].arg0), expectations[i].expected);
		assert_int_equal(
			ask_host(&host, name, expectations[i].arg0), expectations[i].expected);
	}
	assert_int_equal(ask_guest(&guest, "riscv_flush_icache", 0), ALLOW);
	assert_int_equal(ask_guest(&guest, "riscv_hwprobe", 0), ALLOW);
	assert_int_equal(ask(&guest, AUDIT_ARCH_X86_64, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&guest, AUDIT_ARCH_RISCV64, 100000, 0, 0), ERRNO(ENOSYS));
	/* Beneath, only what there is for the guest to ask for, and only as 64-bit calls. */
	assert_int_equal(ask_host(&host, "modify_ldt", 0), ERRNO(EPERM));
	assert_int_equal(ask_host(&host, "fork", 0), ERRNO(EPERM));
	assert_int_equal(ask_host(&host, "open", 0), ERRNO(EPERM));
	assert_int_equal(ask(&host, AUDIT_ARCH_I386, 4, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&host, AUDIT_ARCH_RISCV64, 64, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&host, AUDIT_ARCH_X86_64, X32, 0, 0), ERRNO(ENOSYS));
	seccomp_program_free(&guest);
	seccomp_program_free(&host);
}

static void what_the_translator_needs_is_allowed_beneath_alone(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		"{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"mmap\"],\"action\":\"SCMP_ACT_KILL\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		"{\"names\":[\"mmap\",\"openat\",\"execveat\",\"mkdirat\",\"futex\"],"
		"\"action\":\"SCMP_ACT_ERRNO\"}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		char **needed = strv_split(seccomp_beneath_riscv64.needed, ' ');
		struct seccomp_program guest, host;

		load_translated(profiles[i], 0, &guest, &host);
		strv_for_each (name, needed)
			assert_int_equal(ask_host(&host, *name, 0), ALLOW);
		assert_int_not_equal(ask_guest(&guest, "mmap", 0), ALLOW);
		assert_int_equal(ask_guest(&guest, "futex", 0), ERRNO(EPERM));
		assert_int_equal(ask_guest(&guest, "mkdirat", 0), ERRNO(EPERM));
		assert_int_equal(ask_host(&host, "mkdirat", 0), ERRNO(EPERM));
		assert_int_equal(ask_guest(&guest, "read", 0), ALLOW);
		strv_free(needed);
		seccomp_program_free(&guest);
		seccomp_program_free(&host);
	}
}

static void nobody_is_asked_about_translated_programs(void **state)
{
	static char agent[] =
		"{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/run/agent\"}";
	const struct seccomp_choice choice = { .kind = SECCOMP_CUSTOM, .profile = agent };
	struct seccomp_program guest, host;
	struct error err = { 0 };

	assert_int_equal(
		seccomp_program_load_translated(&choice, "riscv64", 0, &guest, &host, &err),
		-ENOTSUP);
	assert_non_null(strstr(err.message, "SCMP_ACT_NOTIFY"));
	assert_int_equal(
		seccomp_program_load_translated(&choice, "vax", 0, &guest, &host, &err), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_profile_answers_as_dockers),
		cmocka_unit_test(without_capabilities_chroot_is_gone),
		cmocka_unit_test(unknown_numbers_are_not_implemented_and_other_machines_die),
		cmocka_unit_test(default_profile_equals_libseccomps),
		cmocka_unit_test(the_json_says_what_the_program_does),
		cmocka_unit_test(built_in_programs_are_those_of_the_table),
		cmocka_unit_test(the_kernel_takes_the_default_program),
		cmocka_unit_test(translated_programs_get_the_default_profile_by_their_own_numbers),
		cmocka_unit_test(what_the_translator_needs_is_allowed_beneath_alone),
		cmocka_unit_test(nobody_is_asked_about_translated_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
