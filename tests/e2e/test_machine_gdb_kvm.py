# SPDX-License-Identifier: Apache-2.0
"""test_machine_gdb_kvm.py - `strata vm run --gdb` for x86-64, by KVM: a program on the bare machine is
stopped, stepped, looked into and let go. What a software KVM cannot do (int3, watching data) is in
tests/vm/kvm."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import debuggers
from program import wait_until
from test_machine_kvm import needs_kvm

pytestmark = pytest.mark.skipif(not debuggers.GDB, reason="gdb is not installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    return debuggers.build(tmp_path_factory.mktemp("bare"), "bare-x86", *debuggers.X86_64)


@pytest.fixture
def machine(strata_binary, program, tmp_path):
    needs_kvm()
    socket, monitor = tmp_path / "gdb", tmp_path / "monitor"
    process = subprocess.Popen(
        [strata_binary, "vm", "run", "--kernel", program, "--cpus", "2", "--memory", "16m", "--net",
         "none", "--gdb", socket, "--monitor", monitor], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    process.socket, process.monitor = socket, monitor
    try:
        wait_until(lambda: monitor.exists() or process.poll() is not None, 30)
        assert process.poll() is None, process.stdout.read()
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def gdb(machine, program):
    return lambda *commands: debuggers.ask(program, machine.socket, *commands)


@pytest.fixture
def monitor(strata_binary, machine):
    def ask(*words):
        done = subprocess.run([strata_binary, "vm", "monitor", "--format", "json", machine.monitor,
                               *map(str, words)], stdout=subprocess.PIPE, text=True, check=True,
                              timeout=60)
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def both_count(monitor):
    """The second processor is started by the first, in its own time."""
    wait_until(lambda: all(monitor("registers", n)["mode"] == "long" and
                           int(monitor("registers", n)["registers"]["rsp"], 16) for n in (0, 1)), 60)


def test_vcpus_are_threads(gdb, both_count):
    said = gdb("info threads", "thread 2", "print nr_others", "print/x $cs", "print $efer",
               "print $cr0 & 1", "info registers rip cr3 fs_base mxcsr", "print $st0", "info float")
    assert re.search(r'1 +Thread 1 "vcpu 0".*\n +2 +Thread 2 "vcpu 1"', said), said
    assert "$1 = 1\n" in said and "$2 = 0x8\n" in said and "$3 = [ LME LMA ]\n" in said, said
    assert re.search(r"^cr3 +0x9000 ", said, re.M), said
    assert re.search(r"^mxcsr +0x1f80 +\[ IM DM ZM OM UM PM \]", said, re.M), said
    assert "Tag Word:            0xffff" in said


def test_breakpoint_and_steps(gdb):
    said = gdb("hbreak work", "continue", "backtrace", "print step == cpu + 1", "delete",
               "print $before = $pc", "stepi", "print $pc > $before && $pc - $before < 16",
               "step", "info line *$pc")
    assert re.search(r"hit Breakpoint 1, work \(cpu=", said), said
    assert re.search(r"#1 +0x[0-9a-f]+ in count \(", said), said
    assert len(re.findall(r"^\$\d+ = 1$", said, re.M)) == 2, said
    assert not re.search(r"SIG|cannot|Cannot", said), said


def test_all_that_meet_a_breakpoint_are_told(gdb, both_count):
    """Both go through the same place all the time: each time it is one of them, and neither starves."""
    said = gdb("hbreak work", *["continue"] * 20)
    hits = re.findall(r'Thread (\d) "vcpu \d" hit Breakpoint 1, work \(cpu=cpu@entry=(\d)', said)
    if not hits:
        hits = re.findall(r'Thread (\d) "vcpu \d" hit Breakpoint 1, work \(cpu=(\d)', said)
    assert len(hits) == 20 and {int(thread) - int(cpu) for thread, cpu in hits} == {1}, said
    assert {thread for thread, _ in hits} == {"1", "2"}, said


def test_one_vcpu_goes_on(gdb, both_count):
    """What is held does nothing, and what goes on does."""
    said = gdb("thread 2", "hbreak work thread 2", "set scheduler-locking on", "continue",
               "set $first = counts[0]", "set $second = counts[1]", "continue", "continue",
               "print counts[0] - $first", "print counts[1] - $second")
    assert re.findall(r"^\$\d+ = (\d+)$", said, re.M) == ["0", "4"], said


def test_memory_and_registers_are_written(gdb):
    said = gdb("set var counts[5] = 0x1234", "print/x counts[5]",
               "maintenance packet Qqemu.PhyMemMode:1", "print/x counts[5]",
               "maintenance packet Qqemu.PhyMemMode:0", "set $r15 = 0x1122334455667788",
               "print/x $r15", "set $xmm3.uint128 = 77", "print $xmm3.uint128", "set $k_gs_base = 42",
               "print/d (long)$k_gs_base", "set $mxcsr = 0x1fc0", "print $mxcsr", "set $st1 = 1.5",
               "print $st1", "set $cr2 = 0x5000", "print $cr2", "x/4xb 0x40000000",
               "set $cs = 8", "monitor nonsense")
    assert said.count("= 0x1234\n") == 2 and "= 0x1122334455667788\n" in said, said
    assert "= 77\n" in said and "= 42\n" in said and "= [ DAZ IM DM ZM OM UM PM ]" in said, said
    assert "= 1.5\n" in said and "0x5000" in said
    assert "Cannot access memory at address 0x40000000" in said
    assert "Could not write register" in said
    assert "monitor phys on|off" in said


def _moves(monitor):
    """Wait until both have done something."""
    before = [monitor("registers", n)["registers"] for n in (0, 1)]
    wait_until(lambda: all(monitor("registers", n)["registers"] != before[n] for n in (0, 1)), 30)


def test_ctrl_c_and_leaving(machine, program, both_count, monitor, tmp_path):
    said = tmp_path / "said"
    words = debuggers.argv(program, machine.socket, f"shell touch {tmp_path}/stopped", "continue",
                           "print counts[1] > 0")
    with open(said, "wb") as out, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                                   stderr=out) as gdb:
        try:
            wait_until((tmp_path / "stopped").exists, 60)
            _moves(monitor)
            gdb.send_signal(signal.SIGINT)
            gdb.wait(60)
        finally:
            gdb.kill()
    assert "received signal SIGINT" in said.read_text() and "$1 = 1\n" in said.read_text()
    _moves(monitor)


def test_debug_registers_are_used_up(gdb):
    said = gdb("hbreak work", "hbreak store", "hbreak provoke", "hbreak start_others", "hbreak count",
               "continue", "delete 5", "continue")
    assert re.search(r"You may have requested too many hardware breakpoints", said), said
    assert re.search(r"hit Breakpoint 1, work", said), said


def test_the_packet_says_that_there_is_no_room(gdb):
    said = gdb(*[f"maintenance packet Z1,10000{n},1" for n in range(5)])
    assert said.count('received: "OK"') == 4, said
    assert 'received: "E.no room for one more breakpoint or watchpoint of this kind"' in said, said


def test_a_place_without_memory(gdb):
    said = gdb("break *0x40000000", "continue")
    assert "Cannot access memory at address 0x40000000" in said, said


def test_reset(gdb):
    said = gdb("hbreak start_others", "monitor reset", "continue", "print counts[0]", "backtrace 1")
    assert "hit Breakpoint 1, start_others" in said and "$1 = 0\n" in said, said


def test_runs_on_and_is_killed(gdb, machine):
    before, after = (
        int(re.search(r"^\$1 = (\d+)", gdb("print counts[0]"), re.M)[1]) for _ in range(2))
    assert after > before
    gdb("kill")
    assert machine.wait(30) == 128 + 9
    assert not machine.socket.exists()


def test_a_debugger_that_is_killed(machine, program, gdb, tmp_path):
    """With a breakpoint in memory, and the machine held: all of it is taken away."""
    words = debuggers.argv(program, machine.socket, "maintenance packet Z0,100000,1",
                           f"shell touch {tmp_path}/stopped", "shell sleep 1000")
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            wait_until((tmp_path / "stopped").exists, 60)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    said = wait_until(lambda: next((s for s in [gdb("x/1xb 0x100000", "print counts[0]")]
                                    if "$1" in s), None), 60)
    assert re.search(r"0x100000 <_start>:\s+0x(?!cc)", said), said


def test_a_snapshot_has_no_breakpoints(machine, program, strata_binary, both_count, monitor,
                                         tmp_path):
    """It is made while gdb has one in memory, where nobody comes any more."""
    words = debuggers.argv(program, machine.socket, "break start_others",
                           f"shell touch {tmp_path}/stopped", "continue")
    saved, socket = tmp_path / "saved", tmp_path / "gdb-2"
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            wait_until((tmp_path / "stopped").exists, 60)
            _moves(monitor)
            done = subprocess.run([strata_binary, "vm", "monitor", machine.monitor, "save", saved],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout
            _moves(monitor)
        finally:
            process.kill()
    with subprocess.Popen(
            [strata_binary, "vm", "run", "--arch", "x86_64", "--restore", saved, "--cpus", "2",
             "--memory", "16m", "--net", "none", "--gdb", socket], stdin=subprocess.DEVNULL) as restored:
        try:
            wait_until(lambda: socket.exists() or restored.poll() is not None, 30)
            said = debuggers.ask(program, socket, "x/1xb start_others", "print counts[0] > 0", "kill")
        finally:
            restored.kill()
    assert re.search(r"<start_others>:\s+0x(?!cc)", said) and "$1 = 1\n" in said, said


def test_registers_and_walk(monitor, both_count):
    for index in (0, 1):
        said = monitor("registers", index)
        assert (said["hart"], said["mode"], said["ring"]) == (index, "long", 0)
        assert 0x100000 <= int(said["registers"]["rip"], 16) < 0x101000
        assert said["segments"]["cs"]["selector"] == ["0x10", "0x8"][index]
        assert said["control"]["efer"] == "0x500"
    said = monitor("walk", "100123")
    assert [level["level"] for level in said["levels"]] == [3, 2, 1]
    assert said["levels"][2]["flags"].startswith("PW") and "S" in said["levels"][2]["flags"]
    assert (said["physical"], said["page_bytes"], said["rights"]) == ("0x100123", 2 << 20, "rwx-")
    said = monitor("walk", "100000000", 1)
    assert said["physical"] is None and said["rights"] is None and said["levels"][-1]["level"] == 2
    assert not monitor("walk", "8000000000000000")["canonical"]
