/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-machine.c - the machine's hardware: its disk, its size, its process.
 */
#include "isolation/vm.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/process.h"
#include "container/seccomp.h"
#include "image/image.h"

#define MAKER_PROGRAM "strata-image"
#define LOG_FILE      "machine.log" /* what the program itself has to say */
#define LOG_TAIL      65536
#define PANIC	      "Kernel panic - not syncing: "
#define COPY_STEP     (64u << 20)

/* --- what cannot be expressed
 * --------------------------------------------------------------------- */

bool vm_mount_is_share(const struct container_mount *mount)
{
	bool bind = mount->type && streq(mount->type, "bind");

	strv_for_each (word, mount->options)
		bind = bind || streq(*word, "bind") || streq(*word, "rbind");
	return bind && !streq(mount->destination, "/etc/hosts") &&
		!streq(mount->destination, "/etc/hostname") &&
		!streq(mount->destination, "/etc/resolv.conf");
}

static int check_mounts(const struct container_config *config, struct error *err)
{
	unsigned count = 0;

	for (size_t i = 0; i < config->nr_mounts; i++)
		count += vm_mount_is_share(&config->mounts[i]);
	if (count > VM_SHARES_MAX)
		return error_set(err, E2BIG, "a machine shows at most %d folders of the host",
			VM_SHARES_MAX);
	return 0;
}

int vm_check_memory(const struct cgroup_limits *limits, struct error *err)
{
	if (limits->memory_bytes != CGROUP_UNSET && limits->memory_bytes != 0 &&
		limits->memory_bytes < VM_MEMORY_MIN)
		return error_set(err, EINVAL, "--memory: a machine needs 64m at least");
	return 0;
}

int vm_check(const struct container_config *config, struct error *err)
{
	const struct cgroup_limits *limits = &config->limits;
	int r;

	if (!config->machine)
		return error_set(err, EINVAL, "isolation vm has no description of its machine");
	r = machine_architecture_check(config->machine->architecture, err);
	if (r < 0)
		return r;
	if (config->seccomp.kind == SECCOMP_CUSTOM)
		return error_set(err, ENOTSUP,
			"isolation vm has no seccomp profiles: the kernel is the guest's own");
	r = vm_check_memory(limits, err);
	return r < 0 ? r : check_mounts(config, err);
}

/* --- what it takes on disk
 * ------------------------------------------------------------------------ */

/* mkfs.ext4(8) is where ordinary users do not look. */
static const char *find_mkfs(void)
{
	static const char *const places[] = { "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4",
		"/usr/local/sbin/mkfs.ext4" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return "mkfs.ext4";
}

/* Made once for each size, under another name first. */
static int make_blank(const char *folder, const char *path, uint64_t bytes, struct error *err)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	const char *argv[] = { find_mkfs(), "-q", "-F", "-m", "0", "-E",
		"lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-J", "size=8", NULL, NULL };
	char random[17];
	int r = io_make_dirs(AT_FDCWD, folder, 0700, err);

	if (r < 0)
		return r;
	io_random_hex(random, 8);
	argv[9] = temporary = strf("%s/.new-%s", folder, random);
	if (!temporary)
		return error_oom(err);
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return error_errno(err, errno, "cannot make a disk in %s", folder);
	r = process_run((char *const *)argv, NULL, NULL, err);
	if (r > 0)
		r = error_set(err, EIO, "mkfs.ext4 cannot make a disk of %llu bytes%s",
			(unsigned long long)bytes, ": see its own words with mkfs.ext4");
	if (r < 0 && err && err->code == ENOENT)
		error_prefix(err, "machines need the package e2fsprogs");
	if (r == 0 && rename(temporary, path) < 0)
		r = error_errno(err, errno, "cannot rename %s", temporary);
	if (r < 0)
		unlink(temporary);
	return r;
}

