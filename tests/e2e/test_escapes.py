# SPDX-License-Identifier: Apache-2.0
"""test_escapes.py - known ways out of a container, each tried: through `strata` where an image or
its user can try it, through `strata-runtime` where it takes a configuration or a race."""

import contextlib
import ctypes
import hashlib
import multiprocessing
import os
import re
import socket
import subprocess
import uuid
from pathlib import Path

import pytest

import oci
from program import wait_until
from bundles import rootfs, runtime  # noqa: F401 (fixtures)
from test_runtime_mounts import bind, fresh, machine  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.needs_root]

RENAME_EXCHANGE = 2
AT_FDCWD = -100


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def image(strata, tmp_path):
    """A busybox image with one more layer."""
    def make(tar, config=None):
        layout, name = oci.Layout(tmp_path / uuid.uuid4().hex), f"evil-{uuid.uuid4().hex[:8]}"
        layout.name(layout.manifest([oci.busybox_tar(), tar.bytes()], config or {}), f"{name}:latest")
        strata.ok("import", layout.path)
        return name
    return make


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that no container may find or change."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("the host's secret\n")
    yield path
    assert sorted(p.name for p in path.iterdir()) == ["secret"]
    assert (path / "secret").read_text() == "the host's secret\n"


# --- CVE-2019-5736: the runtime overwritten through /proc/PID/exe --------------------------------

# Everything is a shell builtin: it looks many thousand times a second. A stranger that anybody may
# open proves that it would see one.
SPY = """
mkdir /tmp/stranger
cp /bin/busybox /tmp/stranger/sleep
/tmp/stranger/sleep 1000 &
echo stranger /proc/$!/exe
while :; do
    for exe in /proc/[0-9]*/exe; do
        [ -e $exe ] && ! [ $exe -ef /bin/busybox ] && [ -e $exe ] && echo got $exe
    done
done
"""


def seen_by_spy(log):
    """-> (the stranger, all that the spy could open)"""
    # The last line may not be whole yet.
    words = [line.split() for line in log[:log.rfind("\n") + 1].splitlines()]
    strangers = [w[1] for w in words if w[0] == "stranger"]
    return strangers[0], {w[1] for w in words if w[0] == "got"}


@pytest.mark.parametrize("init", [[], ["--init"]], ids=["command", "init"])
def test_no_process_of_strata_can_be_opened_inside(strata, busybox_image, strata_binary, init):
    before = digest(strata_binary)
    name = strata.ok("run", "-d", *init, busybox_image, "sh", "-c", SPY)
    wait_until(lambda: "got" in strata.ok("logs", name))
    for _ in range(30):
        strata.ok("exec", name, "true")
    stranger, got = seen_by_spy(strata.ok("logs", name))
    assert got == {stranger}
    assert digest(strata_binary) == before
    strata.ok("rm", "-f", name)


def test_no_process_of_the_runtime_can_be_opened_inside(machine, runtime, tmp_path):
    """Whoever shares the pid namespace sees the next container begin, and exec's process."""
    first, name = machine.bundle(SPY), runtime.new_id()
    with (tmp_path / "log").open("w") as log:
        runtime("create", "-b", first.path, name, stdout=log)
    runtime("start", name)
    wait_until(lambda: "got" in (tmp_path / "log").read_text())

    def share(config):
        namespaces = config["linux"]["namespaces"]
        next(n for n in namespaces if n["type"] == "pid")["path"] = f"/proc/{runtime.state(name)['pid']}/ns/pid"

    second = machine.bundle("true", change=share)
    for _ in range(20):
        runtime("run", "-b", second.path, runtime.new_id())
        runtime("exec", name, "true")
    stranger, got = seen_by_spy((tmp_path / "log").read_text())
    assert got == {stranger}
    runtime("delete", "--force", name)


@pytest.mark.parametrize("command", ["/proc/self/exe", "/bin/trap", "/bin/trap2", "/bin/link"])
def test_strata_does_not_execute_itself_inside(strata, image, command):
    name = image(oci.Tar().file("bin/trap", b"#!/proc/self/exe\n", 0o755)
                 .file("bin/trap2", b"#!/bin/trap -x\n", 0o755).link("bin/link", "/proc/self/exe"))
    refusal = "this is the strata program|a link of /proc cannot be executed"
    strata.fails("run", "--rm", name, command, status=126, saying=refusal)
    running = strata.ok("run", "-d", name, "sleep", "1000")
    strata.fails("exec", running, command, status=126, saying=refusal)


