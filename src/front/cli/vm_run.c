/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_run.c - `vm run`: a machine that boots what its developer brings, with no image.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "front/cli/vm_devices.h"
#include "front/cli/vm_disks.h"
#include "machine/machine.h"
#include "vcpu/models.h"
#include "vm/vm.h"

struct vm_run_options {
	const char *kernel, *initrd, *append, *firmware, *console, *hvc;
	int64_t memory_bytes, nr_vcpus;
	const char *vsock, *gdb, *monitor, *snapshot, *restore, *code;
	const char *aia, *arch, *cpu, *display, *flash_code, *flash_data;
	char **parts, **cdroms, **disks, **nets, **ports, **shares;
	bool no_reboot, track;
};

static const struct vm_run_options defaults = {
	.memory_bytes = INT64_C(512) << 20,
	.nr_vcpus = 1,
	.aia = "none",
};

#define AT(member) offsetof(struct vm_run_options, member)

static const struct option vm_run_table[] = {
	{ OPTION_HEADING, .help = "What is booted" },
	{ OPTION_STRING, 'k', "kernel", AT(kernel), "FILE",
		"Kernel: Image, vmlinuz (EFI zboot), bzImage or an ELF file", COMPLETE_FILE },
	{ OPTION_STRING, 'i', "initrd", AT(initrd), "FILE", "Initial RAM disk", COMPLETE_FILE },
	{ OPTION_STRING, 'a', "append", AT(append), "TEXT", "Command line of the kernel" },
	{ OPTION_STRING, 'f', "firmware", AT(firmware), "FILE",
		"Firmware to start in M-mode (OpenSBI, ...) in place of strata's own SBI",
		COMPLETE_FILE },
	{ OPTION_STRING, 0, "flash", AT(flash_code), "FILE",
		"What firmware goes on with, in read-only flash: UEFI", COMPLETE_FILE },
	{ OPTION_STRING, 0, "flash-data", AT(flash_data), "FILE",
		"Flash that is written, to FILE: UEFI's variables", COMPLETE_FILE },
	{ OPTION_FLAG, 0, "no-reboot", AT(no_reboot), NULL,
		"A guest that restarts itself ends the machine" },
	{ OPTION_STRING, 'g', "gdb", AT(gdb), "PORT",
		"Let gdb connect to 127.0.0.1:PORT, or to a socket at a path" },
	{ OPTION_STRING, 0, "monitor", AT(monitor), "PATH", "Make a socket there, for `vm monitor`",
		COMPLETE_FILE },
	{ OPTION_STRING, 0, "snapshot", AT(snapshot), "FOLDER",
		"Where Ctrl-A s, or SIGUSR1, saves the machine, which then goes on",
		COMPLETE_FILE },
	{ OPTION_FLAG, 0, "track-dirty-pages", AT(track), NULL,
		"Let snapshots behind the first be differences: vm monitor save-diff, FOLDER.1, ..." },
	{ OPTION_STRING, 0, "restore", AT(restore), "FOLDER",
		"Go on from a machine that was saved; the other options are those it had",
		COMPLETE_FILE },
	{ OPTION_STRING, 0, "code", AT(code), "FILE",
		"Translated code that was kept for the machine of --restore; what does not fit is removed",
		COMPLETE_FILE },
	{ OPTION_HEADING, .help = "The machine" },
	{ OPTION_STRING, 0, "arch", AT(arch), "riscv64|x86_64",
		"Its CPU: riscv64 is emulated, x86_64 needs KVM [that of the kernel or the snapshot]",
		COMPLETE_CHOICES, "riscv64|x86_64|amd64" },
	{ OPTION_SIZE, 'm', "memory", AT(memory_bytes), "BYTES",
		"Memory, taken from the host as it is used [512m]" },
	{ OPTION_INT, 'c', "cpus", AT(nr_vcpus), "N", "CPUs, 1 to 16 [1]" },
	{ OPTION_STRING, 0, "cpu", AT(cpu), "MODEL",
		"What its CPUs are; help lists what there is [host, rv64]", COMPLETE_SUGGESTIONS,
		"host|x86-64-v1|x86-64-v2|x86-64-v3|x86-64-v4|rv64|help" },
	{ OPTION_STRING, 0, "aia", AT(aia), "none|aplic|aplic-imsic",
		"Interrupt controller: a PLIC, or an APLIC, with messages to IMSICs or without [none]",
		COMPLETE_CHOICES, "none|aplic|aplic-imsic" },
	{ OPTION_LIST, 'd', "disk", AT(disks), "FILE[,OPTION...]",
		"A disk: a raw image or a block device; several in their order", COMPLETE_FILE },
	{ OPTION_LIST, 0, "cdrom", AT(cdroms), "FILE",
		"A disk that cannot be written, behind the others: an ISO image", COMPLETE_FILE },
	{ OPTION_STRING, 0, "display", AT(display), "none",
		"There is none to be had: this is for command lines that say so", COMPLETE_CHOICES,
		"none" },
	{ OPTION_LIST, 0, "part", AT(parts), "NAME=FILE",
		"A read-only partition of the first disk, in front of those of --disk; several in their order",
		COMPLETE_FILE },
	{ OPTION_LIST, 'n', "net", AT(nets), "user[,OPTION...]|tap=INTERFACE|switch=SOCKET|none",
		"Network card: the host's sockets, or one of its interfaces, are the way out [user]",
		COMPLETE_SUGGESTIONS, "user|none" },
	{ OPTION_LIST, 'p', "publish", AT(ports), "[IP:]HOST:GUEST[/udp]",
		"A port of the host that leads to one of the guest" },
	{ OPTION_LIST, 's', "share", AT(shares), "NAME=PATH[:ro]",
		"A folder of the host, in what the guest mounts as virtiofs with the tag strata" },
	{ OPTION_STRING, 0, "vsock", AT(vsock), "PATH",
		"Unix socket that leads to the guest's vsock ports, and PATH_PORT from there",
		COMPLETE_FILE },
	{ OPTION_STRING, 0, "console", AT(console), "stdio|none|FILE",
		"Where the serial port leads [stdio, if --hvc does not]", COMPLETE_SUGGESTIONS,
		"stdio|none" },
	{ OPTION_STRING, 0, "hvc", AT(hvc), "stdio|FILE",
		"Where a virtio console leads, which Linux calls hvc0", COMPLETE_SUGGESTIONS,
		"stdio" },
	{ OPTION_END },
};

