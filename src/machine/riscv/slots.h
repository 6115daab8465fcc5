/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots.h - the rows of the riscv64 machine's devices.
 */
#pragma once

#include "machine/internal.h"

extern const struct machine_slot riscv_slot_aclint, riscv_slot_aplic, riscv_slot_finisher,
	riscv_slot_flash, riscv_slot_imsic, riscv_slot_plic, riscv_slot_rtc, riscv_slot_uart,
	riscv_slot_vmgenid;
