/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages.h - a vcpu that notes the messages it is sent.
 */
#pragma once

#include "unit/device/parts.h"

struct message_vcpu {
	struct vm_vcpu vcpu;
	unsigned nr_messages;
	unsigned pin, number; /* of the last one */
};

static void message_vcpu_take(struct vm_vcpu *vcpu, unsigned pin, uint32_t number)
{
	struct message_vcpu *fake = container_of(vcpu, struct message_vcpu, vcpu);

	fake->nr_messages++;
	fake->pin = pin;
	fake->number = number;
}

static void message_vcpu_set_pin(struct vm_vcpu *vcpu, unsigned pin, bool level)
{
	fail_msg("pin %u was set", pin);
}

static const struct vm_vcpu_ops message_vcpu_ops = {
	.name = "messages",
	.set_pin = message_vcpu_set_pin,
	.message = message_vcpu_take,
};
