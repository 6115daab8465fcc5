/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-session.c - what a session answers, and what it makes a target do.
 */
#include "unit/test.h"

#include <signal.h>
#include <string.h>

#include "debug/internal.h"
#include "unit/debug/fake-target.h"

#define INPUT_MAX (2 * PACKET_MAX)

static struct fake_target fake;
static struct debug_session *session;
static char reply[FAKE_SENT_MAX];

static void open_session(bool is_poor)
{
	const struct debug_stop stop = {
		.kind = DEBUG_STOP_SIGNAL, .thread = FAKE_FIRST_THREAD, .signal = SIGTRAP
	};

	debug_session_close(session);
	fake_init(&fake, is_poor);
	assert_int_equal(
		debug_session_open(&debug_riscv64, &fake.target, &stop, &session, NULL), 0);
}

static int set_up(void **state)
{
	open_session(false);
	return 0;
}

static int tear_down(void **state)
{
	session = debug_session_close(session);
	return 0;
}

/* The last packet that was sent, its runs written out; "" without one. */
static const char *last_reply(void)
{
	const char *end, *at;
	size_t n = 0;

	fake.sent[fake.sent_size] = '\0';
	at = strrchr(fake.sent, '$');
	if (!at)
		return "";
	end = strchr(at, '#');
	for (at++; at < end; at++) {
		if (*at != '*') {
			reply[n++] = *at;
			continue;
		}
		at++;
		memset(reply + n, reply[n - 1], (size_t)(*at - 29));
		n += (size_t)(*at - 29);
	}
	reply[n] = '\0';
	return reply;
}

static void send_packet(const char *data)
{
	static char packet[INPUT_MAX];
	uint8_t sum = 0;

	for (const char *c = data; *c; c++)
		sum += (uint8_t)*c;
	/* With the acknowledgement of the answer before. */
	snprintf(packet, sizeof(packet), "+$%s#%02x", data, sum);
	fake.sent_size = 0;
	debug_session_input(session, packet, strlen(packet));
}

static void expect(const char *packet, const char *answer)
{
	send_packet(packet);
	assert_string_equal(last_reply(), answer);
}

static void stop(enum debug_stop_kind kind, uint64_t thread, int signal, int status)
{
	const struct debug_stop stop = { .kind = kind,
		.thread = thread,
		.signal = signal,
		.status = status,
		.address = 0x1234 };

	fake.is_running = false;
	fake.sent_size = 0;
	debug_session_stopped(session, &stop);
}

static void test_features(void **state)
{
	send_packet("qSupported:multiprocess+;swbreak+;xmlRegisters=i386");
	last_reply();
	assert_non_null(strstr(reply, "PacketSize=4000"));
	assert_non_null(strstr(reply, "QStartNoAckMode+"));
	assert_non_null(strstr(reply, "vContSupported+"));
	assert_non_null(strstr(reply, ";qXfer:features:read+"));
	assert_non_null(strstr(reply, ";qXfer:auxv:read+"));
	assert_non_null(strstr(reply, ";swbreak+"));
	assert_null(strstr(reply, "multiprocess+"));
	expect("qAttached", "0");
	expect("qC", "QC10");
	expect("vMustReplyEmpty", "");
	expect("qUnknown", "");
	expect("", "");
}

static void test_acks(void **state)
{
	send_packet("qC");
	assert_memory_equal(fake.sent, "+$QC10#", 7);
	/* Again, and again. */
	fake.sent_size = 0;
	debug_session_input(session, "--", 2);
	assert_string_equal(last_reply(), "QC10");
	fake.sent_size = 0;
	debug_session_input(session, "$qC#00", 6);
	assert_int_equal(fake.sent_size, 1);
	assert_int_equal(fake.sent[0], '-');
	expect("QStartNoAckMode", "OK");
	assert_int_equal(fake.sent[0], '+');
	send_packet("qC");
	assert_int_equal(fake.sent[0], '$');
	fake.sent_size = 0;
	debug_session_input(session, "$qC#00", 6);
	assert_int_equal(fake.sent_size, 0);
}

