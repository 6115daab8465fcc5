/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - a vcpu of KVM: made, run, kicked.
 *
 * A kick sets run->immediate_exit, which the kernel looks at each time it is entered, and then
 * sends a signal to the thread that is in run(), for the case that it has looked already. Whoever
 * takes immediate_exit away has taken the kick. So none is lost, and none needs a lock; a signal
 * that comes too late interrupts nothing that does not try again.
 *
 * An exit for a device is finished by entering the kernel once more. run() therefore returns only
 * when the kernel has said EINTR, which it does behind that, or that a debugger's breakpoint was
 * met: what is then read is whole.
 */
#include "vcpu/kvm/internal.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- kicks ------------------------------------------------------------------------------------ */

int kvm_kick_signal(void)
{
	return SIGRTMIN;
}

static void take_kick(int number)
{
}

/* The handler stays: it is the same for every machine of the process, and harmless. */
int kvm_handle_kicks(struct error *err)
{
	const struct sigaction action = { .sa_handler = take_kick };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, kvm_kick_signal());
	if (sigaction(kvm_kick_signal(), &action, NULL) < 0 ||
		pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0)
		return error_errno(err, errno, "cannot handle the signal that kicks vcpus");
	return 0;
}

static void kick(struct vm_vcpu *base)
{
	struct kvm_vcpu *vcpu = container_of(base, struct kvm_vcpu, vcpu);
	pid_t thread;

	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	thread = __atomic_load_n(&vcpu->thread, __ATOMIC_SEQ_CST);
	if (thread)
		syscall(SYS_tgkill, getpid(), thread, kvm_kick_signal());
}

/* --- running ---------------------------------------------------------------------------------- */

static bool was_kicked(struct kvm_vcpu *vcpu)
{
	if (!__atomic_exchange_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST))
		return false;
	vcpu->counts.kicks++;
	return true;
}

/* Until something comes up. EAGAIN: a vcpu that waits to be started was woken. */
static enum vm_stop run_until(struct kvm_vcpu *vcpu, struct error *err)
{
	for (;;) {
		enum vm_stop stop = VM_STOP_KICKED;

		vcpu->counts.runs++;
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			stop = kvm_exit(vcpu, err);
		} else if (errno == EINTR) {
			if (was_kicked(vcpu))
				return VM_STOP_KICKED;
		} else if (errno != EAGAIN) {
			error_errno(err, errno, "KVM does not run vcpu %u", vcpu->vcpu.index);
			return VM_STOP_ERROR;
		}
		if (stop != VM_STOP_KICKED)
			return stop;
	}
}

static enum vm_stop run(struct vm_vcpu *base, struct error *err)
{
	struct kvm_vcpu *vcpu = container_of(base, struct kvm_vcpu, vcpu);
	enum vm_stop stop;

	__atomic_store_n(&vcpu->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	stop = run_until(vcpu, err);
	__atomic_store_n(&vcpu->thread, 0, __ATOMIC_SEQ_CST);
	return stop;
}

/* The kernel's interrupt controller sets them. */
static void set_pin(struct vm_vcpu *base, unsigned pin, bool level)
{
}

/* And what is told of a triple fault, or to a debugger. */
static const struct confine_call run_calls[] = {
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_RUN),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_REGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_SREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_GUEST_DEBUG),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_DEBUGREGS),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_DEBUGREGS),
};
static const struct confine_list run_list = CONFINE_LIST(run_calls);

static const struct vm_vcpu_ops ops = {
	.name = "kvm",
	.calls = &run_list,
	.run = run,
	.kick = kick,
	.set_pin = set_pin,
};

/* --- life ------------------------------------------------------------------------------------- */

int kvm_vcpu_init(struct kvm_vcpu *vcpu, struct kvm_vm *vm, unsigned index, struct error *err)
{
	void *shared;

	*vcpu = (struct kvm_vcpu){
		.vcpu = { .ops = &ops, .index = index },
		.vm = vm,
	};
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return error_errno(err, errno, "KVM makes no vcpu %u", index);
	shared = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (shared == MAP_FAILED)
		return error_errno(err, errno, "cannot map vcpu %u", index);
	vcpu->run = shared;
	return kvm_arch_init_vcpu(vcpu, err);
}

void kvm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	if (!vcpu->vm)
		return;
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->run_bytes);
	cleanup_close(&vcpu->fd);
	free(vcpu->debug);
	free(vcpu->state);
	free(vcpu->first);
	*vcpu = (struct kvm_vcpu){ .fd = -1 };
}
