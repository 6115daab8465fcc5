/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.c - from a description to a machine, and through its life: runs, is reset, ends.
 */
#include "machine/internal.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/log.h"
#include "disk/disk.h"
#include "machine/debugger.h"
#include "machine/jail.h"
#include "machine/monitor.h"
#include "machine/porter.h"
#include "machine/pressure.h"
#include "machine/snapshot.h"
#include "vcpu/models.h"

/* --- power ----------------------------------------------------------------------------------- */

void machine_end(struct machine *m, int status, bool was_left)
{
	pthread_mutex_lock(&m->lock);
	if (m->wish != MACHINE_ENDS)
		m->end = (struct machine_end){ .status = status, .was_left = was_left };
	machine_wish(m, MACHINE_ENDS);
	pthread_mutex_unlock(&m->lock);
}

static void power_off(struct vm_power *power, int status)
{
	/* As a process's: 8 bits, and no failure becomes a success by losing the others. */
	if (status != 0 && (status & 0xff) == 0)
		status = 1;
	machine_end(container_of(power, struct machine, power), status & 0xff, false);
}

static void power_reset(struct vm_power *power)
{
	struct machine *m = container_of(power, struct machine, power);

	if (m->config.is_ended_by_reset) {
		machine_end(m, 0, false);
		return;
	}
	pthread_mutex_lock(&m->lock);
	machine_wish(m, MACHINE_IS_RESET);
	pthread_mutex_unlock(&m->lock);
}

static const struct vm_power_ops power_ops = {
	.name = "machine",
	.off = power_off,
	.reset = power_reset,
};

void machine_stop(struct machine *m)
{
	machine_end(m, 0, true);
}

void machine_key_pressed(void *context, char letter)
{
	struct machine *m = context;

	if (letter == 'x')
		machine_stop(context);
	else if (letter == 's')
		machine_want_snapshot(context);
	else if (letter == 'p' && m->board->press_power)
		m->board->press_power(m);
}

/* --- snapshots ------------------------------------------------------------------------------- */

/* A difference where it can be one. */
static int make_folder(
	struct machine *m, struct snapshot_folder *ret, bool *ret_is_difference, struct error *err)
{
	bool is_difference = machine_check_base(m, NULL) == 0;
	int r = porter_make_snapshot(m->porter, is_difference ? m->base.id : NULL, ret, err);

	if (r == -ESTALE && is_difference) {
		is_difference = false;
		r = porter_make_snapshot(m->porter, NULL, ret, err);
	}
	*ret_is_difference = is_difference;
	return r;
}

static int save_to_folder(struct machine *m, struct error *err)
{
	struct snapshot_folder folder;
	bool is_difference;
	int r = make_folder(m, &folder, &is_difference, err);

	if (r < 0)
		return r;
	r = machine_save(m, folder.fds, folder.path, is_difference, err);
	snapshot_folder_close(&folder);
	if (r < 0) {
		porter_finish_snapshot(m->porter, false, NULL);
		return r;
	}
	r = porter_finish_snapshot(m->porter, true, err);
	if (r < 0)
		machine_forget_base(m);
	return r;
}

static void save(struct machine_pause *pause)
{
	struct machine *m = container_of(pause, struct machine, saving);
	struct error err = { 0 };

	if (save_to_folder(m, &err) < 0)
		log_warning("%s", err.message);
	m->is_saving = false;
	machine_unpause(m, pause);
}

void machine_want_snapshot(struct machine *m)
{
	if (!m->config.snapshot || m->is_saving)
		return;
	m->is_saving = true;
	m->saving.quiet = save;
	machine_pause(m, &m->saving);
}

/* --- the event loop -------------------------------------------------------------------------- */

static bool all_parked(const struct machine *m)
{
	for (unsigned i = 0; i < m->nr_threads; i++)
		if (m->vcpus[i].is_running)
			return false;
	return true;
}

