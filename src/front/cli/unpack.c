/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - `__unpack`: the layers of an image that is stored but was never unpacked here, as when
 * another tool copied it into the store's OCI layout; `__squash`: the same as machines mount them.
 * `run` asks for it.
 */
#include <signal.h>

#include "base/io.h"
#include "front/cli/verbs.h"
#include "image/layer.h"

struct unpack_options {
	const char *platform;
};

static const struct option option_table[] = {
	{ OPTION_STRING, 0, "platform", offsetof(struct unpack_options, platform), "OS/ARCH",
		"Platform of the image" },
	{ OPTION_END },
};

/* The digests of the manifest's layers; borrowed from `manifest`. */
static int list_blobs(const json_t *manifest, const char *what, const char **blobs, size_t count,
	struct error *err)
{
	json_t *layers = NULL, *layer;
	size_t i;
	int r = json_get_array(manifest, "layers", &layers, what, err);

	if (r == 0 && json_array_size(layers) != count)
		r = error_set(err, EBADMSG, "%s has %zu layers, its configuration %zu", what,
			json_array_size(layers), count);
	if (r < 0)
		return r;
	json_array_foreach (layers, i, layer) {
		blobs[i] = NULL;
		r = json_get_string(layer, "digest", &blobs[i], what, err);
		if (r < 0)
			return r;
		if (!blobs[i] || !image_digest_is_valid(blobs[i]))
			return error_set(
				err, EBADMSG, "%s: layer %zu has no valid digest", what, i);
	}
	return 0;
}

static int squash_all(const struct image_store *store, const char *const *blobs,
	char *const *diff_ids, struct error *err)
{
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; diff_ids[i] && r == 0; i++)
		r = image_layer_squash_blob(store, blobs[i], diff_ids[i], err);
	return r;
}

typedef int (*layers_fn)(const struct image_store *store, const char *const *blobs,
	char *const *diff_ids, struct error *err);

static int unpack(
	const struct image_store *store, const struct image *image, layers_fn fn, struct error *err)
{
	const char *blobs[IMAGE_LAYERS_MAX];
	_cleanup_json_ json_t *manifest = NULL;
	size_t count = strv_length(image->config.diff_ids);
	char path[80];
	int r;

	if (count == 0)
		return 0;
	if (count > IMAGE_LAYERS_MAX)
		return error_set(err, E2BIG, "more than %d layers", IMAGE_LAYERS_MAX);
	image_blob_path(image->manifest_digest, path);
	r = json_read_file(store->images_fd, path, IMAGE_MANIFEST_MAX, &manifest, err);
	if (r == 0)
		r = list_blobs(manifest, path, blobs, count, err);
	return r == 0 ? fn(store, blobs, image->config.diff_ids, err) : r;
}

static int make_layers(const struct cli *cli, const struct unpack_options *o, const char *name,
	layers_fn fn, struct error *err)
{
	_cleanup_image_ struct image image = { 0 };
	_cleanup_close_ int lock = -1;
	struct image_platform platform;
	struct image_store store;
	int r = image_platform_parse(o->platform, &platform, err);

	if (r == 0)
		r = image_store_open(cli->root, &store, err);
	if (r < 0)
		return r;
	lock = image_store_lock(&store, false, err);
	r = lock < 0 ? lock : image_resolve(&store, name, &platform, &image, err);
	if (r == 0)
		r = unpack(&store, &image, fn, err);
	image_store_close(&store);
	return r;
}

static int unpack_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return make_layers(cli, options, argv[0], image_layers_unpack, err);
}

static int squash_main(struct cli *cli, void *options, int argc, char **argv, struct error *err)
{
	return make_layers(cli, options, argv[0], squash_all, err);
}

const struct verb verb_squash = {
	.name = "__squash",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Make the layers of a stored image ready for machines",
	.options = option_table,
	.options_size = sizeof(struct unpack_options),
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = squash_main,
};

const struct verb verb_unpack = {
	.name = "__unpack",
	.usage = "[OPTIONS] IMAGE",
	.summary = "Unpack the layers of a stored image",
	.options = option_table,
	.options_size = sizeof(struct unpack_options),
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.run = unpack_main,
};
