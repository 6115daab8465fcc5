/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugger.c - a machine as debug/'s target. Threads are vcpus, counted from 1; what a register is,
 * the board knows (struct machine_debug_ops).
 *
 * The target is stopped while `is_paused`: from the moment when all vcpus stand (quiet()) until
 * resume(). vCont lets some go on and holds others (struct machine_vcpu, is_held).
 *
 * Of several vcpus that have met something at the same time, the debugger is told one by one: those
 * that it has not been told of keep what they have met (has_met), and do not run. When it lets such
 * a one go on, it is told of it in place of that, before any vcpu runs; unless what was met is
 * there no more, which makes it nothing.
 */
#include "machine/debugger.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "machine/porter.h"

#define SEND_TIMEOUT_S 10 /* a debugger that reads nothing is gone */
#define STATUS_FAILED  125 /* of a machine that could not go on, as `vm run` ends then */

static struct machine_debugger *debugger_of(struct debug_target *target)
{
	return container_of(target, struct machine_debugger, target);
}

static unsigned index_of(uint64_t thread)
{
	return (unsigned)thread - 1;
}

static struct machine_point *find_point(
	struct machine_debugger *d, const struct machine_point *wanted)
{
	for (unsigned i = 0; i < d->nr_points; i++)
		if (d->points[i].type == wanted->type && d->points[i].address == wanted->address &&
			d->points[i].size == wanted->size)
			return &d->points[i];
	return NULL;
}

/* --- going on -------------------------------------------------------------------------------- */

static void go_on(struct machine_debugger *d)
{
	if (!d->is_paused)
		return;
	d->is_paused = false;
	machine_unpause(d->machine, &d->pause);
}

static void stop_all(struct machine_debugger *d)
{
	if (d->is_paused)
		return;
	d->is_paused = true;
	machine_pause(d->machine, &d->pause);
}

/* Has it something to tell? What one that is held has met can wait. */
static bool is_ready(const struct machine_vcpu *v)
{
	return v->has_met && !v->is_held;
}

static bool has_ready(struct machine *m)
{
	bool result = false;

	pthread_mutex_lock(&m->lock);
	for (unsigned i = 0; i < m->config.nr_vcpus; i++)
		result = result || is_ready(&m->vcpus[i]);
	pthread_mutex_unlock(&m->lock);
	return result;
}

/* Nobody runs as long as there is something to be told. */
static void go_on_or_tell(struct machine_debugger *d)
{
	if (has_ready(d->machine))
		machine_pause_again(d->machine, &d->pause);
	else
		go_on(d);
}

static void interrupt(struct debug_target *target)
{
	struct machine_debugger *d = debugger_of(target);

	d->is_interrupted = true;
	stop_all(d);
}

/* Nobody looks any more. */
static void let_go(struct machine_debugger *d)
{
	struct machine *m = d->machine;

	while (d->nr_points > 0)
		m->board->debug->remove(m, &d->points[--d->nr_points]);
	for (unsigned i = 0; i < m->config.nr_vcpus; i++) {
		m->board->debug->set_step(m, i, false);
		m->vcpus[i].is_held = m->vcpus[i].has_met = false;
	}
	go_on(d);
}

static void hang_up(struct machine_debugger *d)
{
	if (d->connection.fd < 0)
		return;
	loop_remove(&d->machine->loop, &d->connection);
	cleanup_close(&d->connection.fd);
	d->connection.fd = -1;
	d->session = debug_session_close(d->session);
}

/* --- why it has stopped ---------------------------------------------------------------------- */

static uint64_t get_pc(struct machine_debugger *d, unsigned index)
{
	const struct machine_debug_ops *ops = d->machine->board->debug;
	uint8_t value[DEBUG_REGISTER_BYTES_MAX] = { 0 };
	uint64_t pc;

	ops->read_register(d->machine, index, ops->pc, value);
	memcpy(&pc, value, sizeof(pc));
	return pc;
}

static bool is_breakpoint(enum debug_breakpoint_type type)
{
	return type == DEBUG_BREAKPOINT_SOFTWARE || type == DEBUG_BREAKPOINT_HARDWARE;
}

static bool find_breakpoint(
	const struct machine_debugger *d, uint64_t address, enum debug_breakpoint_type *ret)
{
	for (unsigned i = 0; i < d->nr_points; i++) {
		if (d->points[i].address == address && is_breakpoint(d->points[i].type)) {
			*ret = d->points[i].type;
			return true;
		}
	}
	return false;
}