/* Only what is not a hole: nearly nothing of a blank disk. */
static int copy_sparse(int from, int to, uint64_t bytes)
{
	off_t at = 0;

	if (ftruncate(to, (off_t)bytes) < 0)
		return -errno;
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(from, at, SEEK_HOLE), out = at;

		if (end < 0)
			return -errno;
		while (at < end) {
			size_t step = end - at < COPY_STEP ? (size_t)(end - at) : COPY_STEP;
			ssize_t n = copy_file_range(from, &at, to, &out, step, 0);

			if (n < 0 && errno != EINTR)
				return -errno;
			if (n == 0)
				return -EIO;
		}
	}
	return errno == ENXIO ? 0 : -errno;
}

static int clone_blank(const char *blank, const struct container_machine *m, struct error *err)
{
	_cleanup_free_ char *temporary = strf("%s.new", m->disk);
	_cleanup_close_ int from = open(blank, O_RDONLY | O_CLOEXEC), to = -1;
	int r;

	if (!temporary)
		return error_oom(err);
	to = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return error_errno(err, errno, "cannot make the disk %s", m->disk);
	r = copy_sparse(from, to, m->disk_bytes);
	if (r == 0 && rename(temporary, m->disk) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r < 0 ? error_errno(err, r, "cannot make the disk %s", m->disk) : 0;
}

static int make_disk(const struct container_machine *m, struct error *err)
{
	_cleanup_free_ char *folder = strf("%s/machines", m->root);
	_cleanup_free_ char *blank = strf(
		"%s/machines/blank-%llu.ext4", m->root, (unsigned long long)m->disk_bytes);
	int r = 0;

	if (!folder || !blank)
		return error_oom(err);
	if (access(m->disk, F_OK) == 0)
		return 0;
	if (access(blank, F_OK) < 0)
		r = make_blank(folder, blank, m->disk_bytes, err);
	return r < 0 ? r : clone_blank(blank, m, err);
}

/* It changes with our own version; strata-image makes it. */
static int make_initramfs(
	const struct container_machine *m, const struct kernel *kernel, struct error *err)
{
	char helper[PATH_MAX];
	const char *argv[] = { helper, "--root", m->root, "__initramfs", "--platform", NULL,
		kernel->digest, NULL };
	_cleanup_free_ char *platform = strf("linux/%s", m->architecture);
	int r;

	if (access(kernel->initramfs, F_OK) == 0)
		return 0;
	argv[5] = platform;
	r = platform ? process_helper_path(MAKER_PROGRAM, helper, sizeof(helper), err)
		     : error_oom(err);
	if (r == 0)
		r = process_run((char *const *)argv, NULL, NULL, err);
	if (r > 0)
		r = error_set(err, EIO, "%s cannot make the first filesystem of kernel %s",
			MAKER_PROGRAM, kernel->release);
	return r;
}

int vm_prepare(const struct container_config *config, struct kernel *ret_kernel, struct error *err)
{
	const struct container_machine *m = config->machine;
	_cleanup_kernel_ struct kernel kernel = { 0 };
	int r = kernel_find(m->root, m->kernel, m->architecture, &kernel, err);

	if (r == 0)
		r = make_initramfs(m, &kernel, err);
	if (r == 0)
		r = make_disk(m, err);
	if (r == 0)
		r = io_remove_tree(AT_FDCWD, m->folder, err);
	if (r == 0)
		r = io_make_dirs(AT_FDCWD, m->folder, 0700, err);
	if (r < 0)
		return r;
	*ret_kernel = kernel;
	kernel = (struct kernel){ 0 };
	return 0;
}

/* --- its process
 * ---------------------------------------------------------------------------------- */

unsigned vm_nr_cpus(const struct cgroup_limits *limits)
{
	int64_t period = limits->cpu_period_us > 0 ? limits->cpu_period_us : 100000;
	int64_t cpus = 1;

	if (limits->cpu_quota_us > 0)
		cpus = (limits->cpu_quota_us + period - 1) / period;
	return cpus > VM_CPUS_MAX ? VM_CPUS_MAX : (unsigned)cpus;
}

int64_t vm_memory_bytes(const struct cgroup_limits *limits)
{
	return limits->memory_bytes > 0 ? limits->memory_bytes : VM_MEMORY_DEFAULT;
}

/* A comma in the name of a disk is written twice. */
static int push_disk(char ***argv, const char *path)
{
	_cleanup_str_ struct str text = { 0 };

	for (; *path; path++) {
		str_append_char(&text, *path);
		if (*path == ',')
			str_append_char(&text, ',');
	}
	return text.failed ? -ENOMEM : strv_push(argv, text.data);
}

/* Named by their place among the mounts. */
static int push_shares(char ***argv, const struct container_config *config)
{
	int r = 0;

	for (size_t i = 0; i < config->nr_mounts && r == 0; i++) {
		const struct container_mount *mount = &config->mounts[i];
		bool read_only = false;

		if (!vm_mount_is_share(mount))
			continue;
		strv_for_each (word, mount->options)
			read_only = read_only || streq(*word, "ro");
		r = strv_push(argv, "--share");
		if (r == 0)
			r = strv_pushf(argv, "%zu=%s%s", i, mount->source, read_only ? ":ro" : "");
	}
	return r;
}

/* What it begins with: a kernel, or what a machine like it has left. */
static int push_beginning(char ***argv, const struct machine_architecture *architecture,
	const struct kernel *kernel, const char *golden)
{
	_cleanup_free_ char *code = golden ? vm_code_path(golden) : NULL;
	const char *const boot[] = { "--kernel", kernel->vmlinux, "--initrd", kernel->initramfs,
		"--append", architecture->boot_options };
	int r = golden ? strv_pushf(argv, "--restore=%s", golden) : 0;

	if (golden)
		return r < 0 || !code ? r : strv_pushf(argv, "--code=%s", code);
	for (size_t i = 0; i < ARRAY_SIZE(boot) && r == 0; i++)
		r = strv_push(argv, boot[i]);
	return r;
}

static int push_networks(char ***argv, const struct container_machine *m)
{
	int r = 0;

	if (!m->nr_networks)
		return strv_pushf(argv, "--net=%s", m->has_network ? "user,host=on" : "none");
	for (size_t i = 0; i < m->nr_networks && r == 0; i++) {
		const struct container_machine_network *n = &m->networks[i];

		char number[16], mac[18];

		snprintf(number, sizeof(number), "fd:%d", n->cable_fd);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1],
			n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
		r = strv_pushf(argv, "--net=%s=%s,mac=%s", *n->tap ? "tap" : "switch",
			*n->tap ? n->tap : number, mac);
	}
	return r;
}

