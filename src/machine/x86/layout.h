/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where things are on the x86-64 board. Memory is below 3 GiB and from 4 GiB on; between
 * them are devices, and what the kernel's KVM has for itself (vcpu/kvm/kvm.h).
 */
#pragma once

#include <stdint.h>

/* In the first 640 KiB: what the kernel is handed, until it has read it. */
#define LAYOUT_GDT	   UINT64_C(0x500)
#define LAYOUT_START_INFO  UINT64_C(0x6000) /* PVH */
#define LAYOUT_ZERO_PAGE   UINT64_C(0x7000) /* Linux */
#define LAYOUT_SETUP_DATA  UINT64_C(0x8000)
#define LAYOUT_PAGES	   UINT64_C(0x9000) /* six of them */
#define LAYOUT_COMMAND	   UINT64_C(0x20000)
#define LAYOUT_COMMAND_MAX UINT64_C(0x10000)
#define LAYOUT_LOW_END	   UINT64_C(0x9fc00)
/* What ACPI's tables say where they are; reserved. */
#define LAYOUT_ACPI	  UINT64_C(0xe0000)
#define LAYOUT_GENERATION UINT64_C(0xf0000)
#define LAYOUT_ACPI_BYTES (LAYOUT_GENERATION - LAYOUT_ACPI)
#define LAYOUT_BIOS_RESET UINT64_C(0xffff0) /* where a PC's BIOS begins */
#define LAYOUT_HIGH_START UINT64_C(0x100000) /* kernels from here on */

#define LAYOUT_HOLE_START   UINT64_C(0xc0000000)
#define LAYOUT_VIRTIO_START UINT64_C(0xd0000000)
#define LAYOUT_VIRTIO_BYTES UINT64_C(0x1000)
#define LAYOUT_HOLE_END	    UINT64_C(0x100000000)

/* I/O ports. */
#define LAYOUT_KEYS_PORT 0x64
#define LAYOUT_EXIT_PORT 0xf4
#define LAYOUT_UART_PORT 0x3f8
#define LAYOUT_ACPI_PORT 0x600

/* Inputs of the IO-APIC, which has 24. */
#define LAYOUT_UART_IRQ	     4
#define LAYOUT_ACPI_IRQ	     5
#define LAYOUT_VIRTIO_IRQ    6
#define LAYOUT_VIRTIO_PLACES 18
