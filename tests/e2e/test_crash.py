# SPDX-License-Identifier: Apache-2.0
"""test_crash.py - kill -9 of anything, a damaged store, a full disk: the truth is told after it."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter

import pytest

from conftest import give_image, wait_until

pytestmark = pytest.mark.needs_root


@pytest.fixture
def box(strata, busybox_image):
    return strata


def start(box, *options, command=("sleep", "300"), name="it"):
    return box.ok("run", "-d", "--network", "none", "--name", name, *options, "busybox", *command)


def process_is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def test_the_command_is_killed(box):
    start(box)
    os.kill(box.state("it")["Pid"], signal.SIGKILL)
    box.wait_status("it", "exited")
    assert box.state("it")["ExitCode"] == 137
    box.ok("start", "it")
    assert box.state("it")["Status"] == "running"


def test_the_monitor_is_killed(box):
    start(box)
    pid = box.state("it")["Pid"]
    os.kill(box.monitor_pid("it"), signal.SIGKILL)
    time.sleep(0.3)
    # Whether the command survived its monitor or not: what is told must be so.
    state = box.state("it")
    assert (state["Status"] == "running") == (not process_is_gone(pid))
    if state["Status"] == "running":
        assert box.ok("exec", "it", "echo", "alive") == "alive"
    box.ok("stop", "-t", "1", "it")
    assert process_is_gone(pid)
    assert box.state("it")["Status"] == "exited"
    box.ok("start", "it")
    assert box.ok("exec", "it", "echo", "alive") == "alive"


def test_monitor_and_command_are_killed(box):
    start(box)
    monitor, pid = box.monitor_pid("it"), box.state("it")["Pid"]
    os.kill(monitor, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL) if not process_is_gone(pid) else None
    wait_until(lambda: process_is_gone(pid))
    state = box.state("it")
    assert state["Status"] == "exited" and state["ExitCode"] != 0
    assert box.ok("wait", "it") == str(state["ExitCode"])
    box.ok("rm", "it")


def test_monitor_killed_with_rm_flag(box):
    start(box, "--rm")
    os.kill(box.monitor_pid("it"), signal.SIGKILL)
    time.sleep(0.2)
    box.ok("rm", "-f", "it")
    assert not box.instance_dirs()


def test_the_command_line_is_killed(box):
    process = box.popen("run", "--name", "it", "busybox", "sh", "-c", "echo up; sleep 300")
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.wait()
    assert box.state("it")["Status"] == "running"
    assert box.ok("exec", "it", "echo", "alive") == "alive"
    box.ok("kill", "it")
    assert box.ok("wait", "it") == "137"


def test_killed_at_any_moment(box):
    """The command line dies after 0.5 .. 12 ms of its start; every later command copes."""
    for step in range(24):
        process = box.popen("run", "--rm", "--network", "none", "busybox", "true",
                            stdin=subprocess.DEVNULL)
        time.sleep(0.0005 * (step + 1))
        process.kill()
        process.communicate()
    box.ok("ps", "-a")
    assert box.ok("run", "--rm", "busybox", "echo", "fine") == "fine"

    def settled():
        for identity in box.ok("ps", "-aq").split():
            box("rm", "-f", identity)
        # What an interrupted create left under .new- and .gone- names is swept by later commands.
        return not box.instance_dirs()

    wait_until(settled, what=f"nothing left in {box.root}/instances")


# Calls that change nothing outside of their process: it may as well die at the next one.
PRIVATE_CALLS = {"brk", "close", "fstat", "geteuid", "lseek", "mmap", "mprotect", "munmap",
                 "newfstatat", "prctl", "read", "rt_sigaction", "rt_sigprocmask"}


def calls_of(argv, log):
    """[(system call, how often the process that makes the most of it does)] of a program."""
    subprocess.run(["strace", "-f", "-o", log, *argv], stdin=subprocess.DEVNULL, check=True,
                   timeout=60)
    counts = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.M))
    most = Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return [(call, count) for call, count in most.items()
            if call not in PRIVATE_CALLS and not call.startswith("exit")]


@pytest.mark.slow
def test_killed_at_every_call_of_a_run(box, tmp_path):
    """Whichever of its processes dies, and wherever: the next command tells the truth, and `rm -f`
    leaves nothing."""
    argv = box.argv("run", "--rm", "--network", "none", "busybox", "true")
    calls = calls_of(argv, tmp_path / "strace")
    assert len(calls) > 30
    for call, count in calls:
        for number in range(1, count + 1):
            subprocess.run(["strace", "-f", "-o", "/dev/null", "-e",
                            f"inject={call}:signal=KILL:when={number}", *argv],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
        for identity in box.ok("ps", "-aq").split():
            box.ok("rm", "-f", identity)
        assert not box.instance_dirs(), call


def test_an_instance_without_documents_is_not_there(box):
    """A --rm instance is a directory before its monitor has written what it is."""
    box.ok("run", "--rm", "busybox", "true")
    identity = "0123456789abcdef" * 4
    folder = box.root / "instances" / identity
    (folder / "upper").mkdir(parents=True)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    done = box("ps", "-a", "--no-trunc")
    assert identity not in done.stdout + done.stderr
    assert "no such" in box.fails("start", identity).stderr.lower()
    assert folder.exists(), "its monitor lives"
    os.close(lock)
    done = box("ps", "-a", "--no-trunc")
    assert identity not in done.stdout + done.stderr
    assert not folder.exists()


def test_damaged_state(box):
    start(box)
    box.ok("run", "--name", "ok", "busybox", "true")
    folder = next(p for p in box.instance_dirs()
                  if json.loads((p / "instance.json").read_text())["name"] == "it")
    pid = box.state("it")["Pid"]
    (folder / "state.json").write_text('{"status": "runn')
    done = box("ps", "-a")
    assert "ok" in done.stdout, "a healthy instance must still be listed"
    done = box.fails("start", "it")
    assert "state.json" in done.stderr
    box.ok("rm", "-f", folder.name)
    assert not folder.exists()
    wait_until(lambda: process_is_gone(pid), what="the command of the damaged instance is gone")


@pytest.mark.parametrize("document", ["instance.json", "config.json"])
def test_damaged_documents(box, document):
    box.ok("create", "--name", "it", "busybox", "true")
    folder = box.instance_dirs()[0]
    (folder / document).write_text("not json at all")
    done = box.fails("start", folder.name)
    assert document in done.stderr
    box.ok("rm", "-f", folder.name)
    assert not folder.exists()


def test_damaged_index(box):
    index = box.root / "images/index.json"
    good = index.read_bytes()
    index.write_bytes(good[: len(good) // 2])
    box.fails("run", "--rm", "busybox", "true", status=125, saying="index.json")
    box.fails("images", saying="index.json")
    assert index.read_bytes() == good[: len(good) // 2], "a damaged index must not be overwritten"
    index.write_bytes(good)
    assert box.ok("run", "--rm", "busybox", "echo", "back") == "back"


def verify_finds(box):
    """What `image verify` has to say; it must have something to say."""
    done = box("image", "verify")
    assert done.returncode == 1, done
    return done.stdout


def test_damaged_blob(box):
    doc = json.loads((box.root / "images/index.json").read_text())
    digest = doc["manifests"][0]["digest"].split(":")[1]
    blob = box.root / "images/blobs/sha256" / digest
    os.chmod(blob, 0o644)
    blob.write_text('{"schemaVersion": 2, "layers": [')
    box.fails("run", "--rm", "busybox", "true", status=125, saying=digest[:12])
    assert digest[:12] in verify_finds(box)


def test_a_flipped_bit_is_found_by_verify(box):
    blobs = sorted((box.root / "images/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(blobs[-1].read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(blobs[-1], 0o644)
    blobs[-1].write_bytes(data)
    assert blobs[-1].name[:12] in verify_finds(box)


def test_a_removed_instance_folder(box):
    """Somebody deletes ROOT/instances/ID by hand: its name is free again."""
    box.ok("create", "--name", "it", "busybox", "true")
    subprocess.run(["rm", "-rf", str(box.instance_dirs()[0])], check=True)
    assert box.ok("ps", "-aq") == ""
    box.ok("create", "--name", "it", "busybox", "true")


def test_the_run_time_folder_is_gone(box):
    """As after a reboot."""
    box.ok("create", "--name", "it", "busybox", "sleep", "100")
    subprocess.run(["rm", "-rf", str(box.root / "run")], check=True)
    box.ok("start", "it")
    assert box.ok("exec", "it", "echo", "alive") == "alive"


@pytest.fixture
def small_disk(tmp_path):
    """A 24 MB file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", str(folder)])
    if done.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_while_unpacking(make_strata, small_disk, tmp_path, debian_layout):
    box = make_strata(small_disk / "root")
    done = box.fails("import", debian_layout)
    assert "No space left" in done.stderr or "space" in done.stderr
    assert box.ok("images", "-q") == ""
    assert not box.layer_names()
    box.ok("image", "prune", "-f")
    used = sum(p.stat().st_size for p in box.root.rglob("*") if p.is_file())
    assert used < 1 << 20, "what could not be finished must be given back"


def test_full_disk_while_running(make_strata, small_disk, busybox_store):
    box = make_strata(small_disk / "root")
    give_image(box, busybox_store)
    done = box("run", "--name", "it", "busybox", "sh", "-c",
               "dd if=/dev/zero of=/fill bs=1M 2>&1 | grep -o 'No space'; echo end")
    assert "end" in done.stdout
    state = box.state("it")
    assert state["Status"] == "exited"
    box.ok("rm", "it")
    assert box.ok("run", "--rm", "busybox", "echo", "room again") == "room again"
