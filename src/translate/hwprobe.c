/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hwprobe.c - riscv_hwprobe(2) (Documentation/arch/riscv/hwprobe.rst), AT_HWCAP and the ISA string:
 * three words for one truth, which is what jit/riscv translates.
 *
 * Not all of it is told: ciphers on vectors only where this host has instructions for them, and
 * SHA-512 not at all, since who asks has another way that is faster here.
 */
#include "translate/hwprobe.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "jit/riscv/cpu.h"
#include "translate/internal.h"

#define LETTER(c) (UINT64_C(1) << ((c) - 'a'))

/* IMA_EXT_0's bits (uapi/asm/hwprobe.h). */
enum {
	EXT_FD = 0,
	EXT_C = 1,
	EXT_V = 2,
	EXT_ZBA = 3,
	EXT_ZBB = 4,
	EXT_ZBS = 5,
	EXT_ZICBOZ = 6,
	EXT_ZBC = 7,
	EXT_ZBKB = 8,
	EXT_ZBKC = 9,
	EXT_ZBKX = 10,
	EXT_ZKND = 11,
	EXT_ZKNE = 12,
	EXT_ZKNH = 13,
	EXT_ZVBB = 17,
	EXT_ZVBC = 18,
	EXT_ZVKB = 19,
	EXT_ZVKG = 20,
	EXT_ZVKNED = 21,
	EXT_ZVKNHA = 22,
	EXT_ZVKT = 26,
	EXT_ZFH = 27,
	EXT_ZFHMIN = 28,
	EXT_ZIHINTNTL = 29,
	EXT_ZVFH = 30,
	EXT_ZVFHMIN = 31,
	EXT_ZFA = 32,
	EXT_ZICOND = 35,
	EXT_ZIHINTPAUSE = 36,
	EXT_ZVE32X = 37,
	EXT_ZVE32F = 38,
	EXT_ZVE64X = 39,
	EXT_ZVE64F = 40,
	EXT_ZVE64D = 41,
	EXT_ZIMOP = 42,
	EXT_ZCA = 43,
	EXT_ZCB = 44,
	EXT_ZCD = 45,
	EXT_ZCMOP = 47,
	EXT_ZAWRS = 48,
};

#define BIT(n) (UINT64_C(1) << (n))

#define EXTENSIONS                                                                                 \
	(BIT(EXT_FD) | BIT(EXT_C) | BIT(EXT_ZBA) | BIT(EXT_ZBB) | BIT(EXT_ZBS) | BIT(EXT_ZICBOZ) | \
		BIT(EXT_ZBC) | BIT(EXT_ZBKB) | BIT(EXT_ZBKC) | BIT(EXT_ZBKX) | BIT(EXT_ZKND) |     \
		BIT(EXT_ZKNE) | BIT(EXT_ZKNH) | BIT(EXT_ZFH) | BIT(EXT_ZFHMIN) |                   \
		BIT(EXT_ZIHINTNTL) | BIT(EXT_ZFA) | BIT(EXT_ZICOND) | BIT(EXT_ZIHINTPAUSE) |       \
		BIT(EXT_ZIMOP) | BIT(EXT_ZCA) | BIT(EXT_ZCB) | BIT(EXT_ZCD) | BIT(EXT_ZCMOP) |     \
		BIT(EXT_ZAWRS) | BIT(EXT_V) | BIT(EXT_ZVBB) | BIT(EXT_ZVKB) | BIT(EXT_ZVKT) |      \
		BIT(EXT_ZVFH) | BIT(EXT_ZVFHMIN) | BIT(EXT_ZVE32X) | BIT(EXT_ZVE32F) |             \
		BIT(EXT_ZVE64X) | BIT(EXT_ZVE64F) | BIT(EXT_ZVE64D))

enum { HAS_AES = 1, HAS_SHA256 = 2, HAS_PRODUCTS = 4 };

/* In the order that the unprivileged ISA wants them in; by what the host has. */
#define ISA(zvbc, zvkg, zvkned, zvknha)                                                            \
	ISA_SCALAR "_zvbb" zvbc                                                                    \
		   "_zve32f_zve32x_zve64d_zve64f_zve64x_zvfh_zvfhmin_zvkb" zvkg zvkned zvknha      \
		   "_zvkt"
#define ISA_SCALAR                                                                                 \
	"rv64imafdcv_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintntl_zihintpause_"     \
	"zimop_zawrs_zfa_zfh_zfhmin_zca_zcb_zcd_zcmop_zba_zbb_zbc_zbkb_zbkc_zbkx_zbs_zkn_zknd_"    \
	"zkne_zknh"

static const char *const isas[] = {
	[0] = ISA("", "", "", ""),
	[HAS_AES] = ISA("", "", "_zvkned", ""),
	[HAS_SHA256] = ISA("", "", "", "_zvknha"),
	[HAS_AES | HAS_SHA256] = ISA("", "", "_zvkned", "_zvknha"),
	[HAS_PRODUCTS] = ISA("_zvbc", "_zvkg", "", ""),
	[HAS_PRODUCTS | HAS_AES] = ISA("_zvbc", "_zvkg", "_zvkned", ""),
	[HAS_PRODUCTS | HAS_SHA256] = ISA("_zvbc", "_zvkg", "", "_zvknha"),
	[HAS_PRODUCTS | HAS_AES | HAS_SHA256] = ISA("_zvbc", "_zvkg", "_zvkned", "_zvknha"),
};

