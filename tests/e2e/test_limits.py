# SPDX-License-Identifier: Apache-2.0
"""test_limits.py - what --memory, --cpus, --pids-limit and their kin really hold."""

import json
import time
from pathlib import Path

import pytest

from conftest import wait_until

pytestmark = [pytest.mark.needs_root, pytest.mark.guest]

# Fills a shell variable until something stops it.
EAT_MEMORY = "x=0123456789abcdef; while :; do x=$x$x; done"


def test_memory_kills_what_exceeds_it(strata, busybox_image):
    done = strata("run", "--name", "fat", "--memory", "16m", "--memory-swap", "16m", "busybox", "sh",
                  "-c", EAT_MEMORY)
    assert done.returncode == 137
    state = strata.state("fat")
    assert state["OOMKilled"] is True and state["ExitCode"] == 137
    assert strata.inspect("fat")["HostConfig"]["Memory"] == 16 << 20


def oom_events(strata, name):
    lines = strata.ok("events", "--since", "1h", "--until", "0s", "--format", "json").splitlines()
    return [e for e in map(json.loads, lines)
            if e["Action"] == "oom" and e["Actor"]["Attributes"]["name"] == name]


def test_a_killed_child_is_told_while_the_command_goes_on(strata, busybox_image):
    strata.ok("run", "-d", "--name", "parent", "--memory", "16m", "--memory-swap", "16m", "busybox",
              "sh", "-c", f"sh -c '{EAT_MEMORY}'; sleep 1000")
    wait_until(lambda: oom_events(strata, "parent"))
    state = strata.state("parent")
    assert state["Status"] == "running" and state["OOMKilled"] is True
    strata.ok("rm", "-f", "parent")
    done = strata("run", "--name", "well", "--memory", "16m", "--memory-swap", "16m", "busybox",
                  "sh", "-c", f"sh -c '{EAT_MEMORY}'; exit 0")
    assert done.returncode == 0
    assert strata.state("well")["OOMKilled"] is True and len(oom_events(strata, "well")) == 1
    # A limit that comes later is watched too, and the next run starts with a clean sheet.
    strata.ok("run", "-d", "--name", "later", "busybox", "sh", "-c",
              f"while [ ! -e /go ]; do sleep 0.05; done; rm /go; sh -c '{EAT_MEMORY}'; sleep 1000")
    strata.ok("update", "--memory", "16m", "--memory-swap", "16m", "later")
    strata.ok("exec", "later", "touch", "/go")
    wait_until(lambda: oom_events(strata, "later"))
    strata.ok("restart", "-t", "0", "later")
    assert strata.state("later")["OOMKilled"] is False


def test_memory_alone_is_as_much_swap_again(strata, busybox_image):
    """Docker's rule; `inspect` tells, and the kernel holds it where it counts swap."""
    strata.ok("run", "-d", "--name", "swapper", "--memory", "16m", "busybox", "sleep", "100")
    config = strata.inspect("swapper")["HostConfig"]
    counted = Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
    v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    swaps = len(Path("/proc/swaps").read_text().splitlines()) > 1
    total = 32 << 20 if counted.exists() or v2 or not swaps else 0
    assert (config["Memory"], config["MemorySwap"]) == (16 << 20, total)
    if counted.exists():
        name = strata.inspect("swapper")["Strata"]["CgroupPath"]
        held = Path(f"/sys/fs/cgroup/memory/{name}/memory.memsw.limit_in_bytes").read_text()
        assert int(held) == 32 << 20
    if total:
        strata.fails("update", "--memory", "64m", "swapper", saying="--memory-swap")
        strata.ok("update", "--memory", "64m", "--memory-swap", "64m", "swapper")
    strata.ok("create", "--name", "both", "--memory", "16m", "--memory-swap", "20m", "busybox")
    assert strata.inspect("both")["HostConfig"]["MemorySwap"] == 20 << 20
    strata.ok("create", "--name", "any", "--memory", "16m", "--memory-swap", "-1", "busybox")
    assert strata.inspect("any")["HostConfig"]["MemorySwap"] == -1
    strata.ok("create", "--name", "free", "busybox")
    assert strata.inspect("free")["HostConfig"]["MemorySwap"] == 0