/* What the vcpu, which has met something, has met. */
static void describe_met(struct machine_debugger *d, unsigned index, struct debug_stop *stop)
{
	struct machine_point watchpoint;
	enum debug_breakpoint_type type;

	stop->signal = SIGTRAP;
	if (d->machine->board->debug->find_watchpoint(d->machine, index, &watchpoint)) {
		stop->kind = DEBUG_STOP_WATCHPOINT;
		stop->watchpoint = watchpoint.type;
		stop->address = watchpoint.address;
	} else if (find_breakpoint(d, get_pc(d, index), &type)) {
		stop->kind = type == DEBUG_BREAKPOINT_SOFTWARE ? DEBUG_STOP_BREAKPOINT
							       : DEBUG_STOP_HARDWARE_BREAKPOINT;
	}
}

/*
 * Of the first that has met something; else of the first that is there. Steps come last: while one
 * goes through a range, each of its steps would hide what another has met.
 */
static struct debug_stop find_stop(struct machine_debugger *d)
{
	struct machine *m = d->machine;
	struct debug_stop found = { .kind = DEBUG_STOP_SIGNAL, .thread = 1 };

	for (unsigned i = 0; i < m->config.nr_vcpus; i++) {
		struct debug_stop stop = { .kind = DEBUG_STOP_SIGNAL, .thread = i + 1 };

		if (!is_ready(&m->vcpus[i]))
			continue;
		describe_met(d, i, &stop);
		if (stop.kind != DEBUG_STOP_SIGNAL)
			return stop;
		if (!found.signal)
			found = stop;
	}
	if (!found.signal && d->is_interrupted)
		found.signal = SIGINT;
	return found;
}

/* One that steps through a range, and is still in it. */
static bool steps_on(struct machine_debugger *d, const struct debug_stop *stop)
{
	uint64_t pc;

	if (d->range_end == 0 || stop->kind != DEBUG_STOP_SIGNAL || stop->signal != SIGTRAP)
		return false;
	pc = get_pc(d, index_of(stop->thread));
	if (pc < d->range_start || pc >= d->range_end)
		return false;
	d->machine->vcpus[index_of(stop->thread)].has_met = false;
	go_on_or_tell(d);
	return true;
}

/* A debugger has connected; or the last one has gone in the meantime. */
static void begin(struct machine_debugger *d, const struct debug_stop *stop)
{
	if (d->connection.fd >= 0 &&
		debug_session_open(d->machine->board->debug->architecture, &d->target, stop,
			&d->session, NULL) == 0 &&
		loop_add(&d->machine->loop, &d->connection, EPOLLIN) == 0)
		return;
	hang_up(d);
	let_go(d);
}

/* All vcpus stand: a new debugger begins, an old one is told. */
static void quiet(struct machine_pause *pause)
{
	struct machine_debugger *d = container_of(pause, struct machine_debugger, pause);
	struct debug_stop stop = find_stop(d);

	d->eyes = index_of(stop.thread);
	if (!d->session) {
		begin(d, &stop);
		return;
	}
	if (steps_on(d, &stop))
		return;
	d->is_interrupted = false;
	if (is_ready(&d->machine->vcpus[d->eyes]))
		d->machine->vcpus[d->eyes].has_met = false;
	if (!debug_session_stopped(d->session, &stop)) {
		hang_up(d);
		let_go(d);
	}
}

void machine_debugger_look(struct machine *m)
{
	if (m->debugger && has_ready(m))
		stop_all(m->debugger);
}

/* What was met is of a machine that is no more. */
void machine_debugger_restarted(struct machine *m)
{
	for (unsigned i = 0; m->debugger && i < m->config.nr_vcpus; i++)
		m->vcpus[i].has_met = false;
	machine_debugger_put(m);
}

void machine_debugger_hide(struct machine *m)
{
	if (m->debugger && m->board->debug->hide_points)
		m->board->debug->hide_points(m);
}

void machine_debugger_put(struct machine *m)
{
	if (m->debugger && m->board->debug->put_points)
		m->board->debug->put_points(m);
}

void machine_debugger_end(struct machine *m)
{
	struct machine_debugger *d = m->debugger;
	const struct debug_stop stop = { .kind = DEBUG_STOP_EXITED,
		.thread = 1,
		.status = m->error.code ? STATUS_FAILED : m->end.status };

	if (d && d->session)
		debug_session_stopped(d->session, &stop);
}

/* --- what the debugger lets go on ------------------------------------------------------------- */

static const struct debug_resume *find_resume(
	const struct debug_resume *resumes, size_t count, uint64_t thread)
{
	for (size_t i = 0; i < count; i++)
		if (resumes[i].thread == thread || resumes[i].thread == DEBUG_ALL_THREADS)
			return &resumes[i];
	return NULL;
}

