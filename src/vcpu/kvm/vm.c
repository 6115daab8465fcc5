/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.c - a machine as the kernel knows it: its memory, its interrupt lines, what it notes.
 */
#include "vcpu/kvm/internal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vcpu/kvm/host.h"

#define WORKS "containers, and machines of another CPU, work without"

int kvm_ioctl(int fd, unsigned long request, void *argument)
{
	int r;

	do
		r = ioctl(fd, request, argument);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int check_extension(const struct kvm_vm *vm, int extension)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, extension);
}

int kvm_require(const struct kvm_vm *vm, int extension, const char *what, struct error *err)
{
	if (check_extension(vm, extension) > 0)
		return 0;
	return error_set(err, ENOTSUP,
		KVM_DEVICE " of this kernel is without %s, which machines need", what);
}

/* --- opening --------------------------------------------------------------------------------- */

static int open_device(struct kvm_vm *vm, struct error *err)
{
	struct error why = { 0 };
	int size;

	vm->kvm_fd = kvm_device_open(&why);
	if (vm->kvm_fd < 0)
		return error_set(err, -vm->kvm_fd, "%s; " WORKS, why.message);
	vm->fd = kvm_ioctl(vm->kvm_fd, KVM_CREATE_VM, NULL);
	if (vm->fd < 0)
		return error_errno(err, vm->fd, KVM_DEVICE " makes no machine");
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return error_set(err, ENOTSUP, KVM_DEVICE " has no room for a vcpu's exits");
	vm->run_bytes = (unsigned)size;
	return 0;
}

static int require_all(const struct kvm_vm *vm, struct error *err)
{
	static const struct {
		int extension;
		const char *what;
	} needs[] = {
		{ KVM_CAP_USER_MEMORY, "memory of a process" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
		{ KVM_CAP_IOEVENTFD, "ioeventfd" },
		{ KVM_CAP_ADJUST_CLOCK, "a clock that can be set" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(needs); i++)
		r = kvm_require(vm, needs[i].extension, needs[i].what, err);
	if (r == 0 && check_extension(vm, KVM_CAP_MAX_VCPUS) < (int)vm->config.nr_vcpus)
		r = error_set(err, ENOTSUP, KVM_DEVICE " has room for %d CPUs, not for %u",
			check_extension(vm, KVM_CAP_MAX_VCPUS), vm->config.nr_vcpus);
	return r;
}

static int set_slot(struct kvm_vm *vm, unsigned number, uint32_t flags, struct error *err)
{
	const struct vm_region *region = &vm->config.memory->regions[number];
	struct kvm_userspace_memory_region slot = {
		.slot = number,
		.flags = flags,
		.guest_phys_addr = region->start,
		.memory_size = region->size,
		.userspace_addr = (uintptr_t)region->host,
	};
	int r = kvm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);

	return r < 0 ? error_errno(err, r, "KVM does not take %llu MiB of memory at %#llx",
			       (unsigned long long)(region->size >> 20),
			       (unsigned long long)region->start)
		     : 0;
}

static int set_slots(struct kvm_vm *vm, uint32_t flags, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < vm->config.memory->nr_regions; i++)
		r = set_slot(vm, i, flags, err);
	return r;
}

/* --- interrupt lines -------------------------------------------------------------------------- */

/* A device says again and again what is so already; the kernel is told of changes. */
static void set_line(struct vm_irqchip *chip, unsigned number, bool level)
{
	struct kvm_vm *vm = container_of(chip, struct kvm_vm, chip);
	struct kvm_irq_level line = { .irq = number, .level = level };

	if (number >= KVM_IRQS_MAX || vm->levels[number] == level)
		return;
	vm->levels[number] = level;
	kvm_ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

static const struct confine_call line_calls[] = { ALLOW_EQUAL(SYS_ioctl, 1, KVM_IRQ_LINE) };
const struct confine_list kvm_line_calls = CONFINE_LIST(line_calls);

/* Of the machine; doorbells and the log are changed while it runs, and at its end. */
static const struct confine_call vm_calls[] = {
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_IOEVENTFD),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_SET_USER_MEMORY_REGION),
	ALLOW_EQUAL(SYS_ioctl, 1, KVM_GET_DIRTY_LOG),
};
const struct confine_list kvm_vm_calls = CONFINE_LIST(vm_calls);