static int make_arguments(const struct container_config *config, const struct kernel *kernel,
	const char *golden, int folder_fd, int console_fd, char ***ret)
{
	const struct container_machine *m = config->machine;
	const struct machine_architecture *architecture = machine_architecture_find(
		m->architecture);
	const char *const fixed[] = { VM_MACHINE_PROGRAM, "vm", "run", "--arch",
		architecture->machine, "--no-reboot" };
	size_t number = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed) && r == 0; i++)
		r = strv_push(ret, fixed[i]);
	if (r == 0)
		r = push_networks(ret, m);
	if (r == 0)
		r = push_beginning(ret, architecture, kernel, golden);
	strv_for_each (layer, m->layers) {
		if (r == 0)
			r = strv_push(ret, "--part");
		if (r == 0)
			r = strv_pushf(ret, "layer%zu=%s", ++number, *layer);
	}
	strv_for_each (port, m->ports)
		if (r == 0)
			r = strv_pushf(ret, "--publish=%s", *port);
	if (r == 0)
		r = push_shares(ret, config);
	if (r == 0)
		r = strv_push(ret, "--disk");
	if (r == 0)
		r = push_disk(ret, m->disk);
	if (r == 0)
		r = strv_pushf(ret, "--memory=%lld", (long long)vm_memory_bytes(&config->limits));
	if (r == 0)
		r = strv_pushf(ret, "--cpus=%u", vm_nr_cpus(&config->limits));
	if (r == 0 && m->cpu)
		r = strv_pushf(ret, "--cpu=%s", m->cpu);
	if (r == 0)
		r = strv_pushf(ret, "--vsock=/proc/self/fd/%d/" VM_SOCKET, folder_fd);
	if (r == 0)
		r = strv_pushf(ret, "--monitor=/proc/self/fd/%d/" VM_MONITOR, folder_fd);
	if (r == 0)
		r = strv_pushf(ret, "--console=/proc/self/fd/%d", console_fd);
	return r;
}

