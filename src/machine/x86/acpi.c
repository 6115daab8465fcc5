/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.c - the tables of hardware-reduced ACPI (ACPI 6.5 §5.2): RSDP, XSDT, FADT, MADT, and a DSDT
 * of what the devices' rows say of them.
 */
#include <assert.h>
#include <string.h>

#include "machine/aml.h"
#include "machine/x86/board.h"

#define OEM_ID	     "STRATA"
#define OEM_TABLE_ID "MICRO   "
#define ALIGN	     16

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

#define RSDP_FIRST_BYTES 20

/* A register that is an I/O port of one byte. */
struct address {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved, profile;
	uint8_t fixed_hardware[63]; /* none of it is there */
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct address fixed_registers[8]; /* likewise */
	struct address sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));
static_assert(sizeof(struct fadt) == 276, "§5.2.9, revision 6");

enum {
	SPACE_PORTS = 1,

	BOOT_NO_VGA = 1 << 2,
	BOOT_NO_CMOS = 1 << 5,

	FLAG_WBINVD = 1 << 0,
	FLAG_POWER_BUTTON_IS_DEVICE = 1 << 4,
	FLAG_NO_SLEEP_BUTTON = 1 << 5,
	FLAG_RESET = 1 << 10,
	FLAG_HARDWARE_REDUCED = 1 << 20,
};

struct madt {
	struct header header;
	uint32_t apic, flags;
} __attribute__((packed));

struct madt_apic {
	uint8_t type, length, uid, id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, first_irq;
} __attribute__((packed));

struct madt_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t input;
} __attribute__((packed));

enum {
	MADT_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_NMI = 4,
	MADT_ENABLED = 1,
	MADT_ALL = 0xff,
};

/* Where the next table goes. */
struct tables {
	struct machine *machine;
	uint64_t next;
	bool failed;
};

static uint8_t checksum(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (size-- > 0)
		sum += *p++;
	return (uint8_t)-sum;
}

static struct header header_of(const char *signature, uint8_t revision)
{
	struct header header = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem_id, OEM_ID, sizeof(header.oem_id));
	memcpy(header.oem_table_id, OEM_TABLE_ID, sizeof(header.oem_table_id));
	memcpy(header.creator_id, "STRA", sizeof(header.creator_id));
	return header;
}

