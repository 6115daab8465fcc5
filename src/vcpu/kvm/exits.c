/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exits.c - why a vcpu has left the kernel, and what is done about it.
 *
 * An address where nothing is reads as ones, as on a bus that nobody drives; writes to it are gone.
 */
#include "vcpu/kvm/internal.h"

#include <stdarg.h>
#include <string.h>

#define DATA_BYTES 8 /* of an access; the field has no more */

static uint64_t read_data(const void *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static void exit_ports(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vm_bus *ports = vcpu->vm->config.ports;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;

	vcpu->counts.ports++;
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint64_t value = UINT64_MAX;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			if (ports)
				vm_bus_read(ports, run->io.port, size, &value);
			memcpy(data, &value, size);
		} else if (ports) {
			vm_bus_write(ports, run->io.port, size, read_data(data, size));
		}
	}
}

static void exit_mmio(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vm_bus *bus = vcpu->vm->config.bus;
	unsigned size = run->mmio.len < DATA_BYTES ? run->mmio.len : DATA_BYTES;
	uint64_t value = UINT64_MAX;

	vcpu->counts.mmio++;
	if (run->mmio.is_write) {
		vm_bus_write(bus, run->mmio.phys_addr, size, read_data(run->mmio.data, size));
		return;
	}
	vm_bus_read(bus, run->mmio.phys_addr, size, &value);
	memcpy(run->mmio.data, &value, size);
}

/* --- what cannot go on ------------------------------------------------------------------------ */

static enum vm_stop __attribute__((format(printf, 3, 4)))
failed(const struct kvm_vcpu *vcpu, struct error *err, const char *format, ...)
{
	char what[256], where[64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	kvm_arch_where(vcpu, where, sizeof(where));
	error_set(err, EIO, "vcpu %u: %s%s", vcpu->vcpu.index, what, where);
	return VM_STOP_ERROR;
}

static enum vm_stop exit_internal(const struct kvm_vcpu *vcpu, struct error *err)
{
	const struct kvm_run *run = vcpu->run;
	char bytes[3 * sizeof(run->emulation_failure.insn_bytes) + 1] = "";

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION)
		return failed(vcpu, err, "KVM has an internal error %u", run->internal.suberror);
	if (run->emulation_failure.ndata >= 3 &&
		(run->emulation_failure.flags &
			KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		for (unsigned i = 0; i < run->emulation_failure.insn_size &&
			i < sizeof(run->emulation_failure.insn_bytes);
			i++)
			snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x",
				run->emulation_failure.insn_bytes[i]);
	return failed(vcpu, err, "KVM cannot emulate an instruction of the guest%s%s",
		bytes[0] ? ":" : "", bytes);
}

enum vm_stop kvm_exit(struct kvm_vcpu *vcpu, struct error *err)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		exit_ports(vcpu);
		return VM_STOP_KICKED;
	case KVM_EXIT_MMIO:
		exit_mmio(vcpu);
		return VM_STOP_KICKED;
	case KVM_EXIT_DEBUG:
		return kvm_arch_debugged(vcpu, err);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return VM_STOP_KICKED;
	case KVM_EXIT_SHUTDOWN:
		return failed(vcpu, err,
			"the guest has met a fault while it handled a double fault (triple fault)");
	case KVM_EXIT_FAIL_ENTRY:
		return failed(vcpu, err, "the processor refuses the guest's state (reason %#llx)",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		return exit_internal(vcpu, err);
	default:
		return failed(vcpu, err,
			"KVM has left the guest for reason %u, which we do not know",
			run->exit_reason);
	}
}
