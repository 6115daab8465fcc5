/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen-seccomp.c - runs while strata is built: writes the default seccomp profile as C, one BPF
 * program for each of the usual capability sets (for this machine's programs, for translated ones,
 * and for the host's calls beneath those) and the JSON text for Docker's fourteen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "container/container.h"
#include "container/seccomp-profile.h"

/* The targets whose programs are built in. */
static const struct {
	const char *expression;
	const struct seccomp_target *target;
} targets[] = {
	{ "&seccomp_native", &seccomp_native },
	{ "&seccomp_riscv64", &seccomp_riscv64 },
	{ "&seccomp_beneath_riscv64", &seccomp_beneath_riscv64 },
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static int write_program(size_t index, const struct seccomp_target *target, uint64_t capabilities)
{
	struct sock_filter *code;
	struct error err = { 0 };
	size_t count;

	if (seccomp_default_compile(target, capabilities, &code, &count, &err) < 0) {
		fprintf(stderr, "gen-seccomp: %s\n", err.message);
		return -1;
	}
	printf("static const struct sock_filter program_%zu[] = {\n", index);
	for (size_t i = 0; i < count; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
			code[i].k);
	printf("};\n\n");
	free(code);
	return 0;
}

static void write_text(const char *text)
{
	printf("const char seccomp_default_text[] =");
	for (size_t i = 0; text[i]; i++) {
		if (i % 80 == 0)
			printf("%s\n\t\"", i ? "\"" : "");
		if (text[i] == '"' || text[i] == '\\')
			putchar('\\');
		putchar(text[i]);
	}
	printf("\";\n");
}

int main(void)
{
	/* Docker's default, --cap-drop ALL, --cap-add ALL, and the additions seen most often. */
	const uint64_t standard = container_capabilities_default();
	const uint64_t sets[] = {
		standard,
		0,
		UINT64_MAX,
		standard | UINT64_C(1) << container_capability_from_name("SYS_ADMIN"),
		standard | UINT64_C(1) << container_capability_from_name("SYS_PTRACE"),
	};
	const size_t count = sizeof(sets) / sizeof(sets[0]);
	char *text = seccomp_default_write(standard);

	if (!text)
		return 1;
	printf("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/gen-seccomp.c. */\n"
	       "#include \"container/seccomp-profile.h\"\n\n");
	for (size_t i = 0; i < count * TARGETS; i++)
		if (write_program(i, targets[i / count].target, sets[i % count]) < 0)
			return 1;
	printf("const struct seccomp_prebuilt seccomp_prebuilt[] = {\n");
	for (size_t i = 0; i < count * TARGETS; i++)
		printf("\t{ %s, UINT64_C(0x%" PRIx64
		       "), program_%zu, sizeof(program_%zu) / sizeof(program_%zu[0]) },\n",
			targets[i / count].expression, sets[i % count] & seccomp_default_relevant(),
			i, i, i);
	printf("};\nconst size_t seccomp_prebuilt_count = %zu;\n\n", count * TARGETS);
	write_text(text);
	free(text);
	return 0;
}
