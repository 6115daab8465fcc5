/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator.h - how a program for another CPU is executed: the words between who starts the helper
 * program strata-translate (container/, front/, and that program itself for execve(2) of the guest)
 * and who runs in it (translate/).
 *
 * It is executed in place of the guest's program, with execveat(2) and AT_EMPTY_PATH on a
 * descriptor of its own file: nothing of it is in the guest's file system. What it was executed
 * from cannot be written to (CVE-2019-5736): the guest may find it as /proc/PID/exe.
 *
 *   argv   the guest's, exactly; argv[0] may be anything. So /proc/PID/cmdline is the guest's.
 *   envp   the guest's, behind one variable of ours, which is always the first:
 *
 *            STRATA_TRANSLATE=WORD\nWORD\n...\nPATH
 *
 * The words that translate/translate.h has are separated by newlines; the last line is the path of
 * the guest's program as execve(2) got it, an ELF file or a script, and may hold anything. A
 * container gives these, and keeps nothing else:
 *
 *   contained  what is not the guest's own kind of program cannot be executed
 *   fd=N       strata-translate's own file, to execute itself again
 *   filter=N   the seccomp programs to be evaluated on the guest's own calls, in the form below;
 *              not there: none
 *   code-fd=N  a folder with translated code to take (translate/saved-code.h), which nobody can
 *              write to from where the guest is
 *   list-fd=N  where it is told what else was translated, an open file of a bounded size that grows
 *              by write(2); what it holds, and who has written it, nobody knows
 *
 * The descriptors have high numbers, from TRANSLATOR_FD_FIRST on where RLIMIT_NOFILE lets them,
 * and are no descriptors to the guest: it cannot see, use, close or duplicate over them. They are
 * not close-on-exec when the program starts.
 *
 * What the guest is not to have: rights of a set-user-ID file (the kernel looks at the
 * translator's), and a program that its user may execute but not read.
 */
#pragma once

#include <linux/filter.h>
#include <stdint.h>

#define TRANSLATOR_PROGRAM  "strata-translate"
#define TRANSLATOR_VARIABLE "STRATA_TRANSLATE"

#define TRANSLATOR_WORD_CONTAINED "contained"
#define TRANSLATOR_WORD_SELF	  "fd="
#define TRANSLATOR_WORD_FILTER	  "filter="
#define TRANSLATOR_WORD_CODE	  "code-fd="
#define TRANSLATOR_WORD_LIST	  "list-fd="

#define TRANSLATOR_FD_FIRST 1000

/*
 * The file of seccomp programs, a sealed memfd: one after the other until its end, in the order
 * they were installed in (the container's profile first). A call is decided as the kernel decides
 * it: all of them are run on struct seccomp_data with the guest's number, AUDIT_ARCH_* and
 * arguments, and the action of the highest precedence wins (Linux
 * Documentation/userspace-api/seccomp_filter.rst). A guest that installs one more gets a new file.
 */
struct translator_filter {
	uint32_t count; /* of instructions, from 1 to BPF_MAXINSNS */
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* it was installed with */
	struct sock_filter instructions[];
};

#define TRANSLATOR_FILTERS_MAX 64 /* programs in one file */
