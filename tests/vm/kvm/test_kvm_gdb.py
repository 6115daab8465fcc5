# SPDX-License-Identifier: Apache-2.0
"""test_kvm_gdb.py - gdb and the monitor look into machines of KVM: Linux with two processors, and a
program that is all their software (tests/e2e/machine/bare-x86.c)."""

import functools
import json
import os
import re
import signal
import struct
import subprocess

import pytest

import debuggers  # by way of guests
import guests
from program import wait_until

KERNEL = guests.SHARE / "tiny-vmlinux"  # without symbols: what is where, it is asked
TIMER = 0xec  # the vector of the local APIC's timer: Linux, arch/x86/include/asm/irq_vectors.h
# Each processor asks its own kernel for something, for ever.
SCRIPT = """for cpu in 1 2; do
taskset $cpu sh -c 'while :; do read -r x < /proc/uptime; done' &
done
echo ready
wait"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return debuggers.build(tmp_path_factory.mktemp("bare"), "bare-x86", *debuggers.X86_64)


class _Debugged:
    """A machine that gdb can connect to, and what it has been asked."""

    def __init__(self, tmp_path, symbols, *args):
        self.socket, self.path, self.said = tmp_path / "gdb", tmp_path / "monitor", tmp_path / "said"
        self.symbols = symbols
        vm = guests.Machine(os.environ["STRATA_BIN"])
        with open(self.said, "wb") as out:
            self.process = vm.popen("--cpus", 2, "--net", "none", "--gdb", self.socket, "--monitor",
                                    self.path, *args, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT)

    def wait(self, condition):
        wait_until(lambda: condition() or self.process.poll() is not None, guests.BOOT_S)
        assert self.process.poll() is None, self.said.read_text()

    def gdb(self, *commands):
        return debuggers.ask(self.symbols, self.socket, *commands)

    def monitor(self, *words):
        done = subprocess.run([os.environ["STRATA_BIN"], "vm", "monitor", "--format", "json", self.path,
                               *map(str, words)], stdout=subprocess.PIPE, check=True, timeout=60)
        return json.loads(done.stdout)

    def moves(self):
        """Both processors do something."""
        before = [self.monitor("registers", n)["registers"] for n in (0, 1)]
        wait_until(lambda: all(self.monitor("registers", n)["registers"] != before[n]
                               for n in (0, 1)), 60)


# One of each for all tests, which leave it running: a start is dear here, and so is gdb's.
@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("linux")
    initrd = tmp_path / "initrd"
    initrd.write_bytes(guests.initramfs(SCRIPT))
    machine = _Debugged(tmp_path, KERNEL, "--kernel", KERNEL, "--initrd", initrd, "--append",
                        guests.APPEND)
    try:
        machine.wait(lambda: "ready" in machine.said.read_text(errors="replace"))
        yield machine
    finally:
        machine.process.kill()
        machine.process.wait()


@pytest.fixture(scope="module")
def bare(tmp_path_factory, program):
    tmp_path = tmp_path_factory.mktemp("bare")
    machine = _Debugged(tmp_path, program, "--kernel", program, "--memory", "16m")
    try:
        machine.wait(machine.path.exists)
        wait_until(lambda: machine.monitor("registers", 1)["mode"] == "long", 60)
        yield machine
    finally:
        machine.process.kill()
        machine.process.wait()


@pytest.fixture
def int3():
    if not guests.int3_stops():
        pytest.skip("QEMU's emulated SVM does not let int3 be intercepted")


# --- Linux -------------------------------------------------------------------------------------


def _banner():
    """Where the kernel has "Linux version ...": in which segment of its file that is."""
    data = KERNEL.read_bytes()
    at = data.index(b"Linux version 6.")
    head, size, count = struct.unpack_from("<Q14xHH", data, 32)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, head + number * size)
        if kind == 1 and offset <= at < offset + length:
            return address + at - offset
    raise AssertionError("no segment has the banner")


@functools.cache
def _handler(machine, vector):
    """Where interrupts of that number go, from each boot on: SDM 3A, figure 6-8."""
    gate = int(machine.monitor("registers", 0)["control"]["idt"], 16) + 16 * vector
    words = re.findall(r"0x(\w+)", machine.gdb(f"x/4xw {gate:#x}").split(":")[-1])
    low, middle, high, _ = (int(word, 16) for word in words)
    return high << 32 | middle & 0xffff0000 | low & 0xffff


def test_looks_into_linux(linux):
    """The banner is read-only data of the kernel; what it says is at the physical address, too."""
    banner = _banner()
    walk = linux.monitor("walk", f"{banner:x}", 1)
    assert walk["canonical"] and walk["rights"][0] == "r" and walk["rights"][3] == "-", walk
    assert walk["levels"][0]["level"] == 3 and all("P" in at["flags"] for at in walk["levels"]), walk
    said = linux.gdb("info threads", f"x/s {banner:#x}", "monitor phys on", f"x/s {walk['physical']}",
                     "monitor phys off", "print $efer", "stepi", "stepi", "stepi",
                     "info registers rip eflags", "thread 2", "print $cr3 != 0")
    assert re.search(r'Thread 1 "vcpu 0".*\n.*Thread 2 "vcpu 1"', said), said
    assert len(re.findall(r'"Linux version 6\.\S+-strata-tiny ', said)) == 2, said
    assert "[ SCE LME LMA NXE ]" in said and "$2 = 1\n" in said, said
    assert re.search(r"^eflags .* TF", said, re.M) is None, said
    linux.moves()


def test_hardware_breakpoints_in_linux(linux):
    """In the kernel, on both processors; what runs there meanwhile is not lost."""
    said = linux.gdb(f"hbreak *{_handler(linux, TIMER):#x}", *["continue"] * 4, "stepi", "stepi",
                     "continue", "delete", "watch -l *(unsigned long *)($rsp - 8)", "continue",
                     "continue", "delete", "info breakpoints")
    hits = re.findall(r'Thread (\d) "vcpu \d" hit Breakpoint 1, ', said)
    assert len(hits) >= 5 and set(hits) == {"1", "2"}, said
    assert len(re.findall(r"hit Hardware watchpoint 2: .*\n\nOld value = (\d+)\nNew value = (?!\1)",
                          said)) == 2, said
    assert "No breakpoints" in said, said
    linux.moves()


def test_from_the_beginning(linux):
    """A restart, and a breakpoint at an address that is mapped some time later."""
    handler, before = _handler(linux, TIMER), linux.said.read_text(errors="replace").count("ready")
    said = linux.gdb(f"hbreak *{handler:#x}", "monitor reset", "print $cr0", "continue",
                     f"print $pc == {handler:#x}", "print $cr0")
    assert "$1 = [ PE ET ]" in said and "hit Breakpoint 1, " in said and "$2 = 1\n" in said, said
    assert re.search(r"^\$3 = \[ PE .*PG \]", said, re.M), said
    linux.wait(lambda: linux.said.read_text(errors="replace").count("ready") > before)


def test_ctrl_c(linux, tmp_path):
    said = tmp_path / "gdb-said"
    words = debuggers.argv(KERNEL, linux.socket, f"shell touch {tmp_path}/stopped", "continue",
                           "print $pc != 0", "detach")
    with open(said, "wb") as out, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                                   stderr=out) as gdb:
        try:
            wait_until((tmp_path / "stopped").exists, 60)
            linux.moves()
            gdb.send_signal(signal.SIGINT)
            gdb.wait(60)
        finally:
            gdb.kill()
    assert "received signal SIGINT" in said.read_text(), said.read_text()
    linux.moves()


def test_breakpoints_in_linux(linux, int3):
    said = linux.gdb(f"break *{_handler(linux, TIMER):#x}", *["continue"] * 4, "stepi", "stepi",
                     "continue")
    hits = re.findall(r'Thread (\d) "vcpu \d" hit Breakpoint 1, ', said)
    assert len(hits) >= 5 and set(hits) == {"1", "2"}, said
    linux.moves()


# --- a program alone ---------------------------------------------------------------------------


def test_watchpoints(bare):
    """Each stops behind what it is told of, on the processor that has done it. 16 bytes take two debug
    registers, and 64 are too many."""
    said = bare.gdb("watch watched[0]", "continue", "continue", "delete", "rwatch counts[1]",
                    "continue", "delete", "awatch counts[0]", "continue", "continue", "continue",
                    "delete", "watch *(char (*)[16])&watched", "continue", "delete",
                    "watch *(char (*)[64])&counts", "continue")
    assert len(re.findall(r'Thread 1 "vcpu 0" hit Hardware watchpoint 1: .*\n\nOld value = (\d+)\n'
                          r"New value = (?!\1)", said)) == 2, said
    assert re.search(r'Thread 2 "vcpu 1" hit Hardware read watchpoint 2: ', said), said
    assert len(re.findall(r'Thread 1 "vcpu 0" hit Hardware access \(read/write\) watchpoint 3',
                          said)) == 3, said
    assert re.search(r"hit Hardware watchpoint 4: ", said), said
    assert "Could not insert hardware watchpoint 5" in said, said


def test_its_own_exceptions_are_its_own(bare, int3):
    """int3 and single steps of the guest reach the guest, while gdb has the same inserted."""
    said = bare.gdb("break store thread 2", "hbreak start_others", "print wants_own = 3", "continue",
                    "continue", "watch wants_own", "continue", "print own_breaks", "print own_steps",
                    "continue", "delete", "tbreak store", "continue", "print own_breaks",
                    "x/1xb store")
    assert "hit Breakpoint 1, store" in said, said
    assert not re.search("SIGTRAP", said), said
    breaks = [int(n) for n in re.findall(r"^\$\d+ = (\d+)$", said, re.M)]
    assert breaks[0] == 3 and breaks[1] == breaks[2] > 0, said
    assert not re.search(r"<store>:\s+0xcc", said), said


def test_breakpoints(bare, int3):
    said = bare.gdb("break work", *["continue"] * 10, "finish", "next", "step", "x/1xb work",
                    "monitor phys on", "x/1xb work", "monitor phys off")
    hits = re.findall(r'Thread (\d) "vcpu \d" hit Breakpoint 1, work', said)
    assert len(hits) >= 10 and set(hits) == {"1", "2"}, said
    assert len(re.findall(r"<work>:\s+0x(?!cc)", said)) == 2, said


def test_breakpoints_are_there_behind_a_restart(bare, int3, tmp_path):
    """The guest's memory is another one then."""
    said = tmp_path / "gdb-said"
    words = debuggers.argv(bare.symbols, bare.socket, "break start_others",
                           f"shell touch {tmp_path}/stopped", "continue", "x/1xb start_others")
    with open(said, "wb") as out, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                                   stderr=out) as gdb:
        try:
            wait_until((tmp_path / "stopped").exists, 60)
            bare.moves()
            bare.monitor("reset")
            gdb.wait(60)
        finally:
            gdb.kill()
    said = said.read_text()
    assert "hit Breakpoint 1, start_others" in said, said
    assert re.search(r"<start_others>:\s+0x(?!cc)", said), said
    bare.moves()