static void reset(struct machine *m)
{
	int r;

	machine_reset_devices(m);
	r = m->board->load(m, &m->error);
	machine_debugger_restarted(m);
	pthread_mutex_lock(&m->lock);
	if (m->wish == MACHINE_IS_RESET)
		m->wish = MACHINE_GOES_ON;
	if (r < 0)
		machine_wish(m, MACHINE_ENDS);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

/* The next one who has not been told that all stand. */
static struct machine_pause *find_pause(struct machine *m)
{
	struct machine_pause *pause;

	pthread_mutex_lock(&m->lock);
	pause = all_parked(m) ? m->pauses : NULL;
	while (pause && pause->is_quiet)
		pause = pause->next;
	if (pause) {
		pause->is_quiet = true;
		if (!m->stood_ns)
			m->stood_ns = clock_monotonic_ns();
	}
	pthread_mutex_unlock(&m->lock);
	return pause;
}

static void woken(struct loop_source *source, uint32_t events)
{
	struct machine *m = container_of(source, struct machine, wake);
	struct machine_pause *pause;
	enum machine_wish wish;
	uint64_t count;
	bool is_quiet;

	(void)!read(source->fd, &count, sizeof(count));
	pthread_mutex_lock(&m->lock);
	wish = m->wish;
	is_quiet = all_parked(m);
	pthread_mutex_unlock(&m->lock);
	if (wish == MACHINE_ENDS)
		loop_stop(&m->loop);
	else if (wish == MACHINE_IS_RESET && is_quiet)
		reset(m);
	machine_debugger_look(m);
	while (wish != MACHINE_ENDS && (pause = find_pause(m)))
		pause->quiet(pause);
}

/* Of the event loop's thread, from when all others run to the end of the process: of ports of a
 * network and of the board, beside these. */
static const struct confine_call loop_calls[] = {
/* what there is to do */
#ifdef SYS_epoll_wait
	ALLOW(SYS_epoll_wait),
#endif
	ALLOW(SYS_epoll_pwait),
	ALLOW(SYS_epoll_ctl),
	ALLOW(SYS_timerfd_settime),
	ALLOW(SYS_read),
	ALLOW(SYS_close),
	/* sockets that are there: vsock's, the monitor's, gdb's, the porter's and the server of
	 * shared folders' */
	ALLOW(SYS_accept4),
	ALLOW(SYS_recvfrom),
	ALLOW(SYS_recvmsg),
	ALLOW(SYS_sendto),
	ALLOW(SYS_sendmsg),
	ALLOW(SYS_shutdown),
	ALLOW_EQUAL(SYS_setsockopt, 1, SOL_SOCKET),
	ALLOW_EQUAL(SYS_setsockopt, 1, IPPROTO_TCP),
	/* disks and the balloon */
	ALLOW(SYS_preadv2),
	ALLOW(SYS_fallocate),
	ALLOW(SYS_pread64), /* what the host has (pressure.c) */
	/* a snapshot, and the files that a reset reads once more */
	ALLOW(SYS_newfstatat),
	ALLOW(SYS_pwrite64),
	ALLOW(SYS_ftruncate),
	ALLOW(SYS_fsync),
	/* consoles */
	ALLOW_EQUAL(SYS_ioctl, 1, TIOCGWINSZ),
	ALLOW_EQUAL(SYS_ioctl, 1, TCGETS),
	ALLOW_EQUAL(SYS_ioctl, 1, TCSETS),
/* the end, of others and our own */
#ifdef SYS_poll
	ALLOW(SYS_poll),
#endif
	ALLOW(SYS_ppoll),
	ALLOW(SYS_wait4),
};

static const struct confine_list loop_list = CONFINE_LIST(loop_calls);

static int confine_loop(struct machine *m, struct error *err)
{
	const struct confine_list *lists[MACHINE_LOOP_LISTS_MAX + 5] = {
		&loop_list,
		m->board->line_calls,
		machine_has_net(&m->config, MACHINE_NET_TAP) ? &net_tap_calls : NULL,
		machine_has_net(&m->config, MACHINE_NET_CABLE) ? &net_cable_calls : NULL,
		machine_has_net(&m->config, MACHINE_NET_USER) ? &net_user_calls : NULL,
	};

	memcpy(lists + 5, m->board->loop_calls, sizeof(m->board->loop_calls));
	return confine_thread("events", lists, ARRAY_SIZE(lists), err);
}

int machine_run(struct machine *m, struct machine_end *ret, struct error *err)
{
	int r = m->config.restore ? machine_restore(m, m->config.restore, err)
				  : m->board->load(m, err);

	if (r == 0)
		r = machine_jail(&m->config, err);
	if (r == 0)
		r = machine_start_threads(m, err);
	if (r == 0)
		r = confine_loop(m, err);
	if (r == 0) {
		machine_watch_idle(m);
		machine_watch_pressure(m);
		r = loop_run(&m->loop);
		if (r < 0)
			error_errno(err, r, "the machine's event loop has failed");
	}
	machine_end(m, 1, false);
	machine_join_vcpus(m);
	machine_debugger_end(m);
	if (r == 0 && m->error.code) {
		*err = m->error;
		r = -err->code;
	}
	if (r == 0)
		*ret = m->end;
	return r;
}

/* --- opening --------------------------------------------------------------------------------- */

static int check(const struct machine_config *c, struct error *err)
{
	if (c->nr_vcpus < 1 || c->nr_vcpus > VM_VCPUS_MAX)
		return error_set(err, EINVAL, "a machine has 1 to %d CPUs, not %u", VM_VCPUS_MAX,
			c->nr_vcpus);
	if (c->memory_bytes < MACHINE_MEMORY_MIN || c->memory_bytes > MACHINE_MEMORY_MAX)
		return error_set(err, EINVAL,
			"a machine has 4 MiB to 1 TiB of memory, not %llu bytes",
			(unsigned long long)c->memory_bytes);
	return 0;
}

/* It is a promise; what cannot be kept shows when the guest uses it. */
static void compare_memory(uint64_t bytes)
{
	struct sysinfo info;
	uint64_t has;

	if (sysinfo(&info) < 0)
		return;
	has = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
	if (bytes > has)
		log_warning(
			"the machine's memory (%llu MiB) is more than this host has (%llu MiB): "
			"when the guest uses more than there is, the kernel ends something",
			(unsigned long long)(bytes >> 20), (unsigned long long)(has >> 20));
}

static int open_loop(struct machine *m, struct error *err)
{
	const struct console_config console = {
		.in_fd = m->config.console_in,
		.out_fd = m->config.console_out,
		.has_keys = m->config.has_console_keys,
		.key = machine_key_pressed,
		.context = m,
	};
	int r = loop_open(&m->loop, err);

	if (r < 0)
		return r;
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake_fd < 0)
		return error_errno(err, errno, "cannot make an eventfd");
	m->wake = (struct loop_source){ .ready = woken, .fd = m->wake_fd };
	r = loop_add(&m->loop, &m->wake, EPOLLIN);
	if (r < 0)
		return error_errno(err, r, "cannot watch an eventfd");
	r = machine_watch_signals(m, err);
	return r < 0 ? r : console_open(&m->console, &console, &m->loop, err);
}

