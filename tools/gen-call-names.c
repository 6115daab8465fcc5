/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen-call-names.c - runs while strata is built: writes the names of this machine's system calls as
 * C, by number, as libseccomp knows them (base/confine.h).
 */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS_MAX 1024

int main(void)
{
	printf("#include \"base/confine.h\"\n\nstatic const char *const names[] = {\n");
	for (int i = 0; i < CALLS_MAX; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		if (name)
			printf("\t[%d] = \"%s\",\n", i, name);
		free(name);
	}
	printf("};\n\n"
	       "const char *confine_call_name(unsigned call)\n"
	       "{\n"
	       "\treturn call < sizeof(names) / sizeof(names[0]) ? names[call] : NULL;\n"
	       "}\n");
	return ferror(stdout) || fflush(stdout) == EOF;
}
