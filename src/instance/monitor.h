/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - the process that keeps one running instance, private to instance/.
 *
 * One thread, one event loop, one struct; it lives in zeroed memory whose pages are touched only
 * when they are used. See monitor.c for its phases.
 */
#pragma once

#include "base/loop.h"
#include "instance/internal.h"
#include "instance/log.h"
#include "instance/network.h"
#include "instance/protocol.h"
#include "instance/translations.h"

#define MONITOR_CLIENTS_MAX	 32
#define MONITOR_STUCK_CLIENT_NS	 INT64_C(10000000000) /* one that does not take the last output */
#define MONITOR_BACKOFF_MIN_NS	 INT64_C(100000000)
#define MONITOR_BACKOFF_MAX_NS	 INT64_C(60000000000)
#define MONITOR_BACKOFF_RESET_NS INT64_C(10000000000) /* of running forgives what was before */

enum monitor_phase {
	MONITOR_STARTING,
	MONITOR_RUNNING,
	MONITOR_DRAINING,
	MONITOR_BACKOFF,
	MONITOR_ENDED,
	MONITOR_PHASE_COUNT,
};

struct monitor;

/* Standard output or error of the command: a pipe, or the pty's master (then only the first). */
struct monitor_stream {
	struct loop_source source; /* fd -1 = closed */
	struct monitor *monitor;
	int number; /* 1 or 2 */
};

/* The command's standard input: a pipe, or the pty's master. */
struct monitor_input {
	struct loop_source source; /* fd -1 = closed; watched only while `pending` is not empty */
	struct monitor *monitor;
	bool close_after; /* end of file was asked for behind what is pending */
	char *pending; /* FRAME_PAYLOAD_MAX bytes, made when first needed */
	size_t pending_len, pending_at;
	int taker; /* index of the client that awaits STDIN_TAKEN, or -1 */
};

struct monitor_client {
	struct loop_source source; /* fd -1 = a free slot */
	struct monitor *monitor;
	uint8_t streams; /* mask of what it is attached to, as in FRAME_ATTACH */
	bool behind; /* has not taken the current chunk yet */
	bool stdin_waits; /* its next STDIN stays in the socket until the last one is written */
	bool wants_stop_result;
	bool waits;
	enum instance_wait_for waits_for;
};

/* The health check; health.c. */
#define HEALTH_OUTPUT_MAX  4096 /* bytes kept of one check */
#define HEALTH_RESULTS_MAX 5

struct monitor_health_result {
	int64_t start_ns, end_ns;
	int exit_code;
	size_t len;
	char output[HEALTH_OUTPUT_MAX];
};

struct monitor_health {
	struct loop_timer next, timeout;
	struct loop_source exited, output;
	struct isolation_process process;
	bool running;
	bool timed_out;
	int64_t started_ns; /* monotonic, of the instance: for the start period */
	size_t nr_results; /* ever; the last HEALTH_RESULTS_MAX are kept */
	struct monitor_health_result *results; /* HEALTH_RESULTS_MAX of them, with a check only */
};

/* Running out of memory; monitor-oom.c. */
struct monitor_oom {
	struct loop_source source;
	struct loop_timer timer;
	bool watched; /* there is a source */
	int rechecks;
	uint64_t kills; /* of this run, that were told of */
};

struct monitor {
	struct instance *instance;
	const struct isolation_ops *ops;
	struct loop loop;
	enum monitor_phase phase;
	struct isolation_process process;
	struct loop_source exited, listener, signals;
	struct loop_timer restart_timer, kill_timer, stuck_timer;
	struct monitor_stream streams[2];
	struct monitor_input input;
	struct monitor_client clients[MONITOR_CLIENTS_MAX];
	size_t nr_behind;
	bool foreground; /* the starter is attached: client 0 from the first instruction on */
	bool stdin_once; /* the end of client 0's stdin is the end of the command's */
	bool stopping; /* somebody asked for the end: no restart */
	bool widened; /* the pipes were enlarged: this one writes a lot */
	bool protected; /* oom_score_adj was lowered */
	pid_t ready_for; /* the process that state.json and the control socket were made ready for
			  */
	int starter; /* socket to the process that started us; -1 once client 0 has it */
	struct translations translations;
	struct instance_networks networks;
	/* While it starts: the network namespace to set up, and where it goes then (0: none). */
	struct container_network_ahead network;
	pid_t scope_helper; /* strata-scope, until it was waited for */
	int64_t run_started_ns; /* monotonic */
	int64_t backoff_ns;
	struct monitor_health health;
	struct monitor_oom oom;
	size_t chunk_len;
	int chunk_stream;
	struct log_writer log;
	char chunk[FRAME_PAYLOAD_MAX];
	char frame[FRAME_MAX] __attribute__((aligned(8)));
};

