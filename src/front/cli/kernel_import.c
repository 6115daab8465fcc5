/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_import.c - `kernel import` and `kernel fetch`: kernels for machines come in from files and
 * from Debian. An ordinary user's run as root of a user namespace, as pulls do.
 */
#include <stdio.h>

#include "base/userns.h"
#include "front/cli/kernel_store.h"
#include "isolation/architectures.h"

int kernel_platform(const char *text, struct image_platform *ret, struct error *err)
{
	int r;

	if (!text) {
		*ret = (struct image_platform){ .os = "linux" };
		snprintf(ret->architecture, sizeof(ret->architecture), "%s",
			machine_architecture_default(NULL));
		return 0;
	}
	r = image_platform_parse(text, ret, err);
	if (r == 0 && !streq(ret->os, "linux"))
		r = error_set(err, EINVAL, "kernels are Linux's, not %s's", ret->os);
	return r;
}

void kernel_print(const struct kernel *kernel)
{
	_cleanup_free_ char *familiar = kernel->name ? image_familiar_name(kernel->name) : NULL;

	printf("%s\n", familiar ? familiar : kernel->digest);
	fflush(stdout);
}

struct kernel_import_values {
	const char *modules, *name, *platform;
	bool quiet;
};

struct import_call {
	const char *root;
	struct kernel_import_options options;
	bool quiet;
};

static const struct option import_rows[] = {
	{ OPTION_STRING, 'm', "modules", offsetof(struct kernel_import_values, modules), "DIR",
		"Its modules: lib/modules/RELEASE, or a folder that has it below", COMPLETE_FILE },
	{ OPTION_STRING, 'n', "name", offsetof(struct kernel_import_values, name), "NAME[:TAG]",
		"What to call it [kernel:ARCH]" },
	{ OPTION_STRING, 0, "platform", offsetof(struct kernel_import_values, platform), "OS/ARCH",
		"What it must be for" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct kernel_import_values, quiet), NULL,
		"Print no name" },
	{ OPTION_END },
};

static int import_now(void *context, struct error *err)
{
	const struct import_call *call = context;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	int r = kernel_import(call->root, &call->options, &kernel, err);

	if (r == 0 && !call->quiet)
		kernel_print(&kernel);
	return r;
}

static int import_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct kernel_import_values *v = values;
	struct image_platform platform;
	struct import_call call = {
		.root = cli->root,
		.options = { .file = argv[0], .modules = v->modules, .name = v->name },
		.quiet = v->quiet,
	};
	int r = kernel_platform(v->platform, &platform, err);

	if (r < 0)
		return r;
	if (v->platform)
		call.options.architecture = platform.architecture;
	return userns_call(import_now, &call, err);
}

const struct verb verb_kernel_import = {
	.name = "kernel import",
	.group = "Machines",
	.usage = "[OPTIONS] FILE",
	.summary = "Take in a kernel for machines, with its modules",
	.help = "FILE is an Image, an ELF file, an EFI zboot or a bzImage, compressed or not. It becomes the\n"
		"kernel of all machines for its CPU, unless they are told otherwise (run --kernel).\n"
		"\n"
		"Example: the kernel of an unpacked package\n"
		"  strata kernel import tree/boot/vmlinux-6.12-riscv64 --modules tree",
	.options = import_rows,
	.options_size = sizeof(struct kernel_import_values),
	.min_operands = 1,
	.max_operands = 1,
	.operand = COMPLETE_FILE,
	.run = import_main,
};

/* --- fetch ------------------------------------------------------------------------------------ */

struct fetch_values {
	const char *suite, *name, *platform;
	bool quiet;
};

struct fetch_call {
	const char *root;
	const struct fetch_values *values;
	struct image_platform platform;
};

static const struct option fetch_rows[] = {
	{ OPTION_STRING, 'n', "name", offsetof(struct fetch_values, name), "NAME[:TAG]",
		"What to call it [kernel:ARCH]" },
	{ OPTION_STRING, 0, "platform", offsetof(struct fetch_values, platform), "OS/ARCH",
		"What it is for [" KERNEL_PLATFORM_DEFAULT "]" },
	{ OPTION_STRING, 0, "suite", offsetof(struct fetch_values, suite), "SUITE",
		"Which release of Debian [trixie]" },
	{ OPTION_FLAG, 'q', "quiet", offsetof(struct fetch_values, quiet), NULL, "Print no name" },
	{ OPTION_END },
};

static int fetch_now(void *context, struct error *err)
{
	const struct fetch_call *call = context;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	int r = kernel_fetch_debian(call->root, call->platform.architecture, call->values->suite,
		call->values->name, &kernel, err);

	if (r == 0 && !call->values->quiet)
		kernel_print(&kernel);
	return r;
}

static int fetch_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct fetch_values *v = values;
	struct fetch_call call = { .root = cli->root, .values = v };
	int r = kernel_platform(v->platform, &call.platform, err);

	if (r < 0)
		return r;
	if (!streq(argv[0], "debian"))
		return error_set(err, EINVAL,
			"kernels are fetched from debian, not from \"%s\": others can be imported or pulled",
			argv[0]);
	return userns_call(fetch_now, &call, err);
}

const struct verb verb_kernel_fetch = {
	.name = "kernel fetch",
	.group = "Machines",
	.usage = "[OPTIONS] debian",
	.summary = "Get Debian's kernel for machines, by this host's apt",
	.help = "From the mirror that apt uses here, checked by Debian's keys. Nothing is installed, and no\n"
		"right is needed.",
	.options = fetch_rows,
	.options_size = sizeof(struct fetch_values),
	.min_operands = 1,
	.max_operands = 1,
	.run = fetch_main,
};

/* --- __initramfs --------------------------------------------------------------------------------
 */

static const struct option initramfs_rows[] = {
	{ OPTION_STRING, 0, "platform", offsetof(struct fetch_values, platform), "OS/ARCH",
		"Platform of the kernel" },
	{ OPTION_END },
};

static int initramfs_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct fetch_values *v = values;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	struct image_platform platform;
	int r = kernel_platform(v->platform, &platform, err);

	if (r == 0)
		r = kernel_find(cli->root, argv[0], platform.architecture, &kernel, err);
	return r < 0 ? r : kernel_make_initramfs(cli->root, &kernel, err);
}

const struct verb verb_initramfs = {
	.name = "__initramfs",
	.usage = "[OPTIONS] NAME|ID",
	.summary = "Make a kernel's first filesystem, if it is missing",
	.options = initramfs_rows,
	.options_size = sizeof(struct fetch_values),
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = initramfs_main,
};
