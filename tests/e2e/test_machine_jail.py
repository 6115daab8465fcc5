# SPDX-License-Identifier: Apache-2.0
"""test_machine_jail.py - what the process of a machine may do, as the host's kernel tells it."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from program import wait_until

CAP_DAC_OVERRIDE = 1 << 1


@pytest.fixture
def folder():
    """One that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="strata-jail-") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture
def start(strata_binary, folder):
    """Starts machines that do nothing for ever."""
    code, disk, processes = folder / "code", folder / "disk", []
    code.write_bytes(bytes.fromhex("6f000000"))  # j .
    disk.write_bytes(bytes(1 << 20))
    disk.chmod(0o666)

    def run(*args, **kw):
        processes.append(subprocess.Popen(
            [strata_binary, "vm", "run", "--firmware", code, "--memory", "16m", "--cpus", "2",
             "--disk", disk, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **kw))
        return processes[-1]

    yield run
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def threads(process):
    """What /proc/PID/status says of each thread: {id: {name: value}}."""
    found = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            lines = (task / "status").read_text().splitlines()
            found[int(task.name)] = dict(line.split(":\t", 1) for line in lines)
    return found


def wait_for_jail(process):
    """Until both vcpus, the disks and the timers have a thread, and all of them are confined."""

    def confined():
        assert process.poll() is None
        found = threads(process)
        return len(found) >= 5 and all(
            (t["Seccomp"], t["NoNewPrivs"]) == ("2", "1") and
            (id == process.pid or int(t["CapEff"], 16) == 0) for id, t in found.items())

    wait_until(confined, 120)
    return threads(process)


def test_nothing_is_left(start):
    for thread in wait_for_jail(start("--net", "none")).values():
        assert [int(thread[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to keep")
def test_files_that_are_made_by_name(start, folder):
    process = start("--net", "none", "--snapshot", folder / "saved")
    for id, thread in wait_for_jail(process).items():
        kept = CAP_DAC_OVERRIDE if id == process.pid else 0
        assert int(thread["CapPrm"], 16) == int(thread["CapEff"], 16) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_of_a_user(start):
    for thread in wait_for_jail(start("--net", "user", user=65534, group=65534)).values():
        assert int(thread["CapPrm"], 16) == 0 and thread["Uid"].split() == ["65534"] * 4