/* A debugger that has waited too long for "+" sends again, and does not want two answers. */
static void test_packets_that_come_twice(void **state)
{
	static const char twice[] = "+$qC#b4$qC#b4";

	debug_session_input(session, twice, sizeof(twice) - 1);
	assert_int_equal(fake.sent_size, 10);
	assert_memory_equal(fake.sent, "+$QC10#", 7);
	assert_memory_equal(fake.sent + 9, "+", 1);
	/* Once it has the answer, the same is a new question. */
	expect("qC", "QC10");
	expect("qC", "QC10");
	/* Another one is a new question anyway. */
	fake.sent_size = 0;
	debug_session_input(session, "$qAttached#8f", 13);
	assert_string_equal(last_reply(), "0");
	/* What has stopped acknowledgements was acknowledged itself. */
	expect("QStartNoAckMode", "OK");
	fake.sent_size = 0;
	debug_session_input(session, "$QStartNoAckMode#b0", 19);
	assert_int_equal(fake.sent_size, 0);
	/* From then on nothing is sent again. */
	for (int i = 0; i < 3; i++) {
		fake.sent_size = 0;
		debug_session_input(session, "$qC#b4", 6);
		assert_string_equal(last_reply(), "QC10");
	}
}

static void test_registers(void **state)
{
	expect("p1", "0101010101010101");
	expect("p20", "2020202020202020"); /* pc */
	expect("p41", "41414141"); /* fflags */
	expect("p44", "44444444444444444444444444444444"); /* v0 */
	expect("p6b", "E16");
	expect("pffffffffffffffff", "E16");
	expect("p", "E16");
	expect("P5=efcdab8967452301", "OK");
	expect("p5", "efcdab8967452301");
	expect("P5=ef", "E16");
	expect("P5=efcdab896745230123", "E16");
	expect("P5", "E16");
	expect("P6a=0000000000000000", "E01"); /* vlenb */
	expect("Hg2a", "OK");
	expect("p1", "0202020202020202");
	expect("Hg0", "OK");
	expect("p1", "0101010101010101");
	expect("Hg77", "E03");
	expect("Hx1", "E16");
}

static void test_all_registers(void **state)
{
	const size_t size = 2 * (33 * 8 + 32 * 8 + 3 * 4 + 32 * 16 + 7 * 8);
	static char packet[FAKE_SENT_MAX + 1];

	send_packet("g");
	assert_int_equal(strlen(last_reply()), size);
	assert_memory_equal(reply, "00000000000000000101010101010101", 32);
	/* Written back: x1 as something else, vlenb not at all. */
	packet[0] = 'G';
	strcpy(packet + 1, reply);
	memset(packet + 1 + 16, 'a', 16);
	memset(packet + 1 + size - 16, 'x', 16);
	expect(packet, "OK");
	expect("p1", "aaaaaaaaaaaaaaaa");
	expect("p2", "0202020202020202");
	expect("G00", "E16");
	expect("G", "E16");
	expect("Gxx", "E16");
}

static void test_memory(void **state)
{
	expect("m1000,4", "01020304");
	expect("m1ffe,10", "ff00"); /* as far as it goes */
	expect("m0,4", "E0e");
	expect("m1000,0", "");
	expect("mffffffffffffffff,ffffffffffffffff", "E0e");
	expect("m1000", "E16");
	expect("m1000,4,", "E16");
	send_packet("m1000,ffffffff");
	assert_int_equal(strlen(last_reply()), 2 * 4096);
	expect("M1001,2:abcd", "OK");
	expect("m1000,4", "01abcd04");
	expect("M1001,2:ab", "E16");
	expect("M1001,2:abcdef", "E16");
	expect("M1001,ffffffffffffffff:abcdef", "E16");
	expect("M3001,2:abcd", "E0e");
	expect("X1000,3:}\x03xy", "OK"); /* '#' */
	expect("m1000,4", "23787904");
	expect("X1000,0:", "OK");
	expect("X1000,4:xy", "E16");
}

static void test_breakpoints(void **state)
{
	expect("Z0,1000,2", "OK");
	assert_int_equal(fake.breakpoint, 0x1000);
	expect("z0,1000,2", "OK");
	assert_int_equal(fake.breakpoint, 0);
	expect("Z1,1004,4", "OK");
	assert_int_equal(fake.breakpoint_type, DEBUG_BREAKPOINT_HARDWARE);
	expect("Z0,1000,3", "E16");
	expect("Z2,1000,4", ""); /* not supported */
	expect("Z5,1000,4", "");
	expect("Zffffffff00000000,1000,4", "");
	expect("Z0,1000", "E16");
	expect("Z0", "E16");
	expect("Z0,1000,4;X1,0", "E16"); /* we have not said that we know conditions */
}