static const struct vm_irqchip_ops chip_ops = {
	.name = "kvm",
	.set = set_line,
};

/* --- doorbells -------------------------------------------------------------------------------- */

int kvm_vm_add_doorbell(struct kvm_vm *vm, uint64_t address, uint32_t value, int fd)
{
	struct kvm_ioeventfd bell = {
		.datamatch = value,
		.addr = address,
		.len = sizeof(value),
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	int r = kvm_ioctl(vm->fd, KVM_IOEVENTFD, &bell);

	return r < 0 ? r : 0;
}

/* --- which pages are written ------------------------------------------------------------------ */

int kvm_vm_log_dirty(struct kvm_vm *vm, bool is_wanted, struct error *err)
{
	int r = set_slots(vm, is_wanted ? KVM_MEM_LOG_DIRTY_PAGES : 0, err);

	if (r == 0)
		vm->is_logging = is_wanted;
	return r;
}

static void note_pages(const struct vm_region *region, const uint64_t *bitmap, uint64_t nr_pages)
{
	for (uint64_t word = 0; word < (nr_pages + 63) / 64; word++)
		for (uint64_t bits = bitmap[word]; bits; bits &= bits - 1) {
			uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);

			vm_page_mark(&region->pages[page], VM_PAGE_DIRTY);
		}
}

static int collect_slot(struct kvm_vm *vm, unsigned number, struct error *err)
{
	const struct vm_region *region = &vm->config.memory->regions[number];
	uint64_t nr_pages = region->size / VM_PAGE_BYTES;
	_cleanup_free_ uint64_t *bitmap = calloc((nr_pages + 63) / 64, sizeof(*bitmap));
	struct kvm_dirty_log log = { .slot = number, .dirty_bitmap = bitmap };
	int r;

	if (!bitmap)
		return error_oom(err);
	r = kvm_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	if (r < 0)
		return error_errno(err, r, "KVM does not say which pages were written");
	note_pages(region, bitmap, nr_pages);
	return 0;
}

int kvm_vm_collect_dirty(struct kvm_vm *vm, struct error *err)
{
	int r = 0;

	if (!vm->is_logging)
		return error_set(err, EINVAL, "nobody has asked KVM to note what is written");
	for (unsigned i = 0; r == 0 && i < vm->config.memory->nr_regions; i++)
		r = collect_slot(vm, i, err);
	return r;
}

/* --- life ------------------------------------------------------------------------------------- */

int kvm_vm_open(struct kvm_vm *vm, const struct kvm_config *config, struct error *err)
{
	int r;

	*vm = (struct kvm_vm){
		.config = *config, .kvm_fd = -1, .fd = -1, .chip = { .ops = &chip_ops }
	};
	r = kvm_handle_kicks(err);
	if (r == 0)
		r = open_device(vm, err);
	if (r == 0)
		r = require_all(vm, err);
	/*
	 * Memory first: each change of it waits until nobody uses what was before (SRCU), and the
	 * kernel knows at once that nobody does, as long as nothing else was changed just now.
	 * Behind the interrupt controllers it waits for 4 to 10 ms.
	 */
	if (r == 0)
		r = set_slots(vm, 0, err);
	return r < 0 ? r : kvm_arch_open(vm, err);
}

void kvm_vm_close(struct kvm_vm *vm)
{
	kvm_arch_close(vm);
	cleanup_close(&vm->fd);
	cleanup_close(&vm->kvm_fd);
	vm->fd = vm->kvm_fd = -1;
}