/* --- the console ----------------------------------------------------------------------------- */

/* A terminal, and the file that was opened for it. */
struct terminal {
	struct machine_console_config config;
	int fd;
};

#define TERMINAL_NONE                                                                              \
	{                                                                                          \
		{ MACHINE_CONSOLE_NONE, MACHINE_CONSOLE_NONE, false }, -1                          \
	}

static int open_terminal(
	struct terminal *t, const char *option, const char *where, struct error *err)
{
	if (streq(where, "none"))
		return 0;
	if (streq(where, "stdio")) {
		t->config = (struct machine_console_config){ STDIN_FILENO, STDOUT_FILENO,
			isatty(STDIN_FILENO) };
		return 0;
	}
	t->fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (t->fd < 0)
		return error_errno(err, errno, "%s: cannot write to %s", option, where);
	t->config.out = t->fd;
	return 0;
}

static int open_terminals(const struct vm_run_options *o, struct terminal *serial,
	struct terminal *hvc, struct machine_config *c, struct error *err)
{
	bool has_stdio = o->hvc && streq(o->hvc, "stdio");
	const char *console = o->console ? o->console : has_stdio ? "none" : "stdio";
	int r;

	if (has_stdio && streq(console, "stdio"))
		return error_set(err, EINVAL, "--console and --hvc cannot both be stdio");
	r = open_terminal(serial, "--console", console, err);
	if (r == 0 && o->hvc)
		r = open_terminal(hvc, "--hvc", o->hvc, err);
	c->console_in = serial->config.in;
	c->console_out = serial->config.out;
	c->has_console_keys = serial->config.has_keys;
	c->hvc = o->hvc ? &hvc->config : NULL;
	return r;
}

static void close_terminal(struct terminal *t)
{
	cleanup_close(&t->fd);
}

/* --- CD-ROMs: disks that are read only ------------------------------------------------------- */

/* As --disk would have it: a comma of the file's name twice. */
static int add_cdroms(struct vm_run_options *o)
{
	int r = 0;

	strv_for_each (path, o->cdroms) {
		_cleanup_str_ struct str text = { 0 };

		for (const char *c = *path; *c; c++)
			str_append_n(&text, *c == ',' ? ",," : c, *c == ',' ? 2 : 1);
		str_append(&text, ",readonly");
		r = text.failed ? -ENOMEM : strv_push(&o->disks, text.data);
		if (r < 0)
			break;
	}
	return r;
}

/* --- running --------------------------------------------------------------------------------- */

