/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-seccomp.c - what the programs answer, found by running them in a small BPF interpreter: the
 * default profile against a table and, call by call, against libseccomp's program for the same
 * rules; custom profiles; and the kernel's own opinion of it all.
 */
#include "unit/test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "container/container.h"
#include "container/seccomp-profile.h"

#define ALLOW	 SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define BIT(c)	 (UINT64_C(1) << (c))
#define X32	 0x40000000u

/* --- the interpreter: the subset of classic BPF that seccomp programs use --------------------- */

static uint32_t jump_taken(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k ? i->jt : i->jf;
	case BPF_JGT:
		return a > i->k ? i->jt : i->jf;
	case BPF_JGE:
		return a >= i->k ? i->jt : i->jf;
	case BPF_JSET:
		return a & i->k ? i->jt : i->jf;
	default:
		return i->k; /* BPF_JA */
	}
}

static uint32_t run(const struct sock_filter *code, size_t count, const struct seccomp_data *data,
	size_t *steps)
{
	uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];

		if (steps)
			++*steps;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (BPF_MODE(i->code) == BPF_MEM) {
				a = memory[i->k];
			} else {
				assert_int_equal(i->code, BPF_LD | BPF_W | BPF_ABS);
				assert_true(i->k + 4 <= sizeof(*data) && i->k % 4 == 0);
				memcpy(&a, (const char *)data + i->k, 4);
			}
			break;
		case BPF_ST:
			memory[i->k] = a;
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			pc += jump_taken(i, a);
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("unexpected instruction %#x at %zu", i->code, pc);
		}
	}
	fail_msg("the program runs past its end");
	return 0;
}

static uint32_t ask(
	const struct seccomp_program *p, uint32_t arch, uint32_t nr, uint64_t a0, uint64_t a1)
{
	const struct seccomp_data data = { .nr = (int)nr, .arch = arch, .args = { a0, a1 } };

	return run(p->instructions, p->count, &data, NULL);
}

static struct seccomp_program load_default(uint64_t capabilities)
{
	const struct seccomp_choice choice = { .kind = SECCOMP_DEFAULT };
	struct seccomp_program p;
	struct error err = { 0 };

	if (seccomp_program_load(&choice, capabilities, &p, &err) < 0)
		fail_msg("%s", err.message);
	return p;
}

static struct seccomp_program load_custom(const char *json)
{
	char *text = strdup(json);
	const struct seccomp_choice choice = { .kind = SECCOMP_CUSTOM, .profile = text };
	struct seccomp_program p;
	struct error err = { 0 };

	if (seccomp_program_load(&choice, 0, &p, &err) < 0)
		fail_msg("%s", err.message);
	free(text);
	return p;
}

/* --- the default profile ---------------------------------------------------------------------- */

#define DOCKER container_capabilities_default()

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

/* libseccomp's program for the rules of a runtime-spec object: the oracle. */
static struct sock_filter *oracle(const char *json, size_t *count)
{
	json_t *object = json_loads(json, 0, NULL), *rules, *rule, *name;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	size_t i, k;
	int fd = memfd_create("oracle", 0);

	assert_non_null(object);
	rules = json_object_get(object, "syscalls");
	assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
	assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X32), 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	json_array_foreach (rules, i, rule) {
		json_t *arg = json_array_get(json_object_get(rule, "args"), 0);
		json_t *errno_ret = json_object_get(rule, "errnoRet");
		uint32_t action = errno_ret
			? SCMP_ACT_ERRNO((uint32_t)json_integer_value(errno_ret))
			: SCMP_ACT_ALLOW;

		json_array_foreach (json_object_get(rule, "names"), k, name) {
			int nr = seccomp_syscall_resolve_name(json_string_value(name));
			struct scmp_arg_cmp cmp = { .arg = 0 };
			const char *op = json_string_value(json_object_get(arg, "op"));

			if (nr == __NR_SCMP_ERROR)
				continue;
			if (!arg) {
				assert_int_equal(
					seccomp_rule_add_array(ctx, action, nr, 0, NULL), 0);
				continue;
			}
			cmp.datum_a = (uint64_t)json_integer_value(json_object_get(arg, "value"));
			cmp.op = streq(op, "SCMP_CMP_LT")  ? SCMP_CMP_LT
				: streq(op, "SCMP_CMP_GT") ? SCMP_CMP_GT
				: streq(op, "SCMP_CMP_EQ") ? SCMP_CMP_EQ
							   : SCMP_CMP_MASKED_EQ;
			assert_int_equal(seccomp_rule_add_array(ctx, action, nr, 1, &cmp), 0);
		}
	}
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	*count = (size_t)lseek(fd, 0, SEEK_END) / sizeof(*code);
	assert_true(pread(fd, code, *count * sizeof(*code), 0) > 0);
	close(fd);
	seccomp_release(ctx);
	json_decref(object);
	return code;
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

		assert_int_equal(seccomp_default_compile(
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

/* --- custom profiles -------------------------------------------------------------------------- */

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

	if (seccomp_profile_normalize(json, strlen(json), capabilities, &text, &err) < 0)
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
	resolved = normalized(text, DOCKER);
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
				    rows[i].json, strlen(rows[i].json), 0, &text, &err) < 0);
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
		cmocka_unit_test(default_profile_answers_as_dockers),
		cmocka_unit_test(without_capabilities_chroot_is_gone),
		cmocka_unit_test(unknown_numbers_are_not_implemented_and_other_machines_die),
		cmocka_unit_test(default_profile_equals_libseccomps),
		cmocka_unit_test(the_json_says_what_the_program_does),
		cmocka_unit_test(built_in_programs_are_those_of_the_table),
		cmocka_unit_test(the_kernel_takes_the_default_program),
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
