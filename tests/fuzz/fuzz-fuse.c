/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-fuse.c - a guest that asks the server of shared folders for anything. An input is a row of
 * requests: four bytes (operation, node, how many bytes of arguments follow, how many more of zero
 * stand behind them) and the arguments. The server works in a folder of its own; whatever it was
 * asked, a file beside that folder is still what it was.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "unit/share/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 64
#define SECRET	     "not to be seen"

static char base[64], folder[80], secret[80];

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void clean_up(void)
{
	if (chdir("/") == 0)
		io_remove_tree(AT_FDCWD, base, NULL);
}

static void prepare(void)
{
	/* No request is to fill the disk. */
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	FILE *f;

	strcpy(base, "/tmp/strata-fuse-XXXXXX");
	check(mkdtemp(base) != NULL);
	snprintf(folder, sizeof(folder), "%s/shared", base);
	snprintf(secret, sizeof(secret), "%s/secret", base);
	f = fopen(secret, "we");
	check(f != NULL);
	fputs(SECRET, f);
	fclose(f);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	atexit(clean_up);
}

static void ask(struct guest *g, const uint8_t *data, size_t size)
{
	static const uint8_t zeros[255];

	guest_ask(g, data[0] % 64, data[1] % 16, data + 4, size - 4, zeros, data[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest g;
	char text[sizeof(SECRET)] = "";
	FILE *f;

	if (!*base)
		prepare();
	check(mkdir(folder, 0700) == 0);
	check(guest_open(&g, folder) == 0);
	check(guest_init(&g) == 0);
	for (unsigned i = 0; i < REQUESTS_MAX && size >= 4; i++) {
		size_t n = 4 + (size_t)data[2] < size ? 4 + (size_t)data[2] : size;

		ask(&g, data, n);
		data += n;
		size -= n;
	}
	guest_close(&g);
	f = fopen(secret, "re");
	check(f && fread(text, 1, sizeof(text) - 1, f) == strlen(SECRET) && !strcmp(text, SECRET));
	fclose(f);
	check(chdir("/") == 0);
	check(io_remove_tree(AT_FDCWD, folder, NULL) == 0);
	return 0;
}