static void test_going_on(void **state)
{
	expect("vCont?", "vCont;c;C;s;S;t;r");
	expect("vCont;s:10;c", "");
	assert_true(fake.is_running);
	assert_int_equal(fake.nr_resumes, 2);
	assert_true(fake.resumes[0].step);
	assert_int_equal(fake.resumes[0].thread, 0x10);
	assert_false(fake.resumes[1].step);
	assert_true(fake.resumes[1].thread == DEBUG_ALL_THREADS);
	/* Nothing is said or done until it stops. */
	expect("m1000,4", "");
	stop(DEBUG_STOP_SIGNAL, 0x2a, SIGUSR1, 0);
	assert_string_equal(last_reply(),
		"T1ethread:2a;01:0202020202020202;02:0303030303030303;08:0909090909090909;"
		"20:2121212121212121;");
	expect("p1", "0202020202020202"); /* of the one that has stopped */
	expect("vCont;C1e:2a", "");
	assert_int_equal(fake.resumes[0].signal, SIGUSR1);
	stop(DEBUG_STOP_SIGNAL, 0x10, SIGTRAP, 0);
	expect("vCont;r1000,1010:0", "");
	assert_int_equal(fake.resumes[0].range_start, 0x1000);
	assert_int_equal(fake.resumes[0].range_end, 0x1010);
	assert_int_equal(fake.resumes[0].thread, 0x10);
}

static void test_going_on_badly(void **state)
{
	static const char *const bad[] = { "vCont;", "vCont;x", "vCont;c;", "vCont;c:", "vCont;C",
		"vCont;Cff", "vCont;r", "vCont;r10", "vCont;c:p1.1", "vCont;c:10x", "Cff", "Sx",
		"cz", "C05;", "C0510" };
	static char many[4096] = "vCont";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		expect(bad[i], "E16");
		assert_false(fake.is_running);
	}
	for (unsigned i = 0; i <= DEBUG_RESUMES_MAX; i++)
		strcat(many, ";c:10");
	expect(many, "E07");
	assert_false(fake.is_running);
}

static void test_stopping_the_stopped(void **state)
{
	send_packet("vCont;t");
	assert_memory_equal(last_reply(), "T05thread:10;", 13);
	assert_false(fake.is_running);
}

static void test_old_commands(void **state)
{
	expect("c", "");
	assert_true(fake.is_running);
	assert_int_equal(fake.resumes[0].thread, 0x10);
	stop(DEBUG_STOP_SIGNAL, 0x10, SIGTRAP, 0);
	expect("Hc2a", "OK");
	expect("S0b", "");
	assert_true(fake.resumes[0].step);
	assert_int_equal(fake.resumes[0].thread, 0x2a);
	assert_int_equal(fake.resumes[0].signal, SIGSEGV);
	stop(DEBUG_STOP_SIGNAL, 0x10, SIGTRAP, 0);
	expect("s1002", "");
	stop(DEBUG_STOP_SIGNAL, 0x10, SIGTRAP, 0);
	expect("p20", "0210000000000000");
}

static void test_reasons(void **state)
{
	const struct debug_stop read = { .kind = DEBUG_STOP_WATCHPOINT,
		.thread = 0x10,
		.signal = SIGTRAP,
		.watchpoint = DEBUG_WATCHPOINT_READ,
		.address = 0x1234 };
	struct debug_stop access = read;

	access.watchpoint = DEBUG_WATCHPOINT_ACCESS;
	stop(DEBUG_STOP_BREAKPOINT, 0x10, SIGTRAP, 0);
	assert_memory_equal(last_reply(), "T05thread:10;01:", 16); /* it has not said it knows */
	send_packet("qSupported:swbreak+;hwbreak+");
	stop(DEBUG_STOP_BREAKPOINT, 0x10, SIGTRAP, 0);
	assert_memory_equal(last_reply(), "T05thread:10;swbreak:;01:", 25);
	stop(DEBUG_STOP_HARDWARE_BREAKPOINT, 0x10, SIGTRAP, 0);
	assert_memory_equal(last_reply(), "T05thread:10;hwbreak:;01:", 25);
	stop(DEBUG_STOP_WATCHPOINT, 0x10, SIGTRAP, 0);
	assert_memory_equal(last_reply(), "T05thread:10;watch:1234;01:", 27);
	send_packet("?");
	assert_memory_equal(last_reply(), "T05thread:10;watch:1234;01:", 27);
	debug_session_stopped(session, &read);
	assert_memory_equal(last_reply(), "T05thread:10;rwatch:1234;01:", 28);
	debug_session_stopped(session, &access);
	assert_memory_equal(last_reply(), "T05thread:10;awatch:1234;01:", 28);
}

