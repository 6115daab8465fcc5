/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c - replays a corpus through a fuzz target without libFuzzer, as a test of every build.
 *
 * Arguments are files or folders of files; each file is one input, and each is also tried cut
 * short at every quarter, since that is where parsers read past the end. Inputs are copied to
 * exactly sized heap blocks, so that AddressSanitizer sees one byte too many. An empty corpus is
 * a failure: a test that reads nothing cannot fail.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int try_input(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return -1;
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	return 0;
}

/* Number of inputs replayed, or -1. */
static int replay_file(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *file = fopen(path, "rbe");
	int r = -1;

	if (data && file) {
		size_t size = fread(data, 1, INPUT_MAX, file);

		r = 0;
		for (int quarter = 1; quarter <= 4 && r >= 0; quarter++)
			r = try_input(data, size * quarter / 4);
	} else {
		perror(path);
	}
	if (file)
		fclose(file);
	free(data);
	return r < 0 ? -1 : 1;
}

static int replay(const char *path)
{
	struct dirent *entry;
	DIR *folder = opendir(path);
	int total = 0;

	if (!folder)
		return replay_file(path);
	while ((entry = readdir(folder))) {
		char name[4096];
		int n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		n = replay_file(name);
		if (n < 0) {
			total = -1;
			break;
		}
		total += n;
	}
	closedir(folder);
	return total;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs replayed\n", total);
	return total > 0 ? 0 : 1;
}
