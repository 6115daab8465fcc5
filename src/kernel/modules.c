/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.c - which modules there are and which of them need which.
 *
 * Dependencies are read from the modules themselves (section .modinfo: "depends", and "softdep"
 * for what is only wanted before), not from modules.dep, which depmod(8) makes when a kernel is
 * installed and a package does not have. A module is anybody's file: its tables are checked before
 * they are used.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <elf.h>
#include <sys/stat.h>

#include "base/io.h"

#define MODULES_MAX   65536
#define DEPTH_MAX     16 /* of folders, and of modules that need each other */
#define BUILTIN_MAX   (4u << 20)
#define SOFT_BEFORE   "pre:"
#define MODULE_SUFFIX ".ko"

/* --- the folder ---------------------------------------------------------------------------------
 */

static char *module_name(const char *file, size_t len)
{
	char *name = strndup(file, len);

	for (char *c = name; c && *c; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

/* The length of its name without ".ko", ".ko.xz", ...; 0: it is none. */
static size_t module_name_len(const char *file)
{
	const char *suffix = strstr(file, MODULE_SUFFIX);
	const char *rest = suffix ? suffix + strlen(MODULE_SUFFIX) : NULL;

	if (!rest || (*rest && !streq(rest, ".xz") && !streq(rest, ".zst") && !streq(rest, ".gz")))
		return 0;
	return (size_t)(suffix - file);
}

static int add_module(struct modules *m, const char *folder, const char *file, struct error *err)
{
	size_t len = module_name_len(file);
	struct module *module;

	if (len == 0)
		return 0;
	if (m->count == MODULES_MAX)
		return error_set(err, E2BIG, "more than %d modules", MODULES_MAX);
	if (m->count == m->capacity) {
		size_t capacity = m->capacity ? 2 * m->capacity : 1024;
		struct module *grown = reallocarray(m->list, capacity, sizeof(*grown));

		if (!grown)
			return error_oom(err);
		m->list = grown;
		m->capacity = capacity;
	}
	module = &m->list[m->count];
	*module = (struct module){ .name = module_name(file, len),
		.path = strf("%s/%s", folder, file) };
	m->count++;
	return module->name && module->path ? 0 : error_oom(err);
}

static int walk(struct modules *m, const char *folder, int depth, struct error *err)
{
	int fd = openat(m->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_errno(err, errno, "cannot open %s", folder);
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *below = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type != DT_DIR) {
			r = add_module(m, folder, entry->d_name, err);
			continue;
		}
		if (depth == DEPTH_MAX)
			return error_set(err, ELOOP, "%s has too many folders in it", folder);
		below = strf("%s/%s", folder, entry->d_name);
		r = below ? walk(m, below, depth + 1, err) : error_oom(err);
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

int modules_open(int dir_fd, struct modules *ret, struct error *err)
{
	struct modules m = { .dir_fd = dir_fd };
	struct error ignored = { 0 };
	int r = walk(&m, "kernel", 0, err);

	if (r < 0) {
		modules_close(&m);
		return r;
	}
	if (m.count)
		qsort(m.list, m.count, sizeof(*m.list), compare);
	if (io_read_file(dir_fd, "modules.builtin", BUILTIN_MAX, &m.builtin, NULL, &ignored) < 0)
		m.builtin = NULL;
	*ret = m;
	return 0;
}

void modules_close(struct modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		free(modules->list[i].name);
		free(modules->list[i].path);
	}
	free(modules->list);
	free(modules->builtin);
	*modules = (struct modules){ .dir_fd = -1 };
}

static struct module *find(const struct modules *m, const char *name, size_t len)
{
	_cleanup_free_ char *key = module_name(name, len);
	struct module wanted = { .name = key };

	return key && m->count ? bsearch(&wanted, m->list, m->count, sizeof(*m->list), compare)
			       : NULL;
}

/* Lines of modules.builtin are "kernel/drivers/virtio/virtio_mmio.ko". */
bool modules_have(const struct modules *modules, const char *name)
{
	_cleanup_strv_ char **lines = NULL;

	if (!modules->builtin || find(modules, name, strlen(name)))
		return true;
	lines = strv_split(modules->builtin, '\n');
	strv_for_each (line, lines) {
		const char *slash = strrchr(*line, '/');
		const char *file = slash ? slash + 1 : *line;
		_cleanup_free_ char *builtin = module_name(file, module_name_len(file));

		if (builtin && streq(builtin, name))
			return true;
	}
	return false;
}

/* --- what a module says --------------------------------------------------------------------------
 */

bool module_within(uint64_t offset, uint64_t size, size_t len)
{
	return offset <= len && size <= len - offset;
}

uint64_t module_find_section(const char *bytes, size_t len, const char *wanted, Elf64_Shdr *ret)
{
	Elf64_Shdr names, section;
	Elf64_Ehdr elf;

	if (len < sizeof(elf))
		return 0;
	memcpy(&elf, bytes, sizeof(elf));
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
		elf.e_shentsize != sizeof(section) || elf.e_shstrndx >= elf.e_shnum ||
		!module_within(elf.e_shoff, (uint64_t)elf.e_shnum * sizeof(section), len))
		return 0;
	memcpy(&names, bytes + elf.e_shoff + elf.e_shstrndx * sizeof(names), sizeof(names));
	if (!module_within(names.sh_offset, names.sh_size, len))
		return 0;
	for (unsigned i = 0; i < elf.e_shnum; i++) {
		uint64_t at = elf.e_shoff + i * sizeof(section);
		size_t room = strlen(wanted) + 1;

		memcpy(&section, bytes + at, sizeof(section));
		if (section.sh_type == SHT_NOBITS || section.sh_name >= names.sh_size ||
			names.sh_size - section.sh_name < room ||
			memcmp(bytes + names.sh_offset + section.sh_name, wanted, room) != 0 ||
			!module_within(section.sh_offset, section.sh_size, len))
			continue;
		*ret = section;
		return at;
	}
	return 0;
}

const char *module_info(const char *bytes, size_t len, const char *key, size_t *cursor)
{
	size_t size = 0, key_len = strlen(key);
	const char *info = bytes;
	Elf64_Shdr section;

	if (module_find_section(bytes, len, ".modinfo", &section)) {
		info = bytes + section.sh_offset;
		size = section.sh_size;
	}
	while (*cursor < size) {
		const char *at = info + *cursor;
		size_t n = strnlen(at, size - *cursor);

		if (n == size - *cursor)
			break; /* its end is not there */
		*cursor += n + 1;
		if (n > key_len && at[key_len] == '=' && memcmp(at, key, key_len) == 0)
			return at + key_len + 1;
	}
	return NULL;
}

/* --- what is needed ------------------------------------------------------------------------------
 */

struct need {
	struct modules *modules;
	int (*each)(void *context, const struct module *module, const char *bytes, size_t len,
		struct error *err);
	void *context;
};

static int visit(
	const struct need *need, const char *name, size_t len, int depth, struct error *err);

/* Every word of `text` that ends at one of `ends`; in a softdep, only those behind "pre:". */
static int visit_words(const struct need *need, const char *text, const char *ends, bool soft,
	int depth, struct error *err)
{
	bool before = !soft;

	while (*text) {
		size_t len = strcspn(text, ends);
		int r = 0;

		if (soft && len > 0 && text[len - 1] == ':')
			before = len == strlen(SOFT_BEFORE) && memcmp(text, SOFT_BEFORE, len) == 0;
		else if (len > 0 && before)
			r = visit(need, text, len, depth, err);
		if (r < 0)
			return r;
		text += len + (text[len] != '\0');
	}
	return 0;
}

static int visit(
	const struct need *need, const char *name, size_t len, int depth, struct error *err)
{
	struct module *module = find(need->modules, name, len);
	_cleanup_free_ char *bytes = NULL;
	const char *text;
	size_t size, cursor = 0;
	int r;

	if (!module || module->visited)
		return 0;
	if (depth == DEPTH_MAX)
		return error_set(err, ELOOP, "%s needs too many others in a row", module->path);
	module->visited = true;
	r = kernel_unpack_file(
		need->modules->dir_fd, module->path, MODULE_FILE_MAX, &bytes, &size, err);
	while (r == 0 && (text = module_info(bytes, size, "depends", &cursor)))
		r = visit_words(need, text, ",", false, depth + 1, err);
	cursor = 0;
	while (r == 0 && (text = module_info(bytes, size, "softdep", &cursor)))
		r = visit_words(need, text, " ", true, depth + 1, err);
	if (r < 0)
		return r;
	size = module_lighten(bytes, size);
	return need->each(need->context, module, bytes, size, err);
}

int modules_need(struct modules *modules, const char *name,
	int (*each)(void *context, const struct module *module, const char *bytes, size_t len,
		struct error *err),
	void *context, struct error *err)
{
	struct need need = { modules, each, context };

	return visit(&need, name, strlen(name), 0, err);
}
