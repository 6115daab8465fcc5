/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-debugger.c - the debugger of a machine with a board and vcpus that are none: what is told
 * when several have met something at the same time. Everything is one thread; the test says when
 * the vcpus stand.
 */
#include "unit/test.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "machine/debugger.h"
#include "machine/porter.h"

#define VCPUS	   3
#define ANSWER_MAX 4096
#define ANSWER_S   30

static struct fixture {
	struct machine machine;
	struct machine_pause *pause; /* who wants all to stand, and was not told yet */
	bool runs, is_stopped;
	uint64_t pc[VCPUS];
	bool steps[VCPUS];
	const struct machine_point *met[VCPUS]; /* a watchpoint */
	char path[64];
	struct loop_source client;
	struct loop_timer timer;
	char answer[ANSWER_MAX]; /* of the last packet that is whole */
	char bytes[ANSWER_MAX];
	size_t nr_bytes;
} f;

/* --- in place of vcpus.c and machine.c ---------------------------------------------------------
 */

void machine_pause(struct machine *machine, struct machine_pause *pause)
{
	assert_null(f.pause);
	pause->is_quiet = false;
	f.pause = pause;
	loop_stop(&f.machine.loop);
}

void machine_unpause(struct machine *machine, struct machine_pause *pause)
{
	assert_true(pause->is_quiet);
	f.runs = true;
	loop_stop(&f.machine.loop);
}

void machine_pause_again(struct machine *machine, struct machine_pause *pause)
{
	assert_false(f.runs);
	assert_true(pause->is_quiet);
	machine_pause(machine, pause);
}

void machine_stop(struct machine *machine)
{
	f.is_stopped = true;
}

void machine_end(struct machine *machine, int status, bool was_left)
{
}

static void stand(void)
{
	struct machine_pause *pause = f.pause;

	assert_non_null(pause);
	f.pause = NULL;
	f.runs = false;
	pause->is_quiet = true;
	pause->quiet(pause);
}

/* --- a board -----------------------------------------------------------------------------------
 */

static int read_register(struct machine *m, unsigned index, unsigned number, uint8_t *value)
{
	memset(value, 0, 8);
	if (number == DEBUG_RISCV_PC)
		memcpy(value, &f.pc[index], 8);
	return 0;
}

static int insert(struct machine *m, unsigned index, const struct machine_point *point)
{
	return 0;
}

static void remove_point(struct machine *m, const struct machine_point *point)
{
}

static bool find_watchpoint(struct machine *m, unsigned index, struct machine_point *ret)
{
	if (f.met[index])
		*ret = *f.met[index];
	return f.met[index] != NULL;
}

static void set_step(struct machine *m, unsigned index, bool step)
{
	f.steps[index] = step;
}

static const struct machine_debug_ops debug_ops = {
	.name = "fake",
	.thread = "vcpu",
	.architecture = &debug_riscv64_machine,
	.pc = DEBUG_RISCV_PC,
	.read_register = read_register,
	.insert = insert,
	.remove = remove_point,
	.find_watchpoint = find_watchpoint,
	.set_step = set_step,
};

static const struct machine_board board = { .name = "fake", .debug = &debug_ops };

/* --- a debugger --------------------------------------------------------------------------------
 */

static void got_bytes(struct loop_source *source, uint32_t events)
{
	ssize_t n = recv(source->fd, f.bytes + f.nr_bytes, sizeof(f.bytes) - 1 - f.nr_bytes, 0);
	char *start, *end;

	assert_true(n > 0);
	f.nr_bytes += (size_t)n;
	f.bytes[f.nr_bytes] = '\0';
	start = strchr(f.bytes, '$');
	end = start ? strchr(start, '#') : NULL;
	if (!end || f.bytes + f.nr_bytes < end + 3)
		return;
	*end = '\0';
	strcpy(f.answer, start + 1);
	f.nr_bytes = 0;
	assert_int_equal(send(source->fd, "+", 1, 0), 1);
	loop_stop(&f.machine.loop);
}

static void too_late(struct loop_timer *timer)
{
	fail_msg("no answer");
}

static void turn(void)
{
	f.machine.loop.stop = false;
	loop_timer_start(&f.machine.loop, &f.timer, ANSWER_S * INT64_C(1000000000));
	assert_int_equal(loop_run(&f.machine.loop), 0);
	loop_timer_cancel(&f.machine.loop, &f.timer);
}

