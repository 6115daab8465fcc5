/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls-ioctl.c - ioctl(2): riscv64 and x86-64 both have asm-generic's numbers, and 64-bit
 * structures with the same alignments, so requests pass. The exceptions: loop devices' old status,
 * whose device numbers are of the old type, and KVM, which would be this host's.
 */
#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/calls.h"

/* linux/loop.h with asm-generic's __kernel_old_dev_t. */
struct guest_loop_info {
	int32_t number;
	uint32_t device;
	uint64_t inode;
	uint32_t real_device;
	int32_t offset, encrypt_type, encrypt_key_size, flags;
	char name[LO_NAME_SIZE];
	uint8_t encrypt_key[LO_KEY_SIZE];
	uint64_t init[2];
	char reserved[4];
};

static_assert(sizeof(struct guest_loop_info) == 160, "linux/loop.h");

static int64_t loop_set_status(const uint64_t a[6])
{
	struct guest_loop_info guest;
	struct loop_info host = { 0 };

	if (guest_copy_in(&guest, a[2], sizeof(guest)) < 0)
		return -EFAULT;
	host.lo_number = guest.number;
	host.lo_device = guest.device;
	host.lo_inode = guest.inode;
	host.lo_rdevice = guest.real_device;
	host.lo_offset = guest.offset;
	host.lo_encrypt_type = guest.encrypt_type;
	host.lo_encrypt_key_size = guest.encrypt_key_size;
	host.lo_flags = guest.flags;
	memcpy(host.lo_name, guest.name, sizeof(host.lo_name));
	memcpy(host.lo_encrypt_key, guest.encrypt_key, sizeof(host.lo_encrypt_key));
	memcpy(host.lo_init, guest.init, sizeof(host.lo_init));
	return host_call(SYS_ioctl, a[0], a[1], &host);
}

static int64_t loop_get_status(const uint64_t a[6])
{
	struct loop_info host;
	struct guest_loop_info guest;
	int64_t r = host_call(SYS_ioctl, a[0], a[1], &host);

	if (r < 0)
		return r;
	memset(&guest, 0, sizeof(guest));
	guest.number = host.lo_number;
	guest.device = (uint32_t)host.lo_device;
	guest.inode = host.lo_inode;
	guest.real_device = (uint32_t)host.lo_rdevice;
	guest.offset = host.lo_offset;
	guest.encrypt_type = host.lo_encrypt_type;
	guest.encrypt_key_size = host.lo_encrypt_key_size;
	guest.flags = host.lo_flags;
	memcpy(guest.name, host.lo_name, sizeof(guest.name));
	memcpy(guest.encrypt_key, host.lo_encrypt_key, sizeof(guest.encrypt_key));
	memcpy(guest.init, host.lo_init, sizeof(guest.init));
	return guest_copy_out(a[2], &guest, sizeof(guest));
}

int64_t call_ioctl(struct thread *t, const uint64_t a[6])
{
	uint32_t request = (uint32_t)a[1];

	if (request == LOOP_SET_STATUS)
		return loop_set_status(a);
	if (request == LOOP_GET_STATUS)
		return loop_get_status(a);
	if (_IOC_TYPE(request) == KVMIO) {
		debug_line("ioctl 0x%x: there is no KVM for riscv64 here", request);
		return -ENOTTY;
	}
	return host_call_blocking(t, SYS_ioctl, a[0], a[1], a[2]);
}
