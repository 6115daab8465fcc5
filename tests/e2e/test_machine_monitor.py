# SPDX-License-Identifier: Apache-2.0
"""test_machine_monitor.py - `strata vm monitor`: a program on the bare machine is looked into and
held from outside."""

import contextlib
import json
import shutil
import socket
import subprocess
import time

import pytest

from program import wait_until
from test_machine_gdb import program, pytestmark  # noqa: F401 (the fixture, and why it may not be)


def listens(path):
    """Its name is there a moment before that."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@pytest.fixture
def machine(strata_binary, program, tmp_path):  # noqa: F811
    path = tmp_path / "monitor"
    process = subprocess.Popen(
        [strata_binary, "vm", "run", "--firmware", program, "--cpus", "2", "--memory", "16m",
         "--net", "none", "--monitor", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    wait_until(lambda: listens(path) or process.poll() is not None, 30)
    assert process.poll() is None, process.stdout.read()
    process.path = path
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


@pytest.fixture
def monitor(strata_binary, machine):
    def run(*words, status=0):
        done = subprocess.run([strata_binary, "vm", "monitor", machine.path, *map(str, words)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == status, done
        return done.stdout if status == 0 else done.stderr.decode()

    def ask(*words):
        return json.loads(run("--format", "json", *words))

    run.ask = ask
    return run


def test_registers(monitor):
    for hart in range(2):
        # The socket is there before the harts' first instruction.
        wait_until(lambda: int(monitor.ask("registers", hart)["pc"], 16) >= 0x80000000 and
                   monitor.ask("registers", hart)["csr"]["mscratch"] == hex(hart), 30)
        said = monitor.ask("registers", hart)
        assert said["hart"] == hart and said["mode"] == "machine" and not said["off"]
        assert said["csr"]["mhartid"] == said["csr"]["mscratch"] == hex(hart)
        assert 0x80000000 <= int(said["pc"], 16) < 0x80001000 and len(said["x"]) == 32
    assert b"csr.mhartid" in monitor("registers", 1)


def test_traps(monitor, strata_binary, tmp_path):
    assert monitor.ask("traps", 0) == {"hart": 0, "traps": []}
    # A program that traps for ever: at 0, where nothing is.
    code, path = tmp_path / "code", tmp_path / "other"
    code.write_bytes(bytes.fromhex("67000000"))  # jr zero
    with subprocess.Popen([strata_binary, "vm", "run", "--firmware", code, "--memory", "16m", "--net",
                           "none", "--monitor", path], stdin=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(path), 30)
            words = [strata_binary, "vm", "monitor", path, "--format", "json", "traps"]

            def all_traps():
                done = subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=60)
                traps = json.loads(done.stdout)["traps"]
                return len(traps) == 64 and traps

            traps = wait_until(all_traps, 30)
        finally:
            process.kill()
    assert len(traps) == 64
    assert [t["number"] - traps[0]["number"] for t in traps] == list(range(64))
    assert {(t["cause"], t["pc"], t["from"], t["to"]) for t in traps} == {
        ("fetch access fault", "0x0", "machine", "machine")}


def test_no_power_button(monitor):
    assert monitor("power", status=1) == (
        'strata: a machine "riscv64 virt" has no power button\n')


def test_walk_without_tables(monitor):
    said = monitor.ask("walk", "80000123")
    assert said["levels"] == [] and said["physical"] == "0x80000123"


@pytest.mark.skipif(not shutil.which("dtc"), reason="device-tree-compiler is not installed")
def test_tree(monitor):
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=monitor("tree"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and done.stderr == b"", done
    assert b"strata,virt" in done.stdout and b"riscv,clint0" in done.stdout


def test_pause_and_resume(monitor):
    def look():
        said = monitor.ask("registers", 0)
        return said["pc"], said["x"]

    assert monitor.ask("pause")["paused"]
    before = look()
    time.sleep(0.2)
    assert look() == before
    assert not monitor.ask("resume")["paused"]
    wait_until(lambda: look() != before)


@pytest.mark.parametrize("relative", [False, True], ids=["whole", "relative"])
def test_a_long_path(strata_binary, program, tmp_path, relative):  # noqa: F811
    """An address of a socket has room for 107 bytes."""
    folder = tmp_path / ("long-" * 30) / ("longer-" * 30)
    folder.mkdir(parents=True)
    path = folder.relative_to(tmp_path) / "monitor" if relative else folder / "monitor"
    with subprocess.Popen(
            [strata_binary, "vm", "run", "--firmware", program, "--memory", "16m", "--net", "none",
             "--monitor", path], stdin=subprocess.DEVNULL, cwd=tmp_path) as machine:
        try:
            wait_until(lambda: (folder / "monitor").exists() or machine.poll() is not None, 30)
            assert (folder / "monitor").stat().st_mode & 0o777 == 0o600
            done = subprocess.run([strata_binary, "vm", "monitor", path, "quit"], cwd=tmp_path,
                                  stdout=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode == 0 and "riscv64 virt" in done.stdout
            assert machine.wait(30) == 0 and not (folder / "monitor").exists()
        finally:
            machine.kill()
    done = subprocess.run([strata_binary, "vm", "monitor", "x" * 200, "status"], cwd=tmp_path,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "File name too long" in done.stderr


def test_wrong_words(monitor):
    assert "no such command: dance" in monitor("dance", status=1)
    assert "there is no hart 2" in monitor("registers", 2, status=1)
    assert "there is no hart -1" in monitor("registers", "--", -1, status=1)
    assert "hexadecimal" in monitor("walk", "here", status=1)
    assert "hexadecimal" in monitor("walk", status=1)
    for size in ("17m", "much", "99999999999999999999"):
        assert "balloon wants a size up to the 16777216 bytes" in monitor("balloon", size, status=1)


def test_nonsense_on_the_socket(monitor, machine):
    for data in (b"", b"x" * 5000, b"\0\n", b"\n", b" " * 255 + b"\n", b"walk" + b" f" * 99 + b"\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(machine.path))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                s.recv(4096)
    assert monitor.ask("status")["harts"] == ["on", "on"]


def test_quit(monitor, machine):
    monitor("quit")
    assert machine.wait(30) == 0 and not machine.path.exists()
    assert "no machine answers" in monitor("status", status=1)
