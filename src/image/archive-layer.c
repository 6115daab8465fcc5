/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-layer.c - a layer of an archive goes into the store: one pass over its bytes makes the
 * blob (hashed, compressed if it was not) and the unpacked directory (hashed again, uncompressed).
 *
 * The unpacker pulls: its decompressing thread calls feed(), which reads the archive, writes the
 * blob and hands the same bytes on. Compressing and hashing the blob thus overlap with making
 * files.
 */
#include "image/archive-file.h"

#include "image/layer.h"

struct layer_feed {
	struct archive_source *source;
	struct image_blob_writer blob;
	struct compressor compressor;
	bool at_end;
	struct error error; /* of reading the archive or writing the blob */
};

static int write_blob(void *context, const void *bytes, size_t size, struct error *err)
{
	struct layer_feed *feed = context;

	return size ? image_blob_writer_write(&feed->blob, bytes, size, err) : 0;
}

/* image_layer_read_fn */
static ssize_t feed(void *context, const void **ret_bytes)
{
	struct layer_feed *feed = context;
	ssize_t n;
	int r;

	if (feed->at_end)
		return 0;
	n = feed->source->source.read(&feed->source->source, ret_bytes, &feed->error);
	if (n < 0)
		return n;
	feed->at_end = n == 0;
	if (n > 0)
		r = compressor_write(&feed->compressor, *ret_bytes, (size_t)n, &feed->error);
	else
		r = compressor_finish(&feed->compressor, &feed->error);
	return r < 0 ? r : n;
}

static int store_layer(const struct image_store *store, struct layer_feed *f,
	const char *expected_diff_id, struct archive_descriptor *ret, char *ret_diff_id,
	struct error *err)
{
	struct image_unpacked unpacked;
	int r = image_layer_unpack(store, expected_diff_id, feed, f, NULL, &unpacked, err);

	/* It was there already, so nobody has read the archive: the blob is wanted all the same. */
	if (r == 0 && !f->at_end)
		r = image_layer_check(expected_diff_id, feed, f, NULL, err);
	if (f->error.code)
		return error_set(err, f->error.code, "%s", f->error.message);
	if (r < 0)
		return r;
	memcpy(ret_diff_id, unpacked.diff_id, IMAGE_DIGEST_LEN + 1);
	ret->size = f->blob.offset;
	return image_blob_writer_commit(&f->blob, ret->digest, err);
}

int archive_add_layer(const struct image_store *store, const struct archive_region *region,
	enum image_compression compression, const char *expected_diff_id,
	const struct archive_progress *progress, struct archive_descriptor *ret, char *ret_diff_id,
	struct error *err)
{
	struct layer_feed f = { .blob = IMAGE_BLOB_WRITER_INIT };
	struct archive_step step = {
		.progress = progress,
		.name = expected_diff_id ? expected_diff_id : "root files",
		.phase = "Reading",
		.total = archive_region_size(region),
	};
	enum archive_packing packing;
	bool raw;
	int r = archive_find_packing(region, &packing, err);

	if (r < 0)
		return r;
	raw = packing == ARCHIVE_GZIP || packing == ARCHIVE_ZSTD;
	snprintf(ret->media_type, sizeof(ret->media_type), "%s",
		packing == ARCHIVE_GZIP		  ? IMAGE_TYPE_OCI_LAYER_GZIP
			: packing == ARCHIVE_ZSTD ? IMAGE_TYPE_OCI_LAYER_ZSTD
						  : image_compression_layer_type(compression));
	r = archive_source_open(region, raw, &f.source, err);
	if (r == 0) {
		f.source->step = &step;
		r = compressor_open(&f.compressor, raw ? IMAGE_COMPRESSION_NONE : compression,
			write_blob, &f, err);
	}
	if (r == 0)
		r = image_blob_writer_open(store, NULL, IMAGE_SIZE_UNKNOWN, 0, &f.blob, err);
	if (r == 0)
		r = store_layer(store, &f, expected_diff_id, ret, ret_diff_id, err);
	if (r == 0)
		archive_step_end(&step, "Import complete");
	image_blob_writer_close(&f.blob);
	compressor_free(&f.compressor);
	archive_source_free(f.source);
	return r;
}

int archive_add_document(const struct image_store *store, const char *media_type, const char *text,
	struct archive_descriptor *ret, struct error *err)
{
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", media_type);
	ret->size = strlen(text);
	return image_blob_put(store, text, ret->size, ret->digest, err);
}

static void write_descriptor(
	struct json_writer *w, const char *key, const struct archive_descriptor *descriptor)
{
	json_begin_object(w, key);
	json_write_string(w, "mediaType", descriptor->media_type);
	json_write_string(w, "digest", descriptor->digest);
	json_write_uint(w, "size", descriptor->size);
	json_end_object(w);
}

int archive_add_manifest(const struct image_store *store, const struct archive_descriptor *config,
	const struct archive_descriptor *layers, size_t nr_layers, struct archive_descriptor *ret,
	struct error *err)
{
	struct json_writer w = { 0 };
	_cleanup_free_ char *text = NULL;

	json_begin_object(&w, NULL);
	json_write_int(&w, "schemaVersion", 2);
	json_write_string(&w, "mediaType", IMAGE_TYPE_OCI_MANIFEST);
	write_descriptor(&w, "config", config);
	json_begin_array(&w, "layers");
	for (size_t i = 0; i < nr_layers; i++)
		write_descriptor(&w, NULL, &layers[i]);
	json_end_array(&w);
	json_end_object(&w);
	text = json_writer_finish(&w);
	if (!text)
		return error_oom(err);
	return archive_add_document(store, IMAGE_TYPE_OCI_MANIFEST, text, ret, err);
}

json_t *archive_descriptor_json(
	const struct archive_descriptor *descriptor, const struct image_platform *platform)
{
	json_t *j = json_pack("{s:s, s:s, s:I}", "mediaType", descriptor->media_type, "digest",
		descriptor->digest, "size", (json_int_t)descriptor->size);
	json_t *p;

	if (!j || !platform)
		return j;
	p = json_pack("{s:s, s:s}", "architecture", platform->architecture, "os", platform->os);
	if (p && platform->variant[0] &&
		json_object_set_new(p, "variant", json_string(platform->variant)) < 0) {
		json_decref(p);
		p = NULL;
	}
	if (!p || json_object_set_new(j, "platform", p) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}