@pytest.mark.parametrize("command", ["/proc/self/exe", "/bin/trap", "/bin/door"])
def test_the_runtime_does_not_execute_itself_inside(machine, runtime, command):
    refusal = re.compile("this is the strata program|a link of /proc cannot be executed")
    (machine.rootfs / "bin/trap").write_text("#!/proc/self/exe\n")
    (machine.rootfs / "bin/trap").chmod(0o755)
    (machine.rootfs / "bin/door").symlink_to("/proc/self/exe")
    bundle = machine.bundle("true")
    bundle.config["process"]["args"] = [command]
    assert refusal.search(runtime.fail("run", "-b", bundle.save().path, runtime.new_id()))
    name = runtime.new_id()
    runtime("create", "-b", machine.bundle("sleep 1000").path, name)
    runtime("start", name)
    done = runtime("exec", name, command, check=False)
    assert done.returncode != 0
    assert refusal.search(done.stderr)
    runtime("delete", "--force", name)


# --- CVE-2024-21626: descriptors and working directories of the host ------------------------------


@pytest.fixture
def many_descriptors(outside):
    """Directories of the host, open and inheritable, as careless callers leave them."""
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in ("/", outside) for _ in range(20)]
    for fd in fds:
        os.set_inheritable(fd, True)
    yield fds
    for fd in fds:
        os.close(fd)


# The one more is the directory that ls reads.
LOOK = "ls /proc/self/fd"


def test_no_descriptor_reaches_the_container(strata, busybox_image, many_descriptors):
    def descriptors(*args):
        return strata.ok(*args, "sh", "-c", LOOK, pass_fds=many_descriptors).split()

    assert descriptors("run", "--rm", busybox_image) == ["0", "1", "2", "3"]
    assert descriptors("run", "--rm", "--init", busybox_image) == ["0", "1", "2", "3"]
    assert descriptors("run", "--rm", "-i", "--network", "none", busybox_image) == ["0", "1", "2", "3"]
    name = strata.ok("run", "-d", busybox_image, "sleep", "1000", pass_fds=many_descriptors)
    assert descriptors("exec", name) == ["0", "1", "2", "3"]
    assert strata.ok("exec", name, "ls", "/proc/1/fd").split() == ["0", "1", "2"]


def test_no_descriptor_reaches_the_container_of_the_runtime(machine, runtime, many_descriptors):
    bundle, name = machine.bundle(LOOK + "; sleep 1000"), runtime.new_id()
    with (runtime.tmp / "out").open("w") as out:
        runtime("create", "-b", bundle.path, name, pass_fds=many_descriptors, stdout=out)
    runtime("start", name, pass_fds=many_descriptors)
    wait_until(lambda: (runtime.tmp / "out").read_text().split() == ["0", "1", "2", "3"])
    assert runtime("exec", name, "sh", "-c", LOOK, pass_fds=many_descriptors).stdout.split() == [
        "0", "1", "2", "3"]
    runtime("delete", "--force", name)


def test_working_directory_through_a_descriptor(strata, busybox_image, machine, runtime, many_descriptors):
    name = strata.ok("run", "-d", busybox_image, "sleep", "1000")
    line = "cat secret ../outside/secret ../../../../../../../../etc/shadow"
    tried = list(range(3, 16)) + [many_descriptors[0], many_descriptors[-1]]
    for fd in tried:
        for path in (f"/proc/self/fd/{fd}", f"/proc/1/fd/{fd}"):
            for args in (("run", "--rm", "-w", path, busybox_image), ("exec", "-w", path, name)):
                done = strata(*args, "sh", "-c", line, pass_fds=many_descriptors)
                assert done.stdout == "", (args, done.stdout)
                assert done.returncode != 0
    for fd in tried:
        bundle = machine.bundle(line)
        bundle.config["process"]["cwd"] = f"/proc/self/fd/{fd}"
        done = runtime("run", "-b", bundle.save().path, runtime.new_id(), check=False,
                       pass_fds=many_descriptors)
        assert (done.returncode != 0, done.stdout) == (True, ""), done
    name = runtime.new_id()
    runtime("create", "-b", machine.bundle("sleep 1000").path, name)
    runtime("start", name)
    for fd in tried:
        done = runtime("exec", "--cwd", f"/proc/self/fd/{fd}", name, "sh", "-c", line, check=False,
                       pass_fds=many_descriptors)
        assert (done.returncode != 0, done.stdout) == (True, ""), done
    runtime("delete", "--force", name)


