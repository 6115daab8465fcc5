/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - opening the kernel's KVM, and whether it is one of this processor.
 */
#include "vcpu/kvm/host.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What a processor without virtualization is for want of. */
static const char *why_none(void)
{
	return kvm_arch_is_guest()
		? "this host is a virtual machine, and has no virtualization of its own"
		: "this host's processor has no virtualization";
}

static int not_there(int error, struct error *err)
{
	const char *module = kvm_arch_module();

	if (!module)
		return error_set(err, error, KVM_DEVICE " is not there: %s", why_none());
	return error_set(err, error,
		KVM_DEVICE
		" is not there: the kernel's module %s is not loaded, or the firmware has switched the processor's virtualization off",
		module);
}

static int not_opened(int error, struct error *err)
{
	if (error == ENOENT || error == ENODEV || error == ENXIO)
		return not_there(error, err);
	if (error == EACCES || error == EPERM)
		return error_set(err, error,
			"no right to open " KVM_DEVICE
			": the group that owns it has that right (kvm, mostly)");
	return error_errno(err, error, "cannot open " KVM_DEVICE);
}

int kvm_device_open(struct error *err)
{
	_cleanup_close_ int fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0)
		return not_opened(errno, err);
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return error_set(err, ENODEV, "what is at " KVM_DEVICE " is no KVM");
	if (version != KVM_API_VERSION)
		return error_set(err, ENOTSUP, KVM_DEVICE " speaks version %d, and we version %d",
			version, KVM_API_VERSION);
	return steal_fd(&fd);
}

int kvm_host_check(struct error *err)
{
	_cleanup_close_ int fd = kvm_device_open(err);

	if (fd < 0)
		return fd;
	if (!kvm_arch_module())
		return error_set(err, ENOTSUP,
			KVM_DEVICE " is a KVM in software, which boots no ordinary Linux: %s",
			why_none());
	return 0;
}
