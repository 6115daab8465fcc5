# SPDX-License-Identifier: Apache-2.0
"""test_gdb.py - `strata translate -g` and a real gdb: the programs in debug/ are built for riscv64,
run under the translator, and driven by gdb-multiarch's commands.

A stub that hangs is seen as gdb's time-out."""

import contextlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "debug"
COMPILER, GDB = "riscv64-linux-gnu-gcc", "gdb-multiarch"
TIMEOUT_S = 120
FLAGS = ["-g", "-O0", "-Wall", "-Werror", "-static", "-pthread"]
SETTINGS = ["set pagination off", "set confirm off", "set debuginfod enabled off", "set width 0",
            "set print thread-events off"]

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="translates to x86-64 only"),
    pytest.mark.skipif(not shutil.which(COMPILER), reason=f"{COMPILER} is not installed"),
    pytest.mark.skipif(not shutil.which(GDB), reason=f"{GDB} is not installed"),
]


def build(folder, name, flags=()):
    target = folder / name
    done = subprocess.run([COMPILER, *FLAGS, *flags, "-o", target, SOURCES / f"{name}.c"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gdb")


@pytest.fixture(scope="module")
def program(folder):
    return build(folder, "program")


@pytest.fixture(scope="module")
def threads(folder):
    return build(folder, "threads")


class Debugged:
    """A program that waits for gdb."""

    def __init__(self, strata_binary, argv, where="0"):
        self.program = argv[0]
        self.process = subprocess.Popen(
            [strata_binary, "translate", "-g", where, *argv], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        match = re.fullmatch(r"strata: waiting for gdb: target remote (\S+)\n", line)
        assert match, line
        self.address = match.group(1)

    def gdb_argv(self, commands, before=()):
        argv = [GDB, "-nx", "-batch"]
        for command in [*SETTINGS, *before, f"target remote {self.address}", *commands]:
            argv += ["-ex", command]
        return [*argv, self.program]

    def gdb(self, *commands, before=()):
        """What gdb prints."""
        done = subprocess.run(self.gdb_argv(commands, before), text=True, timeout=TIMEOUT_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.stdout

    def end(self):
        """(standard output, exit status) when it has ended by itself."""
        output, errors = self.process.communicate(timeout=TIMEOUT_S)
        assert not errors
        return output, self.process.returncode

    def close(self):
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def debug(strata_binary):
    started = []

    def start(*argv, where="0"):
        started.append(Debugged(strata_binary, [str(a) for a in argv], where))
        return started[-1]

    yield start
    for one in started:
        one.close()


WHOLE = "total 499500 half 0.5\nfactorial 120\n"


def test_breaks_steps_and_shows(debug, program):
    d = debug(program)
    out = d.gdb("break main", "continue", "next", "next", "print half", "break add", "continue",
                "backtrace", "step", "next", "info locals", "finish", "print origin",
                "info registers pc sp fcsr", "x/2i $pc", "print $ra", "delete", "continue")
    assert "Breakpoint 1, main (argc=1" in out
    assert "$1 = 0.5" in out
    assert "Breakpoint 2, add (a=0, b=0)" in out
    assert re.search(r"#1 .* in main \(argc=1", out)
    assert re.search(r"^sum = 0$", out, re.M)
    assert "Value returned is $2 = 0" in out
    assert "$3 = {x = 3, y = 4}" in out
    assert re.search(r"^pc +0x[0-9a-f]+\t0x[0-9a-f]+ <main\+\d+>", out, re.M)
    assert re.search(r"=> 0x[0-9a-f]+ <main\+\d+>:\t", out)
    assert "exited with code 07" in out
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)


def test_says_nothing_of_the_debugger_to_the_program(debug, program):
    d = debug(program)
    out = d.gdb("break add", "continue", "disassemble add", "x/2hx add", "continue 5", "delete",
                "continue")
    assert "ebreak" not in out
    assert d.end()[1] == 7


def test_deep_backtrace_and_up(debug, program):
    out = debug(program).gdb("break factorial if n == 1", "continue", "backtrace", "up 2",
                             "print n", "kill")
    assert len(re.findall(r"factorial \(n=\d\)", out)) >= 5
    assert "$1 = 3" in out


def test_condition_in_a_hot_loop(debug, program):
    d = debug(program)
    out = d.gdb("break add if b == 300", "continue", "print a", "print counter", "delete",
                "continue")
    assert "$1 = 44850" in out and "$2 = 300" in out
    assert d.end()[1] == 7


def test_steps_as_the_processor_would(debug, program):
    """Without an operating system gdb lets the target step, and not by breakpoints of its own."""
    d = debug(program)
    out = d.gdb("break add", "continue", "delete", "set osabi none", "maint packet vCont?",
                "stepi", "stepi", "info line", "next", "next", "next", "stepi 200", "step",
                "print counter > 0", "continue")
    assert "$1 = 1" in out
    assert "exited with code 07" in out
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)


@pytest.mark.parametrize("hardware", [1, 0])
def test_watches(debug, program, hardware):
    d = debug(program)
    out = d.gdb(f"set can-use-hw-watchpoints {hardware}", "break add", "continue", "delete",
                "watch counter", "continue", "continue", "backtrace 1", "delete", "continue")
    assert ("Hardware watchpoint 2: counter" if hardware else "\nWatchpoint 2: counter") in out
    assert "Old value = 0\nNew value = 1" in out
    assert "Old value = 1\nNew value = 2" in out
    assert "#0  add (" in out
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)


def test_watches_reads(debug, program):
    """`counter++` reads and then writes; what only writes is no reading."""
    d = debug(program)
    out = d.gdb("break add", "continue", "delete", "rwatch counter", "continue", "continue",
                "delete", "break add", "continue", "delete", "awatch counter", "continue",
                "continue", "delete", "rwatch origin.y", "continue")
    assert re.findall(r"(Hardware .*)\n\nValue = (\d+)", out) == [
        ("Hardware read watchpoint 2: counter", "0"),
        ("Hardware read watchpoint 2: counter", "1"),
        ("Hardware access (read/write) watchpoint 4: counter", "2")], out
    assert "Hardware access (read/write) watchpoint 4: counter\n\nOld value = 2\nNew value = 3" in out
    assert "exited with code 07" in out
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)


