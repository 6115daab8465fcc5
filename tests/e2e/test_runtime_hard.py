# SPDX-License-Identifier: Apache-2.0
"""test_runtime_hard.py - strata-runtime when it is killed, in crowds, with containers that behave
badly, and for ordinary users."""

import fcntl
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from bundles import cgroups, make_rootfs, rootfs, runtime, runtime_in, tagged  # noqa: F401
from program import COMMAND_TIMEOUT_S, wait_until

pytestmark = [pytest.mark.needs_root]


# --- kill -9 at every stage

def is_settled(runtime, name):
    """The container waits or runs, or whoever made it is gone (and with that the lock)."""
    said = runtime("state", name, check=False).stdout
    if '"creating"' not in said:
        return '"created"' in said or '"running"' in said
    try:
        folder = os.open(runtime.root / name, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(folder)
    return True


def strace(runtime, name, options, *argv):
    """Run the runtime under strace. With -f that lasts as long as the container, so this returns
    when the container waits; whoever deletes it ends the tracing."""
    p = subprocess.Popen(["strace", *options, *runtime.argv, *argv], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=os.environ | {"STRATA_TEST_TAG": name})
    try:
        wait_until(lambda: p.poll() is not None or ("-f" in options and is_settled(runtime, name)),
                   timeout_s=COMMAND_TIMEOUT_S, what=f"strace {options}")
    except BaseException:
        p.kill()
        raise
    return p


def calls_of(runtime, tmp_path, name, follow, *argv):
    """How often the runtime, or each of its processes, makes each system call."""
    log = tmp_path / "strace"
    p = strace(runtime, name, ["-f"] * follow + ["-o", log], *argv)
    runtime("delete", "--force", name)
    p.wait(timeout=COMMAND_TIMEOUT_S)
    counts = Counter()
    for line in log.read_text().splitlines():
        call = re.match(r"(\d*) *(\w+)\(", line)
        if call and call[2] not in ("execve", "exit_group"):
            counts[call[1], call[2]] += 1
    most = {}
    for (_, call), count in counts.items():
        most[call] = max(count, most.get(call, 0))
    return [(call, n) for call, count in most.items() for n in range(1, count + 1)]


def kill_at(runtime, call, number, name, follow, *argv):
    return strace(runtime, name, ["-f"] * follow + [
        "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}"], *argv)


def assert_gone(runtime, name, tag, where):
    """After `delete --force` nothing of the container may be left."""
    runtime("delete", "--force", name)
    deadline = time.monotonic() + COMMAND_TIMEOUT_S
    while tagged(tag):
        # The process of one that was never known ends by itself.
        assert time.monotonic() < deadline, f"{where}: processes are left"
        time.sleep(0.01)
    assert not (runtime.root / name).exists(), where
    assert cgroups(name) == [], where


@pytest.mark.slow
@pytest.mark.parametrize("follow", [False, True], ids=["runtime", "both"])
@pytest.mark.parametrize("verb", [["create"], ["run", "--detach"]], ids=lambda verb: verb[0])
def test_killed_at_every_call_of_making(runtime, rootfs, tmp_path, verb, follow):
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    name = runtime.new_id()
    calls = calls_of(runtime, tmp_path, name, follow, *verb, "-b", bundle.path, name)
    assert len(calls) > 50
    for call, number in calls:
        name = runtime.new_id()
        p = kill_at(runtime, call, number, name, follow, *verb, "-b", bundle.path, name)
        assert_gone(runtime, name, f"STRATA_TEST_TAG={name}", f"{call} #{number}")
        p.wait(timeout=COMMAND_TIMEOUT_S)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["start", "delete"])