/* Is what the vcpu has met, and nobody was told of, still there? `r`: how it is to go on. */
static bool still_counts(struct machine_debugger *d, unsigned index, const struct debug_resume *r)
{
	struct debug_stop stop = { .kind = DEBUG_STOP_SIGNAL };
	struct machine_point watchpoint;

	if (d->machine->board->debug->find_watchpoint(d->machine, index, &watchpoint))
		return find_point(d, &watchpoint) != NULL;
	describe_met(d, index, &stop);
	return stop.kind != DEBUG_STOP_SIGNAL || r->step;
}

static void resume(struct debug_target *target, const struct debug_resume *resumes, size_t count)
{
	struct machine_debugger *d = debugger_of(target);
	struct machine *m = d->machine;

	d->range_start = d->range_end = 0;
	for (unsigned i = 0; i < m->config.nr_vcpus; i++) {
		const struct debug_resume *r = find_resume(resumes, count, i + 1);
		struct machine_vcpu *v = &m->vcpus[i];

		v->is_held = !r;
		v->has_met = v->has_met && (!r || still_counts(d, i, r));
		m->board->debug->set_step(m, i, r && r->step);
		if (r && r->range_end) {
			d->range_start = r->range_start;
			d->range_end = r->range_end;
		}
	}
	go_on_or_tell(d);
}

/* --- registers and memory -------------------------------------------------------------------- */

static uint64_t next_thread(struct debug_target *target, uint64_t previous)
{
	return previous < debugger_of(target)->machine->config.nr_vcpus ? previous + 1 : 0;
}

static int name_thread(struct debug_target *target, uint64_t thread, char *buffer, size_t size)
{
	const struct machine_vcpu *v = &debugger_of(target)->machine->vcpus[index_of(thread)];

	snprintf(buffer, size, "%s %u%s", v->machine->board->debug->thread, index_of(thread),
		v->is_off ? " (off)" : "");
	return 0;
}

static int read_register(
	struct debug_target *target, uint64_t thread, unsigned number, uint8_t *value)
{
	struct machine *m = debugger_of(target)->machine;

	return m->board->debug->read_register(m, index_of(thread), number, value);
}

static int write_register(
	struct debug_target *target, uint64_t thread, unsigned number, const uint8_t *value)
{
	struct machine *m = debugger_of(target)->machine;

	return m->board->debug->write_register(m, index_of(thread), number, value);
}

static void look_from(struct debug_target *target, uint64_t thread)
{
	debugger_of(target)->eyes = index_of(thread);
}

static int physical_memory(struct debug_target *target, int on)
{
	struct machine_debugger *d = debugger_of(target);

	if (on >= 0)
		d->is_physical = on;
	return d->is_physical;
}

/* Up to the next page. */
static size_t part_of(uint64_t address, size_t size)
{
	size_t left = VM_PAGE_BYTES - address % VM_PAGE_BYTES;

	return size < left ? size : left;
}

static int read_physical(struct machine *m, uint64_t address, void *to, size_t size)
{
	return m->board->debug->read_physical ? m->board->debug->read_physical(m, address, to, size)
					      : vm_memory_read(&m->memory, address, to, size);
}

static int64_t read_memory(struct debug_target *target, uint64_t address, void *buffer, size_t size)
{
	struct machine_debugger *d = debugger_of(target);
	struct machine *m = d->machine;
	size_t done = 0;
	int r = 0;

	while (done < size) {
		size_t part = part_of(address + done, size - done);
		void *to = (char *)buffer + done;

		r = d->is_physical
			? read_physical(m, address + done, to, part)
			: m->board->debug->read_memory(m, d->eyes, address + done, to, part);
		if (r < 0)
			break;
		done += part;
	}
	return done ? (int64_t)done : r;
}

static int write_memory(
	struct debug_target *target, uint64_t address, const void *bytes, size_t size)
{
	struct machine_debugger *d = debugger_of(target);
	struct machine *m = d->machine;
	int r = 0;

	if (d->is_physical)
		return m->board->debug->write_physical
			? m->board->debug->write_physical(m, address, bytes, size)
			: vm_memory_write(&m->memory, address, bytes, size);
	for (size_t done = 0; r == 0 && done < size;) {
		size_t part = part_of(address + done, size - done);

		r = m->board->debug->write_memory(
			m, d->eyes, address + done, (const char *)bytes + done, part);
		done += part;
	}
	return r;
}

/* --- breakpoints and watchpoints: of all vcpus ------------------------------------------------ */

static int insert_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	const struct machine_point point = { type, address, kind };
	struct machine_debugger *d = debugger_of(target);
	int r;

	if (find_point(d, &point))
		return 0;
	if (!is_breakpoint(type) && kind == 0)
		return -EINVAL;
	if (d->nr_points == DEBUGGER_POINTS_MAX)
		return -ENOSPC;
	r = d->machine->board->debug->insert(d->machine, d->eyes, &point);
	if (r == 0)
		d->points[d->nr_points++] = point;
	return r;
}