/* --- monitor.c --- */

/* The monitor's whole life; `starter` is its end of the socket to whoever forked it. */
void monitor_run(struct instance *instance, int starter,
	const struct instance_attach_options *foreground) __attribute__((noreturn));
/* Somebody wants it to end. signo 0, timeout_s -1: the instance's own. */
void monitor_stop(struct monitor *monitor, int signo, int64_t timeout_s, bool by_user);
int monitor_signal(struct monitor *monitor, int signo, struct error *err);
int monitor_pause(struct monitor *monitor, bool paused, struct error *err);
int monitor_reload(struct monitor *monitor, struct error *err);
void monitor_save_state(struct monitor *monitor, bool durable);
/* After the command's end: finish once all its output was read and taken. */
void monitor_drain(struct monitor *monitor);
/* Lower our own oom_score_adj, or put it back while a child is made that would inherit it. */
void monitor_protect(struct monitor *monitor, bool protect);

/* What the policy says about an exit. */
bool monitor_should_restart(const struct instance_spec *spec, const struct instance_state *state,
	int exit_code, bool stopping);
/* The next delay after a run of `ran_ns`, from the last one (0 = none yet). */
int64_t monitor_next_backoff(int64_t last_ns, int64_t ran_ns);

/* --- monitor-stdio.c --- */

/* Make the pipes; `theirs` are the command's ends. */
int monitor_open_stdio(struct monitor *monitor, int theirs[3], struct error *err);
/* Watch what can be watched; with a terminal take its master over from the process's handle. */
void monitor_watch_stdio(struct monitor *monitor);
void monitor_close_stdio(struct monitor *monitor);
/* A client has taken the chunk, or is gone. */
void monitor_client_caught_up(struct monitor *monitor, struct monitor_client *client);
/* Its socket has room again: send it the chunk it is behind with. */
void monitor_client_retry(struct monitor_client *client);
/* Read what is left after the command's end. true: all streams are at their end. */
bool monitor_read_rest(struct monitor *monitor);
void monitor_input_write(struct monitor *monitor, int client, const void *bytes, size_t len);
void monitor_input_close(struct monitor *monitor);
/* Nobody will read this stream any more: the command gets EPIPE, as in any pipeline. */
void monitor_stream_close(struct monitor_stream *stream);

/* --- monitor-client.c --- */

int monitor_listen(struct monitor *monitor, struct error *err);
void monitor_unlisten(struct monitor *monitor);
struct monitor_client *monitor_client_add(struct monitor *monitor, int fd, uint8_t streams);
void monitor_client_drop(struct monitor_client *client);
/* Send a small frame; a client that takes nothing for a second is dropped. */
void monitor_client_send(
	struct monitor_client *client, enum frame_type type, const void *payload, size_t len);
/* One run ended with this code; `final`: no restart follows. */
void monitor_clients_tell_exit(struct monitor *monitor, int exit_code, bool final);

/* --- monitor-oom.c --- */

/* Watch for the kernel's killing for memory, if there is a limit to run into. Twice is once. */
void monitor_oom_watch(struct monitor *monitor);
/* The run is over, its cgroup still there: settle state->oom_killed. */
void monitor_oom_end(struct monitor *monitor);

/* --- health.c --- */

void monitor_health_start(struct monitor *monitor);
void monitor_health_stop(struct monitor *monitor);
