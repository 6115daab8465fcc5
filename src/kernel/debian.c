/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debian.c - Debian's kernel for any of its architectures, through the apt of this host: the mirror
 * that it uses, Debian's keys, and lists of its own in a folder that is removed. Neither root nor
 * dpkg's database is needed, and nothing is installed.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/process.h"

#define SUITE	"trixie"
#define KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"

struct apt {
	char *folder; /* with a file apt.conf that says so */
	const char *architecture; /* Debian's name, which is Go's for those that we know */
	const char *suite;
};

static int need_program(const char *name, struct error *err)
{
	_cleanup_free_ char *path = strf("/usr/bin/%s", name);

	if (!path)
		return error_oom(err);
	if (access(path, X_OK) < 0)
		return error_set(err, ENOENT,
			"fetching Debian's kernel needs %s, which this host does not have: download the package linux-image-* by other means and use `strata kernel import`",
			name);
	return 0;
}

/* One program, its output in *ret (NULL: not wanted). */
static int run(const char *what, const char *const argv[], char **ret, struct error *err)
{
	_cleanup_free_ char *output = NULL;
	int status = process_run((char *const *)argv, NULL, &output, err);

	if (status < 0)
		return status;
	if (status > 0) {
		_cleanup_free_ char *why = strdup(err->message);

		return error_set(err, EIO, "cannot %s: %s ended with status %d%s%s", what, argv[0],
			status, why && *why ? ": " : "", why ? why : "");
	}
	if (ret)
		*ret = steal_ptr(&output);
	return 0;
}

/*
 * Where this host gets Debian from. Its own release is another than the one that is wanted, and its
 * other sources (security, third parties) have no kernels for other CPUs.
 */
static int find_mirror(char **ret, struct error *err)
{
	const char *argv[] = { "apt-get", "indextargets", "--format",
		"$(REPO_URI) $(ORIGIN) $(SUITE)", "Created-By: Packages", NULL };
	_cleanup_free_ char *output = NULL;
	_cleanup_strv_ char **lines = NULL;
	int r = run("ask apt for its sources", argv, &output, err);

	if (r < 0)
		return r;
	lines = strv_split(output, '\n');
	strv_for_each (line, lines) {
		char *origin = strchr(*line, ' ');

		if (!origin || !str_after_prefix(origin, " Debian ") ||
			strstr(origin, "-security") || strstr(origin, "-updates") ||
			strstr(origin, "-backports"))
			continue;
		*ret = strndup(*line, (size_t)(origin - *line));
		return *ret ? 0 : error_oom(err);
	}
	return error_set(err, ENOENT,
		"apt of this host has no lists of Debian's packages (`apt-get update` gets them), so no mirror is known");
}

static int write_file(const struct apt *apt, const char *name, const char *text, struct error *err)
{
	_cleanup_free_ char *path = strf("%s/%s", apt->folder, name);

	if (!path || !text)
		return error_oom(err);
	return io_replace_file(AT_FDCWD, path, 0644, text, strlen(text), IO_VOLATILE, err);
}

/* As apt.conf(5); a user's own apt has no sandbox user to change to. */
static int write_configuration(const struct apt *apt, const char *mirror, struct error *err)
{
	const char *dir = apt->folder;
	_cleanup_free_ char *sources = strf("deb [arch=%s signed-by=" KEYRING "] %s %s main\n",
		apt->architecture, mirror, apt->suite);
	_cleanup_free_ char *config = strf(
		"APT::Architecture \"%s\";\nAPT::Architectures { \"%s\"; };\n"
		"APT::Sandbox::User \"\";\nAPT::Install-Recommends \"false\";\n"
		"Acquire::Languages \"none\";\nAPT::Get::Download-Only \"true\";\n"
		"Dir::Etc::sourcelist \"%s/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n"
		"Dir::Etc::preferencesparts \"/dev/null\";\nDir::State \"%s\";\n"
		"Dir::State::status \"%s/status\";\nDir::State::lists \"%s/lists\";\n"
		"Dir::Cache \"%s/cache\";\nDir::Log \"%s\";\nDebug::NoLocking \"true\";\n",
		apt->architecture, apt->architecture, dir, dir, dir, dir, dir, dir);
	static const char *const folders[] = { "lists/partial", "cache/archives/partial" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++) {
		_cleanup_free_ char *path = strf("%s/%s", dir, folders[i]);

		r = path ? io_make_dirs(AT_FDCWD, path, 0755, err) : error_oom(err);
	}
	if (r == 0)
		r = write_file(apt, "status", "", err);
	if (r == 0)
		r = write_file(apt, "sources.list", sources, err);
	return r < 0 ? r : write_file(apt, "apt.conf", config, err);
}

