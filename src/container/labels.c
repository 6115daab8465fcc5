/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels.c - AppArmor profile and SELinux label of the command (runtime-spec config.md
 * "apparmorProfile", "selinuxLabel"); mounts' labels ("mountLabel") are a mount option.
 *
 * Both are told to the kernel in files of /proc/self/attr, take effect at the next execve(2), and
 * are the task's own business: nobody may write them for another. The files are opened while /proc
 * is still the host's: the container could have put something else there (CVE-2019-16884).
 */
#include "container/internal.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "base/str.h"

#define UNCONFINED "unconfined"

static bool has_text(const char *text)
{
	return text && *text;
}

static bool has_apparmor(void)
{
	char enabled[2] = "";
	_cleanup_close_ int fd = -1;

	if (access("/sys/kernel/security/apparmor", F_OK) == 0)
		return true;
	/* securityfs need not be mounted. */
	fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, enabled, 1) == 1 && enabled[0] == 'Y';
}

static bool has_selinux(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && (uint32_t)fs.f_type == SELINUX_MAGIC;
}

int labels_check(const struct container_process *process, struct error *err)
{
	const char *profile = process->apparmor_profile;

	/* "unconfined" is true without AppArmor, too. */
	if (has_text(profile) && !streq(profile, UNCONFINED) && !has_apparmor())
		return error_set(err, ENOTSUP,
			"process.apparmorProfile: \"%s\" is asked for, and this host has no AppArmor",
			profile);
	if (has_text(process->selinux_label) && !has_selinux())
		return error_set(err, ENOTSUP,
			"process.selinuxLabel: \"%s\" is asked for, and SELinux is not enabled on this host",
			process->selinux_label);
	return 0;
}

int labels_check_mounts(const struct container_config *config, struct error *err)
{
	if (!has_text(config->mount_label))
		return 0;
	if (!has_selinux())
		return error_set(err, ENOTSUP,
			"linux.mountLabel: \"%s\" is asked for, and SELinux is not enabled on this host",
			config->mount_label);
	/* It becomes a mount option in quotes. */
	if (strpbrk(config->mount_label, "\"\\\n"))
		return error_set(err, EINVAL, "linux.mountLabel: \"%s\" is no SELinux label",
			config->mount_label);
	return 0;
}

static int open_attribute(const char *path, int *ret_fd, struct error *err)
{
	*ret_fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return *ret_fd < 0 ? error_errno(err, errno, "cannot open %s", path) : 0;
}

int labels_open(struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	int r = 0;

	if (has_text(process->apparmor_profile) && has_apparmor()) {
		/* Its own directory is for kernels with several such modules. */
		r = open_attribute("/proc/self/attr/apparmor/exec", &child->apparmor_fd, NULL);
		if (r == -ENOENT)
			r = open_attribute("/proc/self/attr/exec", &child->apparmor_fd, err);
	}
	if (r == 0 && has_text(process->selinux_label)) {
		r = open_attribute("/proc/self/attr/exec", &child->selinux_fd, err);
		if (r == 0)
			r = open_attribute(
				"/proc/self/attr/keycreate", &child->selinux_key_fd, err);
	}
	return r;
}

static int write_attribute(int fd, const char *text)
{
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int labels_set_key(struct child *child, bool wanted, struct error *err)
{
	int r;

	if (child->selinux_key_fd < 0)
		return 0;
	r = write_attribute(child->selinux_key_fd, wanted ? child->process->selinux_label : "");
	return r < 0 ? error_errno(err, r, "process.selinuxLabel: cannot label the session keyring")
		     : 0;
}

int labels_apply(struct child *child, struct error *err)
{
	const struct container_process *process = child->process;
	_cleanup_free_ char *command = NULL;
	int r = 0;

	if (child->apparmor_fd >= 0) {
		command = strf("exec %s", process->apparmor_profile);
		if (!command)
			return error_oom(err);
		r = write_attribute(child->apparmor_fd, command);
	}
	if (r < 0)
		return error_errno(err, r,
			"process.apparmorProfile: cannot use the profile \"%s\"%s",
			process->apparmor_profile, r == -ENOENT ? " (is it loaded?)" : "");
	if (child->selinux_fd >= 0)
		r = write_attribute(child->selinux_fd, process->selinux_label);
	return r < 0 ? error_errno(err, r, "process.selinuxLabel: cannot use \"%s\"",
			       process->selinux_label)
		     : 0;
}