# --- CVE-2019-16884, CVE-2019-19921, CVE-2023-27561: what lies over /proc -------------------------


def test_volume_of_an_image_over_proc(strata, image):
    refusal = r"only a procfs may cover a procfs|inside a procfs|must not contain \"\.\.\""
    for tar, volume in [(oci.Tar(), "/proc"), (oci.Tar().link("v", "/proc"), "/v"),
                        (oci.Tar().link("v", "proc/self"), "/v/attr"), (oci.Tar(), "/x/../proc"),
                        (oci.Tar(), "/proc/sys/kernel"), (oci.Tar(), "//proc/./self")]:
        name = image(tar, {"Volumes": {volume: {}}})
        strata.fails("run", "--rm", name, "true", saying=refusal)


def test_mounts_over_proc(machine, tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 1 kB\n")
    (machine.rootfs / "door").symlink_to("/proc")
    for mount in (bind(tmp_path / "dir", "/proc"), bind(tmp_path / "dir", "/door"), fresh("tmpfs", "/proc"),
                  fresh("sysfs", "/proc"), bind(tmp_path / "meminfo", "/proc/self/attr/exec"),
                  bind(tmp_path / "meminfo", "/door/version"), bind("/proc/self", "/proc/1"),
                  bind(tmp_path / "meminfo", "/door/meminfo")):
        assert "procfs" in machine.fails(mount)
    # What lxcfs shows.
    assert machine("cat /proc/meminfo", bind(tmp_path / "meminfo", "/proc/meminfo")) == "MemTotal: 1 kB\n"


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_kernel_file_systems_go_through_no_link(machine, name):
    """A link to a volume that another container changes would decide what is hidden."""
    (machine.rootfs / "volume").mkdir()
    (machine.rootfs / name).rmdir()
    (machine.rootfs / name).symlink_to("/volume")
    assert "there are links in the path" in machine.fails()


# --- CVE-2021-30465: a target swapped for a link while it is mounted ------------------------------


def exchange_forever(one, other):
    libc = ctypes.CDLL(None, use_errno=True)
    one, other = os.fsencode(one), os.fsencode(other)
    while True:
        libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)


@pytest.fixture
def racing():
    """Exchange two names all the time, as a process in another container could."""
    started = []

    def race(one, other):
        process = multiprocessing.Process(target=exchange_forever, args=(one, other), daemon=True)
        process.start()
        started.append(process)

    yield race
    for process in started:
        process.kill()
        process.join()


@pytest.mark.parametrize("target", ["/vol/x", "/vol/x/made/new", "/vol/x/secret"])
def test_target_swapped_for_a_link(machine, runtime, racing, outside, tmp_path, target):
    volume, payload = tmp_path / "volume", tmp_path / "payload"
    payload.mkdir()
    (volume / "x").mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    racing(volume / "x", volume / "link")
    mounts = [bind(volume, "/vol"), fresh("tmpfs", target, "tmpcopyup"), bind(payload, target)]
    bundle = machine.bundle(f"cat /vol/x/secret /vol/link/secret {outside}/secret 2>/dev/null; :", *mounts)
    succeeded = 0
    for _ in range(60):
        done = runtime("run", "-b", bundle.path, runtime.new_id(), check=False)
        assert "secret" not in done.stdout
        succeeded += done.returncode == 0
    # Where the race is lost, the mount is where it belongs.
    assert succeeded or target.endswith("secret")


def test_source_of_a_copy_swapped_for_a_link(strata, busybox_image, racing, outside, tmp_path):
    """docker cp's race, CVE-2019-14271's neighbour: the path inside is read by us."""
    volume = tmp_path / "volume"
    (volume / "x").mkdir(parents=True)
    (volume / "x/secret").write_text("the container's own\n")
    (volume / "link").symlink_to(outside)
    name = strata.ok("run", "-d", "-v", f"{volume}:/vol", busybox_image, "sleep", "1000")
    racing(volume / "x", volume / "link")
    for _ in range(40):
        done = strata("cp", f"{name}:/vol/x/secret", tmp_path / "copy")
        if done.returncode == 0:
            assert (tmp_path / "copy").read_text() == "the container's own\n"


