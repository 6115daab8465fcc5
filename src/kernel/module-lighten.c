/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module-lighten.c - what loading a module costs a guest for nothing.
 *
 *   its signature   checking one takes an emulated machine longer than all else about a module, and
 *                   nobody has to whose own kernel this is. The kernel notes it (taint E)
 *   .BTF            what it tells BPF of its types; checked entry by entry
 *   symbols         RISC-V's assembler leaves a label for most addresses: ext4 has 217000 of them,
 *                   95 of 100 used by nothing. The kernel looks at each and keeps it
 *
 * A module is anybody's file: one whose tables are not as they should be stays as it is, and the
 * guest's kernel may refuse it.
 */
#include "kernel/internal.h"

#include <endian.h>

#define SIGNATURE_MARKER "~Module signature appended~\n"
#define SIGNATURE_INFO	 12 /* bytes before it */
#define SECTIONS_MAX	 4096
#define MOVE_ALIGN	 4096 /* sections keep their alignment */

struct light {
	char *bytes;
	size_t len;
	Elf64_Ehdr elf;
	Elf64_Shdr *sections;
	size_t symtab; /* its section's number */
	size_t nr_symbols;
	uint32_t *places; /* of each symbol: used or not, then its new number */
};

/* Linux, include/linux/module_signature.h: of the bytes before the marker, the last four say how
 * long what is before them is (big-endian). */
static size_t cut_signature(const char *bytes, size_t len)
{
	const size_t marker = strlen(SIGNATURE_MARKER);
	uint32_t size;

	if (len < marker + SIGNATURE_INFO ||
		memcmp(bytes + len - marker, SIGNATURE_MARKER, marker) != 0)
		return len;
	memcpy(&size, bytes + len - marker - sizeof(size), sizeof(size));
	size = be32toh(size);
	len -= marker + SIGNATURE_INFO;
	return size < len ? len - size : len;
}

static void empty_btf(char *bytes, size_t len)
{
	Elf64_Shdr section;
	uint64_t at = module_find_section(bytes, len, ".BTF", &section);

	if (!at)
		return;
	section.sh_size = 0;
	memcpy(bytes + at, &section, sizeof(section));
}

/* --- symbols -------------------------------------------------------------------------------------
 */

static bool read_sections(struct light *l)
{
	if (l->len < sizeof(l->elf))
		return false;
	memcpy(&l->elf, l->bytes, sizeof(l->elf));
	if (memcmp(l->elf.e_ident, ELFMAG, SELFMAG) != 0 ||
		l->elf.e_ident[EI_CLASS] != ELFCLASS64 || l->elf.e_type != ET_REL ||
		l->elf.e_shentsize != sizeof(Elf64_Shdr) || l->elf.e_shnum > SECTIONS_MAX ||
		!module_within(l->elf.e_shoff, l->elf.e_shnum * sizeof(Elf64_Shdr), l->len))
		return false;
	l->sections = calloc(l->elf.e_shnum, sizeof(Elf64_Shdr));
	if (!l->sections)
		return false;
	memcpy(l->sections, l->bytes + l->elf.e_shoff, l->elf.e_shnum * sizeof(Elf64_Shdr));
	return true;
}

/* The one table, and nothing that names its symbols but relocations with an addend. */
static bool find_symbols(struct light *l)
{
	for (size_t i = 0; i < l->elf.e_shnum; i++) {
		const Elf64_Shdr *s = &l->sections[i];

		if (s->sh_type == SHT_REL || s->sh_type == SHT_GROUP ||
			s->sh_type == SHT_SYMTAB_SHNDX)
			return false;
		if (s->sh_type != SHT_NOBITS && !module_within(s->sh_offset, s->sh_size, l->len))
			return false;
		if (s->sh_type == SHT_RELA &&
			(s->sh_entsize != sizeof(Elf64_Rela) || s->sh_size % sizeof(Elf64_Rela)))
			return false;
		if (s->sh_type != SHT_SYMTAB)
			continue;
		if (l->symtab || s->sh_entsize != sizeof(Elf64_Sym) ||
			s->sh_size % sizeof(Elf64_Sym))
			return false;
		l->symtab = i;
	}
	if (!l->symtab)
		return false;
	l->nr_symbols = l->sections[l->symtab].sh_size / sizeof(Elf64_Sym);
	l->places = calloc(l->nr_symbols + 1, sizeof(*l->places));
	return l->places && l->sections[l->symtab].sh_info <= l->nr_symbols;
}