def test_killed_at_every_call_of(runtime, rootfs, tmp_path, verb):
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    name = runtime.new_id()
    runtime("create", "-b", bundle.path, name)
    for call, number in calls_of(runtime, tmp_path, name, False, verb, name):
        name, where = runtime.new_id(), f"{call} #{number}"
        runtime("create", "-b", bundle.path, name,
                env=os.environ | {"STRATA_TEST_TAG": name})
        kill_at(runtime, call, number, name, False, verb, name)
        # Whatever state it is in, it is a true one, or it is gone.
        done = runtime("state", name, check=False)
        if done.returncode == 0:
            status = json.loads(done.stdout)["status"]
            assert status in ("created", "running", "stopped"), where
            assert verb == "start" or status != "running", where
            if status == "created":
                runtime("start", name)
        assert_gone(runtime, name, f"STRATA_TEST_TAG={name}", where)


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_killed_while_a_hook_hangs(runtime, rootfs, tmp_path, kind):
    """The process waits and cannot end by itself: it is found all the same, and no lock is in the
    way."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "true")
    bundle.config["hooks"] = {kind: [{"path": "/usr/bin/busybox", "args": [
        "sh", "-c", f"echo $$ > {tmp_path}/hook; exec /usr/bin/busybox sleep 1000"]}]}
    bundle.save()
    p = subprocess.Popen([*runtime.argv, "create", "-b", str(bundle.path), name],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         env=os.environ | {"STRATA_TEST_TAG": name})
    wait_until(lambda: (tmp_path / "hook").exists() and (tmp_path / "hook").read_text())
    assert runtime.state(name)["status"] == "creating"
    p.kill()
    p.wait()
    if kind == "createRuntime":  # its process is the runtime's, not the container's
        os.kill(int((tmp_path / "hook").read_text()), signal.SIGKILL)
    assert_gone(runtime, name, f"STRATA_TEST_TAG={name}", kind)


def test_killed_one_with_the_cgroup_of_another(runtime, rootfs):
    """What is cleaned up after a killed create is not another's cgroup."""
    first, second = runtime.new_id(), runtime.new_id()
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    bundle.config["linux"]["cgroupsPath"] = f"/{first}"
    bundle.save()
    runtime("create", "-b", bundle.path, first)
    runtime("start", first)
    assert "in use" in runtime.fail("create", "-b", bundle.path, second)
    assert runtime.state(first)["status"] == "running"
    kill_at(runtime, "clone3", 1, second, False, "create", "-b", bundle.path, second)
    assert runtime.state(second)["status"] == "stopped"
    runtime("delete", "--force", second)
    assert runtime.state(first)["status"] == "running"


# --- many, and hostile ones

def test_a_hundred_at_once(runtime, rootfs):
    bundle = runtime.bundle(rootfs, "sleep", "1000")
    names = [runtime.new_id() for _ in range(100)]

    def all_at_once(*verb):
        running = [subprocess.Popen([*runtime.argv, *map(str, verb), name],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                   for name in names]
        assert [p.wait(timeout=COMMAND_TIMEOUT_S) for p in running] == [0] * len(names)

    all_at_once("create", "-b", bundle.path)
    all_at_once("start")
    rows = json.loads(runtime("list", "-f", "json").stdout)
    assert {row["status"] for row in rows} == {"running"}
    assert len({row["pid"] for row in rows}) == len(rows) == 100
    all_at_once("delete", "--force")
    assert runtime("list", "-q").stdout == ""


def test_one_of_many_wins(runtime, rootfs):
    """The same verb from many sides at once: one does it, the others are told."""
    name, bundle = runtime.new_id(), runtime.bundle(rootfs, "sleep", "1000")

    def race(*argv):
        running = [subprocess.Popen([*runtime.argv, *map(str, argv)], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for _ in range(8)]
        return sorted(p.wait(timeout=COMMAND_TIMEOUT_S) for p in running)

    assert race("create", "-b", bundle.path, name) == [0] + [1] * 7
    assert runtime.state(name)["status"] == "created"
    assert race("start", name) == [0] + [1] * 7
    assert runtime.state(name)["status"] == "running"
    assert race("delete", "--force", name) == [0] * 8


def test_fork_bomb(runtime, rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "f() { f | f & f; }; f; while :; do :; done")
    bundle.config["linux"]["resources"]["pids"] = {"limit": 40}
    bundle.save()
    runtime("create", "-b", bundle.path, name)
    runtime("start", name)
    runtime("delete", "--force", name)
    assert "does not exist" in runtime.fail("state", name)


def test_memory_hog(runtime, rootfs):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "x=x; while :; do x=$x$x; done")
    bundle.config["linux"]["resources"]["memory"] = {"limit": 16 << 20}
    bundle.save()
    done = runtime("run", "-b", bundle.path, name, check=False)
    assert done.returncode == 128 + signal.SIGKILL


def test_signals_that_are_ignored(runtime, rootfs, tmp_path):
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "trap '' TERM INT HUP QUIT; echo > /tmp/up; "
                                                "while :; do sleep 1; done")
    bundle.config["mounts"].append({"destination": "/tmp", "source": str(tmp_path), "type": "bind",
                                    "options": ["bind"]})
    bundle.save()
    runtime("create", "-b", bundle.path, name)
    runtime("start", name)
    wait_until((tmp_path / "up").exists)
    for number in ("TERM", "SIGINT", "1", "sigquit"):
        runtime("kill", name, number)
    runtime("kill", name, "0")
    assert runtime.state(name)["status"] == "running"
    assert "unknown signal" in runtime.fail("kill", name, "NONSENSE")
    runtime("kill", name, "0")
    runtime("kill", "--all", name, "9")
    runtime.wait(name, "stopped")
    runtime("kill", "--all", name, "9")  # there are none left
    assert "not running" in runtime.fail("kill", name, "9")
    runtime("delete", name)


