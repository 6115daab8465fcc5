/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - the side of a run that has the user's terminal, private to instance/: used by start
 * and attach (stdio through the monitor) and by exec (stdio through a pty of its own).
 */
#pragma once

#include <signal.h>
#include <termios.h>

#include "instance/internal.h"

#define DETACH_KEYS_MAX	    16 /* keys in a sequence */
#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"

/* --- terminal.c --- */

/* The detach sequence and how much of it was typed so far. */
struct detach_matcher {
	unsigned char keys[DETACH_KEYS_MAX];
	size_t nr_keys; /* 0 = there is none */
	size_t matched;
};

/* "ctrl-p,ctrl-q", "a,b", "ctrl-@": -EINVAL with a sentence. NULL = the default, "" = none. */
int detach_matcher_init(struct detach_matcher *matcher, const char *text, struct error *err);

/*
 * Filter what was typed: what belongs to a begun sequence is held back, and given when the
 * sequence turns out to be none. `out` holds len + DETACH_KEYS_MAX bytes. Returns true when the
 * sequence is complete (what came before it is in out).
 */
bool detach_matcher_feed(
	struct detach_matcher *matcher, const char *in, size_t len, char *out, size_t *ret_len);

struct terminal {
	int fd; /* -1 = not in raw mode */
	struct termios saved;
};

/* Raw mode for fd, when it is a terminal. */
int terminal_raw(struct terminal *terminal, int fd, struct error *err);
void terminal_restore(struct terminal *terminal);
#define _cleanup_terminal_ _cleanup_(terminal_restore)

/* Size of whichever of our stdio is a terminal; false when none is. */
bool terminal_size(uint16_t *ret_rows, uint16_t *ret_columns);

/* --- start.c --- */

/* Wait for the monitor's word that the command runs, or why it does not. */
int client_await_start(int fd, int *ret_exit_code, struct error *err);
/* The other end: say why it does not. */
void client_send_failed(int fd, int exit_code, const struct error *why);

/* --- attach.c --- */

/*
 * Block the signals that a client wants to see and give a descriptor that tells of them: those it
 * forwards, those that would kill it in raw mode, and SIGWINCH. `old` is what to put back.
 */
int client_signals(const struct instance_attach_options *options, sigset_t *old);

/* Be attached until the end of the command or until detached. Consumes nothing: fd stays open. */
int client_run(int fd, const struct instance_attach_options *options, int signal_fd,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err);