/* Each relocation's symbol; with `move`, it gets its new number. */
static bool walk_relocations(struct light *l, bool move)
{
	for (size_t i = 0; i < l->elf.e_shnum; i++) {
		const Elf64_Shdr *s = &l->sections[i];

		if (s->sh_type != SHT_RELA)
			continue;
		if (s->sh_link != l->symtab)
			return false;
		for (uint64_t at = s->sh_offset; at < s->sh_offset + s->sh_size;
			at += sizeof(Elf64_Rela)) {
			Elf64_Rela rela;
			uint64_t symbol;

			memcpy(&rela, l->bytes + at, sizeof(rela));
			symbol = ELF64_R_SYM(rela.r_info);
			if (symbol >= l->nr_symbols)
				return false;
			if (!move) {
				l->places[symbol] = 1;
				continue;
			}
			rela.r_info = ELF64_R_INFO(l->places[symbol], ELF64_R_TYPE(rela.r_info));
			memcpy(l->bytes + at, &rela, sizeof(rela));
		}
	}
	return true;
}

/* Local labels that nothing uses go; functions and variables stay, for whoever reads a trace. */
static size_t drop_symbols(struct light *l)
{
	Elf64_Shdr *table = &l->sections[l->symtab];
	char *symbols = l->bytes + table->sh_offset;
	size_t kept = 0, locals = 0;

	for (size_t i = 0; i < l->nr_symbols; i++) {
		Elf64_Sym symbol;
		unsigned type;

		memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
		type = ELF64_ST_TYPE(symbol.st_info);
		if (i > 0 && i < table->sh_info && !l->places[i] && type != STT_SECTION &&
			type != STT_FUNC && type != STT_OBJECT)
			continue;
		memcpy(symbols + kept * sizeof(symbol), &symbol, sizeof(symbol));
		l->places[i] = (uint32_t)kept++;
		locals += i < table->sh_info;
	}
	table->sh_info = (uint32_t)locals;
	table->sh_size = kept * sizeof(Elf64_Sym);
	return (l->nr_symbols - kept) * sizeof(Elf64_Sym);
}

/* What is behind the table moves to where it ended. */
static void close_gap(struct light *l, uint64_t end, size_t dropped)
{
	size_t gap = dropped - dropped % MOVE_ALIGN;

	for (size_t i = 0; i < l->elf.e_shnum && gap; i++)
		if (l->sections[i].sh_offset < end && i != l->symtab &&
			l->sections[i].sh_offset + l->sections[i].sh_size > end - dropped &&
			l->sections[i].sh_type != SHT_NOBITS && l->sections[i].sh_size)
			gap = 0; /* something shares its place */
	if (l->elf.e_shoff < end)
		gap = 0;
	if (gap) {
		memmove(l->bytes + end - gap, l->bytes + end, l->len - end);
		l->len -= gap;
		l->elf.e_shoff -= gap;
		for (size_t i = 0; i < l->elf.e_shnum; i++)
			if (l->sections[i].sh_offset >= end)
				l->sections[i].sh_offset -= gap;
	}
	memcpy(l->bytes, &l->elf, sizeof(l->elf));
	memcpy(l->bytes + l->elf.e_shoff, l->sections, l->elf.e_shnum * sizeof(Elf64_Shdr));
}

/* Before anything is changed, everything that would be is looked at. */
static size_t lighten_symbols(char *bytes, size_t len)
{
	struct light l = { .bytes = bytes, .len = len };

	if (read_sections(&l) && find_symbols(&l) && walk_relocations(&l, false)) {
		const Elf64_Shdr *table = &l.sections[l.symtab];
		uint64_t end = table->sh_offset + table->sh_size;
		size_t dropped = drop_symbols(&l);

		walk_relocations(&l, true);
		close_gap(&l, end, dropped);
	}
	free(l.sections);
	free(l.places);
	return l.len;
}

size_t module_lighten(char *bytes, size_t len)
{
	len = cut_signature(bytes, len);
	empty_btf(bytes, len);
	return lighten_symbols(bytes, len);
}
