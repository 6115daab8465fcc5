# SPDX-License-Identifier: Apache-2.0
"""test_out_of_memory.py - cgroup v2 with real swap: how far --memory alone reaches, and that who
follows the events hears of a kill while it happens.
"""

import os
import select
import subprocess
from pathlib import Path

import pytest

MIB = 1 << 20
EAT_MEMORY = "x=0123456789abcdef; while :; do x=$x$x; done"


@pytest.fixture
def swap(tmp_path):
    file = tmp_path / "swap"
    subprocess.run(["dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=128"], check=True)
    file.chmod(0o600)
    for verb in ("mkswap", "swapon"):
        subprocess.run(["busybox", verb, file], check=True)
    yield
    subprocess.run(["busybox", "swapoff", file], check=True)


def keep(strata, mib, *options):
    """Run something that holds so much in memory at last; -> its exit status."""
    done = strata("run", "--name", f"holds{mib}", "--shm-size", "128m", *options, "busybox", "sh", "-c",
                  f"dd if=/dev/zero of=/dev/shm/x bs=1M count={mib} 2>/dev/null", timeout=120)
    return done.returncode


def test_memory_alone_is_as_much_swap_again(strata, busybox_image, swap):
    assert keep(strata, 48, "--memory", "32m") == 0
    assert keep(strata, 80, "--memory", "32m") == 137
    assert strata.state("holds80")["OOMKilled"] is True
    assert keep(strata, 47, "--memory", "32m", "--memory-swap", "32m") == 137
    assert keep(strata, 81, "--memory", "32m", "--memory-swap", "-1") == 0
    strata.ok("run", "-d", "--name", "it", "--memory", "32m", "busybox", "sleep", "300")
    line = Path(f"/proc/{strata.state('it')['Pid']}/cgroup").read_text().strip()
    folder = Path("/sys/fs/cgroup" + line[3:])
    assert (folder / "memory.swap.max").read_text().strip() == str(32 * MIB)
    assert strata.inspect("it")["HostConfig"]["MemorySwap"] == 64 * MIB


def test_a_kill_is_told_while_it_happens(strata, busybox_image):
    follower = strata.popen("events", "--filter", "event=oom", "--format", "{{.Action}} {{.Actor.ID}}")
    identity = strata.ok("run", "-d", "--name", "parent", "--memory", "16m", "--memory-swap", "16m",
                         "busybox", "sh", "-c", f"sh -c '{EAT_MEMORY}'; exec sleep 1000")
    assert select.select([follower.stdout], [], [], 60)[0], "no event came"
    assert os.read(follower.stdout.fileno(), 200).decode() == f"oom {identity}\n"
    state = strata.state("parent")
    assert state["Status"] == "running" and state["OOMKilled"] is True
