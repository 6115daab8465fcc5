/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu-message.c - criu's RPC messages in and out
 * (https://protobuf.dev/programming-guides/encoding).
 *
 * A field is a varint of "number << 3 | kind", then by its kind a varint or a length and so many
 * bytes. Fields that we do not know are passed over; kinds that proto2 no longer uses are an error.
 */
#include "container/criu-message.h"

enum wire_kind { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* --- out ------------------------------------------------------------------------------------- */

static void put_varint(struct str *s, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		str_append_char(s, (char)(value | 0x80));
	str_append_char(s, (char)value);
}

static void put_bytes(struct str *s, unsigned field, const char *bytes, size_t len)
{
	put_varint(s, field << 3 | WIRE_BYTES);
	put_varint(s, len);
	str_append_n(s, bytes, len);
}

void criu_put_uint(struct str *message, unsigned field, uint64_t value)
{
	put_varint(message, field << 3 | WIRE_VARINT);
	put_varint(message, value);
}

void criu_put_text(struct str *message, unsigned field, const char *text)
{
	if (text)
		put_bytes(message, field, text, strlen(text));
}

void criu_put_message(struct str *message, unsigned field, const struct str *inner)
{
	if (inner->failed)
		message->failed = true;
	put_bytes(message, field, inner->len ? inner->data : "", inner->len);
}

void criu_put_texts(struct str *message, unsigned field, const char *first, const char *second)
{
	_cleanup_str_ struct str inner = { 0 };

	criu_put_text(&inner, 1, first);
	criu_put_text(&inner, 2, second);
	criu_put_message(message, field, &inner);
}

void criu_put_numbered(struct str *message, unsigned field, const char *first, uint64_t second)
{
	_cleanup_str_ struct str inner = { 0 };

	criu_put_text(&inner, 1, first);
	criu_put_uint(&inner, 2, second);
	criu_put_message(message, field, &inner);
}

/* --- in -------------------------------------------------------------------------------------- */

struct field {
	unsigned number;
	enum wire_kind kind;
	uint64_t value; /* of a varint; the length of bytes */
	const uint8_t *bytes;
};

struct cursor {
	const uint8_t *at, *end;
};

static int take_varint(struct cursor *c, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EPROTO;
}

/* 1 with a field, 0 at the end, -EPROTO. */
static int next_field(struct cursor *c, struct field *ret)
{
	uint64_t tag;
	size_t len;

	if (c->at == c->end)
		return 0;
	if (take_varint(c, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return -EPROTO;
	*ret = (struct field){ .number = (unsigned)(tag >> 3), .kind = tag & 7 };
	switch (ret->kind) {
	case WIRE_VARINT:
		return take_varint(c, &ret->value) < 0 ? -EPROTO : 1;
	case WIRE_BYTES:
		if (take_varint(c, &ret->value) < 0)
			return -EPROTO;
		break;
	case WIRE_FIXED64:
	case WIRE_FIXED32:
		ret->value = ret->kind == WIRE_FIXED64 ? 8 : 4;
		break;
	default:
		return -EPROTO;
	}
	len = (size_t)ret->value;
	if (len > (size_t)(c->end - c->at))
		return -EPROTO;
	ret->bytes = c->at;
	c->at += len;
	return 1;
}

static struct cursor inside(const struct field *f)
{
	return (struct cursor){ f->bytes, f->bytes + f->value };
}

/* What does not fit is cut. */
static void copy_text(char *to, size_t size, const struct field *f)
{
	size_t len = f->value < size ? (size_t)f->value : size - 1;

	memcpy(to, f->bytes, len);
	to[len] = '\0';
}

/* criu_restore_resp: pid 1. criu_notify: script 1, pid 2. criu_features: mem_track 1, lazy_pages 2.
 */
static int parse_inner(int number, const struct field *outer, struct criu_answer *ret)
{
	struct cursor c = inside(outer);
	struct field f;
	int r;

	while ((r = next_field(&c, &f)) > 0) {
		if (number == 4 && f.number == 1 && f.kind == WIRE_VARINT)
			ret->pid = (pid_t)f.value;
		else if (number == 5 && f.number == 1 && f.kind == WIRE_BYTES)
			copy_text(ret->script, sizeof(ret->script), &f);
		else if (number == 5 && f.number == 2 && f.kind == WIRE_VARINT)
			ret->pid = (pid_t)f.value;
		else if (number == 8 && f.number == 1 && f.kind == WIRE_VARINT)
			ret->mem_track = f.value != 0;
		else if (number == 8 && f.number == 2 && f.kind == WIRE_VARINT)
			ret->lazy_pages = f.value != 0;
	}
	return r;
}

/* criu_resp: type 1, success 2, restore 4, notify 5, cr_errno 7, features 8, cr_errmsg 9. */
int criu_parse_answer(const void *bytes, size_t len, struct criu_answer *ret)
{
	struct cursor c = { bytes, (const uint8_t *)bytes + len };
	struct criu_answer answer = { 0 };
	struct field f;
	int r;

	while ((r = next_field(&c, &f)) > 0) {
		if (f.number == 1 && f.kind == WIRE_VARINT)
			answer.type = (int)f.value;
		else if (f.number == 2 && f.kind == WIRE_VARINT)
			answer.success = f.value != 0;
		else if (f.number == 7 && f.kind == WIRE_VARINT)
			answer.errno_code = (int)f.value;
		else if (f.number == 9 && f.kind == WIRE_BYTES)
			copy_text(answer.message, sizeof(answer.message), &f);
		else if (f.kind == WIRE_BYTES && parse_inner((int)f.number, &f, &answer) < 0)
			return -EPROTO;
	}
	if (r < 0 || answer.type == 0)
		return -EPROTO;
	*ret = answer;
	return 0;
}
