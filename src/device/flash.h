/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flash.h - NOR flash that the guest can write: where UEFI keeps its variables. Two 16-bit chips
 * beside each other, with Intel's command set (CFI 001).
 */
#pragma once

#include <pthread.h>

#include "vm/vm.h"

#define FLASH_BYTES	  (UINT64_C(32) << 20)
#define FLASH_BLOCK_BYTES (UINT64_C(256) << 10)
#define FLASH_BANK_WIDTH  4

/* What the guest can see, beside the bytes. */
struct flash_state {
	uint8_t mode; /* what is read: enum flash_mode (flash.c) */
	uint8_t command; /* that a write is awaited for; 0: none */
	uint32_t nr_words; /* of a buffered write that are still to come */
	uint32_t block; /* of an erase or a buffered write */
};

struct flash {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_saved saved;
	uint8_t *bytes; /* FLASH_BYTES, of the file */
	pthread_mutex_t lock;
	struct flash_state state;
};

/* The bytes of the file, which has at most FLASH_BYTES of them and is written as the guest writes.
 * Behind its end there is nothing to be kept. */
int flash_open(struct flash *flash, const char *path, struct error *err);
void flash_reset(struct flash *flash);
void flash_close(struct flash *flash);