# --- CVE-2025-31133: what hides is not taken from the container -----------------------------------


def without_dev(config):
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]


@pytest.mark.parametrize("fake", ["link", "file", "zero"])
def test_fake_null_device(machine, fake):
    null = machine.rootfs / "dev/null"
    if fake == "link":
        null.symlink_to("/proc/keys")
    elif fake == "file":
        null.write_text("fake\n")
    else:
        os.mknod(null, 0o20666, os.makedev(1, 5))

    def change(config):
        without_dev(config)
        config["linux"]["maskedPaths"] = ["/proc/keys", "/proc/timer_list"]

    out = machine("for f in /dev/null /proc/keys /proc/timer_list; do stat -L -c %t:%T $f; cat $f; done",
                  change=change)
    assert out == "1:3\n" * 3


def test_masked_and_read_only_paths_through_links(machine, outside):
    (machine.rootfs / "hidden").mkdir()
    (machine.rootfs / "hidden/file").write_text("hidden\n")
    (machine.rootfs / "way").symlink_to("/hidden")
    (machine.rootfs / "out").symlink_to(outside)

    def change(config):
        config["linux"]["maskedPaths"] = ["/way/file", "/out", "/out/secret"]
        config["linux"]["readonlyPaths"] = ["/way", "/out"]

    assert machine("cat /hidden/file; touch /hidden/x 2>/dev/null || echo refused",
                   change=change) == "refused\n"


# --- CVE-2025-52565: /dev/console ----------------------------------------------------------------


def on_console(runtime, bundle):
    """Run it on a terminal. -> (the end of create, what appeared on the terminal)"""
    path, name = bundle.path / "console", runtime.new_id()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        done = runtime("create", "--console-socket", path, "-b", bundle.path, name, check=False)
        if done.returncode:
            return done, ""
        with listener.accept()[0] as connection:
            _, (master,), _, _ = socket.recv_fds(connection, 4096, 1)
    runtime("start", name)
    text = b""
    # EIO: the last process that had the terminal is gone.
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            text += data
    os.close(master)
    return done, text.decode()


@pytest.mark.parametrize("target", ["/etc/victim", "/proc/self/attr/exec", "/proc/timer_list"])
def test_console_through_a_link(machine, runtime, outside, target):
    (machine.rootfs / "etc/victim").write_text("intact\n")
    (machine.rootfs / "dev/console").symlink_to(target)

    def change(config):
        pts = [m for m in config["mounts"] if m["destination"] == "/dev/pts"]
        without_dev(config)
        config["mounts"] += pts
        config["process"]["terminal"] = True

    bundle = machine.bundle("test -c /dev/console && echo console; cut -d ' ' -f 5 /proc/self/mountinfo",
                            change=change)
    done, text = on_console(runtime, bundle)
    assert (machine.rootfs / "etc/victim").read_text() == "intact\n"
    if target == "/etc/victim":
        assert text.split()[0] == "console"
        assert "/etc/victim" in text.split()
    else:
        assert "inside a procfs" in done.stderr


def test_terminal_of_a_fake_devpts(machine, runtime):
    (machine.rootfs / "dev/pts").mkdir()
    (machine.rootfs / "dev/pts/ptmx").symlink_to("/proc/self/fd/0")

    def change(config):
        without_dev(config)
        config["process"]["terminal"] = True

    done, _ = on_console(runtime, machine.bundle("true", change=change))
    assert "cannot open /dev/pts/ptmx for a terminal" in done.stderr


# --- CVE-2025-52881: writes to /proc led to another file ------------------------------------------