def test_changes_values_and_calls(debug, program):
    d = debug(program)
    out = d.gdb("break add", "continue", "delete", "print add(40, 2)", "print factorial(6)",
                "set variable a = 1000", "set variable turns = 5", "print $fa0 = 2.5", "print $fa0",
                "print $v1.l[0] = 7", "print $v1.b[0]", "continue")
    assert "$1 = 42" in out and "$2 = 720" in out
    assert re.search(r"\$4 = \{.*double = 2.5\}", out)
    assert "$6 = 7" in out
    # factorial() and add() were called once more than without us.
    assert d.end() == ("total 500500 half 0.5\nfactorial 120\nturns 5 counter 1001\n", 7)


def test_hardware_breakpoint(debug, program):
    d = debug(program)
    out = d.gdb("hbreak factorial", "continue", "delete", "finish", "continue")
    assert "Breakpoint 1, factorial (n=5)" in out
    assert "Value returned is $1 = 120" in out
    assert d.end()[1] == 7


def test_crash_is_seen_before_the_end(debug, program):
    d = debug(program, "crash")
    out = d.gdb("continue", "backtrace 2", "print where", "print $_siginfo.si_signo",
                "print $_siginfo._sifields._sigfault.si_addr", "continue")
    assert "Program received signal SIGSEGV" in out
    assert re.search(r"#0 .*crash \(where=0x0\)", out)
    assert "$2 = 11" in out
    assert re.search(r"\$3 = .*0x0", out)
    assert "Program terminated with signal SIGSEGV" in out
    assert d.end() == (WHOLE, -signal.SIGSEGV)


def test_crash_can_be_mended(debug, program):
    d = debug(program, "crash")
    d.gdb("continue", "set variable where = &counter", "handle SIGSEGV nopass",
          "set $a5 = &counter", "set $a4 = 1", "continue")
    assert d.end() == (WHOLE + "turns 0 counter 1\n", 7)


@pytest.mark.parametrize("action, result", [("continue", 10), ("signal 0", 0)])
def test_signal_is_passed_or_not(debug, program, action, result):
    d = debug(program, "signal")
    out = d.gdb("continue", action)
    assert "Program received signal SIGUSR1" in out
    output, status = d.end()
    assert f"handled {result}\n" in output and status == 7


def test_signal_stops_in_its_handler(debug, program):
    out = debug(program, "signal").gdb("handle SIGUSR1 nostop noprint", "break handle", "continue",
                                       "print number", "backtrace", "finish", "kill")
    assert "Breakpoint 1, handle (number=10)" in out
    assert "$1 = 10" in out
    assert "<signal handler called>" in out
    assert re.search(r"in main \(argc=2", out)