/* Length and checksum are filled in; where it was put. */
static uint64_t put_table(struct tables *t, void *table, size_t size)
{
	uint64_t at = t->next, end = LAYOUT_ACPI + LAYOUT_ACPI_BYTES;
	struct header *header = table;

	header->length = (uint32_t)size;
	header->checksum = 0;
	header->checksum = checksum(table, size);
	if (size > end - at || vm_memory_write(&t->machine->memory, at, table, size) < 0) {
		t->failed = true;
		return 0;
	}
	t->next = (at + size + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
	return at;
}

/* --- DSDT --------------------------------------------------------------------------------------
 */

static void describe_power(struct aml *aml)
{
	aml_name(aml, "_S5_");
	aml_package(aml, 1);
	aml_integer(aml, ACPI_SLEEP_OFF);
	aml_end(aml);
}

static void describe_devices(struct machine *m, struct aml *aml)
{
	aml_scope(aml, "\\_SB_");
	for (unsigned i = 0; i < m->nr_devices; i++) {
		struct machine_device *d = &m->devices[i];

		if (d->slot->describe_acpi)
			d->slot->describe_acpi(m, d->device, &d->place, aml);
	}
	aml_end(aml);
}

static uint64_t put_dsdt(struct tables *t)
{
	const struct header header = header_of("DSDT", 6);
	struct aml aml = { 0 };
	uint64_t at = 0;

	str_append_n(&aml.text, &header, sizeof(header));
	describe_power(&aml);
	describe_devices(t->machine, &aml);
	if (aml.text.failed)
		t->failed = true;
	else
		at = put_table(t, aml.text.data, aml.text.len);
	str_free(&aml.text);
	return at;
}

/* --- the others --------------------------------------------------------------------------------
 */

static struct address port(uint16_t offset)
{
	return (struct address){
		.space = SPACE_PORTS, .bits = 8, .access = 1, .address = LAYOUT_ACPI_PORT + offset
	};
}

static uint64_t put_fadt(struct tables *t, uint64_t dsdt)
{
	struct fadt fadt = {
		.header = header_of("FACP", 6),
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.boot_flags = BOOT_NO_VGA | BOOT_NO_CMOS,
		.flags = FLAG_WBINVD | FLAG_POWER_BUTTON_IS_DEVICE | FLAG_NO_SLEEP_BUTTON |
			FLAG_RESET | FLAG_HARDWARE_REDUCED,
		.reset = port(ACPI_RESET),
		.reset_value = ACPI_RESET_VALUE,
		.sleep_control = port(ACPI_SLEEP_CONTROL),
		.sleep_status = port(ACPI_SLEEP_STATUS),
	};

	return put_table(t, &fadt, sizeof(fadt));
}

static uint64_t put_madt(struct tables *t)
{
	struct {
		struct madt madt;
		struct madt_ioapic ioapic;
		struct madt_nmi nmi;
		struct madt_apic apics[VM_VCPUS_MAX];
	} __attribute__((packed)) table = {
		.madt = { .header = header_of("APIC", 5), .apic = (uint32_t)KVM_X86_LAPIC },
		.ioapic = { .type = MADT_IOAPIC,
			.length = sizeof(struct madt_ioapic),
			.address = (uint32_t)KVM_X86_IOAPIC },
		.nmi = { .type = MADT_NMI,
			.length = sizeof(struct madt_nmi),
			.uid = MADT_ALL,
			.input = 1 },
	};
	unsigned n = t->machine->config.nr_vcpus;

	for (unsigned i = 0; i < n; i++)
		table.apics[i] = (struct madt_apic){ .type = MADT_APIC,
			.length = sizeof(struct madt_apic),
			.uid = (uint8_t)i,
			.id = (uint8_t)i,
			.flags = MADT_ENABLED };
	return put_table(t, &table, sizeof(table) - (VM_VCPUS_MAX - n) * sizeof(struct madt_apic));
}

static uint64_t put_xsdt(struct tables *t)
{
	struct {
		struct header header;
		uint64_t tables[2];
	} __attribute__((packed)) xsdt = { .header = header_of("XSDT", 1) };

	xsdt.tables[0] = put_fadt(t, put_dsdt(t));
	xsdt.tables[1] = put_madt(t);
	return put_table(t, &xsdt, sizeof(xsdt));
}

/* At the beginning, where kernels look for it that are not told. */
static void put_rsdp(struct tables *t, uint64_t xsdt)
{
	struct rsdp rsdp = { .revision = 2, .length = sizeof(rsdp), .xsdt = xsdt };

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, OEM_ID, sizeof(rsdp.oem_id));
	rsdp.checksum = checksum(&rsdp, RSDP_FIRST_BYTES);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	if (vm_memory_write(&t->machine->memory, LAYOUT_ACPI, &rsdp, sizeof(rsdp)) < 0)
		t->failed = true;
}

int x86_put_acpi(struct machine *m, struct error *err)
{
	struct tables tables = { .machine = m,
		.next = LAYOUT_ACPI + (sizeof(struct rsdp) + ALIGN - 1) / ALIGN * ALIGN };

	put_rsdp(&tables, put_xsdt(&tables));
	if (tables.failed)
		return error_set(err, ENOSPC, "the machine has no room for its ACPI tables");
	if (vm_memory_write(&m->memory, LAYOUT_GENERATION, x86_board(m)->generation,
		    X86_GENERATION_BYTES) < 0)
		return error_set(err, ENOSPC, "the machine has no room for its generation ID");
	return 0;
}
