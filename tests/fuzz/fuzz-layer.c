/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-layer.c - a layer as a registry might send it, unpacked into a folder of its own.
 *
 * Whatever it holds, nothing may appear beside that folder, and it must be removable.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "fuzz/tar-checksums.h"
#include "base/decompress.h"
#include "image/layer-unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The stream, in pieces of an awkward size. */
struct pieces {
	const uint8_t *data;
	size_t left;
};

static ssize_t next_piece(void *context, const void **ret_bytes)
{
	struct pieces *p = context;
	size_t n = p->left < 700 ? p->left : 700;

	*ret_bytes = p->data;
	p->data += n;
	p->left -= n;
	return (ssize_t)n;
}

#define OUTPUT_MAX (1u << 20)

struct source {
	struct tar_source source;
	struct decompressor decompressor;
	size_t total;
	char buf[1000];
};

static ssize_t read_source(struct tar_source *self, const void **ret_bytes, struct error *err)
{
	struct source *s = container_of(self, struct source, source);
	ssize_t n = decompressor_read(&s->decompressor, s->buf, sizeof(s->buf), err);

	*ret_bytes = s->buf;
	if (n > 0 && (s->total += (size_t)n) > OUTPUT_MAX)
		return error_set(err, EFBIG, "too much");
	return n;
}

static void expect_only_the_layer(int dir_fd)
{
	DIR *dir = fdopendir(io_open_dir(dir_fd, "."));
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "layer") != 0)
			abort();
	closedir(dir);
}

static void unpack(struct pieces pieces, int dir_fd, bool rootless)
{
	const struct layer_unpack_options options = {
		.max_entries = 200,
		.rootless = rootless,
		.single_id = rootless,
	};
	struct layer_unpack *u = malloc(sizeof(*u));
	struct source *s = calloc(1, sizeof(*s));
	struct error err = { 0 };
	int fd;

	if (mkdirat(dir_fd, "layer", 0755) < 0)
		abort();
	fd = io_open_dir(dir_fd, "layer");
	decompressor_init(&s->decompressor, next_piece, &pieces);
	s->source.read = read_source;
	if (layer_unpack_tree(u, &s->source, fd, &options, &err) < 0 && !err.message[0])
		abort(); /* a failure without a sentence */
	decompressor_free(&s->decompressor);
	expect_only_the_layer(dir_fd);
	close(fd);
	if (io_remove_tree(dir_fd, "layer", &err) < 0)
		abort();
	free(s);
	free(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rlimit small_files = { 16 << 20, 16 << 20 };
	char path[] = "/tmp/strata-fuzz-XXXXXX";
	uint8_t *copy = malloc(size + 1);
	int dir_fd;

	log_set_level(LOG_LEVEL_WARNING - 1);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small_files);
	memcpy(copy, data, size);
	tar_fix_checksums(copy, size);
	if (!mkdtemp(path))
		abort();
	dir_fd = io_open_dir(AT_FDCWD, path);
	unpack((struct pieces){ copy, size }, dir_fd, false);
	unpack((struct pieces){ copy, size }, dir_fd, true);
	close(dir_fd);
	if (rmdir(path) < 0)
		abort();
	free(copy);
	return 0;
}
