/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - what a device is connected to, as tests see it: lines, pins, and an event loop that is
 * run until nothing is left to do.
 */
#pragma once

#include "unit/test.h"

#include "base/loop.h"
#include "vm/vm.h"

/* --- lines and pins -------------------------------------------------------------------------- */

struct fake_chip {
	struct vm_irqchip chip;
	bool levels[64];
};

static void fake_chip_set(struct vm_irqchip *chip, unsigned number, bool level)
{
	struct fake_chip *fake = container_of(chip, struct fake_chip, chip);

	assert_true(number < 64);
	fake->levels[number] = level;
}

static const struct vm_irqchip_ops fake_chip_ops = { .name = "fake", .set = fake_chip_set };

static inline struct vm_irq fake_irq(struct fake_chip *fake, unsigned number)
{
	*fake = (struct fake_chip){ .chip = { &fake_chip_ops } };
	return (struct vm_irq){ &fake->chip, number };
}

struct fake_vcpu {
	struct vm_vcpu vcpu;
	uint64_t pins;
};

static void fake_vcpu_set_pin(struct vm_vcpu *vcpu, unsigned pin, bool level)
{
	struct fake_vcpu *fake = container_of(vcpu, struct fake_vcpu, vcpu);

	assert_true(pin < 64);
	fake->pins = level ? fake->pins | UINT64_C(1) << pin : fake->pins & ~(UINT64_C(1) << pin);
}

static const struct vm_vcpu_ops fake_vcpu_ops = { .name = "fake", .set_pin = fake_vcpu_set_pin };

/* --- registers ------------------------------------------------------------------------------- */

static inline uint64_t io_read(struct vm_io *io, uint64_t offset, unsigned size)
{
	return io->ops->read(io, offset, size);
}

static inline void io_write(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	io->ops->write(io, offset, size, value);
}

/* --- the event loop -------------------------------------------------------------------------- */

struct deadline {
	struct loop_timer timer;
	struct loop *loop;
};

static void deadline_expired(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct deadline, timer)->loop);
}

/* All that is ready now or within `ms`. */
static inline void run_loop(struct loop *loop, int ms)
{
	struct deadline deadline = { .timer.expired = deadline_expired, .loop = loop };

	loop_timer_start(loop, &deadline.timer, (int64_t)ms * 1000000);
	assert_int_equal(loop_run(loop), 0);
}