static void test_another_program(void **state)
{
	const struct debug_stop executed = {
		.kind = DEBUG_STOP_EXECUTED, .thread = 0x10, .signal = SIGTRAP
	};
	unsigned saved;

	stop(DEBUG_STOP_EXECUTED, 0x10, SIGTRAP, 0);
	assert_memory_equal(last_reply(), "T05thread:10;01:", 16); /* it has not said it knows */
	assert_false(debug_session_knows_exec(session));
	send_packet("qSupported:swbreak+;exec-events+");
	assert_non_null(strstr(last_reply(), ";exec-events+"));
	expect("QStartNoAckMode", "OK");
	saved = debug_session_save(session);
	open_session(false);
	debug_session_continue(session, saved);
	assert_true(debug_session_knows_exec(session));
	fake.is_running = true;
	send_packet("qC"); /* it runs: there is no answer */
	assert_int_equal(fake.sent_size, 0);
	fake.is_running = false;
	debug_session_stopped(session, &executed);
	assert_memory_equal(
		last_reply(), "T05thread:10;exec:2f62696e2f66616b65;01:", 40); /* /bin/fake */
	send_packet("qC");
	assert_memory_equal(fake.sent, "$QC10#", 6); /* and no acknowledgement */
}

/* Paths are in hexadecimal digits: /file, /link, /no. */
static void test_files(void **state)
{
	char packet[PACKET_MAX];

	expect("vFile:open:2f66696c65,0,0", "F5");
	expect("vFile:open:2f6e6f,0,0", "F-1,2");
	expect("vFile:open:2f66696c65,1,0", "F-1,1e"); /* to write to: EROFS */
	expect("vFile:open:2f66696c6,0,0", "F-1,16");
	expect("vFile:open:2f66006c65,0,0", "F-1,16");
	expect("vFile:open:2f66696c65", "F-1,16");
	expect("vFile:open:,0,0", "F-1,16");
	expect("vFile:pread:5,100,0", "F6;}]}\x03}\x04}\n}]]");
	expect("vFile:pread:5,1,2", "F1;}\x04");
	expect("vFile:pread:5,ffffffffffffffff,6", "F0;");
	expect("vFile:pread:5,1,ffffffffffffffff", "F-1,16");
	expect("vFile:pread:6,1,0", "F-1,9");
	expect("vFile:pread:ffffffff,1,0", "F-1,16");
	send_packet("vFile:fstat:5");
	assert_memory_equal(fake.sent, "+$F40;", 6);
	expect("vFile:fstat:7", "F-1,9");
	expect("vFile:readlink:2f6c696e6b", "F5;/file");
	expect("vFile:readlink:2f66696c65", "F-1,16");
	expect("vFile:close:5", "F0");
	expect("vFile:close:6", "F-1,9");
	expect("vFile:unlink:2f66696c65", "");
	/* A path that is too long, and an error that gdb has no number for. */
	snprintf(packet, sizeof(packet), "vFile:open:%08192d,0,0", 0);
	expect(packet, "F-1,5b");
	snprintf(packet, sizeof(packet), "vFile:open:%0500d,0,0", 0);
	memset(packet + strlen("vFile:open:"), '4', 500);
	expect(packet, "F-1,270f");
}

/* Memory is looked at by the thread that is asked about, as is said. */
static void test_eyes(void **state)
{
	send_packet("m1000,1");
	assert_int_equal(fake.eyes, 0x10);
	send_packet("Hg2a");
	send_packet("m1000,1");
	assert_int_equal(fake.eyes, 0x2a);
	expect("qqemu.PhyMemMode", "0");
	expect("Qqemu.PhyMemMode:1", "OK");
	expect("qqemu.PhyMemMode", "1");
	expect("Qqemu.PhyMemMode:", "E16");
	expect("Qqemu.PhyMemMode:0", "OK");
	assert_false(fake.is_physical);
}

static void test_monitor(void **state)
{
	expect("qRcmd,6869", "6869");
	expect("qRcmd,", "OK");
	expect("qRcmd,6661696c", "E01");
	expect("qRcmd,686", "E16");
	expect("qRcmd,zz", "E16");
}

