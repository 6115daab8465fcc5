/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.c - a thread's list of system calls, and what is told of one that is not in it.
 */
#include "base/confine.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine-build.h"
#include "base/log.h"
#include "base/seccomp-compile.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

static const struct confine_call common[] = {
	/* locks, and what waits for them */
	ALLOW(SYS_futex),
	ALLOW(SYS_sched_yield),
	/* memory; none of it executable */
	ALLOW(SYS_brk),
	ALLOW_WITHOUT(SYS_mmap, 2, PROT_EXEC),
	ALLOW_WITHOUT(SYS_mprotect, 2, PROT_EXEC),
	ALLOW(SYS_mremap),
	ALLOW(SYS_munmap),
	ALLOW(SYS_madvise),
	ALLOW(SYS_sched_getaffinity), /* how many places to take it from */
	/* clocks, where the kernel's page for them cannot tell; numbers for who has asked */
	ALLOW(SYS_clock_gettime),
	ALLOW(SYS_getrandom),
	/* eventfds, and sentences */
	ALLOW(SYS_write),
	ALLOW(SYS_writev),
	ALLOW(SYS_lseek),
	/* signals, to this process's threads; abort(3) */
	ALLOW(SYS_rt_sigreturn),
	ALLOW(SYS_rt_sigprocmask),
	ALLOW(SYS_restart_syscall),
	ALLOW(SYS_getpid),
	ALLOW(SYS_gettid),
	ALLOW_SELF(SYS_tgkill, 0),
	/* the end */
	ALLOW(SYS_exit),
	ALLOW(SYS_exit_group),
};

const struct confine_list confine_common = CONFINE_LIST(common);

static __thread const char *this_thread; /* its name */

void confine_name_thread(const char *name)
{
	this_thread = name;
	/* The first thread has the name of the program. */
	if (syscall(SYS_gettid) != getpid())
		prctl(PR_SET_NAME, name);
}

/* --- installing ------------------------------------------------------------------------------- */

static struct seccomp_rule rule_of(const struct confine_call *call)
{
	struct seccomp_rule rule = { .nr = call->nr, .action = SECCOMP_RET_ALLOW };
	struct seccomp_condition *condition = &rule.conditions[0];

	rule.nr_conditions = call->test != CONFINE_ANY;
	condition->arg = call->arg;
	condition->op = call->test == CONFINE_WITHOUT ? SECCOMP_OP_MASKED_EQ : SECCOMP_OP_EQ;
	condition->value = call->test == CONFINE_SELF ? (uint64_t)getpid() : call->value;
	return rule;
}

static size_t add_rules(struct seccomp_rule *rules, const struct confine_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		rules[i] = rule_of(&list->calls[i]);
	return list->nr;
}

static int install(const struct sock_filter *code, size_t count, struct error *err)
{
	const struct sock_fprog program = { (unsigned short)count,
		(struct sock_filter *)(uintptr_t)code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL)
		return error_errno(err, errno, "cannot confine a thread");
	log_debug("this kernel has no seccomp: a thread may make all system calls");
	return 0;
}

int confine_thread(
	const char *name, const struct confine_list *const *lists, size_t nr, struct error *err)
{
	struct seccomp_table table = { .audit_arch = THIS_ARCH, .wide = true };
	struct seccomp_filter filter = { .default_action = SECCOMP_RET_TRAP,
		.beyond_action = SECCOMP_RET_TRAP,
		.tables = &table,
		.nr_tables = 1 };
	_cleanup_free_ struct seccomp_rule *rules = NULL;
	_cleanup_free_ struct sock_filter *code = NULL;
	size_t nr_calls = confine_common.nr + confine_build.nr, count;
	int r;

	for (size_t i = 0; i < nr; i++)
		nr_calls += lists[i] ? lists[i]->nr : 0;
	table.rules = rules = calloc(nr_calls, sizeof(*rules));
	if (!rules)
		return error_oom(err);
	table.nr_rules = add_rules(rules, &confine_common);
	table.nr_rules += add_rules(rules + table.nr_rules, &confine_build);
	for (size_t i = 0; i < nr; i++)
		if (lists[i])
			table.nr_rules += add_rules(rules + table.nr_rules, lists[i]);
	confine_name_thread(name);
	r = seccomp_compile(&filter, &code, &count, err);
	return r < 0 ? r : install(code, count, err);
}

/* --- what is told ----------------------------------------------------------------------------- */

#define SENTENCE_MAX 256

struct sentence {
	char text[SENTENCE_MAX];
	size_t size;
};

static void add(struct sentence *sentence, const char *text)
{
	while (*text && sentence->size < SENTENCE_MAX)
		sentence->text[sentence->size++] = *text++;
}

static void add_number(struct sentence *sentence, unsigned number)
{
	char digits[12], *digit = digits + sizeof(digits);

	*--digit = '\0';
	do
		*--digit = (char)('0' + number % 10);
	while (number /= 10);
	add(sentence, digit);
}

/* Whoever has made the call may have written to all memory but this code and its constants, so
 * nothing is asked of the C library. The signal's handler is gone already. */
static void report(int number, siginfo_t *info, void *context)
{
	const unsigned call = (unsigned)info->si_syscall;
	const char *name = confine_call_name(call);
	struct sentence sentence = { .size = 0 };

	add(&sentence, "strata: the thread \"");
	add(&sentence, this_thread ? this_thread : "?");
	add(&sentence, "\" has made the system call ");
	if (name)
		add(&sentence, name);
	else
		add_number(&sentence, call);
	add(&sentence, ", which it has no need of: its process is ended\n");
	(void)!write(STDERR_FILENO, sentence.text, sentence.size);
	/* One that is in no list, and does nothing where it is let through. */
	for (;;)
		syscall(SYS_unshare, 0);
}

int confine_report(void)
{
	const struct sigaction action = {
		.sa_sigaction = report,
		.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER),
	};

	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