/* Of kernels that there are several of, the one for machines: without drivers of real devices. */
static const char *flavour(const char *architecture)
{
	static const struct {
		const char *architecture, *flavour;
	} rows[] = { { "amd64", "cloud-amd64" } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (streq(rows[i].architecture, architecture))
			return rows[i].flavour;
	return architecture;
}

/* "linux-image-6.12.1-riscv64": what the package linux-image-FLAVOUR stands for today. */
static int find_package(const struct apt *apt, char **ret, struct error *err)
{
	_cleanup_free_ char *name = strf("linux-image-%s", flavour(apt->architecture));
	_cleanup_free_ char *output = NULL;
	const char *argv[] = { "apt-cache", "depends", name, NULL };
	_cleanup_strv_ char **lines = NULL;
	int r;

	if (!name)
		return error_oom(err);
	r = run("ask apt for the kernel's package", argv, &output, err);
	if (r < 0)
		return r;
	lines = strv_split(output, '\n');
	strv_for_each (line, lines) {
		const char *depends = strstr(*line, "Depends: linux-image-");

		if (!depends)
			continue;
		*ret = strdup(depends + strlen("Depends: "));
		return *ret ? 0 : error_oom(err);
	}
	return error_set(err, ENOENT, "Debian %s has no package %s", apt->suite, name);
}

/* The file in `folder` that begins and ends so. */
static int find_file(
	const char *folder, const char *prefix, const char *suffix, char **ret, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (str_after_prefix(entry->d_name, prefix) &&
			str_has_suffix(entry->d_name, suffix)) {
			*ret = strf("%s/%s", folder, entry->d_name);
			return *ret ? 0 : error_oom(err);
		}
	return error_set(err, ENOENT, "there is no %s*%s in %s", prefix, suffix, folder);
}

/* apt-get(8) downloads into the working directory. */
static int download(const struct apt *apt, const char *package, char **ret_tree, struct error *err)
{
	const char *fetch[] = { "sh", "-c", "cd \"$1\" && apt-get -qq download \"$2\"", "sh",
		apt->folder, package, NULL };
	_cleanup_free_ char *deb = NULL, *tree = strf("%s/tree", apt->folder);
	const char *extract[] = { "dpkg-deb", "-x", NULL, tree, NULL };
	int r;

	if (!tree)
		return error_oom(err);
	r = run("download the kernel", fetch, NULL, err);
	if (r == 0)
		r = find_file(apt->folder, package, ".deb", &deb, err);
	extract[2] = deb;
	if (r == 0)
		r = run("unpack the kernel's package", extract, NULL, err);
	if (r == 0)
		*ret_tree = steal_ptr(&tree);
	return r;
}

static int fetch(const struct apt *apt, char **ret_tree, struct error *err)
{
	const char *update[] = { "apt-get", "-qq", "update", NULL };
	_cleanup_free_ char *mirror = NULL, *package = NULL;
	_cleanup_free_ char *config = strf("%s/apt.conf", apt->folder);
	int r = find_mirror(&mirror, err);

	if (!config)
		return error_oom(err);
	if (r == 0)
		r = write_configuration(apt, mirror, err);
	if (r < 0)
		return r;
	/* For the programs that are run from here on. */
	setenv("APT_CONFIG", config, 1);
	r = run("update the lists of packages", update, NULL, err);
	if (r == 0)
		r = find_package(apt, &package, err);
	if (r == 0)
		r = download(apt, package, ret_tree, err);
	unsetenv("APT_CONFIG");
	return r;
}

/* riscv64 has vmlinux-*, others vmlinuz-*. */
static int import_tree(const char *root, const char *tree, const char *architecture,
	const char *name, struct kernel *ret, struct error *err)
{
	_cleanup_free_ char *boot = strf("%s/boot", tree), *file = NULL;
	struct kernel_import_options options = {
		.modules = tree, .name = name, .architecture = architecture
	};
	int r;

	if (!boot)
		return error_oom(err);
	r = find_file(boot, "vmlinu", "", &file, err);
	options.file = file;
	return r < 0 ? r : kernel_import(root, &options, ret, err);
}

int kernel_fetch_debian(const char *root, const char *architecture, const char *suite,
	const char *name, struct kernel *ret, struct error *err)
{
	static const char *const programs[] = { "apt-get", "apt-cache", "dpkg-deb" };
	_cleanup_free_ char *tree = NULL, *parent = strf("%s/" KERNEL_FOLDER, root);
	struct apt apt = { .architecture = architecture, .suite = suite ? suite : SUITE };
	char random[17];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(programs) && r == 0; i++)
		r = need_program(programs[i], err);
	if (r < 0)
		return r;
	io_random_hex(random, 8);
	apt.folder = parent ? strf("%s/.new-%s", parent, random) : NULL;
	if (!apt.folder)
		return error_oom(err);
	r = io_make_dirs(AT_FDCWD, apt.folder, 0755, err);
	if (r == 0)
		r = fetch(&apt, &tree, err);
	if (r == 0)
		r = import_tree(root, tree, architecture, name, ret, err);
	io_remove_tree(AT_FDCWD, apt.folder, NULL);
	free(apt.folder);
	return r;
}
