/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-names.c - names of system calls and architectures, and rules by name.
 *
 * libseccomp knows the names of its release date; those that came later are in a table here, by the
 * number which they have on every architecture (numbers from 424 on are the same everywhere).
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/seccomp-profile.h"

#define X32_BIT 0x40000000u

const struct seccomp_target seccomp_native = {
	.arches = seccomp_native_arches,
	.docker_arch = seccomp_native_docker_arch,
	.names = seccomp_native_names,
};

/* Linux, arch/x86/entry/syscalls/syscall_{32,64}.tbl and scripts/syscall.tbl, 6.4 to 6.17. */
static const struct {
	const char *name;
	uint32_t nr;
	uint32_t only; /* AUDIT_ARCH_*; 0: on all */
} newer_than_libseccomp[] = {
	{ "riscv_hwprobe", 258, AUDIT_ARCH_RISCV64 },
	{ "uretprobe", 335, AUDIT_ARCH_X86_64 },
	{ "statmount", 457, 0 },
	{ "listmount", 458, 0 },
	{ "lsm_get_self_attr", 459, 0 },
	{ "lsm_set_self_attr", 460, 0 },
	{ "lsm_list_modules", 461, 0 },
	{ "mseal", 462, 0 },
	{ "setxattrat", 463, 0 },
	{ "getxattrat", 464, 0 },
	{ "listxattrat", 465, 0 },
	{ "removexattrat", 466, 0 },
	{ "open_tree_attr", 467, 0 },
	{ "file_getattr", 468, 0 },
	{ "file_setattr", 469, 0 },
};

/*
 * i386 has sockets and System V IPC twice: through the multiplexers socketcall and ipc, whose first
 * argument says which call is meant, and (since Linux 4.3 and 5.1) as calls of their own.
 * libseccomp gives these names pseudo numbers, -100 and -200 less the multiplexer's; here are the
 * others.
 */
#define I386_SOCKETCALL 102
#define I386_IPC	117

static const struct {
	const char *name;
	uint32_t nr;
} i386_direct[] = {
	{ "recvmmsg", 337 },
	{ "sendmmsg", 345 },
	{ "socket", 359 },
	{ "socketpair", 360 },
	{ "bind", 361 },
	{ "connect", 362 },
	{ "listen", 363 },
	{ "accept4", 364 },
	{ "getsockopt", 365 },
	{ "setsockopt", 366 },
	{ "getsockname", 367 },
	{ "getpeername", 368 },
	{ "sendto", 369 },
	{ "sendmsg", 370 },
	{ "recvfrom", 371 },
	{ "recvmsg", 372 },
	{ "shutdown", 373 },
	{ "semget", 393 },
	{ "semctl", 394 },
	{ "shmget", 395 },
	{ "shmctl", 396 },
	{ "shmat", 397 },
	{ "shmdt", 398 },
	{ "msgget", 399 },
	{ "msgsnd", 400 },
	{ "msgrcv", 401 },
	{ "msgctl", 402 },
};

/* The multiplexer of an i386 pseudo number and the condition that means this call; 0 if none. */
static uint32_t multiplexer(
	const struct seccomp_arch *arch, const char *name, struct seccomp_condition *ret)
{
	int pseudo;

	if (arch->token != SCMP_ARCH_X86)
		return 0;
	pseudo = seccomp_syscall_resolve_name_arch(arch->token, name);
	if (pseudo <= -101 && pseudo >= -120) {
		*ret = (struct seccomp_condition){ .op = SECCOMP_OP_EQ,
			.value = (uint64_t)(-pseudo - 100) };
		return I386_SOCKETCALL;
	}
	if (pseudo <= -201 && pseudo >= -224) {
		/* The upper half is a version. */
		*ret = (struct seccomp_condition){ .op = SECCOMP_OP_MASKED_EQ,
			.value = 0xffff,
			.value_two = (uint64_t)(-pseudo - 200) };
		return I386_IPC;
	}
	return 0;
}

/* runtime-spec config-linux.md, "architectures". */
static const char *const known_archs[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32",
	"SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
	"SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
	"SCMP_ARCH_S390X", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",
	"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB" };

bool seccomp_arch_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_archs); i++)
		if (streq(name, known_archs[i]))
			return true;
	return false;
}

int seccomp_list_archs(char ***v)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_archs); i++)
		if (strv_push(v, known_archs[i]) < 0)
			return -ENOMEM;
	return 0;
}

int64_t seccomp_resolve(const struct seccomp_arch *arch, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(arch->token, name);

	if (nr >= 0)
		return nr;
	if (arch->token == SCMP_ARCH_X86)
		for (size_t i = 0; i < ARRAY_SIZE(i386_direct); i++)
			if (streq(i386_direct[i].name, name))
				return i386_direct[i].nr;
	/* Below -1 are libseccomp's numbers for what another architecture has. */
	if (nr != __NR_SCMP_ERROR)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(newer_than_libseccomp); i++) {
		if (!streq(newer_than_libseccomp[i].name, name))
			continue;
		if (newer_than_libseccomp[i].only &&
			newer_than_libseccomp[i].only != arch->audit_arch)
			return -1;
		return newer_than_libseccomp[i].nr | (arch->x32 ? X32_BIT : 0);
	}
	return -1;
}

static struct seccomp_table *find_table(struct seccomp_filter *filter, uint32_t audit_arch)
{
	for (size_t i = 0; i < filter->nr_tables; i++)
		if (filter->tables[i].audit_arch == audit_arch)
			return &filter->tables[i];
	return NULL;
}