def test_host_pid_namespace(runtime, rootfs):
    """No init whose end takes the others along: they are found by their cgroup."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "sleep 1000 & sleep 1000 & wait")
    bundle.config["linux"]["namespaces"].remove({"type": "pid"})
    bundle.config["process"]["env"].append(f"STRATA_TEST_TAG={name}")
    bundle.save()
    tag = f"STRATA_TEST_TAG={name}"
    runtime("create", "-b", bundle.path, name)
    runtime("start", name)
    wait_until(lambda: len(tagged(tag)) == 3)
    runtime("kill", name, "KILL")
    wait_until(lambda: tagged(tag) == [])
    runtime("delete", name)


def test_shared_pid_namespace_leftovers(runtime, rootfs):
    """The first process has ended, others have not: delete finds them."""
    name = runtime.new_id()
    bundle = runtime.bundle(rootfs, "sh", "-c", "sleep 1000 & exit 0")
    bundle.config["linux"]["namespaces"].remove({"type": "pid"})
    bundle.config["process"]["env"].append(f"STRATA_TEST_TAG={name}")
    bundle.save()
    runtime("create", "-b", bundle.path, name)
    runtime("start", name)
    runtime.wait(name, "stopped")
    runtime("delete", name)
    wait_until(lambda: tagged(f"STRATA_TEST_TAG={name}") == [])


# --- ordinary users

@pytest.fixture
def rootless_runtime(strata_binary, rootless_user):
    folder = Path(tempfile.mkdtemp(prefix="runtime-", dir=rootless_user.home))
    make_rootfs(folder / "rootfs")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, rootless_user.uid, rootless_user.gid, follow_symlinks=False)
    with runtime_in(strata_binary, folder, rootless_user) as it:
        yield it


def test_rootless(rootless_runtime):
    runtime, name = rootless_runtime, rootless_runtime.new_id()
    bundle = runtime.bundle(runtime.tmp / "rootfs", "sh", "-c", "id -u; cat /proc/self/uid_map; exit 3")
    done = runtime("run", "-b", bundle.path, name, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.split() == ["0", "0", str(runtime.user.uid), "1"]


def test_rootless_in_two_phases(rootless_runtime):
    runtime, name = rootless_runtime, rootless_runtime.new_id()
    bundle = runtime.bundle(runtime.tmp / "rootfs", "sleep", "1000")
    runtime("create", "-b", bundle.path, name)
    state = runtime.state(name)
    assert (state["status"], state["owner"]) == ("created", runtime.user.name)
    runtime("start", name)
    assert runtime.state(name)["status"] == "running"
    runtime("kill", name, "KILL")
    runtime.wait(name, "stopped")
    runtime("delete", name)


def test_rootless_with_subordinate_ids(rootless_runtime):
    runtime, name = rootless_runtime, rootless_runtime.new_id()
    bundle = runtime.bundle(runtime.tmp / "rootfs", "sh", "-c", "id -u; cat /proc/self/uid_map")
    for kind, own in (("uid", runtime.user.uid), ("gid", runtime.user.gid)):
        ranges = Path(f"/etc/sub{kind}").read_text().splitlines()
        first = next(line.split(":")[1] for line in ranges
                     if line.startswith(f"{runtime.user.name}:"))
        bundle.config["linux"][f"{kind}Mappings"] = [
            {"containerID": 0, "hostID": own, "size": 1},
            {"containerID": 1, "hostID": int(first), "size": 1000}]
    bundle.config["process"]["user"] = {"uid": 7, "gid": 7}
    bundle.save()
    assert runtime("run", "-b", bundle.path, name).stdout.split()[0] == "7"