static void send_packet(const char *text)
{
	char packet[256];
	uint8_t sum = 0;

	for (const char *c = text; *c; c++)
		sum = (uint8_t)(sum + *c);
	snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	assert_int_equal(send(f.client.fd, packet, strlen(packet), 0), strlen(packet));
}

/* Ask, and hear the answer. */
static const char *ask(const char *text)
{
	send_packet(text);
	turn();
	return f.answer;
}

/* Until all vcpus run, or are to stand. */
static void let_go_on(const char *text)
{
	send_packet(text);
	turn();
	assert_true(f.runs || f.pause);
}

static void assert_told(const char *kind, unsigned thread)
{
	char start[32];

	snprintf(start, sizeof(start), "T05thread:%u;", thread);
	assert_memory_equal(f.answer, start, strlen(start));
	if (*kind)
		assert_non_null(strstr(f.answer, kind));
	else
		assert_true(!strstr(f.answer, "swbreak") && !strstr(f.answer, "watch"));
}

/* What the vcpus have met is told to the loop, and they stand; the answer to what has let them go.
 */
static const char *meet(void)
{
	machine_debugger_look(&f.machine);
	stand();
	turn();
	return f.answer;
}

static void has_met(unsigned index, uint64_t pc)
{
	f.pc[index] = pc;
	f.machine.vcpus[index].has_met = true;
}