static void test_interrupt(void **state)
{
	debug_session_input(session, "\x03", 1);
	assert_false(fake.was_interrupted); /* it does not run */
	expect("vCont;c", "");
	debug_session_input(session, "\x03", 1);
	assert_true(fake.was_interrupted);
}

static void test_ends(void **state)
{
	expect("vCont;c", "");
	stop(DEBUG_STOP_EXITED, 0x10, 0, 7);
	assert_string_equal(last_reply(), "W07");
	expect("m1000,4", "");
	open_session(false);
	expect("vCont;c", "");
	stop(DEBUG_STOP_KILLED, 0x10, SIGSEGV, 0);
	assert_string_equal(last_reply(), "X0b");
	open_session(false);
	expect("vKill;10", "OK");
	assert_true(fake.was_killed);
	open_session(false);
	expect("vCont;c", "");
	expect("k", ""); /* also while it runs */
	assert_true(fake.was_killed);
	open_session(false);
	expect("D", "OK");
	assert_true(fake.was_detached);
	expect("m1000,4", "");
}

static void test_lost_connections(void **state)
{
	fake.send_error = -EPIPE;
	send_packet("qC");
	assert_true(fake.was_detached);
	open_session(false);
	debug_session_lost(session);
	assert_true(fake.was_detached);
	assert_false(debug_session_input(session, "+", 1));
}

static void test_lists(void **state)
{
	expect("qfThreadInfo", "m10,2a");
	expect("qsThreadInfo", "l");
	expect("T2a", "OK");
	expect("T2b", "E03");
	expect("T0", "E03");
	expect("T-1", "E03");
	expect("QPassSignals:e;14;", "OK");
	assert_int_equal(fake.passed, 1u << (SIGALRM - 1) | 1u << (SIGCHLD - 1));
	expect("QPassSignals:", "OK");
	assert_int_equal(fake.passed, 0);
	expect("QPassSignals:x", "E16");
}

static void test_documents(void **state)
{
	expect("qXfer:exec-file:read:10:0,100", "l/bin/fake");
	expect("qXfer:exec-file:read::0,4", "m/bin");
	expect("qXfer:exec-file:read::4,100", "l/fake");
	expect("qXfer:exec-file:read::100,100", "l");
	expect("qXfer:auxv:read::0,100", "l}]}\x03}\x04}\x0a}]]\x03\n");
	expect("qXfer:siginfo:read::0,100", "linfo");
	expect("qXfer:siginfo:write::0:00", "");
	expect("qXfer:features:read:other.xml:0,100", "E02");
	expect("qXfer:features:read:target.xml", "E16");
	expect("qXfer:features:read:target.xml:0", "E16");
	expect("qXfer:nothing:read::0,100", "");
	send_packet("qXfer:threads:read::0,1000");
	assert_non_null(strstr(last_reply(),
		"<thread id=\"2a\" name=\"&}\x03"
		"60;2a&}\x03"
		"62;\"/>"));
}

/* A description in pieces of any size is the same one. */
static void test_description(void **state)
{
	static char whole[PACKET_MAX], parts[PACKET_MAX];
	char packet[64];
	size_t size = 0;

	send_packet("qXfer:features:read:target.xml:0,ffffffffffffffff");
	assert_int_equal(last_reply()[0], 'l');
	strcpy(whole, reply + 1);
	assert_non_null(strstr(whole, "<architecture>riscv:rv64</architecture>"));
	assert_non_null(strstr(whole, "<osabi>GNU/Linux</osabi>"));
	assert_non_null(strstr(whole, "<feature name=\"org.gnu.gdb.riscv.cpu\">"));
	assert_non_null(
		strstr(whole, "<reg name=\"pc\" bitsize=\"64\" regnum=\"32\" type=\"code_ptr\"/>"));
	assert_non_null(
		strstr(whole, "<reg name=\"v31\" bitsize=\"128\" regnum=\"99\" type=\"vector\"/>"));
	do {
		snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,1f", size);
		send_packet(packet);
		strcpy(parts + size, last_reply() + 1);
		size += strlen(parts + size);
	} while (reply[0] == 'm');
	assert_string_equal(parts, whole);
}