static int remove_breakpoint(struct debug_target *target, enum debug_breakpoint_type type,
	uint64_t address, uint64_t kind)
{
	const struct machine_point point = { type, address, kind };
	struct machine_debugger *d = debugger_of(target);
	struct machine_point *found = find_point(d, &point);

	if (found) {
		d->machine->board->debug->remove(d->machine, found);
		*found = d->points[--d->nr_points];
	}
	return 0;
}

/* --- "monitor ..." --------------------------------------------------------------------------- */

static const char help[] = "monitor phys on|off   addresses of memory are physical ones\n"
			   "monitor reset         restart the machine\n"
			   "monitor quit          turn it off\n";

static int64_t command(struct debug_target *target, const char *text, char *answer, size_t size)
{
	struct machine_debugger *d = debugger_of(target);
	struct machine *m = d->machine;

	if (strcmp(text, "phys on") == 0 || strcmp(text, "phys off") == 0) {
		d->is_physical = strcmp(text, "phys on") == 0;
		return snprintf(answer, size, "addresses are %s now\n",
			d->is_physical ? "physical" : "virtual");
	}
	if (strcmp(text, "reset") == 0) {
		m->power.ops->reset(&m->power);
		return snprintf(answer, size, "when you continue, the machine restarts\n");
	}
	if (strcmp(text, "quit") == 0) {
		machine_stop(m);
		return 0;
	}
	return snprintf(answer, size, "%s", help);
}

/* --- the connection -------------------------------------------------------------------------- */

static int send_bytes(struct debug_target *target, const void *bytes, size_t size)
{
	struct machine_debugger *d = debugger_of(target);
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = send(d->connection.fd, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static void detach(struct debug_target *target)
{
	/* let_go() is called when the session is seen to be over. */
}

static void kill_machine(struct debug_target *target)
{
	machine_end(debugger_of(target)->machine, 128 + SIGKILL, true);
}

static const struct debug_target_ops ops = {
	.name = "machine",
	.is_attached = true,
	.send = send_bytes,
	.next_thread = next_thread,
	.name_thread = name_thread,
	.read_register = read_register,
	.write_register = write_register,
	.look_from = look_from,
	.physical_memory = physical_memory,
	.read_memory = read_memory,
	.write_memory = write_memory,
	.insert_breakpoint = insert_breakpoint,
	.remove_breakpoint = remove_breakpoint,
	.resume = resume,
	.interrupt = interrupt,
	.command = command,
	.detach = detach,
	.kill = kill_machine,
};

static void input_ready(struct loop_source *source, uint32_t events)
{
	struct machine_debugger *d = container_of(source, struct machine_debugger, connection);
	uint8_t bytes[4096];
	ssize_t n = recv(source->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && debug_session_input(d->session, bytes, (size_t)n))
		return;
	hang_up(d);
	/* It may run at this moment: what was set is taken away when it stands. */
	if (d->is_paused && d->pause.is_quiet)
		let_go(d);
	else
		stop_all(d);
}

static void debugger_connects(struct loop_source *source, uint32_t events)
{
	struct machine_debugger *d = container_of(source, struct machine_debugger, listener);
	const struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return;
	/* One at a time. */
	if (d->connection.fd >= 0 || d->is_paused) {
		close(fd);
		return;
	}
	/* Packets are small, and each waits for its answer. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	d->connection = (struct loop_source){ .ready = input_ready, .fd = fd };
	stop_all(d);
}

int machine_debugger_open(struct machine *m, const char *where, struct error *err)
{
	struct machine_debugger *d;
	int fd, r;

	if (!m->board->debug)
		return error_set(err, ENOTSUP, "--gdb: gdb cannot look into a machine \"%s\" yet",
			m->board->name);
	d = calloc(1, sizeof(*d));
	if (!d)
		return error_oom(err);
	d->target.ops = &ops;
	d->machine = m;
	d->pause.quiet = quiet;
	d->connection.fd = d->listener.fd = -1;
	m->debugger = d;
	r = debug_listen(where, &fd, d->address, err);
	if (r < 0)
		return r;
	d->listener = (struct loop_source){ .ready = debugger_connects, .fd = fd };
	r = loop_add(&m->loop, &d->listener, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot wait for a debugger") : 0;
}

void machine_debugger_close(struct machine *m)
{
	struct machine_debugger *d = m->debugger;

	if (!d)
		return;
	hang_up(d);
	if (d->listener.fd >= 0) {
		loop_remove(&m->loop, &d->listener);
		close(d->listener.fd);
		if (strchr(d->address, '/'))
			porter_remove(m->porter, PORTER_GDB);
	}
	free(d);
	m->debugger = NULL;
}
