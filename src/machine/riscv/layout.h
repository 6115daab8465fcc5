/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where things are on the riscv64 board: as QEMU's `virt` (its documentation, "virt"
 * Generic Virtual Platform), so that firmware and kernels that were built for that one find them.
 */
#pragma once

#include <stdint.h>

#define LAYOUT_ROM_START      UINT64_C(0x1000)
#define LAYOUT_ROM_BYTES      UINT64_C(0xf000)
#define LAYOUT_FINISHER_START UINT64_C(0x100000)
#define LAYOUT_RTC_START      UINT64_C(0x101000)
#define LAYOUT_VMGENID_START  UINT64_C(0x102000) /* ours */
#define LAYOUT_CLINT_START    UINT64_C(0x2000000)
#define LAYOUT_SSWI_START     UINT64_C(0x2f00000)
#define LAYOUT_PLIC_START     UINT64_C(0xc000000)
#define LAYOUT_APLIC_M_START  UINT64_C(0xc000000) /* in the PLIC's place */
#define LAYOUT_APLIC_S_START  UINT64_C(0xd000000)
#define LAYOUT_UART_START     UINT64_C(0x10000000)
#define LAYOUT_VIRTIO_START   UINT64_C(0x10001000)
#define LAYOUT_VIRTIO_BYTES   UINT64_C(0x1000)
#define LAYOUT_FLASH_START    UINT64_C(0x20000000) /* the code's; the data's is behind it */
#define LAYOUT_IMSIC_M_START  UINT64_C(0x24000000)
#define LAYOUT_IMSIC_S_START  UINT64_C(0x28000000)
#define LAYOUT_MEMORY_START   UINT64_C(0x80000000)

/* QEMU has eight places for virtio; more follow behind them. */
#define LAYOUT_VIRTIO_PLACES 28

/* Inputs of the interrupt controller. */
#define LAYOUT_VMGENID_IRQ 9
#define LAYOUT_UART_IRQ	   10
#define LAYOUT_RTC_IRQ	   11
#define LAYOUT_VIRTIO_IRQ  1 /* of the first eight... */
#define LAYOUT_VIRTIO_IRQ2 12 /* ...and of the ninth, and so on */
#define LAYOUT_IRQS	   95
