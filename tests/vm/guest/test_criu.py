# SPDX-License-Identifier: Apache-2.0
"""test_criu.py - strata-runtime checkpoint and restore, with a criu that works on this kernel."""

import json
import os
import re
import select
import subprocess
import time

from conftest import wait_until
from test_runtime import rootfs, runtime  # noqa: F401 (fixtures)
from test_runtime_verbs import listening, read_until, receive_descriptor

# Standard streams that are the same when it is restored: criu opens them as they were opened.
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

# Its memory is n, its open file is 5.
COUNTER = ("exec 5>>/tmp/log; n=0; "
           "while :; do n=$((n+1)); echo $n >&5; echo $n; sleep 0.1; done")


def numbers(text):
    return [int(word) for word in text.split()]


def counter(runtime, rootfs, tmp_path, command=COUNTER, **process):  # noqa: F811
    """A bundle whose process counts; it has a bind mount, and a root of its own."""
    root = tmp_path / "root-fs"
    subprocess.run(["cp", "-a", rootfs, root], check=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("of the host\n")
    bundle = runtime.bundle(root, "sh", "-c", command, **process)
    bundle.config["mounts"].append({"destination": "/data", "type": "bind", "options": ["rbind"],
                                    "source": str(tmp_path / "data")})
    bundle.config["root"]["readonly"] = False
    bundle.save()
    return bundle, root / "tmp/log"


def goes_on(log, count=5):
    """The counter has counted since, and began nowhere anew."""
    before = numbers(log.read_text())
    wait_until(lambda: len(numbers(log.read_text())) >= len(before) + count, 60)
    after = numbers(log.read_text())
    assert after == list(range(1, len(after) + 1))


def test_checkpoint_and_restore(runtime, rootfs, tmp_path):  # noqa: F811
    bundle, log = counter(runtime, rootfs, tmp_path)
    name, images = runtime.new_id(), tmp_path / "images"
    runtime("run", "-d", "-b", bundle.path, name, **QUIET)
    wait_until(lambda: log.exists() and len(numbers(log.read_text())) > 5, 60)
    runtime("checkpoint", "--image-path", images, name)
    assert "does not exist" in runtime.fail("state", name)
    assert (images / "descriptors.json").exists()
    stood = log.read_text()
    time.sleep(0.5)
    assert log.read_text() == stood
    runtime("restore", "-d", "-b", bundle.path, "--image-path", images, "--pid-file",
            tmp_path / "pid", name, **QUIET)
    state = runtime.state(name)
    assert state["status"] == "running" and state["pid"] == int((tmp_path / "pid").read_text())
    goes_on(log)
    # What was true of it is true again.
    assert runtime("exec", name, "cat", "/data/file").stdout == "of the host\n"
    assert runtime("exec", name, "cat", "/proc/kcore").stdout == ""
    assert "lo" in runtime("exec", name, "ifconfig").stdout
    assert json.loads(runtime("ps", "-f", "json", name).stdout)[0] > 1
    with open(f"/proc/{state['pid']}/cgroup") as cgroup:
        assert name in cgroup.read()
    runtime("pause", name)
    runtime("resume", name)
    # And a second time.
    runtime("checkpoint", "--image-path", tmp_path / "again", name)
    runtime("restore", "-d", "-b", bundle.path, "--image-path", tmp_path / "again", name,
            **QUIET)
    goes_on(log)
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")
    runtime("delete", name)


def test_leave_running_and_another_id(runtime, rootfs, tmp_path):  # noqa: F811
    bundle, log = counter(runtime, rootfs, tmp_path)
    first, second = runtime.new_id(), runtime.new_id()
    runtime("run", "-d", "-b", bundle.path, first, **QUIET)
    wait_until(lambda: log.exists() and len(numbers(log.read_text())) > 2, 60)
    runtime("checkpoint", "--leave-running", "--image-path", tmp_path / "images", "--work-path",
            tmp_path / "work", first)
    assert runtime.state(first)["status"] == "running"
    assert (tmp_path / "work/dump.log").exists()
    goes_on(log)
    runtime("delete", "--force", first)
    ended = len(numbers(log.read_text()))
    # Another container goes on from the checkpoint, which was earlier.
    restore = ["restore", "-d", "-b", bundle.path, "--image-path", tmp_path / "images", second]
    (tmp_path / "images/pstree.img").rename(tmp_path / "pstree.img")
    runtime("--log", tmp_path / "log", *restore, check=False, **QUIET)
    assert re.search(r"criu failed: .*(all it said is in .*/restore.log)",
                     (tmp_path / "log").read_text())
    assert "does not exist" in runtime.fail("state", second)
    (tmp_path / "pstree.img").rename(tmp_path / "images/pstree.img")
    runtime(*restore, **QUIET)
    wait_until(lambda: len(numbers(log.read_text())) > ended + 3, 60)
    again = numbers(log.read_text())[ended:]
    assert 1 < again[0] <= ended
    assert again == list(range(again[0], again[0] + len(again)))


def test_pre_dump(runtime, rootfs, tmp_path):  # noqa: F811
    bundle, log = counter(runtime, rootfs, tmp_path)
    name = runtime.new_id()
    runtime("run", "-d", "-b", bundle.path, name, **QUIET)
    wait_until(lambda: log.exists() and len(numbers(log.read_text())) > 2, 60)
    runtime("checkpoint", "--pre-dump", "--image-path", tmp_path / "first", name)
    assert runtime.state(name)["status"] == "running"
    assert "must be relative" in runtime.fail(
        "checkpoint", "--parent-path", tmp_path / "first", "--image-path", tmp_path / "second", name)
    runtime("checkpoint", "--parent-path", "../first", "--image-path", tmp_path / "second", name)
    runtime("restore", "-d", "-b", bundle.path, "--image-path", tmp_path / "second", name,
            **QUIET)
    goes_on(log)


def test_streams_are_those_of_the_restore(runtime, rootfs, tmp_path):  # noqa: F811
    bundle, _ = counter(runtime, rootfs, tmp_path)
    name, images = runtime.new_id(), tmp_path / "images"
    first = subprocess.Popen([*runtime.argv, "run", "-b", bundle.path, name],
                             stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    counted = numbers(first.stdout.readline() + first.stdout.readline())
    runtime("checkpoint", "--image-path", images, name)
    counted += numbers(first.stdout.read())
    first.wait(60)
    second = subprocess.Popen([*runtime.argv, "restore", "-b", bundle.path, "--image-path", images,
                               name], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    for _ in range(5):
        assert select.select([second.stdout], [], [], 60)[0]
        counted += numbers(second.stdout.readline())
    assert counted == list(range(1, len(counted) + 1))
    runtime("kill", name, "KILL")
    second.stdout.read()
    assert second.wait(60) == 128 + 9
    assert "does not exist" in runtime.fail("state", name)


def test_terminal(runtime, rootfs, tmp_path):  # noqa: F811
    command = "n=1; echo ready $n; while read line; do n=$((n+1)); echo got $line $n; done"
    bundle, _ = counter(runtime, rootfs, tmp_path, command, terminal=True)
    name = runtime.new_id()
    with listening(tmp_path / "socket") as server:
        runtime("run", "-d", "-b", bundle.path, "--console-socket", tmp_path / "socket", name)
        _, master = receive_descriptor(server)
        read_until(master, b"ready 1")
        os.write(master, b"one\n")
        read_until(master, b"got one 2")
        runtime("checkpoint", "--image-path", tmp_path / "images", name)
        os.close(master)
        runtime("restore", "-d", "-b", bundle.path, "--console-socket", tmp_path / "socket",
                "--image-path", tmp_path / "images", name)
        _, master = receive_descriptor(server)
    os.write(master, b"two\n")
    read_until(master, b"got two 3")
    os.close(master)


def test_what_cannot_be(runtime, rootfs, tmp_path):  # noqa: F811
    bundle, _ = counter(runtime, rootfs, tmp_path)
    name = runtime.new_id()
    runtime("create", "-b", bundle.path, name)
    assert "in created state" in runtime.fail("checkpoint", name)
    runtime("start", name)
    for options, sentence in ((["--status-fd", "77"], "--status-fd 77 is not open"),
                              (["--page-server", "nowhere"], "ADDRESS:PORT"),
                              (["--parent-path", "../nosuch"], "cannot find the parent"),
                              (["--empty-ns", "pid"], "must be one of network")):
        assert sentence in runtime.fail("checkpoint", "--image-path", tmp_path / "images",
                                        *options, name)
    assert runtime.state(name)["status"] == "running"
    assert "No such file" in runtime.fail("restore", "-b", bundle.path, "--image-path",
                                          tmp_path / "nosuch", runtime.new_id())