/* Cables are open already. */
static bool pass_cables(const struct container_machine *m)
{
	for (size_t i = 0; i < m->nr_networks; i++)
		if (!*m->networks[i].tap && fcntl(m->networks[i].cable_fd, F_SETFD, 0) < 0)
			return false;
	return true;
}

static void become_machine(const struct container_machine *m, const char *program, char **argv,
	int folder_fd, int console_fd, pid_t parent) __attribute__((noreturn));

static void become_machine(const struct container_machine *m, const char *program, char **argv,
	int folder_fd, int console_fd, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = openat(folder_fd, LOG_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	sigset_t none;

	/* Whoever kills the session kills the machine; if that has happened already, too. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
		fcntl(folder_fd, F_SETFD, 0) < 0 || fcntl(console_fd, F_SETFD, 0) < 0 ||
		!pass_cables(m))
		_exit(1);
	execv(program, argv);
	_exit(127);
}

int vm_machine_start(const struct container_config *config, const struct kernel *kernel,
	const char *golden, int folder_fd, int console_fd, pid_t *ret_pid, struct error *err)
{
	_cleanup_strv_ char **argv = NULL;
	pid_t parent = getpid(), pid;
	char program[PATH_MAX];
	int r = process_helper_path(VM_MACHINE_PROGRAM, program, sizeof(program), err);

	if (r < 0)
		return r;
	/* Number 0 to 2 are the machine's own. */
	if (folder_fd < 3 || console_fd < 3)
		return error_set(err, EINVAL, "standard input, output or error is closed");
	if (make_arguments(config, kernel, golden, folder_fd, console_fd, &argv) < 0)
		return error_oom(err);
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot start the machine");
	if (pid == 0)
		become_machine(config->machine, program, argv, folder_fd, console_fd, parent);
	*ret_pid = pid;
	return 0;
}

/* --- last words
 * ----------------------------------------------------------------------------------- */

static char *read_tail(int folder_fd, const char *name)
{
	_cleanup_close_ int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 ? malloc(LOG_TAIL + 1) : NULL;
	struct stat st;
	ssize_t n;

	if (!text || fstat(fd, &st) < 0 ||
		(st.st_size > LOG_TAIL && lseek(fd, -LOG_TAIL, SEEK_END) < 0) ||
		(n = read(fd, text, LOG_TAIL)) < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* Up to the end of its line, and printable: the guest has chosen it. */
static void copy_line(char *buf, size_t size, const char *from)
{
	size_t n = 0;

	while (n + 1 < size && (unsigned char)from[n] >= 0x20 && from[n] != 0x7f) {
		buf[n] = from[n];
		n++;
	}
	buf[n] = '\0';
}

void vm_machine_last_words(int folder_fd, const char *console, char *buf, size_t size)
{
	_cleanup_free_ char *log = read_tail(folder_fd, LOG_FILE);
	const char *panic = strstr(console, PANIC);
	const char *told = strstr(console, "strata: ");
	const char *ours = log ? strstr(log, "strata: ") : NULL;

	buf[0] = '\0';
	if (told)
		copy_line(buf, size, told + strlen("strata: "));
	else if (panic)
		copy_line(buf, size, panic);
	else if (ours)
		copy_line(buf, size, ours + strlen("strata: "));
}