static int open_parts(struct machine *m, struct error *err)
{
	uint64_t bytes = m->config.memory_bytes & ~(uint64_t)(VM_PAGE_BYTES - 1);
	int r = m->board->open_memory(m, bytes, err);

	compare_memory(bytes);

	if (r == 0)
		r = open_loop(m, err);
	if (r == 0)
		r = m->board->open_vcpus(m, err);
	if (r == 0)
		r = machine_open_devices(m, err);
	machine_open_pressure(m);
	if (r == 0 && m->config.gdb)
		r = machine_debugger_open(m, m->config.gdb, err);
	if (r == 0 && m->config.monitor)
		r = machine_monitor_open(m, m->config.monitor, err);
	return r;
}

int machine_open(const struct machine_config *config, struct machine **ret, struct error *err)
{
	const struct machine_board *board = NULL;
	struct machine *m;
	int r = check(config, err);

	if (r == 0)
		r = machine_find_board(config, &board, err);
	if (r == 0 && config->cpu)
		r = vcpu_model_check(board->cpus, config->cpu, err);
	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return error_oom(err);
	m->config = *config;
	m->board = board;
	m->power.ops = &power_ops;
	m->loop.epoll_fd = m->wake_fd = m->signals.fd = -1;
	for (size_t i = 0; i < MACHINE_PRESSURE_FILES; i++)
		m->pressure.fds[i] = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	vm_memory_init(&m->memory);
	for (unsigned i = 0; i < VM_VCPUS_MAX; i++)
		m->vcpus[i].machine = m;
	r = porter_start(&m->config, &m->porter, err);
	if (r == 0)
		r = open_parts(m, err);
	if (r < 0) {
		machine_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

struct machine *machine_free(struct machine *m)
{
	if (!m)
		return NULL;
	machine_monitor_close(m);
	machine_debugger_close(m);
	machine_close_pressure(m);
	machine_close_devices(m);
	if (m->disk_engine)
		disk_engine_close(m->disk_engine);
	m->board->close_vcpus(m);
	if (m->console.loop)
		console_close(&m->console);
	machine_leave_signals(m);
	cleanup_close(&m->wake_fd);
	loop_close(&m->loop);
	vm_memory_destroy(&m->memory);
	free(m->base.folder);
	porter_stop(m->porter);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}