enum { KEY_EXTENSIONS = 4 }; /* IMA_EXT_0 */

static const uint64_t keys[] = {
	[0] = 0, /* MVENDORID, MARCHID, MIMPID: none of the assigned ones */
	[1] = 0,
	[2] = 0,
	[3] = 1, /* BASE_BEHAVIOR: IMA */
	[KEY_EXTENSIONS] = EXTENSIONS,
	[5] = 3, /* CPUPERF_0: MISALIGNED_FAST */
	[6] = 64, /* ZICBOZ_BLOCK_SIZE */
	[7] = GUEST_SHORT_END - 1, /* HIGHEST_VIRT_ADDRESS */
	[8] = 1000000000, /* TIME_CSR_FREQ */
	[9] = 3, /* MISALIGNED_SCALAR_PERF: FAST */
	[10] = 3, /* MISALIGNED_VECTOR_PERF: FAST */
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))
/* Of these two a caller asks for some bits, of the others for the value. */
#define IS_MASK(key) ((key) == 3 || (key) == KEY_EXTENSIONS)

#define WHICH_CPUS 1
#define CPUS_MAX   1024 /* bytes of a set */

struct pair {
	int64_t key;
	uint64_t value;
};

uint64_t hwprobe_capabilities(void)
{
	return LETTER('i') | LETTER('m') | LETTER('a') | LETTER('f') | LETTER('d') | LETTER('c') |
		LETTER('v');
}

static unsigned host(void)
{
	struct riscv_host_features has = riscv_host_features();

	return (has.aes ? HAS_AES : 0) | (has.sha256 ? HAS_SHA256 : 0) |
		(has.products ? HAS_PRODUCTS : 0);
}

const char *hwprobe_isa(void)
{
	return isas[host()];
}

/* Of a key that there is. */
static uint64_t value_of(int64_t key)
{
	unsigned has = host();

	if (key != KEY_EXTENSIONS)
		return keys[key];
	return keys[key] | (has & HAS_AES ? BIT(EXT_ZVKNED) : 0) |
		(has & HAS_SHA256 ? BIT(EXT_ZVKNHA) : 0) |
		(has & HAS_PRODUCTS ? BIT(EXT_ZVBC) | BIT(EXT_ZVKG) : 0);
}

/* The CPUs that this process may run on, in a set of CPUS_MAX. */
static void online(uint8_t *cpus)
{
	memset(cpus, 0, CPUS_MAX);
	host_call(SYS_sched_getaffinity, 0, CPUS_MAX, cpus);
}

/* Leave in the guest's set those CPUs that are as the pairs say: all or none. */
static int64_t which_cpus(uint64_t pairs, uint64_t count, uint64_t size, uint64_t address)
{
	uint8_t cpus[CPUS_MAX] = { 0 }, all[CPUS_MAX];
	bool fits = true, is_empty = true;
	struct pair pair;

	if (!address || !size)
		return -EINVAL;
	size = size < sizeof(cpus) ? size : sizeof(cpus);
	if (guest_copy_in(cpus, address, size) < 0)
		return -EFAULT;
	for (uint64_t i = 0; i < size; i++)
		is_empty = is_empty && !cpus[i];
	online(all);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = pairs + i * sizeof(pair);

		if (guest_copy_in(&pair, at, sizeof(pair)) < 0)
			return -EFAULT;
		if (pair.key < 0 || pair.key >= (int64_t)KEYS) {
			fits = false;
			pair = (struct pair){ .key = -1 };
			if (guest_copy_out(at, &pair, sizeof(pair)) < 0)
				return -EFAULT;
		} else if (IS_MASK(pair.key) ? (value_of(pair.key) & pair.value) != pair.value
					     : value_of(pair.key) != pair.value) {
			fits = false;
		}
	}
	for (uint64_t i = 0; i < size; i++)
		cpus[i] = fits ? (is_empty ? all[i] : cpus[i] & all[i]) : 0;
	return guest_copy_out(address, cpus, size);
}

/* A set that is given must hold a CPU. */
static int check_cpus(uint64_t size, uint64_t address)
{
	uint8_t cpus[CPUS_MAX] = { 0 }, all[CPUS_MAX];

	if (!size && !address)
		return 0;
	size = size < sizeof(cpus) ? size : sizeof(cpus);
	if (guest_copy_in(cpus, address, size) < 0)
		return -EFAULT;
	online(all);
	for (size_t i = 0; i < size; i++)
		if (cpus[i] & all[i])
			return 0;
	return -EINVAL;
}

int64_t call_riscv_hwprobe(struct thread *t, const uint64_t a[6])
{
	struct pair pair;
	int r;

	if (a[4] == WHICH_CPUS)
		return which_cpus(a[0], a[1], a[2], a[3]);
	if (a[4])
		return -EINVAL;
	r = check_cpus(a[2], a[3]);
	for (uint64_t i = 0; r == 0 && i < a[1]; i++) {
		uint64_t at = a[0] + i * sizeof(pair);

		r = guest_copy_in(&pair, at, sizeof(pair));
		if (r < 0)
			break;
		if (pair.key >= 0 && pair.key < (int64_t)KEYS)
			pair.value = value_of(pair.key);
		else
			pair = (struct pair){ .key = -1 };
		r = guest_copy_out(at, &pair, sizeof(pair));
	}
	return r;
}