/*
 * As runc does: a profile that denies cannot know system calls newer than itself. Programs try
 * those first and fall back on ENOSYS, but take EPERM for an answer. A tracer can say ENOSYS
 * itself.
 */
static bool denies(uint32_t action)
{
	action &= SECCOMP_RET_ACTION_FULL;
	return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG &&
		action != SECCOMP_RET_TRACE;
}

static int push_rule(struct seccomp_table *table, const struct seccomp_rule *rule)
{
	/* Room is made in powers of two. */
	if ((table->nr_rules & (table->nr_rules - 1)) == 0) {
		size_t capacity = table->nr_rules ? table->nr_rules * 2 : 64;
		struct seccomp_rule *grown;

		if (table->nr_rules == 0 || table->nr_rules >= 64) {
			grown = reallocarray(table->rules, capacity, sizeof(*grown));
			if (!grown)
				return -ENOMEM;
			table->rules = grown;
		}
	}
	table->rules[table->nr_rules++] = *rule;
	return 0;
}

static int add_number(struct seccomp_profile *profile, const struct seccomp_arch *arch,
	const struct seccomp_rule *rule, struct error *err)
{
	struct seccomp_table *table = find_table(&profile->filter, arch->audit_arch);

	if (table->nr_rules >= SECCOMP_RULES_MAX)
		return error_set(err, E2BIG, "the seccomp profile has more than %d rules",
			SECCOMP_RULES_MAX);
	/* What happens anyway is no rule (and would beat one with conditions), but a name known. */
	if (rule->action != profile->default_action && push_rule(table, rule) < 0)
		return error_oom(err);
	if (arch->x32 && rule->nr > table->last_x32_nr)
		table->last_x32_nr = rule->nr;
	if (!arch->x32 && rule->nr > table->last_nr)
		table->last_nr = rule->nr;
	return 0;
}

static int add_name(struct seccomp_profile *profile, const char *name, uint32_t action,
	const struct seccomp_condition *conditions, size_t nr_conditions, struct error *err)
{
	int r = 0;

	for (size_t i = 0; profile->target->arches[i].name && r == 0; i++) {
		const struct seccomp_arch *arch = &profile->target->arches[i];
		struct seccomp_rule rule = { .action = action, .nr_conditions = nr_conditions };
		int64_t nr;

		if (!profile->arches[i])
			continue;
		nr = seccomp_resolve(arch, name);
		if (nr >= 0) {
			rule.nr = (uint32_t)nr;
			if (nr_conditions)
				memcpy(rule.conditions, conditions,
					nr_conditions * sizeof(*conditions));
			r = add_number(profile, arch, &rule, err);
		}
		/* The multiplexers take their arguments through a pointer, which no filter can
		 * follow: a rule with conditions is for the direct call alone. */
		if (r < 0 || nr_conditions)
			continue;
		rule.nr = multiplexer(arch, name, &rule.conditions[0]);
		rule.nr_conditions = 1;
		if (rule.nr)
			r = add_number(profile, arch, &rule, err);
	}
	return r;
}

/* What the target needs stands before all rules: those about the same calls are left out. */
static bool is_needed(const struct seccomp_target *target, const char *name)
{
	size_t len = strlen(name);

	for (const char *word = target->needed; word && *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " ");

		if (n == len && memcmp(word, name, n) == 0)
			return true;
		word += n;
	}
	return false;
}

static int add_needed(struct seccomp_profile *profile, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = 0;

	if (!profile->target->needed)
		return 0;
	names = strv_split(profile->target->needed, ' ');
	if (!names)
		return error_oom(err);
	strv_for_each (name, names)
		if (r == 0)
			r = add_name(profile, *name, SECCOMP_RET_ALLOW, NULL, 0, err);
	return r;
}

int seccomp_profile_begin(struct seccomp_profile *profile, struct error *err)
{
	struct seccomp_filter *filter = &profile->filter;

	filter->default_action = profile->default_action;
	filter->beyond_action = denies(profile->default_action) ? SECCOMP_RET_ERRNO | ENOSYS
								: profile->default_action;
	filter->tables = calloc(SECCOMP_ARCHES_MAX, sizeof(*filter->tables));
	if (!filter->tables)
		return error_oom(err);
	for (size_t i = 0; profile->target->arches[i].name; i++) {
		const struct seccomp_arch *arch = &profile->target->arches[i];

		if (!profile->arches[i] || find_table(filter, arch->audit_arch))
			continue;
		filter->tables[filter->nr_tables++] = (struct seccomp_table){
			.audit_arch = arch->audit_arch,
			.wide = arch->wide,
		};
	}
	return add_needed(profile, err);
}

int seccomp_profile_add(struct seccomp_profile *profile, const char *name, uint32_t action,
	const struct seccomp_condition *conditions, size_t nr_conditions, struct error *err)
{
	const struct seccomp_target *target = profile->target;

	if (is_needed(target, name) ||
		(target->namesakes && seccomp_resolve(target->namesakes, name) < 0))
		return 0;
	return add_name(profile, name, action, conditions, nr_conditions, err);
}

int seccomp_profile_compile(struct seccomp_profile *profile, struct sock_filter **ret,
	size_t *ret_count, struct error *err)
{
	int r = seccomp_compile(&profile->filter, ret, ret_count, err);

	seccomp_profile_free(profile);
	return r;
}

void seccomp_profile_free(struct seccomp_profile *profile)
{
	seccomp_filter_free(&profile->filter);
}
