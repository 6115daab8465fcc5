# SPDX-License-Identifier: Apache-2.0
"""test_machine_jail.py - what the process of a machine may do, as the host's kernel tells it."""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from intruder import Forbidden, Intruder
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
    code.write_bytes(bytes.fromhex("73005010" "6ff0dfff"))  # wfi; j -4
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


def wait_for_lists(process):
    """Until each thread has one of its own behind the one that is for all."""
    wait_for_jail(process)
    wait_until(lambda: all(int(thread["Seccomp_filters"]) > 1
                           for thread in threads(process).values()), 60)
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


# --- who has taken a thread over --------------------------------------------------------------------

knows_registers = pytest.mark.skipif(os.uname().machine != "x86_64",
                                     reason="knows the registers of x86-64 only")
AT_FDCWD, O_RDWR, PROT_ALL, MAP_ANONYMOUS = 2**64 - 100, 2, 7, 0x22
AF_UNIX, AF_INET, AF_NETLINK, AF_VSOCK = 1, 2, 16, 40
ENOENT, EBADF = -2, -9
SYS_WRITE, SYS_OPEN, SYS_MMAP, SYS_SOCKET, SYS_CONNECT = 1, 2, 9, 41, 42
SYS_TGKILL, SYS_OPENAT = 234, 257
# What nobody of a machine needs, whatever its arguments are.
NOBODYS = {
    "fork": 57, "vfork": 58, "clone": 56, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200,
    "ptrace": 101, "process_vm_writev": 311, "pidfd_open": 434, "pidfd_getfd": 438,
    "mount": 165, "unshare": 272, "setns": 308, "chroot": 161, "pivot_root": 155, "open_tree": 428,
    "setuid": 105, "setresuid": 117, "capset": 126, "prctl": 157, "prlimit64": 302, "bpf": 321,
    "socketpair": 53, "memfd_create": 319, "userfaultfd": 323, "perf_event_open": 298,
    "io_uring_setup": 425, "io_uring_register": 427, "seccomp": 317, "keyctl": 250,
    "init_module": 175, "settimeofday": 164, "reboot": 169, "chmod": 90, "chown": 92, "link": 86,
    "mknod": 133, "shmget": 29, "msgget": 68, "mq_open": 240, "inotify_init": 253,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "personality": 135, "process_madvise": 440,
}


def is_forbidden(intruder, number, *args):
    try:
        intruder.call(number, *args)
    except Forbidden:
        return True
    return False


def reaches_nobody(intruder, allowed=()):
    """Programs, processes, mounts, users, memory that is executed, sockets beyond the network's."""
    assert intruder.call(SYS_WRITE, 999, 0, 0) == EBADF
    assert {name for name, number in NOBODYS.items()
            if not is_forbidden(intruder, number)} == set(allowed)
    assert is_forbidden(intruder, SYS_MMAP, 0, 4096, PROT_ALL, MAP_ANONYMOUS, 2**64 - 1, 0)
    assert is_forbidden(intruder, SYS_TGKILL, 1, 1, 0)
    assert all(is_forbidden(intruder, SYS_SOCKET, family, 1, 0) for family in (AF_NETLINK, AF_VSOCK))


@only_root
@knows_registers
@pytest.mark.parametrize("user", [0, 65534])
def test_whoever_takes_a_thread_over(start, user):
    process = start("--net", "none", user=user, group=user)
    names = set()
    for thread, status in wait_for_lists(process).items():
        names.add(status["Name"])
        with Intruder(thread) as intruder:
            reaches_nobody(intruder)
            assert is_forbidden(intruder, SYS_OPEN, intruder.text("/"), 0, 0)
            assert is_forbidden(intruder, SYS_OPENAT, AT_FDCWD, intruder.text("/"), 0, 0)
            assert is_forbidden(intruder, SYS_SOCKET, AF_UNIX, 1, 0)
            assert is_forbidden(intruder, SYS_SOCKET, AF_INET, 1, 0)
            assert is_forbidden(intruder, SYS_CONNECT, 0, 0, 0)
    assert names == {"strata-machine", "vcpu", "disks", "timers"}
    assert process.poll() is None


@only_root
@knows_registers
def test_user_mode_network_opens_nothing_else(start):
    """libslirp's sockets, and what it reads in an empty room."""
    process = start("--net", "user")
    wait_for_lists(process)
    with Intruder(process.pid) as intruder:
        reaches_nobody(intruder)
        assert is_forbidden(intruder, SYS_SOCKET, AF_UNIX, 1, 0)
        assert intruder.call(SYS_SOCKET, AF_INET, 1, 0) > 2
        for path in ("/etc/passwd", "/proc/1/status", "/root"):
            assert intruder.call(SYS_OPENAT, AT_FDCWD, intruder.text(path), 0, 0) == ENOENT
        assert is_forbidden(intruder, SYS_OPENAT, AT_FDCWD, intruder.text("/x"), O_RDWR, 0)


def child(process, name):
    found = []

    def look():
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found[:] = [int(pid) for pid in children
                    if Path(f"/proc/{pid}/comm").read_text().strip() == name]
        return found

    wait_until(look, 60)
    return found[0]


@only_root
@knows_registers
def test_helpers_of_a_machine(start, folder):
    """The porter, and the server of shared folders, from inside."""
    shared = folder / "shared"
    shared.mkdir()
    process = start("--net", "none", "--snapshot", folder / "saved", "--share", f"x={shared}")
    wait_for_lists(process)
    for name in ("strata-porter", "strata-machine"):
        with Intruder(child(process, name)) as intruder:
            is_server = name == "strata-machine"
            reaches_nobody(intruder, ["prlimit64"] if is_server else [])
            assert is_forbidden(intruder, SYS_SOCKET, AF_INET, 1, 0)
            if is_server:
                assert is_forbidden(intruder, SYS_SOCKET, AF_UNIX, 1, 0)
                path = intruder.text("/etc/passwd")
                assert intruder.call(SYS_OPENAT, AT_FDCWD, path, 0, 0) == ENOENT


@only_root
@knows_registers
def test_forbidden_call_is_told(start):
    process = start("--net", "none", stderr=subprocess.PIPE)
    disks = [thread for thread, status in wait_for_lists(process).items()
             if status["Name"] == "disks"]
    with Intruder(disks[0]) as intruder:
        intruder.end(NOBODYS["execve"], 0, 0, 0)
    said = process.stderr.read().decode()
    assert process.wait(60) == -signal.SIGSYS
    assert ('strata: the thread "disks" has made the system call execve, which it has no need of: '
            "its process is ended\n") in said
