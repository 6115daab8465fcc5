# SPDX-License-Identifier: Apache-2.0
"""test_machine_gdb.py - `strata vm run --gdb` and a real gdb: a program on the bare machine is
stopped, stepped, looked into and let go."""

import contextlib
import re
import shutil
import subprocess

import pytest

import debuggers
from program import wait_until

COMPILER = "riscv64-linux-gnu-gcc"

pytestmark = [
    pytest.mark.skipif(not shutil.which(COMPILER), reason=f"{COMPILER} is not installed"),
    pytest.mark.skipif(not shutil.which("gdb-multiarch"), reason="gdb-multiarch is not installed"),
]


def build(folder, name):
    return debuggers.build(folder, name, "-march=rv64gcv", "-mcmodel=medany",
                           "-Wl,-Ttext=0x80000000", compiler=COMPILER)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """What `machine` runs."""
    return build(tmp_path_factory.mktemp("bare"), "bare")


@pytest.fixture
def machine(strata_binary, program, tmp_path):
    socket = tmp_path / "gdb"
    process = subprocess.Popen(
        [strata_binary, "vm", "run", "--firmware", program, "--cpus", "2", "--memory", "16m",
         "--net", "none", "--gdb", socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    wait_until(lambda: socket.exists() or process.poll() is not None, 30)
    assert process.poll() is None, process.stdout.read()
    process.socket = socket
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


@pytest.fixture
def gdb(machine, program):
    return lambda *commands: debuggers.ask(program, machine.socket, *commands)


def test_harts_are_threads(gdb):
    said = gdb("info threads", "thread 2", "print/x $mhartid", "print $priv", "print $mscratch")
    assert re.search(r'1 +Thread 1 "hart 0".*\n +2 +Thread 2 "hart 1"', said), said
    assert "= 0x1\n" in said and "= 3\n" in said and "= 1\n" in said


def test_breakpoint_and_steps(gdb):
    said = gdb("hbreak work", "continue", "backtrace", "print step == hart + 1", "delete",
               "print $before = $pc", "stepi", "print $pc - $before <= 4 && $pc != $before",
               "break work", "set scheduler-locking on", "continue", "finish")
    assert re.search(r"hit Breakpoint 1, .*work \(", said), said
    assert re.search(r"#1 +0x[0-9a-f]+ in count \(", said), said
    assert len(re.findall(r"^\$\d+ = 1$", said, re.M)) == 2, said
    assert re.search(r"hit Breakpoint 2.*\n.*\ncount \(hart=\d\)", said), said


def test_harts_that_meet_a_breakpoint_at_once(gdb):
    """gdb is told of each in its turn: no hart passes by without."""
    said = gdb("set $first = counts[0]", "set $second = counts[1]", "hbreak work", *["continue"] * 20,
               "print counts[0] - $first", "print (counts[1] - $second) / 2")
    told = re.findall(r'Thread (\d) "hart \d" hit Breakpoint', said)
    assert len(told) == 20, said
    passed = [int(n) for n in re.findall(r"^\$\d+ = (\d+)$", said, re.M)]
    for hart in (0, 1):  # it may have been behind the breakpoint at the beginning
        assert 1 <= told.count(str(hart + 1)) and passed[hart] <= told.count(str(hart + 1)) + 1, said


def test_one_hart_goes_on(gdb):
    """What is held does nothing, and what goes on does."""
    said = gdb("thread 2", "break work thread 2", "set scheduler-locking on", "continue",
               "set $first = counts[0]", "set $second = counts[1]", "continue", "continue",
               "print counts[0] - $first", "print counts[1] - $second")
    assert re.findall(r"^\$\d+ = (\d+)$", said, re.M) == ["0", "4"], said


def test_memory_and_registers_are_written(gdb):
    said = gdb("set var counts[5] = 0x1234", "print/x counts[5]",
               "maintenance packet Qqemu.PhyMemMode:1", "print/x counts[5]",
               "maintenance packet Qqemu.PhyMemMode:0", "set $s5 = 77", "print $s5",
               "set $mscratch = 42", "print $mscratch", "x/4xb 0x40000000", "monitor nonsense")
    assert said.count("= 0x1234") == 2 and "= 77" in said and "= 42" in said, said
    assert "Cannot access memory at address 0x40000000" in said
    assert "monitor phys on|off" in said


def test_runs_on_and_is_killed(gdb, machine):
    before, after = (
        int(re.search(r"^\$1 = (\d+)", gdb("print counts[0]"), re.M)[1]) for _ in range(2))
    assert after > before
    gdb("kill")
    assert machine.wait(30) == 128 + 9
    assert not machine.socket.exists()


def test_reset(gdb):
    said = gdb("hbreak *_start", "monitor reset", "continue", "print $pc == (long)&_start",
               "print counts[0]")
    assert re.findall(r"^\$\d+ = (\d+)$", said, re.M) == ["1", "0"], said


def test_nobody_else_at_the_same_time(gdb, machine, program):
    with subprocess.Popen([debuggers.GDB, "-nx", "-q", "-ex", f"target remote {machine.socket}"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as first:
        said = b""
        while b"in ??" not in said:
            said += first.stdout.read1()
        said = gdb("info threads")
        assert "hart 0" not in said
        first.communicate(b"detach\nquit\n", timeout=30)
    assert "hart 0" in gdb("info threads")


class TestWatchpoints:
    """Virtual addresses, in every way that memory can be written to and read."""

    @pytest.fixture(scope="class")
    def program(self, tmp_path_factory):
        return build(tmp_path_factory.mktemp("watched"), "watched")

    @staticmethod
    def hits(said):
        """The functions that have been stopped in, and the values that gdb has shown."""
        return re.findall(r"hit Hardware .*\n\n(?:Old value = .*\nNew value|Value) = (\d+).*\n"
                          r"0x[0-9a-f]+ in (\w+) \(", said)

    def test_every_way_to_write(self, gdb):
        said = gdb("hbreak store", "continue", "set $first = $a0", "delete",
                   "watch *(unsigned long *)0x40004000", *["continue"] * 7, "print $first",
                   "print watched")
        first = int(re.search(r"^\$1 = (\d+)", said, re.M)[1])
        assert re.search(r"\$2 = .* 0x40004000", said), said
        assert self.hits(said) == [
            (str(first), "store"), (str(first + 1), "store_across"), (str(first + 2), "exchange"),
            (str(first + 3), "store_vector"), ("0", "zero_block"), (str(first + 1), "store"),
            (str(first + 2), "store_across")], said

    def test_reads(self, gdb):
        said = gdb("hbreak zero_block", "continue", "delete", "rwatch *(unsigned long *)0x40004000",
                   *["continue"] * 3)
        assert [where for _, where in self.hits(said)] == ["load", "exchange", "load"], said

    def test_part_of_a_word_and_no_neighbour(self, gdb):
        """One byte, which does not change, and reads as well as writes."""
        said = gdb("hbreak zero_block", "continue", "delete", "awatch *(char *)0x40004003",
                   *["continue"] * 6)
        assert [where for _, where in self.hits(said)] == [
            "zero_block", "load", "store", "store_across", "exchange", "store_vector"], said

    def test_all_harts_and_a_step(self, gdb):
        """Whoever does it, also in the middle of a step of another; and nothing stays behind."""
        said = gdb("watch *(unsigned long *)0x40004050", "continue", "continue", "delete",
                   "set $before = other[0]", "hbreak store_rarely", "continue",
                   "print other[0] > $before", "delete", "watch *(unsigned long *)0x40004000",
                   "hbreak store", "continue", "set scheduler-locking on", *["stepi"] * 6, "delete")
        assert len(re.findall(r'Thread 2 "hart 1" hit Hardware watchpoint 1', said)) == 2, said
        assert said.count("in store_rarely (") == 2, said
        assert "$1 = 1\n" in said and "hit Hardware watchpoint 3" in said, said

    def test_as_many_as_there_are(self, gdb):
        """One too many is refused, and what there is goes on."""
        said = gdb(*[f"awatch *(char *){0x40004000 + i}" for i in range(65)], "continue", "delete",
                   "hbreak store", "continue")
        assert "Could not insert hardware watchpoint" in said, said
        assert re.search(r"hit Breakpoint 66", said), said
