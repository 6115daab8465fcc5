/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h - `compare`: the same command in every way this host allows, measured.
 *
 * compare.c has the ways and the table, compare_run.c makes instances and measures them,
 * compare_server.c is the other end of the network, compare_picture.c draws. Instances are made by
 * strata's own command line, as a user makes them: what is measured is what a user gets.
 */
#pragma once

#include <limits.h>

#include "front/cli/verb.h"
#include "image/image.h"

#define COMPARE_ROUNDS_MAX 1000

struct compare_way {
	const char *title; /* "emulated machine" */
	const char *architecture; /* NULL: this host's */
	const char *isolation;
	const char *host_address; /* of the host's loopback, with --network host */
	const char *lost; /* with its kernel */
	const char *colour; /* in pictures */
};

/* What the yardstick says (guest/yardstick/main.c). Zero is: not known, or not asked for. */
struct compare_speed {
	char kernel[72], machine[72];
	uint64_t processes;
	uint64_t integer_ns, float_ns, calls_ns;
	uint64_t integer_result, float_result, calls_result;
	uint64_t disk_write, disk_read, net_send, net_receive; /* bytes a second */
};

struct compare_result {
	const struct compare_way *way;
	char platform[64];
	char *reason; /* why it is not possible here; NULL: it is */
	/* Medians, from the start of `strata run`. No output by then: the end counts. */
	int64_t first_output_ns, end_ns; /* end_ns -1: it does not end by itself */
	int exit_code; /* of the command; -1 as above */
	uint64_t memory_bytes; /* beyond the workload's */
	struct compare_speed speed;
};

struct compare {
	const struct cli *cli;
	const char *image;
	char *const *command; /* NULL-ended, may be empty: the image's own */
	int64_t timeout_ns;
	uint64_t disk_mib, net_mib; /* 0: not asked for */
	char program[PATH_MAX]; /* ours */
	char mark[9]; /* in the names of the instances, so that they are nobody else's */
	struct compare_speed host; /* the yardstick as an ordinary process */
	uint64_t yardstick_bytes; /* memory of its own that it has when it waits */
	uint16_t server_port;
};

/* One run of the command, from the start of `strata run`. */
struct compare_start {
	int64_t first_output_ns; /* -1: there was none */
	int64_t end_ns; /* -1: it was stopped */
	int exit_code;
	char *said; /* on standard error, the beginning */
};

/* Pull the image if nothing of that name is stored. */
int compare_find_image(struct compare *c, struct error *err);

/* How fast the yardstick is without strata, and how large. May be called again, as a host is not
 * as busy all the time: the best counts. */
int compare_measure_host(struct compare *c, struct error *err);

/*
 * Run the command once. With `to_the_end`, wait for it, at most the timeout for the first output
 * and five seconds more; without, stop it when it has printed something. The caller frees ->said.
 */
int compare_start(struct compare *c, const struct compare_result *way, bool to_the_end,
	struct compare_start *ret, struct error *err);

/* Make an instance of the image that waits; fill memory_bytes and speed. */
int compare_measure(struct compare *c, struct compare_result *way, struct error *err);

/* A server on the host's loopback for the yardstick's `net`; -> its pid, or -errno. Ends with us,
 * or by compare_server_stop(). */
int compare_server_start(struct compare *c, struct error *err);
void compare_server_stop(int pid);

/* Write the bars to a file, whole or not at all. */
int compare_draw(const struct compare *c, const struct compare_result *results, size_t count,
	const char *path, struct error *err);

/* SIGINT or SIGTERM came: everything ends, and cleans up. */
bool compare_interrupted(void);

/* "3.2 ms", "1.25 s" */
void compare_format_time(char *buf, size_t size, int64_t ns);
