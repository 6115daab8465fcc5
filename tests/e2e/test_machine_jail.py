# SPDX-License-Identifier: Apache-2.0
"""test_machine_jail.py - what the process of a machine may do, as the host's kernel tells it."""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from program import wait_until

NAMESPACES = ["mnt", "ipc", "uts", "cgroup"]
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


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
             "--disk", f"{disk},readonly", *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, **kw))
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


def namespace(process, name):
    return os.readlink(f"/proc/{process}/ns/{name}")


def test_nothing_is_left(start):
    for thread in wait_for_jail(start("--net", "none")).values():
        assert [int(thread[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4


@only_root
def test_room_is_empty(start):
    """Its own namespaces, nothing in its root, no descriptor of a folder, nobody else's user."""
    reader, writer = os.pipe()
    users = set()
    for network in ("none", "user"):
        process = start("--net", network, pass_fds=[writer])
        kept = wait_for_jail(process)
        assert all(namespace(process.pid, name) != namespace("self", name) for name in NAMESPACES)
        own_network = namespace(process.pid, "net") != namespace("self", "net")
        assert own_network == (network == "none")
        root = Path(f"/proc/{process.pid}/root")
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        has_resolver = network == "user" and Path("/etc/resolv.conf").exists()
        assert names == (["etc", "etc/resolv.conf"] if has_resolver else [])
        with pytest.raises(OSError):
            (root / "file").write_text("")
        opened = list(Path(f"/proc/{process.pid}/fd").iterdir())
        assert not any(path.is_dir() for path in opened)
        assert not any(os.readlink(path) == os.readlink(f"/proc/self/fd/{writer}") for path in opened)
        assert "Max core file size        0 " in Path(f"/proc/{process.pid}/limits").read_text()
        users |= {kept[process.pid][name] for name in ("Uid", "Gid")}
    os.close(reader)
    os.close(writer)
    (first, second) = [set(user.split()) for user in users]
    assert len(first) == len(second) == 1 and first != second and "0" not in first | second


@only_root
def test_files_that_are_made_by_name(start, folder):
    """The machine reaches no folder: somebody does it for it."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    process = start("--net", "none", "--snapshot", closed / "saved", "--monitor", closed / "monitor")
    for thread in wait_for_jail(process).values():
        assert int(thread["CapPrm"], 16) == 0
    process.send_signal(signal.SIGUSR1)
    wait_until((closed / "saved").exists, 60)
    assert {path.owner() for path in (closed / "saved").iterdir()} == {"root"}
    process.terminate()
    process.wait()
    assert [path.name for path in closed.iterdir()] == ["saved"]


@only_root
def test_of_a_user(start):
    process = start("--net", "user", user=65534, group=65534)
    for thread in wait_for_jail(process).values():
        assert int(thread["CapPrm"], 16) == 0 and thread["Uid"].split() == ["65534"] * 4