def test_kernel_values_are_written_past_a_fake_proc(machine, runtime, tmp_path):
    """In a mount namespace that is joined, /proc is whatever its owner made of it."""
    fake = tmp_path / "fake"
    fake.write_text("untouched\n")
    line = (f"mount --bind {fake} /proc/sys/kernel/domainname && mount --bind {fake} /proc/sys/kernel/shmmax"
            " && echo ready && exec sleep 1000")
    owner = subprocess.Popen(["unshare", "-m", "sh", "-c", line], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout.readline() == "ready\n"

        def change(config):
            namespaces = config["linux"]["namespaces"]
            next(n for n in namespaces if n["type"] == "mount")["path"] = f"/proc/{owner.pid}/ns/mnt"
            config["linux"]["sysctl"] = {"kernel.shmmax": "4242", "kernel.domainname": "inside"}
            config["linux"]["maskedPaths"] = ["/etc/hidden", "/proc/timer_list"]

        (machine.rootfs / "etc/hidden").write_text("hidden\n")
        assert machine("cat /proc/sys/kernel/shmmax /proc/sys/kernel/domainname /etc/hidden /proc/timer_list",
                       change=change) == "4242\ninside\n"
        subprocess.run(["nsenter", "-m", "-t", str(owner.pid), "mount", "--bind", fake, "/dev/null"], check=True)
        assert "/dev/null in the mount namespace" in machine.fails(change=change)
    finally:
        owner.kill()
        owner.wait()
    assert fake.read_text() == "untouched\n"


# --- CVE-2026-41579: what is made in /dev stays in the root ---------------------------------------


@pytest.mark.parametrize("mounted", [True, False])
def test_dev_that_is_a_link_to_the_host(machine, outside, tmp_path, mounted):
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "ptmx").write_text("decoy\n")
    for entry in (machine.rootfs / "dev").iterdir():
        entry.unlink()
    (machine.rootfs / "dev").rmdir()
    (machine.rootfs / "dev").symlink_to(decoy)
    bundle = machine.bundle("true", change=None if mounted else without_dev)
    machine.runtime("run", "-b", bundle.path, machine.runtime.new_id(), check=False)
    assert [p.name for p in decoy.iterdir()] == ["ptmx"]
    assert (decoy / "ptmx").read_text() == "decoy\n"


def test_device_nodes_through_links(machine, outside):
    (machine.rootfs / "out").symlink_to(outside)
    (machine.rootfs / "file").symlink_to(outside / "secret")

    def change(config):
        config["linux"]["devices"] = [
            {"path": "/out/deep/node", "type": "c", "major": 1, "minor": 3},
            {"path": "/file", "type": "c", "major": 1, "minor": 3}]

    bundle = machine.bundle("stat -c %F /file", change=change)
    done = machine.runtime("run", "-b", bundle.path, machine.runtime.new_id(), check=False)
    assert done.returncode != 0 or "character special file" in done.stdout


# --- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/.", "/x/..", "/../..", "/self", "/self/self/."])
def test_nothing_is_mounted_over_the_root(machine, tmp_path, target):
    (machine.rootfs / "x").mkdir()
    (machine.rootfs / "self").symlink_to("/")
    assert "it is the root itself" in machine.fails(fresh("tmpfs", target))
    assert "it is the root itself" in machine.fails(bind(tmp_path, target))


def test_targets_that_point_out_of_the_root(strata, image, outside, tmp_path):
    """Links with the host's own paths: they lead to the same path inside, if anywhere."""
    (tmp_path / "payload").mkdir()
    up = "../" * 30
    tar = oci.Tar().link("abs", str(outside)).link("rel", up + str(outside)[1:]).link("fd", "/proc/self/fd")
    name = image(tar)
    for target in ("/abs", "/abs/new", "/rel/new", f"/{up}{outside}/new", "/fd/3/new", "/fd/0"):
        strata("run", "--rm", "-v", f"{tmp_path}/payload:{target}", name, "true")
        strata("run", "--rm", "--tmpfs", target, name, "true")
        strata("run", "--rm", "-w", target, name, "true")
    assert not any((tmp_path / "payload").iterdir())


def test_no_pivot_leaves_nothing_of_the_host_to_be_mounted_again(machine):
    """As long as the host's procfs is in sight, a user namespace may mount one without our masks."""
    def change(config):
        for which in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][which] = [
                "CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP"]

    bundle = machine.bundle("unshare -U -r -m -p -f mount -t proc proc /tmp && echo mounted; :", change=change)
    for how in ([], ["--no-pivot"]):
        done = machine.runtime("run", *how, "-b", bundle.path, machine.runtime.new_id())
        assert "mounted" not in done.stdout
        assert "permission denied" in done.stderr