def test_memory_below_the_limit_is_left_alone(strata, busybox_image):
    strata.ok("run", "--name", "thin", "--memory", "64m", "busybox", "sh", "-c",
              "dd if=/dev/zero of=/dev/shm/x bs=1M count=16 2>/dev/null")
    assert strata.state("thin")["OOMKilled"] is False


def cpu_seconds_used(strata, name, seconds):
    def usage():
        row = json.loads(strata.ok("exec", name, "sh", "-c", "cat /proc/1/stat | awk "
                                   "'{print \"[\" $14+$15+$16+$17 \"]\"}'"))
        return row[0] / 100

    first, began = usage(), time.monotonic()
    time.sleep(seconds)
    return (usage() - first) / (time.monotonic() - began)


def test_cpus_hold(strata, busybox_image):
    strata.ok("run", "-d", "--name", "busy", "--cpus", "0.2", "busybox", "sh", "-c",
              "while :; do :; done")
    used = cpu_seconds_used(strata, "busy", 3)
    assert 0.05 < used < 0.3, used


def test_pids_limit(strata, busybox_image):
    out = strata("run", "--rm", "--pids-limit", "8", "busybox", "sh", "-c",
                 "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done; wait; echo end")
    assert "fork" in out.stderr.lower(), out.stderr
    strata.ok("run", "--rm", "--pids-limit", "50", "busybox", "sh", "-c",
              "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.1 & done; wait")


def test_cpuset(strata, busybox_image):
    out = strata.ok("run", "--rm", "--cpuset-cpus", "0", "busybox", "grep", "Cpus_allowed_list",
                    "/proc/self/status")
    assert out.split() == ["Cpus_allowed_list:", "0"]


def test_update_of_a_running_one(strata, busybox_image):
    strata.ok("run", "-d", "--name", "grow", "--memory", "32m", "busybox", "sleep", "60")
    strata.ok("update", "--memory", "48m", "--memory-swap", "48m", "--pids-limit", "9", "grow")
    assert strata.inspect("grow")["HostConfig"]["Memory"] == 48 << 20
    stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", "grow"))
    assert "48MiB" in stats["MemUsage"], stats
    strata.fails("update", "--memory", "48m", "no-such", saying="no-such")


def test_stats_and_top(strata, busybox_image):
    strata.ok("run", "-d", "--name", "seen", "busybox", "sleep", "1234")
    stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", "seen"))
    assert stats["Name"] == "seen" and stats["PIDs"] == "1"
    assert "sleep 1234" in strata.ok("top", "seen")


def test_pause_stops_the_clock(strata, busybox_image):
    strata.ok("run", "-d", "--name", "ice", "busybox", "sh", "-c",
              "while :; do date +%s%N >/tmp/now; done")
    wait_until(lambda: strata("exec", "ice", "cat", "/tmp/now").stdout.strip())
    strata.ok("pause", "ice")
    assert strata.state("ice")["Status"] == "paused"
    stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", "ice"))
    assert stats["PIDs"] != "0"
    strata.fails("exec", "ice", "true", saying="paused")
    strata.ok("unpause", "ice")
    assert strata.state("ice")["Status"] == "running"
    before = strata.ok("exec", "ice", "cat", "/tmp/now")
    wait_until(lambda: strata.ok("exec", "ice", "cat", "/tmp/now") != before)


def test_absurd_limits_are_refused(strata, busybox_image):
    for option, value in [("--memory", "1k"), ("--memory", "-5"), ("--memory", "lots"),
                          ("--cpus", "-1"), ("--cpus", "100000"), ("--pids-limit", "many"),
                          ("--cpuset-cpus", "9999"), ("--cpu-shares", "-3")]:
        done = strata.fails("run", "--rm", option, value, "busybox", "true", status=125)
        assert option.strip("-").split("-")[0][:3] in done.stderr.lower(), done.stderr
    strata.fails("run", "--rm", "--memory", "64m", "--memory-swap", "32m", "busybox", "true",
                 status=125, saying="swap")
