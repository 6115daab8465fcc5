/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.c - raw mode, window size, and the keys that detach.
 */
#include "instance/client.h"

#include <ctype.h>
#include <sys/ioctl.h>

/* One key of the list: a character, or ctrl- and one of a-z @ [ \ ] ^ _ */
static int parse_key(const char *text, size_t len, unsigned char *ret)
{
	if (len == 1) {
		*ret = (unsigned char)*text;
		return 0;
	}
	if (len != 6 || strncasecmp(text, "ctrl-", 5) != 0)
		return -EINVAL;
	if (isalpha((unsigned char)text[5]) || strchr("@[\\]^_", text[5])) {
		*ret = (unsigned char)toupper((unsigned char)text[5]) & 0x1f;
		return 0;
	}
	return -EINVAL;
}

int detach_matcher_init(struct detach_matcher *matcher, const char *text, struct error *err)
{
	*matcher = (struct detach_matcher){ 0 };
	if (!text)
		text = DETACH_KEYS_DEFAULT;
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ",");

		if (matcher->nr_keys == DETACH_KEYS_MAX ||
			parse_key(p, len, &matcher->keys[matcher->nr_keys]) < 0)
			return error_set(err, EINVAL,
				"invalid detach keys \"%s\": at most %d of one character or ctrl- and a letter or one of @[\\]^_, separated by commas",
				text, DETACH_KEYS_MAX);
		matcher->nr_keys++;
		p += len;
		if (*p)
			p++;
	}
	return 0;
}

int instance_check_detach_keys(const char *keys, struct error *err)
{
	struct detach_matcher matcher;

	return detach_matcher_init(&matcher, keys, err);
}

bool detach_matcher_feed(
	struct detach_matcher *matcher, const char *in, size_t len, char *out, size_t *ret_len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (!matcher->nr_keys) {
			out[used++] = in[i];
			continue;
		}
		/* No longer the sequence: the longest end of what was held that still begins it
		 * stays held, the rest was meant for the command. */
		while (matcher->matched > 0 && matcher->keys[matcher->matched] != c) {
			size_t keep = matcher->matched - 1;

			while (keep > 0 &&
				memcmp(matcher->keys, matcher->keys + matcher->matched - keep,
					keep) != 0)
				keep--;
			memcpy(out + used, matcher->keys, matcher->matched - keep);
			used += matcher->matched - keep;
			matcher->matched = keep;
		}
		if (matcher->keys[matcher->matched] != c) {
			out[used++] = in[i];
			continue;
		}
		if (++matcher->matched == matcher->nr_keys) {
			matcher->matched = 0;
			*ret_len = used;
			return true;
		}
	}
	*ret_len = used;
	return false;
}

int terminal_raw(struct terminal *terminal, int fd, struct error *err)
{
	struct termios raw;

	terminal->fd = -1;
	if (tcgetattr(fd, &terminal->saved) < 0)
		return errno == ENOTTY
			? 0
			: error_errno(err, errno, "cannot read the terminal's settings");
	raw = terminal->saved;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return error_errno(err, errno, "cannot put the terminal into raw mode");
	terminal->fd = fd;
	return 0;
}

void terminal_restore(struct terminal *terminal)
{
	if (terminal->fd >= 0)
		tcsetattr(terminal->fd, TCSADRAIN, &terminal->saved);
	terminal->fd = -1;
}

bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns)
{
	static const int order[] = { 1, 0, 2 };
	struct winsize size;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (ioctl(order[i], TIOCGWINSZ, &size) == 0) {
			*ret_rows = size.ws_row;
			*ret_columns = size.ws_col;
			return true;
		}
	return false;
}