/* As gdb has it, where it has it. */
static void test_x86_description(void **state)
{
	static const char *const rows[] = {
		"<architecture>i386:x86-64</architecture>",
		"<feature name=\"org.gnu.gdb.i386.core\">",
		"<reg name=\"rsp\" bitsize=\"64\" regnum=\"7\" type=\"data_ptr\"/>",
		"<reg name=\"rip\" bitsize=\"64\" regnum=\"16\" type=\"code_ptr\"/>",
		"<reg name=\"gs\" bitsize=\"32\" regnum=\"23\" type=\"int\"/>",
		"<reg name=\"st7\" bitsize=\"80\" regnum=\"31\" type=\"i387_ext\"/>",
		"<reg name=\"fop\" bitsize=\"32\" regnum=\"39\" type=\"int\"/>",
		"<feature name=\"org.gnu.gdb.i386.sse\">",
		"<reg name=\"xmm15\" bitsize=\"128\" regnum=\"55\" type=\"vec128\"/>",
		"<reg name=\"mxcsr\" bitsize=\"32\" regnum=\"56\" type=\"i386_mxcsr\"/>",
		"<feature name=\"org.gnu.gdb.i386.segments\">",
		"<reg name=\"gs_base\" bitsize=\"64\" regnum=\"58\" type=\"data_ptr\"/>",
		"<reg name=\"cr3\" bitsize=\"64\" regnum=\"62\" type=\"int\"/>",
		"<reg name=\"cr8\" bitsize=\"64\" regnum=\"64\" type=\"int\"/>",
		"<reg name=\"efer\" bitsize=\"64\" regnum=\"65\" type=\"x86_efer\"/>",
	};
	const struct debug_stop stop = {
		.kind = DEBUG_STOP_BREAKPOINT, .thread = FAKE_FIRST_THREAD, .signal = SIGTRAP
	};

	debug_session_close(session);
	assert_int_equal(
		debug_session_open(&debug_x86_64_machine, &fake.target, &stop, &session, NULL), 0);
	send_packet("qXfer:features:read:target.xml:0,ffffffffffffffff");
	assert_int_equal(last_reply()[0], 'l');
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_non_null(strstr(reply, rows[i]));
	send_packet("g");
	assert_int_equal(strlen(last_reply()),
		2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 3 * 8 + 6 * 8));
	expect("?", "T05thread:10;06:0606060606060606;07:0707070707070707;10:1010101010101010;");
}

/* The debugger is told why one more cannot be. */
static void test_no_room(void **state)
{
	fake.is_full = true;
	expect("Z0,1000,2", "E.no room for one more breakpoint or watchpoint of this kind");
	fake.is_full = false;
	expect("Z0,1000,2", "OK");
}

/* A target that can do little is offered little, and nothing that it lacks is called. */
static void test_poor_target(void **state)
{
	static const char *const commands[] = { "P1=0101010101010101", "G00", "M1000,1:00",
		"X1000,1:x", "Z0,1000,2", "z0,1000,2", "QPassSignals:", "vKill;1", "k" };

	open_session(true);
	send_packet("qSupported:swbreak+");
	last_reply();
	assert_null(strstr(reply, "swbreak"));
	assert_null(strstr(reply, "auxv"));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		expect(commands[i], "");
	expect("qXfer:auxv:read::0,100", "E02");
	expect("qXfer:exec-file:read::0,100", "E02");
	send_packet("qXfer:features:read:target.xml:0,1000");
	assert_null(strstr(last_reply(), "osabi"));
	expect("p1", "0101010101010101");
	expect("c1000", "E16");
	expect("vCont;c", "");
	debug_session_input(session, "\x03", 1);
	debug_session_lost(session);
}

static void test_too_long(void **state)
{
	static char packet[PACKET_MAX + 2];

	memset(packet, 'm', sizeof(packet) - 1);
	expect(packet, "E07");
	expect("qC", "QC10");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_features),
		TEST(test_acks),
		TEST(test_packets_that_come_twice),
		TEST(test_registers),
		TEST(test_eyes),
		TEST(test_monitor),
		TEST(test_all_registers),
		TEST(test_memory),
		TEST(test_breakpoints),
		TEST(test_going_on),
		TEST(test_going_on_badly),
		TEST(test_stopping_the_stopped),
		TEST(test_old_commands),
		TEST(test_reasons),
		TEST(test_another_program),
		TEST(test_files),
		TEST(test_interrupt),
		TEST(test_ends),
		TEST(test_lost_connections),
		TEST(test_lists),
		TEST(test_documents),
		TEST(test_description),
		TEST(test_x86_description),
		TEST(test_no_room),
		TEST(test_poor_target),
		TEST(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