static int connect_debugger(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct error err = { 0 };

	memset(&f, 0, sizeof(f));
	f.machine.board = &board;
	f.machine.config.nr_vcpus = VCPUS;
	f.timer.expired = too_late;
	pthread_mutex_init(&f.machine.lock, NULL);
	for (unsigned i = 0; i < VCPUS; i++)
		f.machine.vcpus[i].machine = &f.machine;
	snprintf(f.path, sizeof(f.path), "/tmp/strata-test-debugger.%d", getpid());
	f.machine.config.gdb = f.path;
	f.runs = true;
	if (porter_start(&f.machine.config, &f.machine.porter, &err) < 0 ||
		loop_open(&f.machine.loop, &err) < 0 ||
		machine_debugger_open(&f.machine, f.path, &err) < 0)
		fail_msg("%s", err.message);
	strcpy(un.sun_path, f.path);
	f.client = (struct loop_source){ .ready = got_bytes,
		.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(connect(f.client.fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(loop_add(&f.machine.loop, &f.client, EPOLLIN), 0);
	turn();
	stand();
	assert_non_null(strstr(ask("qSupported:swbreak+;hwbreak+"), "hwbreak+"));
	return 0;
}

static int disconnect(void **state)
{
	loop_remove(&f.machine.loop, &f.client);
	close(f.client.fd);
	machine_debugger_close(&f.machine);
	loop_close(&f.machine.loop);
	pthread_mutex_destroy(&f.machine.lock);
	porter_stop(f.machine.porter);
	assert_int_equal(access(f.path, F_OK), -1);
	return 0;
}

/* --- tests -------------------------------------------------------------------------------------
 */

/* As gdb does it: it steps over the breakpoint without it, the others held, and goes on. */
static void all_that_have_met_a_breakpoint_are_told(void **state)
{
	assert_string_equal(ask("Z0,1000,1"), "OK");
	let_go_on("vCont;c");
	assert_true(f.runs);
	has_met(0, 0x1000);
	has_met(1, 0x1000);
	meet();
	assert_told("swbreak:;", 1);
	assert_string_equal(ask("z0,1000,1"), "OK");
	let_go_on("vCont;s:1");
	assert_true(f.runs && f.steps[0] && !f.steps[1] && f.machine.vcpus[1].is_held);
	machine_debugger_look(&f.machine); /* the second has nothing to say now */
	assert_null(f.pause);
	has_met(0, 0x1001);
	meet();
	assert_told("", 1);
	assert_string_equal(ask("Z0,1000,1"), "OK");
	let_go_on("vCont;c");
	assert_false(f.runs);
	stand();
	turn();
	assert_told("swbreak:;", 2);
	let_go_on("vCont;c");
	assert_true(f.runs);
}

static void what_is_there_no_more_is_not_told(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;c");
	has_met(0, 0x1000);
	has_met(2, 0x1000);
	meet();
	ask("z0,1000,1");
	let_go_on("vCont;c");
	assert_true(f.runs);
	assert_false(f.machine.vcpus[2].has_met);
}

static void what_a_debugger_moves_has_met_nothing(void **state)
{
	ask("Z1,1000,1");
	let_go_on("vCont;c");
	has_met(0, 0x1000);
	has_met(1, 0x1000);
	meet();
	assert_told("hwbreak:;", 1);
	f.pc[1] = 0x2000;
	let_go_on("vCont;c");
	assert_true(f.runs);
}

static void all_that_have_met_a_watchpoint_are_told(void **state)
{
	const struct machine_point point = { DEBUG_WATCHPOINT_WRITE, 0x3000, 4 };

	ask("Z2,3000,4");
	let_go_on("vCont;c");
	f.met[1] = f.met[2] = &point;
	has_met(1, 0x1000);
	has_met(2, 0x1000);
	meet();
	assert_told("watch:3000;", 2);
	f.met[1] = NULL;
	ask("z2,3000,4"); /* gdb does so at each stop */
	ask("Z2,3000,4");
	let_go_on("vCont;c");
	stand();
	turn();
	assert_told("watch:3000;", 3);
	f.met[2] = NULL;
	has_met(1, 0x1000);
	f.machine.vcpus[1].has_met = false;
	let_go_on("vCont;c");
	assert_true(f.runs);
}

/* One goes through a range, step by step; it is in it when another meets a breakpoint. */
static void a_range_hides_nothing(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;r2000,2010:1;c");
	has_met(0, 0x2004);
	machine_debugger_look(&f.machine);
	stand();
	assert_true(f.runs);
	has_met(0, 0x2008);
	has_met(1, 0x1000);
	meet();
	assert_told("swbreak:;", 2);
	/* The step that was done counts if it is to step again, and it is in its range. */
	ask("z0,1000,1");
	let_go_on("vCont;r2000,2010:1;c");
	assert_false(f.runs);
	stand();
	assert_true(f.runs);
	has_met(0, 0x2010);
	meet();
	assert_told("", 1);
}

static void a_step_that_is_not_wanted_is_nothing(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;s:1;c");
	has_met(0, 0x2004);
	has_met(1, 0x1000);
	meet();
	assert_told("swbreak:;", 2);
	ask("z0,1000,1");
	let_go_on("vCont;c");
	assert_true(f.runs);
	assert_false(f.machine.vcpus[0].has_met);
}

/* Ctrl-C while one that has something to tell is held. */
static void an_interrupt_takes_nothing_away(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;c");
	has_met(0, 0x1000);
	has_met(1, 0x1000);
	meet();
	assert_told("swbreak:;", 1);
	let_go_on("vCont;c:3");
	assert_true(f.runs);
	assert_int_equal(send(f.client.fd, "\003", 1, 0), 1);
	turn();
	stand();
	turn();
	assert_memory_equal(f.answer, "T02thread:1;", 12);
	let_go_on("vCont;c");
	stand();
	turn();
	assert_told("swbreak:;", 2);
}

static void nothing_is_left_behind_a_reset(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;c");
	has_met(0, 0x1000);
	has_met(1, 0x1000);
	meet();
	machine_debugger_restarted(&f.machine);
	let_go_on("vCont;c");
	assert_true(f.runs);
}

static void nor_when_it_leaves(void **state)
{
	ask("Z0,1000,1");
	let_go_on("vCont;c");
	has_met(0, 0x1000);
	has_met(1, 0x1000);
	meet();
	ask("D");
	assert_true(f.runs);
	assert_false(f.machine.vcpus[1].has_met);
}

static void harts_have_names(void **state)
{
	assert_non_null(strstr(ask("qXfer:threads:read::0,1000"), "name=\"vcpu 2\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_debugger, disconnect)
	const struct CMUnitTest tests[] = {
		TEST(all_that_have_met_a_breakpoint_are_told),
		TEST(what_is_there_no_more_is_not_told),
		TEST(what_a_debugger_moves_has_met_nothing),
		TEST(all_that_have_met_a_watchpoint_are_told),
		TEST(a_range_hides_nothing),
		TEST(a_step_that_is_not_wanted_is_nothing),
		TEST(an_interrupt_takes_nothing_away),
		TEST(nothing_is_left_behind_a_reset),
		TEST(nor_when_it_leaves),
		TEST(harts_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
