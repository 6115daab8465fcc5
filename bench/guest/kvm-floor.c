/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm-floor.c - the calls alone that a machine of KVM with 256 MiB cannot do without, until its
 * first instruction: in which time, in microseconds.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define MEMORY_BYTES (256u << 20)
#define CODE	     0x1000

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(void)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY_BYTES };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	uint8_t *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double began = now_us();
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;

	slot.userspace_addr = (uintptr_t)memory;
	memory[CODE] = 0xe6; /* out %al to some port */
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ||
		ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return 1;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	ioctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0 ||
		ioctl(vcpu, KVM_RUN, 0) < 0)
		return 1;
	printf("%.0f\n", now_us() - began);
	return 0;
}