def test_deadly_signal_from_outside(debug, program):
    d = debug(program, "spin")
    gdb = subprocess.Popen(d.gdb_argv(["continue", "print $_siginfo.si_signo", "continue"]),
                           text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    wait_for_spin(d)
    d.process.send_signal(signal.SIGTERM)
    out = gdb.communicate(timeout=TIMEOUT_S)[0]
    assert "Program received signal SIGTERM" in out and "$1 = 15" in out
    assert "Program terminated with signal SIGTERM" in out
    assert d.end()[1] == -signal.SIGTERM


def test_abort(debug, program):
    d = debug(program, "abort")
    out = d.gdb("continue", "continue")
    assert "Program received signal SIGABRT" in out
    assert "Program terminated with signal SIGABRT" in out
    assert d.end()[1] == -signal.SIGABRT


def wait_for_spin(d):
    """It has printed the last line before its loop."""
    assert d.process.stdout.readline().startswith("total")
    assert d.process.stdout.readline().startswith("factorial")
    time.sleep(0.2)


def interrupt_and_go_on(d, commands):
    """Press Ctrl-C when the program is where it does not come back from."""
    gdb = subprocess.Popen(d.gdb_argv(["continue", *commands]), text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    wait_for_spin(d)
    gdb.send_signal(signal.SIGINT)
    return gdb.communicate(timeout=TIMEOUT_S)[0]


def test_ctrl_c_stops_a_loop(debug, program):
    out = interrupt_and_go_on(debug(program, "spin"), ["backtrace", "print turns > 0", "kill"])
    assert "Program received signal SIGINT" in out
    assert re.search(r"#0 .*spin \(\)", out)
    assert "$1 = 1" in out


def test_ctrl_c_leaves_a_system_call_alone(debug, program):
    d = debug(program, "ask")
    out = interrupt_and_go_on(d, ["backtrace", "detach"])
    assert "Program received signal SIGINT" in out
    assert "read" in out and re.search(r"in ask \(\)", out)
    d.process.stdin.write("still here\n")
    d.process.stdin.flush()
    output, status = d.end()
    assert "line still here\n" in output and status == 7


def test_calls_a_function_of_one_that_waits_in_a_system_call(debug, program):
    d = debug(program, "ask")
    out = interrupt_and_go_on(d, ["print factorial(4)", "print add(1, 2)", "detach"])
    assert "$1 = 24" in out and "$2 = 3" in out
    d.process.stdin.write("still here\n")
    d.process.stdin.flush()
    output, status = d.end()
    assert "line still here\n" in output and "counter 1001\n" in output and status == 7


def test_a_slow_start(debug, program):
    """gdb asks again after two seconds without an answer, and wants only one."""
    d = debug(program)
    d.process.send_signal(signal.SIGSTOP)
    gdb = subprocess.Popen(d.gdb_argv(["break add", "continue", "delete", "continue"]), text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    time.sleep(5)
    d.process.send_signal(signal.SIGCONT)
    out = gdb.communicate(timeout=TIMEOUT_S)[0]
    assert "Breakpoint 1, add (a=0, b=0)" in out and "exited with code 07" in out
    assert d.end()[1] == 7


def test_detach_lets_it_go_on(debug, program):
    d = debug(program)
    out = d.gdb("break add", "continue", "continue", "detach")
    assert "detached" in out
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)


def test_a_debugger_that_dies_lets_it_go_on(debug, program):
    d = debug(program, "spin")
    gdb = subprocess.Popen(d.gdb_argv(["break add", "continue", "delete", "continue"]),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    wait_for_spin(d)
    gdb.kill()
    gdb.wait()
    time.sleep(0.5)
    assert d.process.poll() is None
    # Signals have their own effect again.
    d.process.send_signal(signal.SIGTERM)
    assert d.end()[1] == -signal.SIGTERM


def test_kill(debug, program):
    d = debug(program, "spin")
    out = d.gdb("break main", "continue", "kill")
    assert "killed" in out
    assert d.end()[1] == -signal.SIGKILL


def test_children_run_over_breakpoints(debug, program):
    d = debug(program, "fork")
    out = d.gdb("break fork_and_add", "continue", "break add", "continue")
    assert "exited with code 07" in out
    output, status = d.end()
    assert "child 23\n" in output and status == 7


def test_threads(debug, threads):
    d = debug(threads)
    out = d.gdb("break hit", "continue", "info threads", "thread apply all backtrace 2",
                "next", "next", "delete", "continue")
    assert len(re.findall(r"^[* ] +\d+ +Thread \d+", out, re.M)) == 4
    assert "hit (number=" in out and "in work (argument=" in out
    assert d.end() == ("sum 240\n", 0)


def test_every_thread_hits_a_breakpoint_each_time(debug, threads):
    d = debug(threads)
    out = d.gdb("break hit", "ignore 1 100000", "continue", "info breakpoints")
    assert "exited normally" in out
    assert "already hit 120 times" in out
    assert d.end() == ("sum 240\n", 0)


def test_one_thread_alone(debug, threads):
    d = debug(threads)
    out = d.gdb("break hit", "continue", "set scheduler-locking on", "print number",
                "next", "finish", "print sum", "set scheduler-locking off", "delete", "continue")
    mine = re.search(r"\$1 = (\d)", out).group(1)
    assert f"$2 = {mine}" in out
    assert d.end() == ("sum 240\n", 0)


def test_the_only_thread_that_runs_ends(debug, threads):
    d = debug(threads)
    out = d.gdb("break leave", "continue", "delete", "set scheduler-locking on", "continue",
                "info threads", "set scheduler-locking off", "thread 1", "continue")
    after = out[out.index("hit Breakpoint 1"):]
    assert len(re.findall(r"^[* ] +\d+ +Thread \d+", after, re.M)) <= 3
    assert d.end() == ("sum 240\n", 0)


def test_the_last_thread_ends_the_program(debug, folder):
    source = folder / "last.c"
    source.write_text("""#include <pthread.h>
#include <unistd.h>
#include <sys/syscall.h>
static void *work(void *argument)
{
	usleep(300000);
	syscall(SYS_exit, 9);
	return NULL;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, work, NULL);
	syscall(SYS_exit, 3);
}
""")
    target = folder / "last"
    subprocess.run([COMPILER, *FLAGS, "-D_GNU_SOURCE", "-o", target, source], check=True)
    d = debug(target)
    out = d.gdb("continue")
    status = d.end()[1]
    assert f"exited with code 0{status:o}" in out and status in (3, 9)


def test_shared_libraries(strata_binary, folder):
    prefix = Path("/usr/riscv64-linux-gnu")
    if not (prefix / "lib/libc.so.6").exists():
        pytest.skip(f"{prefix} has no C library (libc6-dev-riscv64-cross)")
    target = folder / "dynamic"
    subprocess.run([COMPILER, "-g", "-O0", "-o", target, SOURCES / "program.c"], check=True)
    d = Debugged(strata_binary, ["-L", str(prefix), str(target)])
    try:
        d.program = target
        out = d.gdb("break main", "continue", "info sharedlibrary", "break printf", "continue",
                    "backtrace", "delete", "continue", before=[f"set sysroot {prefix}"])
        assert "Breakpoint 1, main (argc=1" in out
        assert re.search(r"Yes .*libc.so.6", out)
        assert re.search(r"#0 .* printf \(\)", out) and re.search(r"#1 .* in main \(", out)
        assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)
    finally:
        d.close()


EXECUTES = """#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static volatile int count;
static void *spin(void *argument)
{
	for (;;)
		count++;
	return argument;
}
static void again(char **argv)
{
	execl("/nowhere", "/nowhere", (char *)0);
	execl(argv[0], argv[0], argv[2], argv[1], (char *)0);
	_exit(1);
}
int main(int argc, char **argv)
{
	pthread_t thread;
	if (argc == 2)
		return 4;
	pthread_create(&thread, NULL, spin, NULL);
	if (argc > 3)
		execl("/bin/true", "/bin/true", (char *)0);
	again((char *[]){ argv[0], NULL, argv[1] });
}
"""


@pytest.fixture(scope="module")
def executes(folder):
    source, target = folder / "execute.c", folder / "execute"
    source.write_text(EXECUTES)
    subprocess.run([COMPILER, *FLAGS, "-o", target, source], check=True)
    return target


def test_goes_on_with_what_it_executes(debug, executes):
    """Another program of its kind: the connection stays, breakpoints are set in it."""
    d = debug(executes, "1", "2")
    out = d.gdb("handle SIGUSR1 nostop noprint pass", "catch exec", "break main", "continue",
                "print argc", "continue", "print $_exitcode", "continue", "print argc", "backtrace",
                "info threads", "continue")
    assert "$1 = 3" in out and re.search(r"Catchpoint 1 \(exec'd .*/execute\)", out), out
    assert "$3 = 2" in out and "Breakpoint 2, main (argc=2" in out
    assert "exited with code 04" in out
    assert d.end() == ("", 4)


def test_the_connection_ends_with_a_program_of_another_kind(debug, executes):
    d = debug(executes, "1", "2", "3")
    assert "Remote connection closed" in d.gdb("break main", "continue", "continue")
    assert d.end() == ("", 0)


def test_gdb_fetches_the_program_and_its_libraries(strata_binary, folder, debug):
    """From the target, where it knows of no file itself."""
    target = folder / "dynamic"
    subprocess.run([COMPILER, *[f for f in FLAGS if f != "-static"], "-o", target,
                    SOURCES / "program.c"], check=True)
    d = debug("-L", "/usr/riscv64-linux-gnu", target)
    argv = d.gdb_argv(["break factorial", "continue", "backtrace 1", "info sharedlibrary",
                       "print origin", "remote get /lib/libc.so.6 libc-of-it",
                       "remote get /nowhere nothing", "delete", "continue"])
    done = subprocess.run([a for a in argv if a != str(target) and a != "-L"], text=True,
                          timeout=TIMEOUT_S, cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = done.stdout
    assert "Breakpoint 1, factorial (n=5)" in out and "$1 = {x = 3, y = 4}" in out, out
    assert re.search(r"0x[0-9a-f]+ +0x[0-9a-f]+ +Yes.*target:/lib/libc.so.6", out), out
    assert "No such file or directory" in out and "exited with code 07" in out
    assert (folder / "libc-of-it").read_bytes() == Path(
        "/usr/riscv64-linux-gnu/lib/libc.so.6").read_bytes()


def test_position_independent_program(debug, folder):
    out = debug(build(folder, "program", ["-static-pie", "-fPIE"])).gdb(
        "break factorial", "continue", "backtrace 1", "print origin", "kill")
    assert "Breakpoint 1, factorial (n=5)" in out and "$1 = {x = 3, y = 4}" in out


def test_without_knowing_the_program(debug, program):
    d = debug(program)
    argv = [a for a in d.gdb_argv(["info files", "print origin", "kill"])]
    out = subprocess.run(argv[:-1], text=True, timeout=TIMEOUT_S, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).stdout
    assert str(program) in out and "$1 = {x = 3, y = 4}" in out


def test_unix_socket(debug, program, tmp_path):
    path = tmp_path / "socket"
    d = debug(program, where=str(path))
    assert d.address == str(path)
    assert "exited with code 07" in d.gdb("continue")
    assert not path.exists()
    assert d.end()[1] == 7


def test_the_program_does_not_see_the_connection(strata_binary, folder):
    source = folder / "descriptors.c"
    source.write_text("""#include <dirent.h>
#include <stdio.h>
int main(void)
{
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; (e = readdir(d));)
		puts(e->d_name);
}
""")
    target = folder / "descriptors"
    subprocess.run([COMPILER, *FLAGS, "-o", target, source], check=True)
    d = Debugged(strata_binary, [str(target)])
    try:
        d.gdb("continue")
        assert set(d.end()[0].split()) == {".", "..", "0", "1", "2", "3"}
    finally:
        d.close()


@pytest.mark.parametrize("where, message", [
    ("70000", "neither a port"), ("-1", "neither a port"), ("gdb", "neither a port"),
    ("/nonexistent/socket", "No such file or directory"), ("/" + "x" * 200, "File name too long"),
])
def test_places_that_cannot_be(strata_binary, program, where, message):
    done = subprocess.run([strata_binary, "translate", "-g", where, program], text=True,
                          timeout=TIMEOUT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode not in (0, 7)
    assert f"cannot wait for gdb on {where}" in done.stdout and message in done.stdout


def test_noise_does_no_harm(debug, program):
    """What is no packet, or too much of one, is answered or dropped; the program goes on."""
    d = debug(program)
    host, port = d.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n$" + b"m" * 100000 + b"#00$m0,ffffffffffffffff#00")
        s.sendall(b"$m0,ffffffffffffffff#" + b"%02x" % (sum(b"m0,ffffffffffffffff") % 256))
        s.sendall(b"$G00#" + b"%02x" % (sum(b"G00") % 256) + b"$vCont;#03$Z0,#")
        time.sleep(0.3)
        assert b"#" in s.recv(65536)
    assert d.end() == (WHOLE + "turns 0 counter 1000\n", 7)
