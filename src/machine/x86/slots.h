/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots.h - the rows of the x86-64 board's table of devices.
 */
#pragma once

#include "machine/internal.h"

extern const struct machine_slot x86_slot_acpi, x86_slot_generation, x86_slot_uart;