static int check(const struct vm_run_options *o, struct error *err)
{
	if (!o->kernel && !o->firmware && !o->restore)
		return error_set(err, EINVAL,
			"nothing to boot: give a kernel with --kernel FILE, or firmware with --firmware FILE");
	if ((o->flash_code || o->flash_data) && !o->firmware)
		return error_set(err, EINVAL,
			"--flash and --flash-data need --firmware: nothing else would find them");
	if (o->nr_vcpus < 1 || o->nr_vcpus > VM_VCPUS_MAX)
		return error_set(err, EINVAL, "--cpus: a machine has 1 to %d CPUs", VM_VCPUS_MAX);
	if (o->memory_bytes < (int64_t)MACHINE_MEMORY_MIN ||
		o->memory_bytes > (int64_t)MACHINE_MEMORY_MAX)
		return error_set(err, EINVAL, "--memory: a machine has 4m to 1024g");
	return 0;
}

static int list_cpus(void)
{
	const struct vcpu_model *model;

	for (size_t i = 0; (model = vcpu_model_at(i)); i++)
		printf("%-8s %-10s %s\n", model->machine, model->name, model->what);
	return 0;
}

/* One of the choices of --aia. */
static enum machine_aia aia_of(const char *text)
{
	return streq(text, "none")     ? MACHINE_AIA_NONE
		: streq(text, "aplic") ? MACHINE_AIA_APLIC
				       : MACHINE_AIA_IMSIC;
}

static int vm_run_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	struct vm_run_options *o = options;
	_cleanup_(vm_disks_free) struct vm_disks disks = {};
	_cleanup_free_ struct vm_devices *devices = calloc(1, sizeof(*devices));
	_cleanup_(close_terminal) struct terminal serial = TERMINAL_NONE;
	_cleanup_(close_terminal) struct terminal hvc = TERMINAL_NONE;
	_cleanup_machine_ struct machine *machine = NULL;
	struct machine_config config = {
		.kernel = o->kernel,
		.initrd = o->initrd,
		.append = o->append,
		.firmware = o->firmware,
		.flash_code = o->flash_code,
		.flash_data = o->flash_data,
		.vsock_path = o->vsock,
		.gdb = o->gdb,
		.monitor = o->monitor,
		.snapshot = o->snapshot,
		.restore = o->restore,
		.notes_writes = o->track,
		.code = o->code,
		.jit_debug = getenv("STRATA_JIT"),
		.memory_bytes = (uint64_t)o->memory_bytes,
		.nr_vcpus = (unsigned)o->nr_vcpus,
		.aia = aia_of(o->aia),
		.cpu = o->cpu,
		.is_ended_by_reset = o->no_reboot,
	};
	struct machine_end end;
	int r;

	if (o->cpu && streq(o->cpu, "help"))
		return list_cpus();
	r = devices ? check(o, err) : error_oom(err);
	/* The table has no other names than it knows. */
	if (o->arch)
		machine_arch_parse(o->arch, &config.arch);
	if (r == 0 && add_cdroms(o) < 0)
		r = error_oom(err);
	if (r == 0)
		r = vm_disks_parse(&disks, o->disks, o->parts, err);
	if (r == 0)
		r = vm_devices_parse(devices, o->nets, o->ports, o->shares, &config, err);
	if (r == 0)
		r = open_terminals(o, &serial, &hvc, &config, err);
	if (r < 0)
		return r;
	config.disks = disks.disks;
	config.nr_disks = disks.nr_disks;
	signal(SIGPIPE, SIG_IGN);
	r = machine_open(&config, &machine, err);
	if (r == 0)
		r = machine_run(machine, &end, err);
	return r < 0 ? r : end.status;
}

const struct verb verb_vm_run = {
	.name = "vm run",
	.group = "Machines",
	.usage = "[OPTIONS] --kernel FILE | --firmware FILE | --restore FOLDER",
	.summary = "Boot a machine from a kernel or firmware, with no image",
	.help = "The serial port is this terminal: Ctrl-A x leaves, Ctrl-A h helps. The exit status is 0 when the\n"
		"guest powers off, or the status it powers off with. A kernel for x86-64 runs on this host's CPU,\n"
		"by KVM; one for riscv64 is emulated, on any host.\n"
		"\n"
		"A disk's options: readonly; direct, past the host's page cache; iops=N and bps=BYTES, what it\n"
		"does in a second at most.\n"
		"\n"
		"Example: a kernel and an initial RAM disk, entered directly\n"
		"  strata vm run --kernel vmlinux --initrd initrd.img --append console=ttyS0",
	.options = vm_run_table,
	.options_size = sizeof(struct vm_run_options),
	.defaults = &defaults,
	.runs_command = true,
	.stateless = true,
	.run = vm_run_main,
};
