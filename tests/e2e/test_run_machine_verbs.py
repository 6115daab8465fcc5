# SPDX-License-Identifier: Apache-2.0
"""Verbs that reach into a machine with an image from outside: `top`, `export` and `update`."""

import fcntl
import io
import json
import os
import signal
import socket
import struct
import subprocess
import tarfile

import pytest
from conftest import wait_until
from machines import BUSY, check_quota
from test_run_machine import BOOT_S, LOOP, machines

pytestmark = pytest.mark.slow
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service=ep


@pytest.fixture
def free_port():
    """Of TCP and UDP, on every address."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("", 0))
            try:
                udp.bind(("", tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]
    pytest.fail("no port is free for both")


@pytest.fixture
def started(strata, machine_image):
    """A machine called mach, whose command has a child with an odd argument."""
    script = ("echo worker:x:77:77::/:/bin/sh >> /etc/passwd; "
              f"sh -c 'while :; do sleep 1; done' 'odd{chr(27)}[2Jname' & echo ready; {LOOP}")
    strata.ok("run", "-d", "--name", "mach", "--isolation", "vm", "--memory", "192m", "--tmpfs",
              "/scratch", machine_image, "sh", "-c", script, timeout=BOOT_S)
    wait_until(lambda: "ready" in strata.ok("logs", "mach"), BOOT_S)
    yield "mach"
    strata("rm", "-f", "mach")
    wait_until(lambda: not machines(strata))


def rows(strata, name):
    lines = strata.ok("top", "--format", "json", name).splitlines()
    return [json.loads(line) for line in lines]


def test_top_shows_the_processes_of_a_machine(strata, started):
    found = rows(strata, started)
    assert all(row["PID"].isdigit() and row["PPID"].isdigit() for row in found)
    first = found[0]
    assert (first["PID"], first["PPID"], first["UID"]) == ("1", "0", "root")
    assert first["CMD"].startswith("sh -c")
    # What a process is called cannot speak to a terminal.
    odd = [row for row in found if row["CMD"] == "sh -c while :; do sleep 1; done odd?[2Jname"]
    assert [row["PPID"] for row in odd] == ["1"]
    # Neither the agent nor the kernel's own threads are the instance's.
    assert not any("kthreadd" in row["CMD"] or "init" in row["CMD"] for row in found)
    assert strata.ok("top", started).split()[:8] == ["UID", "PID", "PPID", "C", "STIME", "TTY",
                                                    "TIME", "CMD"]

    # Of another user, by the image's own name for them; and while all of them stand.
    strata.ok("exec", "-d", "--user", "worker", started, "sleep", "45678")
    wait_until(lambda: any(row["CMD"] == "sleep 45678" for row in rows(strata, started)))
    strata.ok("pause", started)
    assert [r["UID"] for r in rows(strata, started) if r["CMD"] == "sleep 45678"] == ["worker"]
    strata.ok("unpause", started)


def test_top_of_many_processes(strata, started):
    strata.ok("exec", started, "sh", "-c",
              "i=0; while [ $i -lt 300 ]; do sleep 54321 >/dev/null 2>&1 </dev/null & i=$((i+1)); done")
    # The last ones may not have executed it yet.
    wait_until(lambda: sum(row["CMD"] == "sleep 54321" for row in rows(strata, started)) == 300)


def test_export_of_a_machine_that_runs(strata, started, tmp_path):
    strata.ok("exec", started, "sh", "-c",
              "mkdir /made; echo said > /made/file; chown 77:78 /made/file; chmod 640 /made/file; "
              "ln -s file /made/link; mkfifo /made/fifo; echo hidden > /scratch/hidden")
    strata.ok("export", "-o", tmp_path / "root.tar", started)
    with tarfile.open(tmp_path / "root.tar") as tar:
        members = {member.name.removeprefix("./"): member for member in tar}
        file = members["made/file"]
        assert tar.extractfile(file).read() == b"said\n"
        assert (file.uid, file.gid, file.mode) == (77, 78, 0o640)
    assert members["made/link"].linkname == "file" and members["made/fifo"].isfifo()
    assert "bin/busybox" in members
    # What is mounted there is an empty folder.
    assert members["scratch"].isdir() and members["proc"].isdir()
    assert not any(name.startswith(("scratch/", "proc/", "sys/", "dev/")) for name in members)
    piped = strata("export", started, text=False)
    assert piped.returncode == 0
    assert "./made/file" in tarfile.open(fileobj=io.BytesIO(piped.stdout)).getnames()

    strata.ok("import", "--platform", "linux/riscv64", tmp_path / "root.tar", "again:here")
    done = strata("run", "--rm", "--isolation", "vm", "again:here", "sh", "-c",
                  "cat /made/link; stat -c %u:%g:%a /made/file", timeout=BOOT_S)
    assert done.stdout == "said\n77:78:640\n", done

    strata.ok("stop", "-t", "0", started)
    strata.fails("top", started, saying="is not running")
    strata.ok("export", "-o", tmp_path / "stopped.tar", started, timeout=BOOT_S)
    with tarfile.open(tmp_path / "stopped.tar") as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"made/file", "made/link", "made/fifo", "bin/busybox"} <= names


def test_files_of_one_that_does_not_run(strata, machine_image, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "file").write_text("from the host\n")
    strata.ok("create", "--name", "m1", "--isolation", "vm", "-v", f"{tmp_path}/shared:/shared",
              machine_image, "sh", "-c", "cat /etc/file; echo more >> /etc/file; echo x > /shared/x")
    strata.ok("cp", tmp_path / "file", "m1:/etc/", timeout=BOOT_S)
    assert strata.ok("ps", "-a", "--format", "{{.State}}") == "created"
    assert strata.ok("start", "-a", "m1", timeout=BOOT_S) == "from the host"
    strata.ok("cp", "m1:/etc/file", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "from the host\nmore\n"
    # What is mounted when it runs is there now, too.
    strata.ok("cp", "m1:/shared/x", tmp_path / "back")
    strata.ok("cp", tmp_path / "file", "m1:/shared/y")
    assert (tmp_path / "back").read_text() == "x\n"
    assert (tmp_path / "shared/y").read_text() == "from the host\n"
    strata.fails("cp", "m1:/no/such", tmp_path / "back", status=1, saying="no such file")
    assert not machines(strata)


def test_what_files_are_besides_their_content_is_copied(strata, started, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text("said\n")
    os.setxattr(tree / "file", "security.capability", CAPABILITY)
    os.link(tree / "file", tree / "again")
    os.mknod(tree / "device", 0o020600, os.makedev(1, 3))
    with open(tree / "holes", "wb") as file:
        file.truncate(8 << 20)
    # By itself, and in the kind of archive that others make.
    strata.ok("cp", "-a", tree, f"{started}:/by-itself")
    strata.ok("exec", started, "mkdir", "/by-tar")
    packed = subprocess.run(["tar", "-C", tree, "-czSf", "-", "--format=gnu", "holes"], check=True,
                            stdout=subprocess.PIPE).stdout
    done = strata("cp", "-", f"{started}:/by-tar", input=packed, text=False)
    assert done.returncode == 0, done
    assert strata.ok("exec", started, "sh", "-c", "stat -c '%s %b' /by-*/holes; "
                     "stat -c '%F %h' /by-itself/file /by-itself/device").splitlines() == [
                         "8388608 0", "8388608 0", "regular file 2", "character special file 1"]
    strata.ok("cp", "-a", f"{started}:/by-itself", tmp_path / "back")
    back = tmp_path / "back"
    assert os.getxattr(back / "file", "security.capability") == CAPABILITY
    assert (back / "file").stat().st_ino == (back / "again").stat().st_ino
    assert (back / "device").stat().st_rdev == os.makedev(1, 3)
    assert ((back / "holes").stat().st_size, (back / "holes").stat().st_blocks) == (8 << 20, 0)


def test_ports_are_shown(strata, machine_image, free_port):
    strata.ok("run", "-d", "--name", "mach", "--isolation", "vm", "--network", "host", "-p",
              f"127.0.0.1:{free_port}:80", "-p", f"{free_port}:53/udp", machine_image, "sh", "-c", LOOP,
              timeout=BOOT_S)
    shown = f"127.0.0.1:{free_port}->80/tcp, 0.0.0.0:{free_port}->53/udp"
    assert shown in strata.ok("ps")
    assert strata.ok("ps", "--format", "{{.Ports}} {{.Networks}}") == f"{shown} host"
    assert strata.ok("port", "mach") == f"80/tcp -> 127.0.0.1:{free_port}\n53/udp -> 0.0.0.0:{free_port}"
    assert strata.ok("port", "mach", "80") == f"127.0.0.1:{free_port}"
    strata.fails("port", "mach", "53", status=1, saying="no public port '53/tcp' published for mach")
    (seen,) = json.loads(strata.ok("inspect", "mach"))
    bound = [{"HostIp": "127.0.0.1", "HostPort": str(free_port)}]
    everywhere = {"HostIp": "0.0.0.0", "HostPort": str(free_port)}
    assert seen["NetworkSettings"]["Ports"] == {"80/tcp": bound, "53/udp": [everywhere]}
    assert seen["HostConfig"]["PortBindings"] == {
        "80/tcp": bound, "53/udp": [{**everywhere, "HostIp": ""}]}
    strata.ok("stop", "-t", "0", "mach", timeout=BOOT_S)
    assert strata.ok("ps", "-a", "--format", "{{.Ports}}") == ""
    strata.fails("port", "mach", status=1, saying="is not running")
    assert strata.ok("inspect", "-f", "{{.NetworkSettings.Ports}}", "mach") in ("{}", "map[]")


def test_what_a_killed_command_has_written_stays(strata, machine_image):
    strata.ok("run", "-d", "--name", "m1", "--isolation", "vm", machine_image, "sh", "-c",
              f"cat /kept; echo said > /kept; echo ready; {LOOP}", timeout=BOOT_S)
    wait_until(lambda: "ready" in strata.ok("logs", "m1"), BOOT_S)
    strata.ok("kill", "m1")
    assert strata.ok("wait", "m1", timeout=BOOT_S) == "137"
    strata.ok("start", "m1", timeout=BOOT_S)
    wait_until(lambda: "said\n" in strata.ok("logs", "m1"), BOOT_S)
    # A guest that does not listen any more is ended with its machine.
    (machine,) = machines(strata)
    os.kill(machine, signal.SIGSTOP)
    strata.ok("kill", "m1")
    assert strata.ok("wait", "m1", timeout=BOOT_S) == "137"
    assert not machines(strata)


def test_a_copier_that_is_killed(strata, machine_image):
    """Its machine ends by itself, and until then nobody starts another one on the same disk."""
    strata.ok("create", "--name", "m1", "--isolation", "vm", machine_image, "cat", "/kept")
    strata("cp", "m1:/etc/passwd", "-", timeout=BOOT_S)
    feeding = strata.popen("cp", "-", "m1:/")
    wait_until(lambda: machines(strata), BOOT_S)
    (folder,) = strata.instance_dirs()
    held = os.open(folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)
    feeding.kill()
    feeding.wait()
    wait_until(lambda: not machines(strata))
    strata.fails("start", "-a", "m1", status=1, timeout=BOOT_S)
    strata.ok("rm", "m1")


def test_update_of_what_a_machine_has_not(strata, started):
    for option, value in (("memory-swap", "1g"), ("memory-reservation", "64m"),
                          ("cpu-shares", "2"), ("cpuset-cpus", "0"), ("blkio-weight", "10")):
        strata.fails("update", f"--{option}", value, started, status=1,
                     saying=f"--isolation vm and --{option} exclude each other")


def test_update_of_cpus(strata, started):
    strata.ok("update", "--cpus", "0.3", started)
    check_quota(strata.ok("exec", started, "sh", "-c", BUSY), 30000, 100000)


def test_update_of_memory(strata, started):
    def available():
        return int(strata.ok("exec", started, "awk", "/MemAvailable/ { print $2 }", "/proc/meminfo"))

    def shown_mib():
        stats = json.loads(strata.ok("stats", "--no-stream", "--format", "json", started))
        return float(stats["MemUsage"].split(" / ")[1].removesuffix("MiB"))

    def configured_mib():
        return int(strata.ok("inspect", "-f", "{{.HostConfig.Memory}}", started)) >> 20

    def use(mib, status=0):
        strata("exec", started, "dd", "if=/dev/zero", "of=/dev/null", f"bs={mib}M", "count=1",
               check=status)

    # It has started with 192m.
    strata.fails("update", "--memory", "193m", started,
                 saying="the machine was started with 201326592 bytes")
    strata.fails("update", "--memory", "63m", started, saying="a machine needs 64m at least")
    assert configured_mib() == 192
    before, whole = available(), shown_mib()
    use(72)
    strata.ok("update", "--memory", "128m", started)
    assert configured_mib() == 128 and abs(whole - 64 - shown_mib()) < 0.1
    wait_until(lambda: available() < before - 48 * 1024, BOOT_S)
    use(72, status=137)  # it is a limit

    # What is in use is not taken away: nothing is killed.
    strata.ok("update", "--memory", "192m", started)
    wait_until(lambda: available() > before - 16 * 1024, BOOT_S)
    strata.ok("exec", started, "dd", "if=/dev/zero", "of=/scratch/used", "bs=1M", "count=50")
    strata.fails("update", "--memory", "112m", started, saying="in use and cannot be reclaimed")
    assert configured_mib() == 192 and shown_mib() == whole
    assert strata.ok("exec", started, "wc", "-c", "/scratch/used").split()[0] == str(50 << 20)
    strata.ok("exec", started, "rm", "/scratch/used")

    # While all of it stands, too.
    strata.ok("pause", started)
    strata.ok("update", "--memory", "128m", started)
    assert abs(whole - 64 - shown_mib()) < 0.1
    strata.ok("update", "--memory", "192m", "--pids-limit", "70", started)
    strata.ok("unpause", started)
    assert (configured_mib(), shown_mib()) == (192, whole)
    wait_until(lambda: available() > before - 16 * 1024, BOOT_S)
    use(72)
